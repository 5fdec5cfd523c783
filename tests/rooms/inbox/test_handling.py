"""What becomes of messages: the provider is asked, once for each, outside any transaction, and its answer counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from jobs import base, webhooks
from jobs.schedule import register_tasks
from tests import factories
from tests.factories import rentals
from tests.factories.connections import connection, order_message, receiver, transfer_message
from tests.factories.payouts import WHEN, payout_ready
from tests.factories.people import FACTORY
from tests.programs.rentals.gateway import ScriptedGateway
from tests.rooms.payouts.rails import Reply, ScriptedRail
from webapp import queue
from webapp.connections import service as connections
from webapp.database import db, transaction
from webapp.inbox import handling, service
from webapp.inbox.handling import Outcome as Result
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.ledger import check as ledger_check
from webapp.outbox.models import OutboxMessage
from webapp.outbox.service import Later
from webapp.payouts import execution, policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people.models import Organisation
from webapp.programs.rentals import collecting, returns
from webapp.programs.rentals.models import PaymentState, RentPayment
from webapp.providers import registry
from webapp.providers.models import ProviderAccount
from webapp.providers.ports import CREDITED, Answer, CollectionState, Outcome
from webapp.runs import tasks

pytestmark = pytest.mark.usefixtures("database")
_O, _S = Outcome, MessageState
CREDIT = Answer(_O.SUCCEEDED, code=CREDITED, utr="UTR77")


class Scene:
    """A payout on its way through Cashfree, and a clock that the test moves."""

    def __init__(self, gets: list[Reply]) -> None:
        self.now = WHEN
        self.organisation: Organisation = factories.organisation(currency="INR", country="IN")
        self.account: ProviderAccount = connection(self.organisation)
        self.organisation_id = self.organisation.id
        self.rail = ScriptedRail([_O.ACCEPTED], gets)
        self.rail.name = "cashfree"
        rules = {**default_rules("INR"), "rails": ["manual", "cashfree"]}
        with transaction():
            policies.change_policy(organisation_id=self.organisation_id, rules=rules, actor=FACTORY, now=WHEN)
        payee = factories.payee(self.organisation)
        factories.method(payee, accounts.ifsc_account(
            account_number="026291800001191", ifsc="YESB0000262", name_at_bank="Asha Rao"))  # fmt: skip
        made = payout_ready(self.organisation, payee)
        with transaction():
            payouts.submit(
                organisation_id=self.organisation_id, reference=made.reference, actor=FACTORY, now=WHEN
            )
        self.transfer_id = self.transfer.transfer_id

    @property
    def transfer(self) -> Transfer:
        db.session.rollback()
        return db.session.scalars(select(Transfer).execution_options(populate_existing=True)).one()

    @property
    def payout(self) -> Payout:
        db.session.rollback()
        return db.session.scalars(select(Payout).execution_options(populate_existing=True)).one()

    def clock(self) -> datetime:
        return self.now

    def send(self) -> None:
        execution.send(transfer_row_id=self.transfer.id, clock=self.clock)

    def message(self, body: bytes) -> int:
        """Store a message as the endpoint does; its id."""
        found = receiver(self.account)
        with transaction():
            service.receive(found, body, {"content-type": "application/json"}, self.now)
        return newest().id

    def process(self, body: bytes) -> WebhookMessage | Later:
        message_id = self.message(body)
        later = handling.process(message_id=message_id, clock=self.clock)
        return later or newest()


def newest() -> WebhookMessage:
    db.session.rollback()
    query = select(WebhookMessage).order_by(WebhookMessage.id.desc()).limit(1)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


@pytest.fixture
def scene() -> Iterator[Any]:
    made: list[Any] = []

    def make(*gets: Reply, is_sent: bool = True) -> Scene:
        one = Scene(list(gets) or [_O.ACCEPTED])
        context = registry.using("cashfree", one.rail)
        context.__enter__()
        made.append(context)
        if is_sent:
            one.send()
        return one

    yield make
    for context in reversed(made):
        context.__exit__(None, None, None)


def test_a_message_of_success_is_a_question_and_its_answer_pays(scene: Any) -> None:
    one = scene(Answer(_O.SUCCEEDED, utr="UTR77"))
    asked = len(one.rail.asked)
    row = one.process(transfer_message(one.transfer_id, transfer_utr="FORGED"))
    assert (row.state, one.payout.state) == (_S.APPLIED, "paid")
    assert one.payout.reference in row.note
    assert len(one.rail.asked) == asked + 1
    # What the message said of the bank's reference is not believed; what the answer said is.
    assert one.transfer.utr == "UTR77"
    event = db.session.scalars(select(TransferEvent).order_by(TransferEvent.id.desc()).limit(1)).one()
    assert event.source == "webhook"
    assert ledger_check.run(one.organisation_id).findings == []


def test_a_lie_changes_nothing(scene: Any) -> None:
    one = scene(_O.ACCEPTED)
    row = one.process(transfer_message(one.transfer_id, "TRANSFER_REVERSED"))
    assert (row.state, one.payout.state, one.transfer.state) == (_S.APPLIED, "processing", "accepted")


def test_a_transfer_that_nobody_made_is_a_finding(scene: Any) -> None:
    one = scene()
    row = one.process(transfer_message("SOMEBODYELSE"))
    assert row.state == _S.UNMATCHED
    assert "No transfer of this organisation" in row.note


def test_another_organisations_transfer_is_none_of_this_one(scene: Any) -> None:
    one = scene(_O.SUCCEEDED)
    theirs, transfer_id = connection(factories.organisation(currency="INR")), one.transfer_id
    one.account = theirs
    row = one.process(transfer_message(transfer_id))
    assert (row.state, row.organisation_id) == (_S.UNMATCHED, theirs.organisation_id)
    assert one.payout.state == "processing"


@pytest.mark.parametrize(
    "event", ["LOW_BALANCE_ALERT", "CREDIT_CONFIRMATION", "BENEFICIARY_INCIDENT", "NEWS", ""]
)
def test_what_is_about_no_transfer_has_nothing_to_do_and_says_why(scene: Any, event: str) -> None:
    one = scene(is_sent=False)
    row = one.process(b'{"type": "%s", "data": {"currentBalance": "5.00"}}' % event.encode())
    assert row.state == _S.IGNORED
    assert row.note
    assert one.rail.asked == []


def test_no_clear_answer_is_asked_again_and_in_the_end_a_person_must_look(scene: Any) -> None:
    one = scene(_O.UNKNOWN)
    later = one.process(transfer_message(one.transfer_id))
    assert isinstance(later, Later)
    assert newest().state == _S.NEW
    one.now += timedelta(hours=7)
    assert handling.process(message_id=newest().id, clock=one.clock) is None
    assert newest().state == _S.FAILED
    assert "waited for 6 hours" in newest().note


def test_a_message_before_the_transfer_is_sent_waits_for_it(scene: Any) -> None:
    one = scene(_O.SUCCEEDED, is_sent=False)
    assert isinstance(one.process(transfer_message(one.transfer_id)), Later)
    one.send()
    assert handling.process(message_id=newest().id, clock=one.clock) is None
    assert (newest().state, one.payout.state) == (_S.APPLIED, "paid")


def test_a_return_after_success_is_heard_of(scene: Any) -> None:
    one = scene(_O.ACCEPTED, _O.SUCCEEDED, Answer(_O.REVERSED, code="RETURNED_FROM_BENEFICIARY"))
    one.process(transfer_message(one.transfer_id))
    one.process(transfer_message(one.transfer_id, "TRANSFER_SUCCESS", n=2))
    one.process(transfer_message(one.transfer_id, "TRANSFER_REVERSED"))
    assert (one.payout.state, one.transfer.state) == ("reversed", "reversed")
    # Said again, it is known already.
    row = one.process(transfer_message(one.transfer_id, "TRANSFER_REVERSED", n=2))
    assert (row.state, one.payout.state) == (_S.IGNORED, "reversed")
    assert ledger_check.run(one.organisation_id).findings == []


def test_every_order_of_the_same_messages_ends_alike(scene: Any) -> None:
    one = scene(CREDIT)
    kinds = ("TRANSFER_SUCCESS", "TRANSFER_ACKNOWLEDGED", "TRANSFER_FAILED")
    for n, order in enumerate(permutations(kinds)):
        for kind in order:
            one.process(transfer_message(one.transfer_id, kind, n=n))
        assert (one.payout.state, one.transfer.state) == ("paid", "succeeded")
    assert one.transfer.credited_at is not None
    assert len(one.rail.sent) == 1
    assert ledger_check.run(one.organisation_id).findings == []


def test_processing_twice_asks_once(scene: Any) -> None:
    one = scene(_O.SUCCEEDED)
    one.process(transfer_message(one.transfer_id))
    asked = len(one.rail.asked)
    assert handling.process(message_id=newest().id, clock=one.clock) is None
    assert webhooks.process(10_000) is None
    assert len(one.rail.asked) == asked


def test_a_handler_that_breaks_leaves_a_finding(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = scene(is_sent=False)

    def broken(organisation_id: int, subject: str, event: str) -> Result:
        assert not db.session().in_transaction()
        raise ZeroDivisionError("1234567890123")

    monkeypatch.setitem(handling._handlers, "cashfree", broken)
    row = one.process(transfer_message(one.transfer_id))
    assert row.state == _S.FAILED
    assert "ZeroDivisionError" in row.note
    assert "1234567890123" not in row.note

    def refused(organisation_id: int, subject: str, event: str) -> Result:
        raise Conflict("The payout is under review.")

    monkeypatch.setitem(handling._handlers, "cashfree", refused)
    assert one.process(transfer_message(one.transfer_id, n=2)).note == "The payout is under review."


def test_a_database_that_is_away_is_tried_again_by_the_outbox(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scene(is_sent=False)

    def away(organisation_id: int, subject: str, event: str) -> Result:
        raise OperationalError("SELECT 1", {}, Exception("away"))

    monkeypatch.setitem(handling._handlers, "cashfree", away)
    with pytest.raises(OperationalError):
        one.process(transfer_message(one.transfer_id))
    assert newest().state == _S.NEW


def test_a_provider_that_nobody_listens_to(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = scene(is_sent=False)
    monkeypatch.delitem(handling._handlers, "cashfree")
    assert one.process(transfer_message(one.transfer_id)).state == _S.IGNORED


def test_a_worker_takes_messages_from_the_outbox(scene: Any) -> None:
    one = scene(_O.SUCCEEDED)
    one.message(transfer_message(one.transfer_id))
    base.drain_here(queue.MONEY)
    assert (newest().state, one.payout.state) == (_S.APPLIED, "paid")


def test_forgotten_messages_are_put_back_once(scene: Any) -> None:
    one = scene(_O.SUCCEEDED)
    message_id = one.message(transfer_message(one.transfer_id))

    def sweep(**later: float) -> int:
        return handling.recover(clock=lambda: one.now + timedelta(**later))

    # While a worker is still to come there is nothing to put back.
    assert sweep(minutes=5) == 0
    with transaction():
        for row in db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == service.KIND)):
            db.session.delete(row)
    assert sweep(seconds=30) == 0
    assert sweep(minutes=2) == 1
    assert sweep(minutes=2, seconds=20) == 0
    handling.process(message_id=message_id, clock=one.clock)
    with transaction():
        for row in db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == service.KIND)):
            db.session.delete(row)
    assert sweep(minutes=9) == 0


def test_the_scheduler_looks_for_forgotten_messages(database: Flask) -> None:
    register_tasks()
    (task,) = [task for task in tasks.registered() if task.name == "webhooks.recover"]
    assert (task.every, task.function) == (60, webhooks.recover)


def test_a_person_has_a_message_looked_at_again(scene: Any, now: datetime) -> None:
    one = scene(_O.ACCEPTED, _O.SUCCEEDED)
    row = one.process(transfer_message(one.transfer_id))
    values = {"organisation_id": one.organisation_id, "message_id": row.id, "actor": FACTORY, "now": now}
    with pytest.raises(Invalid), transaction():
        service.replay(**values, note="  ")
    with pytest.raises(NotFound), transaction():
        service.replay(**{**values, "organisation_id": one.organisation_id + 1}, note="again")
    with transaction():
        service.replay(**values, note="again")
    with pytest.raises(Conflict), transaction():
        service.replay(**values, note="again")
    base.drain_here(queue.MONEY)
    assert (newest().state, one.payout.state) == (_S.APPLIED, "paid")


def test_an_account_is_not_exchanged_while_transfers_are_asked_about(scene: Any, now: datetime) -> None:
    one = scene(_O.SUCCEEDED)

    def move() -> None:
        with transaction():
            connections.save(
                organisation_id=one.organisation_id, provider="cashfree", environment="sandbox",
                credentials={"client_id": "CF_OTHER_1"}, actor=FACTORY, now=now,
            )  # fmt: skip

    with transaction():
        connections.switch(
            organisation_id=one.organisation_id, provider="cashfree", is_on=False, actor=FACTORY, now=now
        )
    with pytest.raises(Conflict, match="1 transfer that went through this account"):
        move()
    one.process(transfer_message(one.transfer_id))
    assert one.payout.state == "paid"
    # It may still come back, and only this account would know.
    with pytest.raises(Conflict, match="watched for a return"):
        move()
    with transaction():
        one_row = db.session.get_one(Transfer, one.transfer.id)
        one_row.next_check_at = None
    move()


class Rent:
    """A tenant on the gateway's page."""

    def __init__(self, gateway: ScriptedGateway) -> None:
        self.gateway = gateway
        self.organisation: Organisation = rentals.griha()
        self.organisation_id = self.organisation.id
        self.account = connection(self.organisation, "phonepe")
        place = rentals.property_of(self.organisation, [(rentals.owner(self.organisation), 1)])
        charge = rentals.charge(place)
        collecting.open_order(
            charge_id=charge.id, return_url="http://localhost/", actor=FACTORY, clock=lambda: rentals.WHEN
        )

    @property
    def payment(self) -> RentPayment:
        db.session.rollback()
        return db.session.scalars(select(RentPayment).execution_options(populate_existing=True)).one()

    def process(self, body: bytes, at: datetime = rentals.WHEN) -> WebhookMessage | Later:
        found = receiver(self.account)
        with transaction():
            service.receive(found, body, {"content-type": "application/json"}, at)
        return handling.process(message_id=newest().id, clock=lambda: at) or newest()


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    one = ScriptedGateway()
    with registry.collecting_with("phonepe", one):
        yield one


def test_a_rent_counts_when_phonepe_confirms_it(gateway: ScriptedGateway) -> None:
    rent = Rent(gateway)
    order_id = rent.payment.merchant_order_id or ""
    # It says so, and PhonePe does not: nothing is received, and it is asked again.
    assert isinstance(rent.process(order_message(order_id)), Later)
    assert rent.payment.state == PaymentState.PENDING
    gateway.statuses = [CollectionState.COMPLETED]
    assert handling.process(message_id=newest().id, clock=lambda: rentals.WHEN) is None
    assert (newest().state, rent.payment.state) == (_S.APPLIED, PaymentState.COMPLETED)
    row = rent.process(order_message(order_id, "checkout.order.failed"))
    assert (row.state, rent.payment.state) == (_S.APPLIED, PaymentState.COMPLETED)


def test_orders_and_settlements_that_are_not_ours(gateway: ScriptedGateway) -> None:
    rent = Rent(gateway)
    for body, state in (
        (order_message("RPSOMEBODY"), _S.UNMATCHED),
        (order_message("RPSOMEBODY", "pg.refund.completed"), _S.UNMATCHED),
        (b'{"event": "settlement.processed", "payload": {"settlementId": "S1"}}', _S.IGNORED),
        (b'{"event": "checkout.order.completed", "payload": {}}', _S.IGNORED),
        (b"not json", _S.IGNORED),
    ):
        row = rent.process(body)
        assert (row.state, bool(row.note)) == (state, True)
    stranger = Rent.__new__(Rent)
    stranger.account = connection(factories.organisation(currency="INR"), "phonepe")
    theirs = order_message(rent.payment.merchant_order_id or "")
    assert stranger.process(theirs).state == _S.UNMATCHED
    assert rent.payment.state == PaymentState.PENDING


def test_a_refund_is_asked_for_too(gateway: ScriptedGateway) -> None:
    rent = Rent(gateway)
    gateway.statuses = [CollectionState.COMPLETED]
    order_id = rent.payment.merchant_order_id or ""
    rent.process(order_message(order_id))
    with transaction():
        row = returns.order_refund(
            organisation_id=rent.organisation_id, reference=rent.payment.reference, amount_minor=100_00,
            reason="Paid twice.", actor=FACTORY, now=rentals.WHEN,
        )  # fmt: skip
        return_ref, return_id = row.return_ref, row.id
    body = b'{"event": "pg.refund.completed", "payload": {"merchantRefundId": "%s"}}' % return_ref.encode()
    assert isinstance(rent.process(body), Later)
    gateway.refund_replies = [CollectionState.COMPLETED]
    handling.process(message_id=newest().id, clock=lambda: rentals.WHEN)
    assert newest().state == _S.APPLIED
    assert rent.payment.returned_minor == 100_00
    assert db.session.get_one(returns.RentReturn, return_id).state == "completed"
    assert gateway.refunded == [(return_ref, 100_00)]


def test_an_account_is_not_exchanged_while_orders_are_open(gateway: ScriptedGateway, now: datetime) -> None:
    rent = Rent(gateway)

    def move() -> None:
        with transaction():
            connections.save(
                organisation_id=rent.organisation_id, provider="phonepe", environment="sandbox",
                credentials={"client_id": "PP_OTHER_1", "client_version": "1", "webhook_username": "paydesk_hooks"},
                actor=FACTORY, now=now,
            )  # fmt: skip

    with transaction():
        connections.switch(
            organisation_id=rent.organisation_id, provider="phonepe", is_on=False, actor=FACTORY, now=now
        )
    with pytest.raises(Conflict, match="1 payment or refund at this account is still open"):
        move()
    gateway.statuses = [CollectionState.COMPLETED]
    rent.process(order_message(rent.payment.merchant_order_id or ""))
    move()
