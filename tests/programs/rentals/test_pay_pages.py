"""The tenant's pages behind a signed link: what they say in every state, and what they never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer
from sqlalchemy import func, select

from tests.factories.people import FACTORY
from tests.factories.rentals import WHEN, charge, griha, owner, property_of
from tests.programs.rentals.gateway import ScriptedGateway
from tests.providers.accounts import account
from webapp.audit.models import AuditEvent
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation
from webapp.people.throttle import limiter
from webapp.programs.rentals import charging, collecting, pay_links, payments
from webapp.programs.rentals.models import Lease, PaymentSource, RentCharge, RentPayment
from webapp.providers import registry
from webapp.providers.models import ProviderAccount
from webapp.providers.ports import CollectionAnswer, CollectionOrder, CollectionState

_C = CollectionState


class Tenancy:
    """A month's rent of 10,000.00, and the tenant's browser."""

    def __init__(self, client: FlaskClient, gateway: ScriptedGateway) -> None:
        self.client, self.gateway = client, gateway
        self.organisation: Organisation = griha()
        self.organisation_id = self.organisation.id
        self.place = property_of(self.organisation, [(owner(self.organisation), 1)])
        account(self.organisation_id, "phonepe", client_id="x")
        self.charge_id = charge(self.place).id
        self.token = pay_links.token_of(self.charge, utc_now())

    @property
    def charge(self) -> RentCharge:
        db.session.rollback()
        return db.session.get_one(RentCharge, self.charge_id, populate_existing=True)

    @property
    def payment(self) -> RentPayment:
        db.session.rollback()
        query = select(RentPayment).where(RentPayment.charge_id == self.charge_id)
        return db.session.scalars(
            query.order_by(RentPayment.id.desc()).execution_options(populate_existing=True)
        ).one()

    def page(self, code: int = 200, end: str = "", **headers: str) -> str:
        answer = self.client.get(f"/rent/{self.token}{end}", headers=headers)
        assert answer.status_code == code, answer.text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)).replace("\xa0", " ")

    def pay(self, code: int = 303) -> str:
        answer = self.client.post(f"/rent/{self.token}")
        assert answer.status_code == code, answer.text
        return answer.headers.get("Location", "") or answer.text

    def comes_back(self, *answers: CollectionState | CollectionAnswer) -> str:
        """The gateway has an answer, a worker asks for it, and the tenant looks."""
        self.gateway.statuses = list(answers)
        collecting.check(payment_id=self.payment.id)
        return self.page(end="/status")


@pytest.fixture
def tenancy(client: FlaskClient) -> Iterator[Tenancy]:
    """A rent to pay, with a gateway that answers as it is told."""
    gateway = ScriptedGateway()
    with registry.collecting_with("phonepe", gateway):
        yield Tenancy(client, gateway)


def test_the_page_says_what_is_due_to_whom_and_the_charge(tenancy: Tenancy) -> None:
    page = tenancy.page()
    unit = tenancy.charge.lease.unit
    for said in (
        "Rent for Nov 2026", tenancy.organisation.legal_name, unit.name,
        unit.property.name, tenancy.charge.reference, "₹10,000.00", "₹200.00", "₹10,200.00", "Pay with PhonePe",
    ):  # fmt: skip
        assert said in page, said


def test_the_page_reveals_nobody(tenancy: Tenancy) -> None:
    text = tenancy.client.get(f"/rent/{tenancy.token}").text
    tenant = tenancy.charge.lease.tenants[0].tenant
    shown = tenancy.place.shares[0].payee
    for hidden in (tenant.name, tenant.email, shown.name, shown.reference, "/admin", "merchant", "800.00"):
        assert hidden not in text, hidden


def test_the_page_is_kept_by_nobody(tenancy: Tenancy) -> None:
    for end in ("", "/status"):
        headers = tenancy.client.get(f"/rent/{tenancy.token}{end}").headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Robots-Tag"].startswith("noindex")


def test_looking_begins_nothing(tenancy: Tenancy) -> None:
    for end in ("", "/status"):
        tenancy.page(end=end)
    tenancy.page(303, end="/back")
    assert db.session.scalar(select(func.count(RentPayment.id))) == 0
    assert tenancy.gateway.created == []


def test_the_button_leads_to_the_gateway_with_one_order(tenancy: Tenancy) -> None:
    first, again = tenancy.pay(), tenancy.pay()
    (order,) = tenancy.gateway.created
    assert first == again == f"http://localhost/pay/{order.order_id}"
    assert (order.amount_minor, order.currency) == (10_200_00, "INR")
    assert order.return_url.endswith(f"/rent/{tenancy.token}/back")
    began = select(AuditEvent.actor_label).where(AuditEvent.tag == "rentals:rent_payment:begun")
    assert db.session.scalars(began).all() == ["the tenant's pay link"]


def test_browsers_let_the_form_lead_to_the_gateway(tenancy: Tenancy) -> None:
    policy = tenancy.client.get(f"/rent/{tenancy.token}").headers["Content-Security-Policy"]
    assert "form-action 'self' https://phonepe.com https://*.phonepe.com" in policy
    assert (
        "phonepe"
        not in tenancy.client.get(f"/rent/{tenancy.token}/status").headers["Content-Security-Policy"]
    )


def test_under_way_it_can_be_gone_on_with(tenancy: Tenancy) -> None:
    tenancy.pay()
    assert "Go on to PhonePe" in tenancy.page()
    status = tenancy.client.get(f"/rent/{tenancy.token}/status").text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in status
    assert 'data-hx-trigger="every 4s"' in status


def test_back_from_the_gateway_it_is_asked_once_and_at_once(tenancy: Tenancy) -> None:
    tenancy.pay()
    planned = _questions()
    for _ in range(3):
        answer = tenancy.client.get(f"/rent/{tenancy.token}/back")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/rent/{tenancy.token}/status")
    assert _questions() == planned + 1
    assert tenancy.payment.next_check_at is not None
    assert tenancy.payment.next_check_at <= utc_now()


def _questions() -> int:
    db.session.rollback()
    return int(
        db.session.scalar(select(func.count(OutboxMessage.id)).where(OutboxMessage.kind == "rent.check")) or 0
    )


def test_a_question_that_was_overtaken_is_not_asked(tenancy: Tenancy) -> None:
    tenancy.pay()
    payment_id, asked = tenancy.payment.id, tenancy.gateway.statuses
    assert collecting.check(payment_id=payment_id, is_scheduled=True) is None
    in_a_minute = utc_now() + timedelta(minutes=1)
    assert collecting.check(payment_id=payment_id, is_scheduled=True, clock=lambda: in_a_minute) == "pending"
    assert tenancy.payment.checks == 1
    # The message that was planned before comes now, after the answer: the next question has its own.
    assert collecting.check(payment_id=payment_id, is_scheduled=True, clock=lambda: in_a_minute) is None
    assert tenancy.payment.checks == len(asked) == 1


def test_paid_it_says_so_and_stops_asking(tenancy: Tenancy) -> None:
    tenancy.pay()
    page = tenancy.comes_back(_C.COMPLETED)
    for said in ("Paid", "Your rent has arrived", "UTR1", "₹10,000.00", "₹200.00"):
        assert said in page, said
    text = tenancy.client.get(f"/rent/{tenancy.token}/status").text
    assert "http-equiv" not in text
    assert "data-hx-trigger" not in text
    poll = tenancy.client.get(f"/rent/{tenancy.token}/status", headers={"HX-Request": "true"})
    assert poll.status_code == 286
    assert "Your rent has arrived" in tenancy.page()


def test_paying_what_is_paid_is_a_conflict_that_says_so(tenancy: Tenancy) -> None:
    tenancy.pay()
    tenancy.comes_back(_C.COMPLETED)
    page = tenancy.pay(409)
    assert "Your rent has arrived" in page
    assert "No payment was begun" in page
    assert len(tenancy.gateway.created) == 1


def test_failed_it_can_be_tried_again(tenancy: Tenancy) -> None:
    tenancy.pay()
    assert "Try again" in tenancy.comes_back(_C.FAILED)
    assert "Pay with PhonePe" in tenancy.page()
    tenancy.pay()
    first, second = tenancy.gateway.created
    assert first.order_id != second.order_id


def test_another_amount_is_looked_at_by_a_person(tenancy: Tenancy) -> None:
    tenancy.pay()
    page = tenancy.comes_back(CollectionAnswer(_C.COMPLETED, amount_minor=1))
    assert "Another amount came in" in page
    assert "Another amount came in" in tenancy.pay(409)


def test_an_answer_about_another_order_is_not_believed(tenancy: Tenancy) -> None:
    tenancy.pay()
    other = CollectionAnswer(_C.COMPLETED, "OM2", amount_minor=10_200_00)
    assert "Payment begun" in tenancy.comes_back(other)
    assert tenancy.payment.checks == 1


def test_while_the_last_word_is_awaited_nobody_pays_twice(tenancy: Tenancy) -> None:
    tenancy.pay()
    with transaction():
        db.session.get_one(RentPayment, tenancy.payment.id).expires_at = utc_now() - timedelta(minutes=1)
    assert "Do not pay again" in tenancy.page()
    assert "Do not pay again" in tenancy.pay(409)
    with transaction():
        db.session.get_one(RentPayment, tenancy.payment.id).expires_at = utc_now() - timedelta(hours=1)
    assert "Pay with PhonePe" in tenancy.page()
    tenancy.pay()
    assert len(tenancy.gateway.created) == 2


def test_a_gateway_that_is_away_took_nothing(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(order: CollectionOrder) -> CollectionAnswer:
        return CollectionAnswer(_C.UNKNOWN, message="No readable answer (ReadTimeout).")

    with monkeypatch.context() as patch:
        patch.setattr(tenancy.gateway, "create", away)
        page = tenancy.pay(503)
    assert "Nothing was taken" in page
    assert "Load this page anew" in page
    tenancy.pay()
    # The same order: it may have reached the gateway.
    assert tenancy.gateway.created[0].order_id == tenancy.payment.merchant_order_id


def test_an_order_whose_page_was_lost_is_replaced(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[str] = []

    def create(order: CollectionOrder) -> CollectionAnswer:
        orders.append(order.order_id)
        lost = order.order_id == orders[0]
        if lost:
            return CollectionAnswer(_C.UNKNOWN if len(orders) == 1 else _C.PENDING, "OM1")
        return CollectionAnswer(_C.PENDING, "OM2", "http://localhost/pay/2")

    monkeypatch.setattr(tenancy.gateway, "create", create)
    tenancy.pay(503)
    # Another click within the time that the first may take: it could still be answered.
    tenancy.pay(503)
    with transaction():
        db.session.scalars(select(RentPayment)).one().created_at = utc_now() - timedelta(minutes=2)
    assert tenancy.pay() == "http://localhost/pay/2"
    assert [order == orders[0] for order in orders] == [True, True, True, False]


def test_a_gateway_that_refuses_ends_the_try(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CollectionAnswer(_C.FAILED, code="BAD_REQUEST", message="amount is wrong")
    monkeypatch.setattr(tenancy.gateway, "create", lambda order: refused)
    tenancy.pay(503)
    assert (tenancy.payment.state, tenancy.payment.error_code) == ("failed", "BAD_REQUEST")


def test_without_a_gateway_there_is_no_button(tenancy: Tenancy) -> None:
    with transaction():
        db.session.scalars(select(ProviderAccount)).one().is_enabled = False
    page = tenancy.page()
    assert "Paying online is not possible" in page
    assert "Pay with PhonePe" not in page
    tenancy.pay(409)
    assert tenancy.gateway.created == []


def test_a_waived_rent_is_gone(tenancy: Tenancy) -> None:
    with transaction():
        charging.waive(
            organisation_id=tenancy.organisation_id, reference=tenancy.charge.reference, reason="Flood.",
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
    page = tenancy.page(410)
    assert "not asked for any more" in page
    assert "Flood" not in page
    tenancy.pay(409)


def test_a_lease_that_ended_before_asks_for_nothing(tenancy: Tenancy) -> None:
    lease_id, month = tenancy.charge.lease_id, tenancy.charge.period_start
    with transaction():
        lease = db.session.get_one(Lease, lease_id)
        lease.start_on = month - timedelta(days=60)
        lease.end_on, lease.state = month - timedelta(days=1), "ended"
    assert "The lease ended before this month" in tenancy.page(410)
    tenancy.pay(409)


def test_rent_that_came_another_way_is_mentioned(tenancy: Tenancy) -> None:
    with transaction():
        payments.enter_by_hand(
            organisation_id=tenancy.organisation_id, charge_reference=tenancy.charge.reference,
            amount_minor=4_000_00, received_on=WHEN.date(), proof_reference="UTR77", proof_key=None, proof_name="",
            actor=FACTORY, now=WHEN,
        )  # fmt: skip
    assert "₹4,000.00 that came another way is being checked" in tenancy.page()
    assert "UTR77" not in tenancy.page()


def test_a_part_that_is_paid_leaves_the_rest(tenancy: Tenancy) -> None:
    with transaction():
        charging.count_paid(db.session.get_one(RentCharge, tenancy.charge_id), 4_000_00)
    page = tenancy.page()
    for said in ("₹4,000.00", "₹120.00", "₹6,120.00"):
        assert said in page, said


# ---------------------------------------------------------------- the link


def test_links_end_and_can_be_revoked(tenancy: Tenancy) -> None:
    late = tenancy.charge
    ticket = pay_links.read(pay_links.token_of(late, WHEN))
    assert ticket is not None
    assert pay_links.find(ticket, ticket.expires_at - timedelta(seconds=1)) is not None
    assert pay_links.find(ticket, ticket.expires_at) is None
    long_ago = URLSafeSerializer(_keys(tenancy.client), salt="rent-pay-link").dumps([late.uid, 1_000_000_000])
    assert tenancy.client.get(f"/rent/{long_ago}").status_code == 410
    with transaction():
        pay_links.revoke(
            organisation_id=tenancy.organisation_id,
            reference=tenancy.charge.reference,
            actor=FACTORY,
            now=WHEN,
        )
    for end in ("", "/status", "/back"):
        assert "This link does not work" in tenancy.page(410, end=end)
    tenancy.pay(410)
    assert tenancy.gateway.created == []
    assert tenancy.client.get(f"/rent/{pay_links.token_of(tenancy.charge, utc_now())}").status_code == 200


def _keys(client: FlaskClient) -> list[str]:
    settings: Settings = client.application.config["SETTINGS"]
    return settings.signing_keys


@pytest.mark.parametrize("token", ["x", "x" * 5_000, "WyJhIiwxXQ.AAAA", "%00", "٣"])
def test_links_that_we_never_signed_are_not_there(client: FlaskClient, database: Flask, token: str) -> None:
    assert client.get(f"/rent/{token}").status_code in (400, 404)


def test_a_signature_for_another_purpose_opens_nothing(tenancy: Tenancy) -> None:
    other = URLSafeSerializer(_keys(tenancy.client), salt="account-link")
    assert pay_links.read(str(other.dumps([tenancy.charge.uid, 4_000_000_000]))) is None
    same = URLSafeSerializer(_keys(tenancy.client), salt="rent-pay-link")
    assert pay_links.read(str(same.dumps("no list"))) is None
    assert pay_links.read(str(same.dumps(["uid", 10**30]))) is None


def test_too_many_tries_are_refused(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "enabled", True)
    try:
        codes = [tenancy.client.post(f"/rent/{tenancy.token}").status_code for _ in range(11)]
    finally:
        limiter.reset()
    assert codes == [303] * 10 + [429]


@pytest.mark.parametrize(
    ("asked", "said"), [("hi-IN,hi;q=0.9", "PhonePe से चुकाएँ"), ("de", "Pay with PhonePe")]
)
def test_the_page_speaks_the_browsers_language(tenancy: Tenancy, asked: str, said: str) -> None:
    assert said in tenancy.page(**{"Accept-Language": asked})


def test_a_payment_of_another_source_is_no_try(tenancy: Tenancy) -> None:
    with transaction():
        db.session.add(
            RentPayment(
                organisation_id=tenancy.organisation_id, reference="RP-1", charge_id=tenancy.charge_id,
                source=PaymentSource.MANUAL.value, state="cancelled", currency="INR", amount_minor=1,
                created_at=WHEN, entered_by_label="x",
            )
        )  # fmt: skip
    assert "To pay" in tenancy.page()


def test_late_rent_is_said_to_be_late(tenancy: Tenancy) -> None:
    for days, said in ((-1, "It was due on"), (3, "Please pay by")):
        with transaction():
            charge = db.session.get_one(RentCharge, tenancy.charge_id)
            charge.due_on = utc_now().date() + timedelta(days=days)
        assert said in tenancy.page()
