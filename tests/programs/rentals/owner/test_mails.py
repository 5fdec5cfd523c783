"""Mails about rents: asked for with a link that opens the page, receipts, and owners asked for their details."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs import mail as jobs
from tests.factories import rentals, rents
from tests.factories.people import FACTORY, method
from tests.programs.rentals.owner.conftest import NOW, House
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.notices import marks, service
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout
from webapp.programs.rentals import charging, pay_links
from webapp.programs.rentals.models import RentCharge, RentPayment, Tenant


@pytest.fixture(autouse=True)
def _the_time_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "utc_now", lambda: NOW)


def asked(kind: str) -> list[int]:
    db.session.rollback()
    query = select(OutboxMessage.reference_id).where(OutboxMessage.kind == kind)
    return list(db.session.scalars(query.order_by(OutboxMessage.id)))


def mails(notice: str) -> list[Email]:
    db.session.rollback()
    return list(db.session.scalars(select(Email).where(Email.notice == notice).order_by(Email.id)))


def test_a_month_s_rent_is_asked_for_with_a_link_that_opens_its_page(house: House) -> None:
    charge = rentals.charge(house.place)
    assert asked("notice.rent.due") == [charge.id]
    jobs.rent_due(charge.id)
    (email,) = mails("rent_due")
    tenant = charge.lease.tenants[0].tenant
    assert (email.to_address, email.payee_id, email.user_id) == (tenant.email, None, None)
    assert email.subject == "Rent for November 2026: ₹10,000.00 by 5 Nov 2026"
    assert f"For: {house.place.name}, {charge.lease.unit.name}" in email.body_text
    assert "was due on 5 Nov 2026: ₹10,000.00." in email.body_text  # it is the 20th
    assert "Pay it the way you usually do." in email.body_text
    assert "/rent/" not in email.body_text + email.body_html
    text, _ = marks.filled(email, house.app.config["SETTINGS"])
    (path,) = re.findall(r"http://localhost:8000(/rent/\S+)", text)
    page = house.app.test_client().get(path)
    assert page.status_code == 200
    assert "₹10,000.00" in page.text
    jobs.rent_due(charge.id)
    assert len(mails("rent_due")) == 1


def _of(charge: RentCharge) -> dict[str, Any]:
    return {
        "organisation_id": charge.organisation_id, "reference": charge.reference, "actor": FACTORY,
        "now": rentals.WHEN,
    }  # fmt: skip


def test_after_new_links_the_same_mail_carries_the_new_one(house: House) -> None:
    charge = rentals.charge(house.place)
    jobs.rent_due(charge.id)
    settings = house.app.config["SETTINGS"]

    def status() -> int:
        text, _ = marks.filled(mails("rent_due")[0], settings)
        return house.app.test_client().get(re.findall(r"8000(/rent/\S+)", text)[0]).status_code

    with transaction():
        pay_links.revoke(
            organisation_id=charge.organisation_id,
            reference=charge.reference,
            actor=FACTORY,
            now=rentals.WHEN,
        )
    assert status() == 200


def test_what_is_paid_is_not_sent_again(house: House) -> None:
    charge = rentals.charge(house.place)
    jobs.rent_due(charge.id)
    email = mails("rent_due")[0]
    assert service.why_not_again(email, rentals.WHEN) == ""
    with transaction():
        charging.waive(reason="Flooded.", **_of(charge))
    assert "waived" in service.why_not_again(mails("rent_due")[0], rentals.WHEN)


def test_what_is_paid_or_waived_meanwhile_is_not_asked_for(house: House) -> None:
    paid, waived = rentals.charge(house.place), rentals.charge(house.place)
    rents.received(paid)
    with transaction():
        charging.waive(
            organisation_id=house.organisation.id, reference=waived.reference, reason="Empty", actor=FACTORY, now=NOW,
        )  # fmt: skip
    for charge in (paid, waived):
        jobs.rent_due(charge.id)
    assert mails("rent_due") == []


def test_part_of_the_rent_is_told_apart(house: House) -> None:
    charge = rentals.charge(house.place)
    payment = rents.received(charge, 4_000_00)
    jobs.rent_due(charge.id)
    jobs.rent_received(payment.id)
    due, receipt = mails("rent_due")[0], mails("rent_received")[0]
    assert "Paid already: ₹4,000.00" in due.body_text
    assert "To pay: ₹6,000.00" in due.body_text
    assert "Still to pay for November 2026: ₹6,000.00." in receipt.body_text


def test_a_lease_entered_late_is_not_followed_by_a_year_of_mails(house: House) -> None:
    rentals.lease(house.place, start_on=date(2026, 3, 1))
    with transaction():
        made = charging.make_charges(
            organisation_id=house.organisation.id, today=date(2026, 11, 7), actor=FACTORY, now=NOW
        )
    assert len(made) == 9
    assert asked("notice.rent.due") == [made[-1].id]


def test_a_received_rent_is_receipted_once(house: House) -> None:
    payment = house.rent()
    assert asked("notice.rent.received") == [payment.id]
    jobs.rent_received(payment.id)
    jobs.rent_received(payment.id)
    (email,) = mails("rent_received")
    assert email.subject == f"Received: ₹10,000.00 rent for November 2026 – {payment.reference}"
    for said in ("Paid with: Bank transfer, cash or cheque", f"Payment reference: {payment.proof_reference}",
                 "Received on: 20 Nov 2026", "There is nothing more to do."):  # fmt: skip
        assert said in email.body_text, said
    # What became of it is between the owners and their manager.
    assert "566.40" not in email.body_text
    assert "Asha" not in email.body_text


def test_a_receipt_of_the_gateway_names_the_charge_on_top(house: House) -> None:
    payment = house.rent()
    with transaction():
        row = db.session.get_one(RentPayment, payment.id)
        row.source, row.gateway_charge_minor, row.utr = "phonepe", 200_00, "UTR1"
    jobs.rent_received(payment.id)
    body = mails("rent_received")[0].body_text
    for said in ("Paid with: PhonePe", "Payment reference: UTR1", "Charge for paying online: ₹200.00",
                 "Paid in all: ₹10,200.00"):  # fmt: skip
        assert said in body, said


def test_a_tenant_without_an_address_leaves_a_note(house: House) -> None:
    charge = rentals.charge(house.place)
    with transaction():
        for tenant in db.session.scalars(select(Tenant)):
            tenant.email = ""
    jobs.rent_due(charge.id)
    assert mails("rent_due") == []
    notes = db.session.scalars(select(AuditEvent.note).where(AuditEvent.tag == "notices:email:no_address"))
    assert any(charge.reference in note for note in notes)


def test_an_owner_without_details_is_asked_once_a_week(house: House) -> None:
    house.rent()
    house.rent()
    assert asked("notice.details.wanted") == [house.bilal.id]
    jobs.details_wanted(house.bilal.id)
    jobs.details_wanted(house.bilal.id)
    (email,) = mails("details_wanted")
    assert (email.to_address, email.subject) == (
        "bilal@example.com", "₹7,244.80 waits for your payment details",
    )  # fmt: skip
    assert "http://localhost:8000/owner/payment-details" in email.body_text
    assert "Payouts: 2" in email.body_text
    assert "10,867.20" not in email.body_text  # what waits for the co-owner
    rents.received(rentals.charge(house.place), now=rentals.WHEN + timedelta(days=7))
    assert asked("notice.details.wanted") == [house.bilal.id] * 2


def test_an_owner_who_has_details_by_now_is_not_asked(house: House) -> None:
    house.rent()
    method(house.bilal, rents.upi())
    jobs.details_wanted(house.bilal.id)
    assert mails("details_wanted") == []


def test_an_owner_who_cannot_sign_in_is_told_whom_to_ask(house: House) -> None:
    chen = rentals.owner(house.organisation, name="Chen Wei", email="chen@example.com")
    rents.rent_of(house.organisation, [(chen, 1)])
    jobs.details_wanted(chen.id)
    body = mails("details_wanted")[0].body_text
    assert "Ask for an invitation: answer this mail or write to help@griha.example." in body
    assert "/owner/" not in body


def test_the_mails_about_a_payout_lead_from_the_rent_to_the_net(house: House) -> None:
    house.rent()
    query = select(Payout).where(Payout.payee_id == house.asha.id)
    payout = db.session.scalars(query).one()
    jobs.payout_approved(payout.id)
    (email,) = mails("payout_approved")
    turns = ["Your part of the rent: ₹6,000.00", "Management fee: -₹480.00", "Tax on the fee: -₹86.40",
             "Net to pay: ₹5,433.60"]  # fmt: skip
    body = email.body_text.replace("\N{MINUS SIGN}", "-").replace("₹-", "-₹")
    places = [body.index(said) for said in turns]
    assert places == sorted(places)
    assert f"Rent of {house.place.name}" in body
    assert "Bilal" not in body
