"""Rents, payments by hand that a second person verifies, what goes back, owners' payouts, and the plots."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from tests.factories import people, rentals, rents
from tests.programs.rentals.gateway import ScriptedGateway
from tests.programs.rentals.views.conftest import Griha
from tests.web.test_uploads import PDF
from webapp.database import db, transaction
from webapp.outbox.models import OutboxMessage
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.programs.rentals import collecting, figures
from webapp.programs.rentals.models import (
    DistributionShare,
    OwnerDebt,
    RentCharge,
    RentPayment,
    RentReturn,
)
from webapp.providers import registry
from webapp.providers.ports import CollectionState
from webapp.runs import service as runs
from webapp.runs.models import Run

ROOT = "/admin/rentals"


def entry(**values: Any) -> dict[str, Any]:
    return {
        "amount": "10,000.00",
        "received_on": "2026-11-18",
        "proof_reference": "UTR N325",
        "file": (io.BytesIO(PDF), "advice.pdf"),
        **values,
    }


def enter(griha: Griha, client: FlaskClient, **values: Any) -> Any:
    return client.post(f"{ROOT}/rents/{griha.charge.reference}/payment", data=entry(**values))


# ---------------------------------------------------------------- rents asked for


def test_what_is_due_is_asked_for_by_a_button_once(griha: Griha, admin: FlaskClient) -> None:
    rentals.lease(griha.place)
    first = admin.post(f"{ROOT}/rents/ask", follow_redirects=True)
    assert "1 rent is asked for now." in first.text
    again = admin.post(f"{ROOT}/rents/ask", follow_redirects=True)
    assert "Nothing was done." in again.text
    db.session.rollback()
    assert len(db.session.scalars(select(RentCharge)).all()) == 2


def test_late_rent_is_counted_by_its_age(griha: Griha, admin: FlaskClient) -> None:
    page = admin.get(f"{ROOT}/arrears").text
    assert griha.lease.reference in page
    assert "₹10,000.00 is late, of 1 rent, none for more than 30 days." in page
    assert "1 to 30 days (1)" in page
    assert ">15<" in page
    assert "Nothing matches" in admin.get(f"{ROOT}/arrears?age=91").text
    assert griha.lease.reference in admin.get(f"{ROOT}/arrears?age=1-30&q={griha.place.name}").text
    rents.received(griha.charge)
    assert "Nobody is late" in admin.get(f"{ROOT}/arrears").text


def test_a_rent_is_waived_with_a_reason(griha: Griha, admin: FlaskClient) -> None:
    address = f"{ROOT}/rents/{griha.charge.reference}/waive"
    refused = admin.post(address, data={"reason": " "})
    assert refused.status_code == 422
    assert "Give a reason" in refused.text
    assert "Example:" in refused.text
    assert admin.post(address, data={"reason": "It was flooded."}).status_code == 303
    assert griha.again(griha.charge).state == "waived"
    again = admin.post(address, data={"reason": "Once more."})
    assert again.status_code == 409
    assert "Once more." in again.text


def test_the_pay_link_is_for_admins_and_can_be_made_anew(griha: Griha) -> None:
    address = f"{ROOT}/rents/{griha.charge.reference}"
    assert "/rent/" not in griha.as_(griha.books).get(address).text.replace(f"{ROOT}/rents", "")
    client = griha.as_(griha.asha)
    before = griha.charge.uid
    assert "pay link" in client.get(address).text
    assert client.post(f"{address}/pay-link").status_code == 303
    assert griha.again(griha.charge).uid != before


# ---------------------------------------------------------------- by hand


def test_a_payment_by_hand_counts_when_another_person_has_verified_it(griha: Griha) -> None:
    client = griha.as_(griha.asha)
    assert enter(griha, client).status_code == 303
    payment = griha.newest(RentPayment)
    address = f"{ROOT}/payments/{payment.reference}"
    assert (payment.state, payment.proof_name) == ("to_verify", "advice.pdf")
    own = client.get(address).text
    assert "another person must verify it" in own
    assert "Verify…" not in own
    refused = client.post(f"{address}/verify", data={"is_compared": "y", "version": "1"})
    assert refused.status_code == 409
    assert griha.again(payment).state == "to_verify"

    other = griha.as_(griha.bina)
    proof = other.get(f"{address}/proof")
    assert (proof.data, proof.mimetype) == (PDF, "application/pdf")
    assert "attachment" in proof.headers["Content-Disposition"]
    assert other.post(f"{address}/verify", data={"version": "1"}).status_code == 422
    assert other.post(f"{address}/verify", data={"is_compared": "y", "version": "1"}).status_code == 303
    assert griha.again(payment).state == "completed"
    assert griha.again(griha.charge).state == "paid"
    stale = other.post(f"{address}/verify", data={"is_compared": "y", "version": "1"})
    assert stale.status_code == 409

    collecting.share(payment_id=payment.id)
    page = other.get(address).text
    assert "₹800.00" in page
    assert "₹5,433.60" in page
    assert "Anil Kumar" in page
    made = db.session.scalars(select(Payout).order_by(Payout.id)).all()
    assert [payout.amount_minor for payout in made] == [5_433_60, 3_622_40]
    assert made[0].reference in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"amount": ""}, "Enter an amount. Example: 25,000.00"),
        ({"amount": "-5"}, "Example:"),
        ({"received_on": "2126-01-01"}, "This day has not come yet."),
        ({"received_on": "yesterday"}, "Enter a day like 2026-10-31."),
        ({"proof_reference": ""}, "Enter what proves it. Example: UTR N325123456789"),
        ({"file": (io.BytesIO(b""), "")}, "Choose a file. Example: certificate.pdf"),
        ({"file": (io.BytesIO(b"hello"), "advice.pdf")}, "This is not a whole JPEG, PNG or PDF file."),
    ],
)
def test_a_payment_that_cannot_be(
    griha: Griha, admin: FlaskClient, values: dict[str, Any], words: str
) -> None:
    if "file" in values:
        # The files of the parameters are read by the first test that sends them.
        data, name = values["file"][0].getvalue(), values["file"][1]
        values = {"file": (io.BytesIO(data), name)}
    answer = enter(griha, admin, **values)
    assert answer.status_code == 422
    assert words in answer.text
    db.session.rollback()
    assert not db.session.scalars(select(RentPayment)).all()


def test_one_proof_is_for_one_payment(griha: Griha, admin: FlaskClient) -> None:
    assert enter(griha, admin).status_code == 303
    answer = enter(griha, admin, amount="1.00")
    assert answer.status_code == 409
    assert "proves another payment already" in answer.text
    assert 'value="1.00"' in answer.text


def test_what_was_entered_wrongly_is_taken_back(griha: Griha, admin: FlaskClient) -> None:
    enter(griha, admin)
    payment = griha.newest(RentPayment)
    address = f"{ROOT}/payments/{payment.reference}/cancel"
    assert admin.post(address, data={"reason": "Wrong flat.", "version": "1"}).status_code == 303
    assert griha.again(payment).state == "cancelled"
    again = admin.post(address, data={"reason": "Wrong flat.", "version": "2"})
    assert again.status_code == 409
    # The same proof may be entered again, for the right flat.
    assert enter(griha, admin).status_code == 303


def test_the_gateway_is_asked_by_a_button(griha: Griha, admin: FlaskClient) -> None:
    gateway = ScriptedGateway()
    with registry.collecting_with("phonepe", gateway):
        collecting.open_order(
            charge_id=griha.charge.id, return_url="http://localhost/", actor=rentals.FACTORY
        )
        payment = griha.newest(RentPayment)
        page = admin.get(f"{ROOT}/payments/{payment.reference}").text
        assert "Ask the gateway" in page
        gateway.statuses = [CollectionState.COMPLETED]
        answer = admin.post(f"{ROOT}/payments/{payment.reference}/check", follow_redirects=True)
    assert "The gateway was asked." in answer.text
    assert griha.again(payment).state == "completed"


# ---------------------------------------------------------------- what goes back


def paid_out(griha: Griha) -> RentPayment:
    """A received rent whose payouts have left."""
    payment = griha.received()
    with transaction():
        for payout in db.session.scalars(select(Payout)):
            payout.state = "processing"
    found: RentPayment = griha.again(payment)
    return found


def test_a_chargeback_after_the_payout_is_owed_and_taken_from_the_next_rents(
    griha: Griha, admin: FlaskClient
) -> None:
    payment = paid_out(griha)
    address = f"{ROOT}/payments/{payment.reference}"
    # Entered by hand: a chargeback is recorded all the same where the bank took it back.
    data = {"amount": "10,000.00", "case_number": "CB-1", "reason": "The tenant's bank took it back."}
    assert admin.post(f"{address}/chargeback", data=data).status_code == 303
    assert griha.newest(RentReturn).state == "completed"
    owed = {debt.payee_id: debt.amount_minor for debt in db.session.scalars(select(OwnerDebt))}
    assert owed == {griha.meera.id: 5_433_60, griha.anil.id: 3_622_40}
    page = admin.get(f"{ROOT}/returns?owed=open").text
    assert "Owners who still owe" in page
    assert "₹3,622.40" in page
    assert "CB-1" in admin.get(address).text

    rents.received(rentals.charge(griha.place, 5_000_00))
    page = re.sub(r"<[^>]+>", "", admin.get(f"{ROOT}/returns").text)
    # 5,000.00 less fee and tax leaves 4,528.00: 2,716.80 and 1,811.20 of it are taken.
    assert "₹1,811.20 recovered, ₹1,811.20 still owed" in page
    assert "₹2,716.80 recovered, ₹2,716.80 still owed" in page
    again = admin.post(f"{address}/chargeback", data=data)
    assert again.status_code in (409, 422)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"amount": "10,000.01"}, "At most"),
        ({"amount": "0"}, "At most"),
        ({"amount": "all"}, "Example:"),
        ({"reason": ""}, "Give a reason. Example: Paid twice."),
    ],
)
def test_more_than_was_received_does_not_go_back(
    griha: Griha, admin: FlaskClient, values: dict[str, str], words: str
) -> None:
    payment = griha.received()
    data = {"amount": "100.00", "reason": "Paid twice.", **values}
    answer = admin.post(f"{ROOT}/payments/{payment.reference}/refund", data=data)
    assert answer.status_code == 422
    assert words in answer.text


def test_a_refund_by_hand_counts_at_once(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    data = {"amount": "1,000.00", "reason": "Paid twice."}
    assert admin.post(f"{ROOT}/payments/{payment.reference}/refund", data=data).status_code == 303
    assert griha.again(payment).returned_minor == 1_000_00
    charge = griha.again(griha.charge)
    assert (charge.state, charge.paid_minor) == ("part", 9_000_00)


def _refund_form(client: FlaskClient, reference: str) -> dict[str, str]:
    page = client.get(f"{ROOT}/payments/{reference}/refund").text
    found = re.search(r'name="version"[^>]*value="(\d+)"', page)
    assert found is not None
    return {"version": found[1], "amount": "1,000.00", "reason": "Paid <twice>."}


@pytest.mark.parametrize("is_online", [False, True])
def test_the_same_refund_sent_twice_is_ordered_once(
    griha: Griha, admin: FlaskClient, is_online: bool
) -> None:
    payment = griha.received()
    reference = payment.reference
    if is_online:
        with transaction():
            db.session.get_one(RentPayment, payment.id).source = "phonepe"
    data = _refund_form(admin, reference)
    address = f"{ROOT}/payments/{reference}/refund"
    assert admin.post(address, data=data).status_code == 303
    answer = admin.post(address, data=data)
    assert answer.status_code == 409
    assert "changed since you opened this page" in answer.text
    assert "Paid &lt;twice&gt;." in answer.text
    assert len(db.session.scalars(select(RentReturn)).all()) == 1
    db.session.rollback()
    assert admin.post(address, data=_refund_form(admin, reference)).status_code == 303, "seen, and meant"


def test_a_share_whose_payout_was_rejected_waits_for_a_decision(griha: Griha, admin: FlaskClient) -> None:
    payment = griha.received()
    payout = db.session.scalars(select(Payout).order_by(Payout.id)).first()
    assert payout is not None
    reference = payout.reference
    with transaction():
        payouts.reject(
            organisation_id=griha.organisation.id,
            reference=reference,
            reason="The shares are wrong.",
            actor=people.actor_of(griha.bina),
            now=datetime.now(UTC),
        )
    page = admin.get(f"{ROOT}/waiting").text
    assert "The shares are wrong." in page
    assert "1 owner&#39;s share waits for a decision" in admin.get(ROOT).text
    share = db.session.scalars(select(DistributionShare).where(DistributionShare.offer == "blocked")).one()
    address = f"{ROOT}/waiting/{share.id}"
    assert admin.post(address, data={"choice": "", "reason": "x"}).status_code == 422
    assert admin.post(address, data={"choice": "again", "reason": "They are right."}).status_code == 303
    assert griha.again(share).offer == "open"
    # It waits only for a worker now, and there is nothing to decide.
    assert admin.post(address, data={"choice": "again", "reason": "Twice."}).status_code == 409
    collecting.share(payment_id=payment.id)
    assert griha.again(share).payout_id is not None
    assert admin.get(address).status_code == 404


# ---------------------------------------------------------------- owners and their payouts


def test_owners_who_wait_are_named_with_the_reason_and_asked_once(griha: Griha, admin: FlaskClient) -> None:
    people.method(griha.anil)
    griha.received()
    page = admin.get(f"{ROOT}/owners").text
    assert "No payment details yet." in page
    assert page.count("Ask by e-mail") == 1
    address = f"{ROOT}/owners/{griha.meera.reference}/ask"
    with transaction():
        # They were asked by themselves when the first payout waited; that was another week.
        db.session.execute(delete(OutboxMessage).where(OutboxMessage.kind == "notice.details.wanted"))
    assert "is asked by e-mail" in admin.post(address, follow_redirects=True).text
    assert "was asked by e-mail this week already" in admin.post(address, follow_redirects=True).text
    kinds = db.session.scalars(select(OutboxMessage.kind).where(OutboxMessage.reference_id == griha.meera.id))
    assert list(kinds).count("notice.details.wanted") == 1
    complete = admin.post(f"{ROOT}/owners/{griha.anil.reference}/ask", follow_redirects=True)
    assert "has given payment details" in complete.text


def test_an_owner_without_anything_waiting_is_not_bothered(griha: Griha, admin: FlaskClient) -> None:
    answer = admin.post(f"{ROOT}/owners/{griha.meera.reference}/ask", follow_redirects=True)
    assert "No payout waits for" in answer.text
    griha.received()
    nowhere = admin.post(f"{ROOT}/owners/{griha.anil.reference}/ask", follow_redirects=True)
    assert "has no e-mail address" in nowhere.text


def tried(griha: Griha) -> tuple[Payout, Payout]:
    """Two payouts of a rent: one failed at its second try, one on its way."""
    for owner in (griha.meera, griha.anil):
        people.method(owner, rents.upi())
    griha.received()
    now = datetime.now(UTC)
    with transaction():
        first, second = db.session.scalars(select(Payout).order_by(Payout.id)).all()
        common = {
            "organisation_id": griha.organisation.id, "rail": "sandbox", "currency": "INR", "fingerprint": "f" * 64,
            "created_at": now,
        }  # fmt: skip
        for n, state, error in ((1, "failed", "The bank did not answer."), (2, "failed", "Account closed.")):
            db.session.add(
                Transfer(payout_id=first.id, n=n, transfer_id=f"T{n}", state=state, error_message=error,
                         amount_minor=first.amount_minor, **common)
            )  # fmt: skip
        db.session.add(
            Transfer(payout_id=second.id, n=1, transfer_id="T9", state="accepted", utr="UTR777",
                     amount_minor=second.amount_minor, **common)
        )  # fmt: skip
        first.state, first.retry_at = "retry_scheduled", now + timedelta(minutes=15)
        second.state, second.submitted_at = "processing", now
        first.version, second.version = 5, 5
    return griha.again(first), griha.again(second)


def test_the_list_of_owners_payouts_says_tries_next_try_and_reference(
    griha: Griha, admin: FlaskClient
) -> None:
    first, second = tried(griha)
    page = admin.get(f"{ROOT}/payouts").text
    assert "next " in page
    assert "UTR777" in page
    assert f"/admin/payouts/{first.reference}/retry" in page
    assert f"/admin/payouts/{second.reference}/check-status" in page
    for search in ("T9", "utr777", "Anil", griha.newest(RentPayment).reference):
        assert second.reference in admin.get(f"{ROOT}/payouts?q={search}").text, search
    assert second.reference not in admin.get(f"{ROOT}/payouts?q=T1").text
    assert first.reference not in admin.get(f"{ROOT}/payouts?status=processing").text
    assert first.reference in admin.get(f"{ROOT}/payouts?type=upi").text
    assert "Nothing matches" in admin.get(f"{ROOT}/payouts?type=bank").text
    assert "Pay or try again" not in griha.as_(griha.books).get(f"{ROOT}/payouts").text


def test_many_are_asked_about_by_a_run_and_nothing_is_sent_again(griha: Griha, admin: FlaskClient) -> None:
    first, second = tried(griha)
    answer = admin.post("/admin/approvals/check", data={"act": "ask", "ids": [first.id, second.id]})
    assert answer.status_code == 303
    page = admin.get(answer.location).text
    assert "Ask the bank about 1 payout?" in page
    assert "only what the bank has been asked to pay can be asked about." in page
    assert "Nothing is sent again" in page
    assert admin.post(answer.location).status_code == 303
    run = griha.newest(Run)
    assert run.kind == "payouts.ask"
    runs.step(run_id=run.id)
    transfer = db.session.scalars(select(Transfer).where(Transfer.transfer_id == "T9")).one()
    asked = db.session.scalars(
        select(OutboxMessage.kind).where(
            OutboxMessage.reference_id == transfer.id, OutboxMessage.kind.like("transfer.%")
        )
    ).all()
    assert asked == ["transfer.ask"]
    assert len(db.session.scalars(select(Transfer)).all()) == 3


def test_all_that_match_are_asked_about(griha: Griha, admin: FlaskClient) -> None:
    tried(griha)
    page = admin.get(f"{ROOT}/payouts?status=processing").text
    assert "All 1 that match" in page
    data = {"act": "ask", "everything": "1", "status": "processing", "program": "rentals"}
    answer = admin.post("/admin/approvals/check", data={**data, "expected": "INR:1:362240"})
    assert answer.status_code == 303
    changed = admin.post("/admin/approvals/check", data={**data, "expected": "INR:2:1"})
    assert changed.status_code == 409
    nothing = admin.post("/admin/approvals/check", data={"act": "ask", "ids": ["999999"]})
    assert nothing.status_code == 422
    assert "Nothing to ask the bank about" in nothing.text


# ---------------------------------------------------------------- plots


def test_the_plots_say_what_their_numbers_are(griha: Griha, admin: FlaskClient) -> None:
    _, second = tried(griha)
    received_at = griha.newest(RentPayment).completed_at
    with transaction():
        transfer = db.session.scalars(select(Transfer).where(Transfer.transfer_id == "T9")).one()
        transfer.state = "succeeded"
        payout = db.session.get_one(Payout, second.id)
        payout.state, payout.paid_on = "paid", received_at.date()
        payout.paid_at = received_at + timedelta(minutes=30)
    now = rentals.WHEN + timedelta(days=1)
    found = figures.success_by_try(griha.organisation.id, now)
    assert [(row.n, row.good, row.all, row.hundredths) for row in found] == [(1, 1, 2, 5_000), (2, 0, 1, 0)]
    assert figures.failure_reasons(griha.organisation.id, now) == [
        ("Account closed.", 1),
        ("The bank did not answer.", 1),
    ]
    times = figures.rent_to_paid(griha.organisation.id, now)
    assert times is not None
    assert (times.count, times.median_minutes) == (1, 30)
    assert dict(times.spans)["10 minutes to 1 hour"] == 1
    page = admin.get(f"{ROOT}/figures").text
    assert "1 of 3 transfers went well in 90 days, 50 % of the first tries." in page
    assert "Half of 1 payout took 30 minutes or less." in page


def test_the_forecast_is_of_payouts_that_exist_and_rents_that_fall_due(
    griha: Griha, admin: FlaskClient
) -> None:
    people.method(griha.anil, rents.upi())
    griha.received()
    now = datetime(2026, 11, 30, 6, 0, tzinfo=UTC)
    with transaction():
        due = rentals.lease(griha.place, 20_000_00, start_on=datetime(2026, 12, 1, tzinfo=UTC).date())
    with transaction():
        from webapp.programs.rentals import charging

        charging.make_charges(
            organisation_id=griha.organisation.id,
            today=datetime(2026, 12, 1, tzinfo=UTC).date(),
            actor=rentals.FACTORY,
            now=now,
        )
    assert due.rent_minor == 20_000_00
    found = figures.forecast(griha.organisation.id, "INR", "Asia/Kolkata", now)
    assert len(found.days) == 14
    # Anil's payout can leave; Meera's waits for her details.
    assert (found.made.amount, found.waits.amount) == (3_622_40, 5_433_60)
    # Both flats' rents of December fall due on the 5th; owners got 90.56 % of the rent so far.
    expected = {day.day.isoformat(): day.expected for day in found.days if day.expected}
    assert expected == {"2026-12-05": 30_000_00 * 9_056 // 10_000}
    assert found.there.amount == 10_000_00
    assert "Cash-out forecast, INR" in admin.get(f"{ROOT}/figures").text
