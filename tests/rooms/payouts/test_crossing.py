"""Two batches that touch the same accounts in opposite order: one waits for the other, none goes in a circle."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout_sent
from tests.rooms.payouts.rails import ScriptedRail
from tests.support.waiting import is_somebody_waiting
from webapp.database import db, transaction
from webapp.ledger import check as ledger_check
from webapp.ledger import service as ledger
from webapp.payouts import execution
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.sending import asking
from webapp.people.models import Organisation
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome

_O = Outcome
CLOSED = Answer(_O.FAILED, code="ACCOUNT_CLOSED", message="The account is closed.")
SECOND = "second batch"


def _sent(organisation: Organisation, now: datetime) -> tuple[list[int], list[int]]:
    """Accepted transfers to Asha and to Ben: the first batch has hers before his, the second one his before hers.

    Her account was opened before the one that both share, his after it.
    """
    with transaction():
        asha, ben = factories.payee(organisation), factories.payee(organisation)
        made = [payout_sent(organisation, now=now, payee=payee).id for payee in (asha, ben, ben, asha)]
    query = db.session.query(Transfer.id).filter(Transfer.payout_id.in_(made)).order_by(Transfer.payout_id)
    rows = [row.id for row in query]
    db.session.rollback()
    execution.send_many(transfer_row_ids=rows, clock=lambda: now)
    return rows[:2], rows[2:]


@pytest.mark.parametrize("answer", [CLOSED, Answer(_O.REVERSED, message="Returned."), Answer(_O.SUCCEEDED)])
def test_batches_that_cross_wait_for_one_another_and_not_in_a_circle(
    database: Flask, now: datetime, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    organisation = factories.organisation()
    organisation_id = organisation.id
    has_booked, first_is_over = threading.Event(), threading.Event()
    real_write, real_hear, heard = ledger._write, asking._hear, []

    def write(*values: Any) -> Any:
        found = real_write(*values)
        if threading.current_thread().name == SECOND and not has_booked.is_set():
            # What it has booked is locked until its commit: the other one comes, and waits for it.
            has_booked.set()
            while not (is_somebody_waiting() or first_is_over.wait(timeout=0.02)):
                pass
        return found

    def hear(flown: Sequence[Any], *rest: Any) -> Any:
        heard.append(len(flown))
        return real_hear(flown, *rest)

    replies: dict[str, Any] = {}

    def ask(rows: list[int]) -> None:
        with database.app_context():
            name = threading.current_thread().name
            try:
                replies[name] = execution.check_many(transfer_row_ids=rows, clock=lambda: now)
            except Exception as error:
                replies[name] = error
            finally:
                db.session.remove()

    def come_first(rows: list[int]) -> None:
        has_booked.wait(timeout=60)
        ask(rows)
        first_is_over.set()

    with registry.using("sandbox", ScriptedRail([_O.ACCEPTED], [answer])):
        first, second = _sent(organisation, now)
        monkeypatch.setattr(ledger, "_write", write)
        monkeypatch.setattr(asking, "_hear", hear)
        threads = [
            threading.Thread(target=come_first, args=(first,), name="first batch"),
            threading.Thread(target=ask, args=(second,), name=SECOND),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert not any(thread.is_alive() for thread in threads)
    assert replies == {"first batch": {}, SECOND: {}}
    # Each was written down at once: no batch was undone for the other's sake, and heard one by one.
    assert heard == [2, 2]
    states = {p.state for p in db.session.query(Payout)}
    assert states == {{"failed": "failed", "reversed": "reversed"}.get(answer.outcome.value, "paid")}
    assert ledger_check.run(organisation_id).findings == []
