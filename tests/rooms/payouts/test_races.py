"""Many at once: one wins, the others are told; on SQLite by its write lock, on PostgreSQL by row locks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask

from tests import factories
from tests.factories.payouts import line, payout, payout_ready, payout_sent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, NotAllowed
from webapp.ledger import check
from webapp.ledger.models import JournalEntry
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution, policies, service
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.providers import sandbox


def together(app: Flask, calls: list[Callable[[], Any]]) -> list[Any]:
    """Run the calls at the same instant in threads of their own; answers results and exceptions in their order."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        with app.app_context():
            barrier.wait(timeout=120)
            try:
                results[index] = calls[index]()
            except Exception as error:
                results[index] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    db.session.rollback()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    assert not any(thread.is_alive() for thread in threads)
    return results


def _call(function: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
    def call() -> Any:
        with transaction():
            result = function(**arguments)
            return result.is_repeat if isinstance(result, service.Result) else result.id

    return call  # fmt: skip


def test_of_32_people_who_approve_at_once_one_wins(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    payee = factories.payee(organisation)
    factories.method(payee)
    made = payout(organisation, payee)
    payout_id, reference = made.id, made.reference
    people = []
    with transaction():
        for _ in range(32):
            people.append(factories.actor_of(factories.user(organisation=organisation, role="admin")))
    results = together(
        database,
        [
            _call(
                service.approve, organisation_id=organisation_id, reference=reference, actor=person, now=now
            )
            for person in people
        ],
    )
    assert results.count(False) == 1
    losers = [r for r in results if r is not False]
    assert all(isinstance(r, Conflict) for r in losers), Counter(map(repr, losers))
    winner = people[results.index(False)].label
    assert all(winner in loser.message for loser in losers)
    assert db.session.query(Approval).count() == 1
    assert db.session.query(JournalEntry).count() == 1
    assert db.session.query(OutboxMessage).filter_by(kind="notice.payout.approved").count() == 1
    assert db.session.get_one(Payout, payout_id).version == 2
    assert check.run(organisation_id).findings == []


def test_one_person_who_presses_32_times_approves_once(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    payee = factories.payee(organisation)
    factories.method(payee)
    arguments: dict[str, Any] = {
        "organisation_id": organisation.id,
        "reference": payout(organisation, payee).reference,
        "actor": factories.actor_of(factories.user(organisation=organisation, role="admin")),
        "now": now,
    }
    results = together(database, [_call(service.approve, **arguments)] * 32)
    assert Counter(results) == {False: 1, True: 31}


def test_of_16_workers_with_the_same_transfer_one_asks_the_bank(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    payout_sent(organisation)
    transfer = db.session.query(Transfer).one()
    row_id, transfer_id = transfer.id, transfer.transfer_id
    sends = [lambda n=n: execution.send(transfer_row_id=row_id, worker=f"worker {n}") for n in range(16)]
    results = together(database, sends)
    assert [r for r in results if r is not None] == []
    assert sandbox.posts(transfer_id) == 1
    assert db.session.query(Transfer).one().sends == 1
    db.session.rollback()
    together(database, [lambda: execution.check(transfer_row_id=row_id) for _ in range(8)])
    assert db.session.query(Payout).one().state == "paid"
    assert db.session.query(OutboxMessage).filter_by(kind="notice.payout.paid").count() == 1
    assert check.run(organisation_id).findings == []


def test_of_many_who_pay_cancel_and_mark_at_once_one_wins(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    made = payout_ready(organisation)
    common: dict[str, Any] = {"organisation_id": organisation_id, "reference": made.reference, "now": now}
    calls = []
    with transaction():
        for n in range(12):
            person = factories.actor_of(factories.user(organisation=organisation, role="admin"))
            calls += [
                _call(service.submit, actor=person, **common),
                _call(service.cancel, actor=person, reason="twice", **common),
                _call(
                    service.mark_paid,
                    actor=person,
                    payment_reference=f"C{n}",
                    paid_on=date(2026, 11, 20),
                    **common,
                ),
            ]
    results = together(database, calls)
    assert results.count(False) == 1
    assert all(isinstance(r, Conflict) for r in results if r is not False)
    assert check.run(organisation_id).findings == []


def test_of_many_payouts_for_the_same_record_one_is_made(database: Flask, now: datetime) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    payee = factories.payee(organisation)
    payee_id = payee.id
    factories.method(payee)
    wanted = line()
    arguments: dict[str, Any] = {
        "organisation_id": organisation_id,
        "program": "installations",
        "payee_id": payee_id,
        "currency": "USD",
        "lines": [wanted],
        "sources": [service.SourceDraft(wanted.source_type, wanted.source_id or 0)],
        "period_start": date(2026, 11, 1),
        "period_end": date(2026, 11, 30),
        "cost_account": "expense:installations",
        "actor": factories.FACTORY,
        "now": now,
    }
    results = together(database, [_call(service.create, **arguments)] * 12)
    assert len([r for r in results if isinstance(r, int)]) == 1
    assert all(isinstance(r, Conflict | int) for r in results)
    assert db.session.query(Payout).one().reference == "PO-2026-000001"


def test_the_daily_cap_of_one_person_holds_when_they_approve_many_at_once(
    database: Flask, now: datetime
) -> None:
    organisation = factories.organisation()
    payee = factories.payee(organisation)
    factories.method(payee)
    person = factories.actor_of(factories.user(organisation=organisation, role="admin"))
    alone = {"is_on": True, "delay_hours": 1, "daily_cap_minor": 100_000}
    with transaction():
        policies.change_policy(
            organisation_id=organisation.id, rules={**default_rules("USD"), "single_operator": alone},
            actor=person, now=now,
        )  # fmt: skip
    references = [payout(organisation, payee, 60_000).reference for _ in range(8)]
    later = now + timedelta(hours=2)
    arguments: dict[str, Any] = {"organisation_id": organisation.id, "actor": person, "now": later}
    results = together(
        database, [_call(service.approve, reference=reference, **arguments) for reference in references]
    )
    assert results.count(False) == 1, Counter(map(repr, results))
    assert all(isinstance(r, NotAllowed) for r in results if r is not False)
