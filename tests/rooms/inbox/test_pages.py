"""The inbox as people see it: the list, one message masked, looking again, and what the home page says."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests import factories
from tests.factories.connections import (
    WHEN,
    authorised,
    connection,
    order_message,
    receiver,
    transfer_message,
)
from tests.factories.payouts import payout
from webapp.database import db, transaction
from webapp.inbox import reading, service
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.people.models import Organisation
from webapp.providers.models import ProviderAccount

CLEAR = ("7766671501729", "asha.rao@okbank")


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    return factories.organisation(currency="INR")


@pytest.fixture
def admin(client: FlaskClient, organisation: Organisation) -> FlaskClient:
    factories.sign_in(client, factories.user(organisation=organisation, role="admin"), organisation)
    return client


def keep(
    account: ProviderAccount, body: bytes, state: MessageState = MessageState.NEW, note: str = ""
) -> int:
    """A stored message; its id."""
    found = receiver(account)
    headers = authorised() if account.provider == "phonepe" else {"content-type": "application/json"}
    with transaction():
        service.receive(found, body, headers, WHEN)
    row = db.session.query(WebhookMessage).order_by(WebhookMessage.id.desc()).first()
    assert row is not None
    message_id = row.id
    if state != MessageState.NEW:
        with transaction():
            service.settle(message_id=message_id, state=state, note=note, now=WHEN + timedelta(seconds=2))
    return message_id


def test_an_empty_inbox_says_what_to_do(admin: FlaskClient) -> None:
    page = admin.get("/admin/inbox")
    assert "No messages yet" in page.text
    assert "/admin/settings/connections" in page.text


def test_the_list_filters_by_state_provider_and_beginning(
    admin: FlaskClient, organisation: Organisation
) -> None:
    cashfree, phonepe = connection(organisation), connection(organisation, "phonepe")
    keep(cashfree, transfer_message("PDONE"), MessageState.APPLIED, "paid")
    keep(cashfree, transfer_message("PDTWO"), MessageState.UNMATCHED, "No transfer has this id.")
    keep(phonepe, order_message("RPTHREE"), MessageState.FAILED, "It could not be applied.")
    ids = ("PDONE", "PDTWO", "RPTHREE")

    def shown(**query: str) -> list[str]:
        page = admin.get(f"/admin/inbox?{urlencode(query)}", headers={"HX-Request": "true"}).text
        return [one for one in ids if one in page]

    assert shown() == list(ids)
    assert shown(state="findings") == ["PDTWO", "RPTHREE"]
    assert shown(state="applied") == ["PDONE"]
    assert shown(provider="phonepe") == ["RPTHREE"]
    assert shown(q="PDT") == ["PDTWO"]
    assert shown(q="transfer_") == ["PDONE", "PDTWO"]
    assert shown(q="%") == []
    assert shown(state="nonsense", provider="nobody") == list(ids)
    page = admin.get("/admin/inbox?state=ignored")
    assert "No messages match" in page.text


def test_pages_of_the_list_follow_one_another(admin: FlaskClient, organisation: Organisation) -> None:
    account = connection(organisation)
    for n in range(30):
        keep(account, transfer_message(f"PD{n:03}"))
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    first = admin.get("/admin/inbox?size=25").text
    assert len(asked) <= 12, asked
    assert "30 messages" in first
    assert "PD029" in first
    assert "PD004" not in first
    found = [line for line in first.split('"') if "after=" in line]
    second = admin.get(found[0].replace("&amp;", "&")).text
    assert "PD004" in second
    assert "PD029" not in second


def test_a_message_is_shown_laid_out_and_masked(admin: FlaskClient, organisation: Organisation) -> None:
    message_id = keep(connection(organisation), transfer_message("PDABC", note="<script>alert(1)</script>"))
    page = admin.get(f"/admin/inbox/{message_id}")
    assert page.status_code == 200
    assert not [one for one in CLEAR if one in page.text]
    assert "••1729" in page.text
    assert "TESTR92023012200543116" in page.text
    assert "<script>alert" not in page.text
    assert "Replay" not in page.text  # it waits for a worker already


@pytest.mark.parametrize(
    ("body", "content_type", "hidden", "seen"),
    [
        (b"event=X&transferId=PD1&accountNo=026291800001191", "application/x-www-form-urlencoded",
         "026291800001191", "transferId = PD1"),
        (b'{"vpa": "asha.rao@okbank", "list": ["mail asha@example.com"]}', "", "asha", "@okbank"),
        (b'{"phone": 9876543210, "amount": 1000000}', "", "9876543210", "1000000"),
        (b'{"transfer_amount": 1.00, "fee": 12.50}', "", '1.0,', '"transfer_amount": 1.00,\n  "fee": 12.50'),
        (b'{"n": 1e5, "big": 123456789012345678901.10, "small": -0.10}', "", "e+20",
         '"n": 1e5,\n  "big": 123456789012345678901.10,\n  "small": -0.10'),
        ('{"a": "\ue0001.50\ue001", "\ue0002.5\ue001": 1}'.encode(), "", "\ue000", '"a": "1.50",\n  "2.5": 1'),
        (b'{"a": "\\ue0001.50\\ue001"}', "", "\ue000", '"a": "1.50"'),
        (b'{"accountNo": 12345.67}', "", "12345", "5.67"),
        (b"account 026291800001191 is closed", "text/plain", "026291800001191", "is closed"),
        (b'{"cardNumber": "4111111111111111", "utr": "N325264412345678"}', "", "4111111111111111",
         "N325264412345678"),
        (b"\xff\x00\x1b[31m", "", "\x1b", ""),
        (b'{"a": "' + b"x" * 50_000 + b'"}', "", "x" * 20_001, "…"),
    ],
)  # fmt: skip
def test_what_is_private_is_masked_whatever_the_form(
    body: bytes, content_type: str, hidden: str, seen: str
) -> None:
    text = reading.readable(body, content_type)
    assert hidden not in text
    assert seen in text


def test_looking_again_needs_a_reason_and_happens_once(
    admin: FlaskClient, organisation: Organisation
) -> None:
    message_id = keep(
        connection(organisation), transfer_message("PDABC"), MessageState.UNMATCHED, "Nobody's."
    )
    address = f"/admin/inbox/{message_id}/replay"
    answer = admin.post(address, data={"note": " "})
    assert answer.status_code == 422
    assert "Write a reason" in answer.text
    answer = admin.post(address, data={"note": "The transfer was entered by hand."})
    assert (answer.status_code, answer.location) == (303, f"/admin/inbox/{message_id}")
    answer = admin.post(address, data={"note": "Once more, please."})
    assert answer.status_code == 409
    assert "waits for a worker already" in answer.text
    assert "The transfer was entered by hand." in admin.get("/admin/activity").text


def test_other_people_and_other_organisations(
    client: FlaskClient, organisation: Organisation, database: Flask
) -> None:
    message_id = keep(
        connection(organisation), transfer_message("PDABC"), MessageState.UNMATCHED, "Nobody's."
    )
    factories.sign_in(client, factories.user(organisation=organisation, role="accountant"), organisation)
    assert "Replay" not in client.get(f"/admin/inbox/{message_id}").text
    assert client.post(f"/admin/inbox/{message_id}/replay", data={"note": "x"}).status_code == 403
    other = factories.organisation()
    factories.sign_in(client, factories.user(organisation=other, role="admin"), other)
    assert "PDABC" not in client.get("/admin/inbox").text
    assert client.get(f"/admin/inbox/{message_id}").status_code == 404
    assert client.post(f"/admin/inbox/{message_id}/replay", data={"note": "x"}).status_code == 404


def test_the_home_page_names_what_nobody_could_place(admin: FlaskClient, organisation: Organisation) -> None:
    payout(organisation, factories.payee(organisation))
    account = connection(organisation)
    keep(account, transfer_message("PDONE"), MessageState.APPLIED, "paid")
    assert "that nobody could place" not in admin.get("/admin/").text
    keep(account, transfer_message("PDTWO"), MessageState.UNMATCHED, "Nobody's.")
    page = admin.get("/admin/").text
    assert "1 message of payment providers that nobody could place" in page
    assert "/admin/inbox?state=findings" in page


def test_a_message_whose_key_is_gone_says_so(admin: FlaskClient, organisation: Organisation) -> None:
    message_id = keep(connection(organisation), transfer_message("PDABC"))
    with transaction():
        db.session.get_one(WebhookMessage, message_id).body_encrypted = "v1.gone.AAAA.AAAA"
    assert "PAYDESK_FIELD_KEYS has no key" in admin.get(f"/admin/inbox/{message_id}").text
