"""Two schedulers and a person at once: every instalment is charged once, every receipt made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import repairs
from tests.factories.people import FACTORY
from tests.factories.repairs import at, sunday
from tests.rooms.payouts.test_races import together
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.repairs import drafting, instalments, weekly
from webapp.programs.repairs.books import Charge, Receipt, WeeklyRun
from webapp.programs.repairs.models import Instalment, Repair


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet of eight drivers, each with a lease, a repair and earnings."""
    found = repairs.metrocab()
    with transaction():
        for n in range(8):
            ann = repairs.driver(found)
            repairs.repair(repairs.lease(ann, 100_00), 900_00)
            repairs.earn(ann, 300_00 + 50_00 * n, repairs.DAY)
    return found


def _schedule(organisation_id: int) -> Callable[[], str]:
    def call() -> str:
        weekly.run_due(organisation_id, at(sunday(0), 9), at(sunday(0), 9))
        return "ran"

    return call


def _by_hand(organisation_id: int, references: list[str]) -> Callable[[], int]:
    def call() -> int:
        with transaction():
            said = instalments.post_chosen(
                organisation_id=organisation_id, references=references, actor=FACTORY, now=at(sunday(0), 9)
            )
            return sum(one.is_posted for one in said)

    return call


def test_schedulers_and_people_at_once(
    database: Flask, metrocab: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly, "POST_BATCH", 3)
    monkeypatch.setattr(weekly, "RECEIPT_BATCH", 3)
    organisation_id = metrocab.id
    references = list(db.session.scalars(select(Instalment.reference).where(Instalment.number == 1)))
    calls: list[Callable[[], Any]] = [_schedule(organisation_id)] * 3
    calls += [_by_hand(organisation_id, references[::-1]), _by_hand(organisation_id, references[:4])]
    said = together(database, calls)
    assert not [one for one in said if isinstance(one, Exception)], said
    assert db.session.query(Instalment).filter_by(state="posted", posted_for=sunday(0)).count() == 8
    assert db.session.query(Charge).filter_by(category="repairs").count() == 8
    assert db.session.query(Receipt).count() == 8
    assert db.session.query(Payout).count() == 8
    run = db.session.scalars(select(WeeklyRun)).one()
    assert (run.posted, run.receipts, run.payouts, run.problems) == (8, 8, 8, 0)
    paid, credits = db.session.execute(
        select(func.sum(Receipt.paid_minor), func.sum(Receipt.net_minor))
    ).one()
    assert paid == credits == 8 * 200_00 + 50_00 * 28
    assert clean(db.session.get_one(Organisation, organisation_id))


def test_the_same_invoice_at_once_is_one_repair(database: Flask) -> None:
    metrocab = repairs.metrocab()
    draft = repairs.invoice(repairs.lease(repairs.driver(metrocab)))
    organisation_id = metrocab.id

    def call() -> str:
        with transaction():
            return drafting.create_repair(
                organisation_id=organisation_id, draft=draft, actor=FACTORY, now=at(repairs.DAY)
            ).reference

    said = together(database, [call] * 8)
    refused = [one for one in said if isinstance(one, Conflict)]
    assert len(refused) == 7
    assert [one for one in said if not isinstance(one, Exception)] == ["RPR-2025-001"]
    assert all("RPR-2025-001" in one.message for one in refused)
    assert db.session.query(Repair).count() == 1
