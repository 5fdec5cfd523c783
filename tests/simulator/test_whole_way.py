"""The whole way: an approved payout, our worker, the simulator, its messages at our door; what the payout says then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories.payouts import payout_ready
from tests.factories.people import FACTORY
from tests.simulator.world import GOOD, World, simulator
from webapp.database import db, transaction
from webapp.inbox import handling
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.ledger import check as ledger_check
from webapp.payouts import execution, policies, service
from webapp.payouts.models import Payout, RailSwitch, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people.models import Organisation
from webapp.simulator.core import ClientRow
from webapp.simulator.server import Running
from webapp.simulator.store import as_dict

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Way(World):
    """A payout on its way. One clock for both sides."""

    def __init__(self, app: Flask, running: Running) -> None:
        super().__init__(running)
        self.app = app
        self.now = START
        self.sim.clock.stand(round(START.timestamp() * 1000))
        organisation = db.session.get_one(Organisation, self.organisation_id)
        rules = {**default_rules("INR"), "rails": ["manual", "cashfree"]}
        with transaction():
            policies.change_policy(
                organisation_id=self.organisation_id, rules=rules, actor=FACTORY, now=START
            )
        payee = factories.payee(organisation)
        factories.method(payee, accounts.ifsc_account(**GOOD, name_at_bank="Asha Rao"))
        self.reference = payout_ready(organisation, payee, 9_056_00, now=START).reference
        with transaction():
            service.submit(
                organisation_id=self.organisation_id, reference=self.reference, actor=FACTORY, now=START
            )
        self.transfer_id = self.transfer.transfer_id

    def clock(self) -> datetime:
        return self.now

    @property
    def transfer(self) -> Transfer:
        """The newest try."""
        db.session.rollback()
        query = select(Transfer).order_by(Transfer.id.desc()).execution_options(populate_existing=True)
        return db.session.scalars(query.limit(1)).one()

    @property
    def payout(self) -> Payout:
        db.session.rollback()
        return db.session.scalars(select(Payout).execution_options(populate_existing=True)).one()

    @property
    def is_halted(self) -> bool:
        db.session.rollback()
        return bool(db.session.scalars(select(RailSwitch).where(RailSwitch.is_halted.is_(True))).all())

    def work(self) -> None:
        """What workers do at this instant: send what is queued, ask what is due."""
        transfer = self.transfer
        row_id, state = transfer.id, transfer.state
        db.session.rollback()
        if state == "queued":
            execution.send(transfer_row_id=row_id, clock=self.clock)
        else:
            execution.check(transfer_row_id=row_id, is_scheduled=True, clock=self.clock)

    def wait(self, **duration: float) -> None:
        """Let time pass on both sides; nobody works meanwhile."""
        step = timedelta(**duration)
        self.now += step
        self.later(step.total_seconds())

    def go_on(self, minutes: int) -> None:
        """Let both sides work, minute by minute."""
        for _ in range(minutes):
            self.wait(minutes=1)
            self.work()

    def deliver(self) -> list[int]:
        """Bring every waiting message to our own door and have it looked at; the status of each answer."""
        provider, client = self.sim.providers["cashfree"], self.sim.client("cashfree", "SIM_CASHFREE")
        assert isinstance(client, ClientRow)
        answers = []
        query = "SELECT * FROM webhooks WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id"
        for row in self.sim.store.read(query, (self.sim.clock.now(),)):
            message = provider.sign(self.sim, client, as_dict(row), self.sim.clock.now())
            self.sim.store.write("UPDATE webhooks SET state = 'delivered' WHERE id = ?", (row["id"],))
            with time_machine.travel(self.now, tick=False):
                reply = self.app.test_client().post(
                    f"/hooks/cashfree/{self.uid}", data=message.body, headers=dict(message.headers)
                )
            answers.append(reply.status_code)
        for message_id in self._new_messages():
            handling.process(message_id=message_id, clock=self.clock)
        return answers

    def _new_messages(self) -> list[int]:
        db.session.rollback()
        found = db.session.scalars(
            select(WebhookMessage.id)
            .where(WebhookMessage.state == MessageState.NEW)
            .order_by(WebhookMessage.id)
        ).all()
        db.session.rollback()
        return list(found)

    def prove(self) -> None:
        """The ledger is right, and what it says left is what left."""
        db.session.rollback()
        assert ledger_check.run(self.organisation_id).findings == []
        db.session.rollback()
        assert self.totals(self.transfer_id)["times_left"] <= 1


@pytest.fixture
def way(database: Flask) -> Iterator[Way]:
    made = Way(database, simulator())
    yield made
    made.prove()
    made.close()


def test_messages_alone_pay_it_within_seconds(way: Way) -> None:
    way.work()
    assert (way.payout.state, way.transfer.state) == ("processing", "accepted")
    way.wait(seconds=6)
    assert way.deliver() == [200]
    assert (way.payout.state, way.transfer.state) == ("paid", "succeeded")
    assert way.transfer.utr.startswith("SIM")
    assert way.transfer.credited_at is None
    way.wait(seconds=6)
    assert way.deliver() == [200]
    assert way.transfer.credited_at is not None
    assert way.totals(way.transfer_id)["posts"] == 1


def test_without_any_message_asking_pays_it(way: Way) -> None:
    way.sim.options.sends_webhooks = False
    way.work()
    way.go_on(30)
    assert way.payout.state == "paid"


@pytest.mark.parametrize("fault", ["F3", "F4", "F11", "F12", "F13", "F15", "F9"])
def test_accepted_and_the_answer_lost(way: Way, fault: str) -> None:
    way.fault(fault, endpoint="transfers.create")
    way.work()
    assert way.payout.state == "processing"
    way.go_on(30)
    assert (way.payout.state, way.totals(way.transfer_id)["posts"]) == ("paid", 1)


@pytest.mark.parametrize("fault", ["F1", "F5", "F6"])
def test_never_accepted_it_is_sent_again_by_the_same_id_after_a_quarter_of_an_hour(
    way: Way, fault: str
) -> None:
    way.fault(fault, endpoint="transfers.create")
    way.work()
    way.go_on(14)
    assert way.totals(way.transfer_id)["posts"] == 1
    way.go_on(60)
    assert (way.payout.state, way.transfer.transfer_id) == ("paid", way.transfer_id)
    assert way.totals(way.transfer_id)["posts"] == 2


def test_a_404_that_becomes_a_success(way: Way) -> None:
    way.fault("F3", endpoint="transfers.create")
    way.fault("F18")
    way.work()
    way.go_on(9)
    assert way.transfer.state == "unknown"
    way.go_on(30)
    assert (way.payout.state, way.totals(way.transfer_id)["posts"]) == ("paid", 1)


def test_a_request_that_arrives_after_it_was_sent_again(way: Way) -> None:
    way.fault("F2", parameters={"seconds": 3600})
    way.work()
    way.go_on(90)
    assert way.payout.state == "paid"
    assert way.totals(way.transfer_id)["times_left"] == 1


def test_a_success_that_comes_back(way: Way) -> None:
    way.fault("F19")
    way.work()
    way.wait(seconds=30)
    way.deliver()
    assert way.payout.state == "paid"
    way.wait(days=4)
    assert way.deliver() == [200]
    assert (way.payout.state, way.transfer.state) == ("reversed", "reversed")


def test_a_failure_that_becomes_a_success_stops_the_rail(way: Way) -> None:
    way.fault("F20")
    way.work()
    way.wait(seconds=30)
    way.deliver()
    failed = way.transfer.id
    assert way.payout.state in ("failed", "retry_scheduled")
    way.wait(minutes=20)
    way.deliver()
    db.session.rollback()
    assert db.session.get_one(Transfer, failed, populate_existing=True).state == "review"
    assert way.is_halted


@pytest.mark.parametrize("how", ["duplicate", "reordered", "forged", "old", "lost"])
def test_messages_that_go_wrong_change_nothing_in_the_end(way: Way, how: str) -> None:
    way.fault("F21", parameters={"how": how})
    way.work()
    way.wait(seconds=30)
    answers = way.deliver()
    way.wait(minutes=3)
    answers += way.deliver()
    assert way.payout.state == "paid"
    assert answers.count(401) == (how in ("forged", "old"))
    assert set(answers) <= {200, 401}


def test_an_amount_that_differs_stops_the_payout_and_its_rail(way: Way) -> None:
    way.fault("F14", times=0)
    way.work()
    way.go_on(3)
    assert way.transfer.state == "review"
    assert way.is_halted


@pytest.mark.parametrize("fault", ["F7", "F8", "F22"])
def test_keys_that_are_refused_stop_the_rail_and_nothing_leaves(way: Way, fault: str) -> None:
    way.fault(fault, endpoint="transfers.create")
    way.work()
    assert way.is_halted
    assert (way.payout.state, way.transfer.state) == ("processing", "queued")
    assert way.totals(way.transfer_id)["left_minor"] == 0


def test_a_definite_no_is_a_failure_with_its_reason(way: Way) -> None:
    way.fault("F10", endpoint="transfers.create")
    way.work()
    way.go_on(20)
    assert way.payout.state == "failed"
    assert way.totals(way.transfer_id)["left_minor"] == 0
