"""A rent paid on the simulated gateway's page becomes the owners' money through the simulated bank: no hand on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from jobs import base
from tests import factories
from tests.factories import rentals
from tests.factories.people import FACTORY
from tests.providers.accounts import account
from tests.simulator.world import simulator
from webapp import queue
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check as ledger_check
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.programs.rentals import pay_links
from webapp.programs.rentals.models import RentPayment
from webapp.simulator.server import Running


@pytest.fixture
def running(client: FlaskClient) -> Iterator[Running]:
    """Both providers, simulated."""
    made = simulator()
    yield made
    made.close()


class Rent:
    """A flat of 10,000.00 with two owners (60 and 40) whose accounts work, and an organisation that pays by itself."""

    def __init__(self, client: FlaskClient, running: Running) -> None:
        self.client, self.sim = client, running.sim
        organisation = rentals.griha()
        self.organisation_id = organisation.id
        rules = default_rules("INR", automatic_limit_minor=500_000_00)
        rules["rails"], rules["paid_by_itself"] = ["cashfree"], ["rentals"]
        long_ago = utc_now() - timedelta(days=30)
        with transaction():
            payouts.change_policy(
                organisation_id=self.organisation_id, rules=rules, actor=FACTORY, now=long_ago
            )
        owners = [rentals.owner(organisation, name=name) for name in ("Meera Iyer", "Arjun Rao")]
        places = (("026291800001191", "YESB0000262"), ("00011020001772", "HDFC0000001"))
        for who, place in zip(owners, places, strict=True):
            where = accounts.ifsc_account(account_number=place[0], ifsc=place[1], name_at_bank=who.name)
            factories.method(who, where, now=long_ago)
        base_url = running.url
        account(
            self.organisation_id, "cashfree", client_id="SIM_CASHFREE", client_secret="sim-cashfree-secret",
            payouts_url=f"{base_url}/cashfree/payout", balance_url=f"{base_url}/cashfree",
        )  # fmt: skip
        account(
            self.organisation_id, "phonepe", client_id="SIM_PHONEPE", client_version="1",
            client_secret="sim-phonepe-secret", oauth_url=f"{base_url}/phonepe", payments_url=f"{base_url}/phonepe",
        )  # fmt: skip
        charge = rentals.charge(rentals.property_of(organisation, [(owners[0], 60), (owners[1], 40)]))
        self.link = f"/rent/{pay_links.token_of(charge, utc_now())}"
        db.session.rollback()

    def press(self, action: str) -> str:
        """The tenant opens the link, goes to the gateway, presses a button there and comes back; what they see."""
        page = self.client.post(self.link).headers["Location"]
        back = httpx.post(page, data={"action": action, "mode": "UPI_QR"}).headers["location"]
        assert back.endswith(f"{self.link}/back")
        self.client.get(f"{self.link}/back")
        return self.look()

    def look(self) -> str:
        """The page that the tenant is led to."""
        return self.client.get(f"{self.link}/status").text

    def work(self) -> None:
        """Workers do what is due; what was planned for later is due now."""
        now = utc_now()
        with transaction() as session:
            session.execute(
                update(OutboxMessage)
                .where(OutboxMessage.done_at.is_(None), OutboxMessage.not_before > now)
                .values(not_before=now)
            )
            for table in (RentPayment, Transfer):
                session.execute(update(table).where(table.next_check_at > now).values(next_check_at=now))
        base.drain_here(queue.MONEY)
        db.session.rollback()

    @property
    def transfers(self) -> list[Transfer]:
        query = select(Transfer).join(Payout).where(Payout.organisation_id == self.organisation_id)
        return list(db.session.scalars(query.order_by(Transfer.id)))

    @property
    def states(self) -> list[str]:
        query = select(Payout.state).where(Payout.organisation_id == self.organisation_id)
        return list(db.session.scalars(query.order_by(Payout.id)))


@pytest.fixture
def rent(client: FlaskClient, running: Running) -> Rent:
    """A month's rent that is due."""
    return Rent(client, running)


def test_the_owners_are_paid_with_no_hand_on_it(rent: Rent) -> None:
    assert "Payment begun" in rent.press("pay")
    rent.work()
    assert "Your rent has arrived" in rent.look()
    assert [t.amount_minor for t in rent.transfers] == [5_433_60, 3_622_40]
    rent.sim.clock.move(60)
    rent.sim.advance()
    rent.work()
    assert rent.states == ["paid", "paid"]
    assert all(transfer.utr for transfer in rent.transfers)
    assert not ledger_check.run().findings


def test_a_declined_payment_pays_nobody_and_can_be_tried_again(rent: Rent) -> None:
    rent.press("decline")
    rent.work()
    assert "Not paid" in rent.look()
    assert rent.transfers == []
    rent.press("pay")
    rent.work()
    assert "Your rent has arrived" in rent.look()
    assert len(rent.transfers) == 2


def test_an_order_whose_answer_was_lost_takes_nothing_twice(rent: Rent) -> None:
    rent.sim.plan.add("F3", provider="phonepe", endpoint="pay")
    assert rent.client.post(rent.link).status_code == 503
    with transaction() as session:
        session.scalars(select(RentPayment)).one().created_at = utc_now() - timedelta(minutes=2)
    rent.press("pay")
    rent.work()
    assert "Your rent has arrived" in rent.look()
    rent.sim.clock.move(3_600)
    rent.sim.advance()
    rent.work()
    first, second = db.session.scalars(select(RentPayment).order_by(RentPayment.id))
    assert (first.state, second.state) == ("failed", "completed")
    assert len(rent.transfers) == 2


@pytest.mark.parametrize("fault", ["F5", "F6", "F11", "F12", "F13", "F15", "F17"])
def test_a_question_that_is_answered_badly_is_asked_again(rent: Rent, fault: str) -> None:
    rent.sim.plan.add(fault, provider="phonepe", endpoint="status", times=2)
    rent.press("pay")
    rent.work()
    rent.work()
    rent.work()
    assert "Your rent has arrived" in rent.look()
    assert len(rent.transfers) == 2
