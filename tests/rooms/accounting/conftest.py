"""An organisation that keeps its books at a simulated Zoho, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import FACTORY, accounting, payouts
from webapp.accounting import pace, sync
from webapp.accounting.models import AccountingBill
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.simulator.server import Running
from webapp.simulator.settings import Options, Settings
from webapp.simulator.zoho import books

WHEN = payouts.WHEN


class World:
    """One organisation, one simulator; workers are called by hand."""

    def __init__(self, running: Running, organisation: Organisation) -> None:
        self.running, self.sim, self.organisation = running, running.sim, organisation
        self.organisation_id, self.currency = organisation.id, organisation.currency
        self.books_id = accounting.BOOKS[organisation.currency]

    def payout(self, **values: Any) -> str:
        """An approved payout; its reference."""
        organisation = db.session.get_one(Organisation, self.organisation_id)
        return payouts.payout_ready(organisation, **values).reference

    def act(self, name: str, reference: str, **values: Any) -> None:
        """An action of the payouts' service."""
        with transaction():
            getattr(service, name)(
                organisation_id=self.organisation_id, reference=reference, actor=FACTORY, now=WHEN, **values
            )

    def pay(self, reference: str, said: str = "UTR-1") -> None:
        """The payout is paid by hand."""
        self.act("mark_paid", reference, payment_reference=said, paid_on=WHEN.date())

    def sync(self, reference: str, at: datetime = WHEN) -> Later | None:
        """What a worker does with the payout once."""
        number = db.session.scalars(
            select(Payout.id).where(
                Payout.organisation_id == self.organisation_id, Payout.reference == reference
            )
        ).one()
        db.session.rollback()
        return sync.work(number, clock=lambda: at)

    def row(self, reference: str) -> AccountingBill:
        """The bill's row as it is now."""
        db.session.rollback()
        query = select(AccountingBill).join(Payout, Payout.id == AccountingBill.payout_id)
        return db.session.scalars(
            query.where(
                Payout.organisation_id == self.organisation_id, Payout.reference == reference
            ).execution_options(populate_existing=True)
        ).one()

    def bills(self) -> list[tuple[str, str, int]]:
        """Number, status and total of each bill in the books."""
        rows = self.sim.store.read(
            "SELECT * FROM zoho_bills WHERE organisation = ? ORDER BY id", (self.books_id,)
        )
        return [(row["number"], books.bill_json(row)["status"], row["total_minor"]) for row in rows]

    def vendors(self) -> list[str]:
        """Names of the vendors in the books."""
        rows = self.sim.store.read(
            "SELECT name FROM zoho_contacts WHERE organisation = ? AND type = 'vendor' ORDER BY id",
            (self.books_id,),
        )
        return [row["name"] for row in rows]

    def payments(self) -> list[tuple[str, int]]:
        """Reference and amount of each payment that stands in the books."""
        rows = self.sim.store.read(
            "SELECT * FROM zoho_payments WHERE organisation = ? AND is_deleted = 0 ORDER BY id",
            (self.books_id,),
        )
        return [(row["reference"], row["amount_minor"]) for row in rows]

    def calls(self, endpoint: str = "", method: str = "") -> int:
        """How many calls came."""
        rows = self.sim.store.read(
            "SELECT count(*) AS n FROM calls WHERE (? = '' OR endpoint = ?) AND (? = '' OR method = ?)",
            (endpoint, endpoint, method, method),
        )
        return int(rows[0]["n"])

    def messages(self) -> list[str]:
        """Keys of the messages that ask for bills."""
        db.session.rollback()
        query = select(OutboxMessage.dedupe_key).where(OutboxMessage.kind == "accounting.sync")
        return list(db.session.scalars(query.order_by(OutboxMessage.id)))


def simulator() -> Running:
    """A simulator whose clock stands still, that lets nobody really wait, and counts no calls."""
    options = Options(hang_seconds=0.0, drip_seconds=0.0, zoho_requests_a_minute=0, zoho_requests_a_day=0)
    running = Running(Settings(has_background=False, options=options))
    running.sim.clock.stand()
    return running


@pytest.fixture
def world(database: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An organisation in US dollars that keeps books."""
    # Tests stand at one instant, where no turn would ever come.
    monkeypatch.setattr(pace, "BURST", 10**9)
    running = simulator()
    organisation = factories.organisation()
    accounting.kept(organisation, running.url)
    yield World(running, organisation)
    running.close()
