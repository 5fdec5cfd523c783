"""Messages of providers at the door: what is kept, how often, and what is refused with one line of the log."""

from __future__ import annotations

import gzip
import io
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests import factories
from tests.factories.connections import (
    CASHFREE,
    WHEN,
    authorised,
    connection,
    order_message,
    receiver,
    signed,
    transfer_message,
)
from tests.operations.test_logs import written
from tests.rooms.payouts.test_races import together
from webapp.connections import service as connections
from webapp.database import db, transaction
from webapp.inbox import queries, service
from webapp.inbox.models import MessageState, WebhookMessage
from webapp.kernel.actor import Actor
from webapp.outbox.models import OutboxMessage
from webapp.providers.cashfree import webhooks
from webapp.providers.models import ProviderAccount

pytestmark = [pytest.mark.usefixtures("database", "_hour")]


@pytest.fixture
def _hour() -> Any:
    with time_machine.travel(WHEN, tick=False):
        yield


@pytest.fixture
def account(database: Flask) -> ProviderAccount:
    return connection(factories.organisation(currency="INR"))


def bring(
    client: FlaskClient, account: ProviderAccount, body: bytes, headers: dict[str, str]
) -> TestResponse:
    rest = {name: value for name, value in headers.items() if name != "content-type"}
    return client.post(
        f"/hooks/{account.provider}/{account.uid}",
        input_stream=io.BytesIO(body),
        content_length=len(body),
        headers=rest,
        content_type=headers.get("content-type"),
    )


def stored() -> list[WebhookMessage]:
    db.session.rollback()
    return list(db.session.scalars(select(WebhookMessage).order_by(WebhookMessage.id)))


def waiting() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.kind == service.KIND)
    return db.session.scalar(query) or 0


def test_a_signed_message_is_kept_once_and_counted(client: FlaskClient, account: ProviderAccount) -> None:
    body = transfer_message("PDABC")
    for _ in range(3):
        answer = bring(client, account, body, signed(body))
        assert (answer.status_code, answer.text) == (200, "Received.\n")
    (row,) = stored()
    assert (row.event, row.subject, row.state, row.times_received) == (
        "TRANSFER_SUCCESS", "PDABC", MessageState.NEW, 3,
    )  # fmt: skip
    assert waiting() == 1
    assert (row.organisation_id, row.account_id) == (account.organisation_id, account.id)
    # The bytes are there, and nobody can read them in the table.
    assert "7766671501729" not in row.body_encrypted
    assert "7766671501729" not in str(row.headers)
    assert set(row.headers) <= {"content-type", "user-agent", "x-webhook-timestamp", "x-webhook-version"}


def test_the_same_words_to_two_accounts_are_two_messages(
    client: FlaskClient, account: ProviderAccount
) -> None:
    other = connection(factories.organisation(currency="INR"))
    body = transfer_message("PDABC")
    for each in (account, other):
        assert bring(client, each, body, signed(body)).status_code == 200
    assert len(stored()) == 2
    assert waiting() == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-webhook-signature": ""},
        {"x-webhook-signature": "AAAA", "x-webhook-timestamp": "1"},
        {"x-webhook-signature": "ünlesbar", "x-webhook-timestamp": "heute"},
        {"authorization": "AAAA"},
        signed(transfer_message("ANOTHER")),
        signed(transfer_message("PDABC"), secret="another-secret"),
    ],
)
def test_a_wrong_signature_leaves_one_line_and_nothing_else(
    client: FlaskClient, account: ProviderAccount, headers: dict[str, str]
) -> None:
    before = db.session.scalar(select(func.count()).select_from(OutboxMessage))
    with written() as lines:
        answer = bring(client, account, transfer_message("PDABC"), headers)
    assert (answer.status_code, answer.text) == (401, "The signature is wrong.\n")
    assert [line["event"] for line in lines] == ["webhook.refused"]
    assert "7766671501729" not in str(lines)
    assert CASHFREE["client_secret"] not in str(lines)
    assert stored() == []
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == before


def test_the_secret_from_before_still_signs_until_it_is_forgotten(
    client: FlaskClient, account: ProviderAccount
) -> None:
    organisation_id = account.organisation_id

    def save(**rest: Any) -> None:
        with transaction():
            connections.save(
                organisation_id=organisation_id, provider="cashfree", environment="sandbox",
                actor=Actor(None, "t"), now=WHEN, **rest,
            )  # fmt: skip

    save(credentials={"client_secret": "cashfree-secret-2"})
    for n, secret in enumerate(("cashfree-secret-2", CASHFREE["client_secret"])):
        body = transfer_message(f"PD{n}")
        assert bring(client, account, body, signed(body, secret=secret)).status_code == 200
    save(credentials={}, removed={"old_client_secret"})
    body = transfer_message("PD9")
    answer = bring(client, account, body, signed(body, secret=CASHFREE["client_secret"]))
    assert answer.status_code == 401


def test_an_old_signature_is_refused_unless_the_message_came_in_time_before(
    client: FlaskClient, account: ProviderAccount
) -> None:
    body = transfer_message("PDABC")
    old = signed(body, at=WHEN - timedelta(minutes=6))
    with written() as lines:
        assert bring(client, account, body, old).status_code == 401
    assert [line["reason"] for line in lines] == ["old signature"]
    assert stored() == []
    assert bring(client, account, body, signed(body)).status_code == 200
    # Brought again late: it is known, and the provider need not try any more.
    assert bring(client, account, body, old).status_code == 200
    assert [row.times_received for row in stored()] == [2]
    assert waiting() == 1


def test_milliseconds_are_a_time_stamp_too(client: FlaskClient, account: ProviderAccount) -> None:
    body = transfer_message("PDABC")
    stamp = str(int(WHEN.timestamp() * 1000))
    signature = webhooks.sign(CASHFREE["client_secret"], stamp.encode() + body).decode()
    headers = {
        "x-webhook-timestamp": stamp,
        "x-webhook-signature": signature,
        "content-type": "application/json",
    }
    assert bring(client, account, body, headers).status_code == 200


FORM = {"content-type": "application/x-www-form-urlencoded"}
FIELDS = {"event": "TRANSFER_FAILED", "transferId": "PDABC", "reason": "bank & more", "acknowledged": "0",
          "eventTime": "2026-11-20 17:29:00"}  # fmt: skip


def form_message(fields: dict[str, str]) -> dict[str, str]:
    """The fields of a message of version 1 with its signature."""
    signed_text = "".join(fields[name] for name in sorted(fields)).encode()
    return {**fields, "signature": webhooks.sign(CASHFREE["client_secret"], signed_text).decode()}


@pytest.fixture
def old_account(database: Flask) -> ProviderAccount:
    """One that says that it is sent messages of version 1."""
    return connection(factories.organisation(currency="INR"), webhook_version="1")


def test_version_1_is_taken_only_where_the_connection_says_so(
    client: FlaskClient, account: ProviderAccount
) -> None:
    body = urlencode(form_message(FIELDS)).encode()
    with written() as lines:
        assert bring(client, account, body, FORM).status_code == 401
    assert [line["reason"] for line in lines] == ["wrong signature"]
    assert stored() == []


def test_a_message_of_version_2_wrapped_as_version_1_is_refused(
    client: FlaskClient, old_account: ProviderAccount
) -> None:
    body = transfer_message("PDABC")
    right = signed(body)
    stamp = right["x-webhook-timestamp"]
    signature = right["x-webhook-signature"]
    text = body.decode()
    # However the signed bytes are cut into fields: their values in order are what version 2 signs.
    for cut in (0, 1, 20, len(text) // 2):
        fields = {"a": stamp, "event": text[:cut], "transferId": text[cut:]}
        wrapped = urlencode({**fields, "eventTime": "", "signature": signature}).encode()
        assert bring(client, old_account, wrapped, FORM).status_code == 401
    split = {"a": stamp[:4], "b": stamp[4:], "event": text, "signature": signature}
    assert bring(client, old_account, urlencode(split).encode(), FORM).status_code == 401
    assert stored() == []
    # As it came, it is taken: Cashfree may send both while people change over.
    assert bring(client, old_account, body, right).status_code == 200


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("2026-11-20 11:58:00", 200),  # UTC
        ("2026-11-20 17:29:00", 200),  # India
        ("2026-11-20T17:29:00", 200),
        ("2026-11-19 11:00:00", 401),
        ("2026-11-19 12:05:00", 200),
        ("2026-11-18 23:00:00", 401),
        ("2026-11-21 12:00:00", 401),
        ("yesterday", 401),
        ("", 401),
        ("2026-11-20 17:29:00+05:30", 200),
        ("2026-11-20 17:29:00+00:00", 401),
    ],
)
def test_version_1_of_another_day_is_refused(
    client: FlaskClient, old_account: ProviderAccount, said: str, code: int
) -> None:
    body = urlencode(form_message({**FIELDS, "eventTime": said})).encode()
    assert bring(client, old_account, body, FORM).status_code == code


def test_a_form_with_a_field_twice_is_refused(client: FlaskClient, old_account: ProviderAccount) -> None:
    body = urlencode([("transferId", "PDOTHER"), *form_message(FIELDS).items()]).encode()
    assert bring(client, old_account, body, FORM).status_code == 401


def test_version_1_is_a_form_with_its_signature_in_it(
    client: FlaskClient, old_account: ProviderAccount
) -> None:
    account, headers = old_account, FORM
    whole = form_message(FIELDS)
    assert bring(client, account, urlencode(whole).encode(), headers).status_code == 200
    (row,) = stored()
    assert (row.event, row.subject) == ("TRANSFER_FAILED", "PDABC")
    assert "bank & more" in queries.body_of(row)
    forged = urlencode({**whole, "transferId": "PDOTHER"}).encode()
    assert bring(client, account, forged, headers).status_code == 401


def test_phonepe_is_known_by_its_header(client: FlaskClient, database: Flask) -> None:
    account = connection(factories.organisation(currency="INR"), "phonepe")
    body = order_message("RP123")
    assert bring(client, account, body, {"content-type": "application/json"}).status_code == 401
    assert bring(client, account, body, authorised()).status_code == 200
    (row,) = stored()
    assert (row.event, row.subject, row.provider) == ("checkout.order.completed", "RP123", "phonepe")


def test_without_a_chosen_password_no_message_of_phonepe_is_taken(
    client: FlaskClient, database: Flask
) -> None:
    organisation = factories.organisation()
    with transaction():
        row = connections.save(
            organisation_id=organisation.id, provider="phonepe", environment="sandbox",
            credentials={"client_id": "PP_CLIENT", "client_version": "1", "client_secret": "phonepe-secret"},
            actor=Actor(None, "t"), now=WHEN,
        )  # fmt: skip
    assert bring(client, row, order_message("RP1"), authorised()).status_code == 401
    # The hash of nothing and nothing.
    empty = {"authorization": "e7ac0786668e0ff0f02b62bd04f45ff636fd82db63b1104601c975dc005f3a67"}
    assert bring(client, row, order_message("RP1"), empty).status_code == 401


HOSTILE = [
    b"", b"\0", b"{", b"[]", b"null", b"7", b'"text"', b"not json at all", b"\xff\xfe\xfa", b"\xef\xbb\xbf{}",
    b'{"type": null, "data": null}', b'{"type": ["a"], "data": {"transfer_id": {"a": 1}}}',
    b'{"type": "A\\u0000B", "data": {"transfer_id": "P\\u0000D"}}',
    b'{"type": "\\ud800", "data": {"transfer_id": "\\udfff"}}',
    '{"type": "\u202eEVIL", "data": {"transfer_id": "पैसा"}}'.encode(), b'{"data":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 200_000, b'{"type": "' + b"x" * 5000 + b'", "data": {"transfer_id": "' + b"y" * 5000 + b'"}}',
    b'{"n": ' + b"9" * 5000 + b"}", b'{"a": NaN, "b": Infinity}', b"<html>" * 100, b"a=b&c=d&event=%00&transferId=%ff",
    b"data[transfer_id]=1", b'{"type": "X", "type": "Y"}', gzip.compress(b"{}"),
]  # fmt: skip
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", None,
         "application/json; charset=utf-16", "x" * 300, "\u00e4/\u00e4"]  # fmt: skip


@pytest.mark.parametrize("content_type", TYPES)
def test_no_body_of_a_stranger_breaks_anything(
    client: FlaskClient, account: ProviderAccount, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    for body in HOSTILE:
        answer = bring(client, account, body, {"x-webhook-signature": "AAAA", **headers})
        assert answer.status_code == 401, body[:40]
    assert stored() == []


@pytest.mark.parametrize("content_type", [each for each in TYPES if each != TYPES[1]])
def test_no_signed_body_breaks_anything_and_each_is_kept(
    client: FlaskClient, account: ProviderAccount, content_type: str | None
) -> None:
    for body in HOSTILE:
        headers = signed(body) | {"content-type": content_type or ""}
        answer = bring(client, account, body, headers)
        assert answer.status_code == 200, (body[:40], answer.text)
    rows = stored()
    assert len(rows) == len(set(HOSTILE))
    assert all(len(row.event) <= 120 and len(row.subject) <= 120 for row in rows)
    for row in rows:
        text = queries.body_of(row)
        assert "\0" not in text
        text.encode()


def test_hostile_messages_of_phonepe_are_kept_too(client: FlaskClient, database: Flask) -> None:
    account = connection(factories.organisation(currency="INR"), "phonepe")
    for body in HOSTILE:
        assert bring(client, account, body, authorised()).status_code == 200, body[:40]
    assert len(stored()) == len(set(HOSTILE))


@pytest.mark.parametrize(("size", "code"), [(256 * 1024, 200), (256 * 1024 + 1, 413), (5 * 1024 * 1024, 413)])
def test_256_kilobytes_are_read_and_no_more(
    client: FlaskClient, account: ProviderAccount, size: int, code: int
) -> None:
    body = json.dumps({"type": "X", "fill": ""}).encode()
    body = body[:-2] + b"x" * (size - len(body)) + b'"}'
    assert len(body) == size
    with written() as lines:
        assert bring(client, account, body, signed(body)).status_code == code
    assert len(stored()) == (code == 200)
    assert [line["reason"] for line in lines] == ([] if code == 200 else ["too large"])


@pytest.mark.parametrize(
    "path", ["/hooks/cashfree/none", "/hooks/stripe/{uid}", "/hooks/phonepe/{uid}", "/hooks/"]
)
def test_an_address_that_nobody_has_is_404(client: FlaskClient, account: ProviderAccount, path: str) -> None:
    body = transfer_message("PDABC")
    answer = client.post(path.format(uid=account.uid), data=body, headers=signed(body))
    assert answer.status_code == 404
    assert "<html" not in answer.text
    assert stored() == []


def test_only_post_is_taken(client: FlaskClient, account: ProviderAccount) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert client.open(f"/hooks/cashfree/{account.uid}", method=method).status_code == 405


def test_no_session_and_no_form_token_are_asked_for(
    client: FlaskClient, app: Flask, account: ProviderAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    body = transfer_message("PDABC")
    answer = bring(client, account, body, signed(body))
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_a_connection_that_is_off_still_keeps_messages(client: FlaskClient, account: ProviderAccount) -> None:
    with transaction():
        connections.switch(
            organisation_id=account.organisation_id,
            provider="cashfree",
            is_on=False,
            actor=Actor(None, "t"),
            now=WHEN,
        )
    body = transfer_message("PDABC")
    assert bring(client, account, body, signed(body)).status_code == 200


def test_keys_that_cannot_be_read_are_no_fault_of_the_message(
    client: FlaskClient, account: ProviderAccount
) -> None:
    with transaction():
        row = db.session.get_one(ProviderAccount, account.id)
        row.credentials_encrypted = "v1.gone.AAAA.AAAA"
    body = transfer_message("PDABC")
    with written() as lines:
        # The provider tries again; nothing is lost while the key is brought back.
        assert bring(client, account, body, signed(body)).status_code == 503
    assert [line["event"] for line in lines] == ["webhook.keys_unreadable", "request"]


def test_the_same_message_by_eight_at_once_is_one(database: Flask, account: ProviderAccount) -> None:
    body = transfer_message("PDABC")
    headers, found = signed(body), receiver(account)

    def call() -> bool:
        with transaction():
            return service.receive(found, body, headers, WHEN)

    results = together(database, [call] * 8)
    assert sorted(results) == [False] * 7 + [True]
    (row,) = stored()
    assert row.times_received == 8
    assert waiting() == 1


def test_different_messages_at_once_are_all_kept(database: Flask, account: ProviderAccount) -> None:
    found = receiver(account)

    def bringing(n: int) -> Any:
        body = transfer_message(f"PD{n}")

        def call() -> bool:
            with transaction():
                return service.receive(found, body, signed(body), WHEN)

        return call

    assert together(database, [bringing(n // 2) for n in range(16)]).count(True) == 8
    assert [row.times_received for row in stored()] == [2] * 8
