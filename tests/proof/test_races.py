"""Many processes at once: one winner, everybody else is told, the bank is asked once for each transfer."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories.payouts import payout_ready, payout_sent
from tests.proof import planted
from tests.proof.bank import FileBank
from tests.proof.races import together
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts import execution, service
from webapp.payouts.models import Payout, Transfer

pytestmark = pytest.mark.slow
PROCESSES, TRANSFERS = 4, 12


def _needs_row_locks(app: Flask) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer; there is no race to lose")


def _sending(row_ids: list[int], turn: int, at_once: int) -> Any:
    """A worker that goes through all transfers, each beginning somewhere else and meeting the others."""

    def call() -> int:
        mine = row_ids[turn:] + row_ids[:turn] if turn % 2 else row_ids
        for n in range(0, len(mine), at_once):
            replies = execution.send_many(transfer_row_ids=mine[n : n + at_once], worker=f"worker {turn}")
            assert not [reply for reply in replies.values() if isinstance(reply, Exception)], replies
        return len(row_ids)

    return call


def _transfers(organisation_id: int, count: int) -> list[int]:
    from webapp.people.models import Organisation

    organisation = db.session.get_one(Organisation, organisation_id)
    with transaction():
        for _ in range(count):
            payout_sent(organisation, now=utc_now())
    found = [t.id for t in db.session.query(Transfer).order_by(Transfer.id)]
    db.session.rollback()
    return found


@pytest.mark.parametrize("at_once", [1, TRANSFERS])
def test_processes_that_send_the_same_transfers_ask_the_bank_once_for_each(
    database: Flask, tmp_path: Path, at_once: int
) -> None:
    organisation_id = factories.organisation().id
    rows = _transfers(organisation_id, TRANSFERS)
    bank = FileBank(tmp_path / "bank")
    said = together([_sending(rows, turn, at_once) for turn in range(PROCESSES)], bank)
    assert all(text.startswith("done") for text in said), said
    assert sorted(bank.debits().values()) == [1] * TRANSFERS
    assert check.run(organisation_id).findings == []


@pytest.mark.parametrize("at_once", [1, TRANSFERS])
def test_a_naive_claim_is_noticed(database: Flask, tmp_path: Path, at_once: int) -> None:
    """A test of the test: reading first and writing later sends twice."""
    _needs_row_locks(database)
    organisation_id = factories.organisation().id
    most = 0
    for n in range(5):
        rows = _transfers(organisation_id, TRANSFERS)[-TRANSFERS:]
        bank = FileBank(tmp_path / f"bank {n}")
        with planted.naive_claim():
            together([_sending(rows, 0, at_once) for _ in range(PROCESSES)], bank)
        most = max(most, *bank.debits().values())
        if most > 1:
            break
    assert most > 1


def test_of_processes_that_pay_cancel_and_mark_one_wins(database: Flask, tmp_path: Path) -> None:
    organisation = factories.organisation()
    organisation_id = organisation.id
    made = payout_ready(organisation, now=utc_now())
    payout_id = made.id
    common: dict[str, Any] = {
        "organisation_id": organisation_id, "reference": made.reference, "now": utc_now(),
    }  # fmt: skip
    people = [factories.actor_of(factories.user(organisation=organisation, role="admin")) for _ in range(2)]

    def act(action: Any, **values: Any) -> Any:
        def call() -> str:
            with transaction():
                return "repeat" if action(**common, **values).is_repeat else "first"

        return call

    calls = []
    for n, person in enumerate(people):
        calls += [
            act(service.submit, actor=person),
            act(service.cancel, actor=person, reason="Twice."),
            act(service.mark_paid, actor=person, payment_reference=f"C{n}", paid_on=date(2026, 11, 20)),
        ]
    said = together(calls, FileBank(tmp_path / "bank"))
    assert said.count("done first") == 1, said
    assert db.session.get_one(Payout, payout_id).state in ("processing", "cancelled", "paid")
    db.session.rollback()
    assert check.run(organisation_id).findings == []
