"""The pages on which two people settle what does not agree, and those of refunds that are left to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories.people import FACTORY
from tests.programs.rentals.gateway import ScriptedGateway
from tests.programs.rentals.views.conftest import Griha
from webapp.database import db
from webapp.programs.rentals import collecting, returns
from webapp.programs.rentals.models import RentDecision, RentPayment, RentReturn
from webapp.providers import registry
from webapp.providers.ports import CollectionAnswer, CollectionState

ROOT = "/admin/rentals"
_C = CollectionState


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    """PhonePe, as the test tells it."""
    made = ScriptedGateway()
    with registry.collecting_with("phonepe", made):
        yield made


def receive(griha: Griha, gateway: ScriptedGateway, minor: int | None) -> RentPayment:
    """The tenant's order, of which PhonePe says that so much came; None: what was asked for."""
    charge_id = griha.charge.id
    collecting.open_order(charge_id=charge_id, return_url="http://localhost/", actor=FACTORY)
    payment_id = griha.newest(RentPayment).id
    gateway.statuses = [
        _C.COMPLETED
        if minor is None
        else CollectionAnswer(_C.COMPLETED, "OM1", amount_minor=minor, utr="UTR9")
    ]
    db.session.rollback()
    collecting.check(payment_id=payment_id)
    collecting.share(payment_id=payment_id)
    return griha.newest(RentPayment)


def refused(griha: Griha, gateway: ScriptedGateway, client: FlaskClient) -> RentReturn:
    """A refund that PhonePe refused."""
    payment = receive(griha, gateway, None)
    sent = client.post(
        f"{ROOT}/payments/{payment.reference}/refund", data={"amount": "10,000.00", "reason": "Paid twice."}
    )
    assert sent.status_code == 303
    hear(griha, gateway, CollectionAnswer(_C.FAILED, message="The account is closed."))
    return griha.newest(RentReturn)


def hear(griha: Griha, gateway: ScriptedGateway, *replies: Any) -> None:
    """PhonePe is asked about the newest refund."""
    return_id = griha.newest(RentReturn).id
    gateway.refund_replies = list(replies)
    db.session.rollback()
    returns.work(return_id=return_id)


def confirm(griha: Griha, word: str = "confirm") -> Any:
    """The other admin decides about the newest proposal."""
    client = griha.as_(griha.bina)
    return client.post(f"{ROOT}/settlements/{griha.newest(RentDecision).id}/{word}")


def test_a_part_is_accepted_by_two_people(griha: Griha, gateway: ScriptedGateway) -> None:
    client = griha.as_(griha.asha)
    payment = receive(griha, gateway, 9_000_00)
    address = f"{ROOT}/payments/{payment.reference}"
    page = client.get(address).text
    assert "₹10,200.00: rent ₹10,000.00 and the gateway's charge ₹200.00" in page.replace("&#39;", "'")
    assert "₹1,200.00 too little" in page
    assert "1 payment with another amount" in client.get(ROOT).text
    assert payment.reference in client.get(f"{ROOT}/payments?look=differs").text
    form = client.get(f"{address}/settle").text
    assert "₹8,800.00 counts as rent" in form
    assert "₹1,200.00 of the month stays owed" in form
    assert client.post(f"{address}/settle", data={"choice": "accept", "reason": ""}).status_code == 422
    sent = client.post(f"{address}/settle", data={"choice": "accept", "reason": "Their own app."})
    assert sent.status_code == 303
    again = client.post(f"{address}/settle", data={"choice": "accept", "reason": "Once more."})
    assert again.status_code == 409
    assert "Once more." in again.text
    own = client.get(address).text
    assert "You proposed this; another person must confirm it." in own
    decision = griha.newest(RentDecision)
    assert client.post(f"{ROOT}/settlements/{decision.id}/confirm").status_code == 409
    assert "1 settlement waits for a second person" in client.get(ROOT).text
    assert griha.again(payment).state == "pending"

    asked = len(gateway.created)
    assert confirm(griha).status_code == 303
    done = griha.again(payment)
    assert (done.state, done.amount_minor, done.gateway_charge_minor) == ("completed", 8_800_00, 200_00)
    assert len(gateway.created) == asked
    assert confirm(griha).status_code == 409
    assert "Their own app." in griha.as_(griha.books).get(address).text


def test_a_credit_is_said(griha: Griha, gateway: ScriptedGateway) -> None:
    client = griha.as_(griha.asha)
    payment = receive(griha, gateway, 10_700_00)
    address = f"{ROOT}/payments/{payment.reference}"
    assert "₹500.00 is kept as the tenant" in client.get(f"{address}/settle").text
    client.post(f"{address}/settle", data={"choice": "accept", "reason": "Too much."})
    assert confirm(griha).status_code == 303
    assert griha.again(payment).credit_minor == 500_00
    assert "₹500.00" in client.get(address).text


def test_all_of_it_goes_back(griha: Griha, gateway: ScriptedGateway) -> None:
    client = griha.as_(griha.asha)
    payment = receive(griha, gateway, 9_000_00)
    address = f"{ROOT}/payments/{payment.reference}"
    client.post(f"{address}/settle", data={"choice": "refund_all", "reason": "Not theirs."})
    assert confirm(griha, "refuse").status_code == 303
    assert griha.again(payment).state == "pending"
    client = griha.as_(griha.asha)
    client.post(f"{address}/settle", data={"choice": "refund_all", "reason": "Not theirs."})
    assert confirm(griha).status_code == 303
    assert griha.again(payment).state == "going_back"
    page = client.get(address).text
    assert "all of it goes back" in page
    hear(griha, gateway, _C.COMPLETED)
    assert griha.again(payment).state == "refunded"


def test_a_confirmation_asks_phonepe_first(griha: Griha, gateway: ScriptedGateway) -> None:
    client = griha.as_(griha.asha)
    payment = receive(griha, gateway, 9_000_00)
    client.post(f"{ROOT}/payments/{payment.reference}/settle", data={"choice": "accept", "reason": "A part."})
    gateway.statuses = [_C.COMPLETED]
    refused_now = confirm(griha)
    assert refused_now.status_code == 409
    assert "has changed since this was proposed" in refused_now.text
    assert griha.again(payment).amount_minor == 10_000_00


def test_a_refused_refund_is_ordered_anew(griha: Griha, gateway: ScriptedGateway, admin: FlaskClient) -> None:
    row = refused(griha, gateway, admin)
    address = f"{ROOT}/returns/{row.return_ref}"
    page = admin.get(address).text
    assert "The account is closed." in page
    assert "Try again with a new id" in page
    assert "1 refund is left to a person" in admin.get(ROOT).text
    assert row.return_ref in admin.get(f"{ROOT}/returns?left=people").text
    asked = admin.post(f"{address}/ask", follow_redirects=True)
    assert "PhonePe was asked. It says: refused." in asked.text
    gateway.refund_replies = [CollectionAnswer(_C.NOT_FOUND)]
    assert admin.post(f"{address}/again").status_code == 303
    made = griha.newest(RentReturn)
    assert (made.retry_of_id, made.state) == (row.id, "pending")
    assert made.return_ref in admin.get(address).text
    assert row.return_ref in admin.get(f"{ROOT}/returns/{made.return_ref}").text
    assert admin.post(f"{address}/again").status_code == 409
    assert row.return_ref not in admin.get(f"{ROOT}/returns?left=people").text


def test_a_refund_that_went_through_after_all_is_not_ordered_anew(
    griha: Griha, gateway: ScriptedGateway, admin: FlaskClient
) -> None:
    row = refused(griha, gateway, admin)
    gateway.refund_replies = [_C.COMPLETED]
    again = admin.post(f"{ROOT}/returns/{row.return_ref}/again")
    assert again.status_code == 409
    assert "has gone back" in again.text
    assert griha.again(row).state == "completed"
    assert gateway.refunded == []


def test_a_refund_is_settled_by_hand(griha: Griha, gateway: ScriptedGateway, admin: FlaskClient) -> None:
    row = refused(griha, gateway, admin)
    address = f"{ROOT}/returns/{row.return_ref}"
    no_proof = admin.post(f"{address}/settle", data={"choice": "by_hand", "reason": "By bank."})
    assert no_proof.status_code == 422
    assert "By bank." in no_proof.text
    sent = admin.post(
        f"{address}/settle", data={"choice": "by_hand", "reason": "By bank.", "hand_reference": "UTR 77"}
    )
    assert sent.status_code == 303
    assert griha.again(row).state == "failed"
    assert confirm(griha).status_code == 303
    assert griha.again(row).hand_reference == "UTR 77"
    assert "UTR 77" in griha.as_(griha.books).get(address).text


def test_a_chargeback_after_a_refund_asks_who_bears_it(
    griha: Griha, gateway: ScriptedGateway, admin: FlaskClient
) -> None:
    payment = receive(griha, gateway, None)
    address = f"{ROOT}/payments/{payment.reference}"
    admin.post(f"{address}/refund", data={"amount": "10,000.00", "reason": "Paid twice."})
    hear(griha, gateway, _C.COMPLETED)
    assert griha.again(payment).state == "refunded"
    page = admin.get(address).text
    assert "Record a chargeback" in page
    assert "Refund…" not in page
    data = {"amount": "10,000.00", "reason": "Their bank.", "case_number": "CB-1"}
    asked = admin.post(f"{address}/chargeback", data=data)
    assert asked.status_code == 422
    assert "Choose who bears it." in asked.text
    assert admin.post(f"{address}/chargeback", data={**data, "excess_to": "loss"}).status_code == 303
    assert "left twice: it is our loss" in admin.get(address).text


def test_others_refunds_and_proposals_are_not_found(griha: Griha, admin: FlaskClient) -> None:
    for address in ("/returns/RF1", "/returns/RF1/settle", "/returns/RF1/again", "/settlements/99/confirm"):
        assert admin.get(ROOT + address).status_code == 404
