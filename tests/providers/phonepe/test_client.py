"""What goes over the wire to PhonePe and what comes of each answer, without a network."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from flask import Flask

from tests import factories
from tests.providers.accounts import account
from webapp.kernel.clock import utc_now
from webapp.providers.accounts import Access
from webapp.providers.phonepe import client
from webapp.providers.phonepe.collector import PhonePe
from webapp.providers.ports import (
    CREDENTIALS,
    UNREADABLE,
    CollectionAnswer,
    CollectionOrder,
    CollectionState,
)

_C = CollectionState
BASE = "https://api-preprod.phonepe.com/apis/pg-sandbox"
PAY, TOKEN = f"{BASE}/checkout/v2/pay", f"{BASE}/v1/oauth/token"
STATUS, REFUND = f"{BASE}/checkout/v2/order/O1/status", f"{BASE}/payments/v2/refund"
SECRET, PAGE = "very-secret-key-of-ours", "https://mercury-uat.phonepe.com/transact/uat?token=abc"


@pytest.fixture
def access(database: Flask) -> Access:
    """An account in the sandbox."""
    keys = {"client_id": "OURS", "client_version": "3", "client_secret": SECRET}
    return account(factories.organisation(currency="INR").id, "phonepe", **keys)


@pytest.fixture
def wire(access: Access) -> Iterator[respx.MockRouter]:
    """PhonePe, which gives a token to everybody who asks."""
    with respx.mock(assert_all_called=False) as router:
        router.post(TOKEN).mock(side_effect=lambda request: httpx.Response(200, json=_token()))
        yield router


def _token(**more: object) -> dict[str, object]:
    ends = int((utc_now() + timedelta(hours=1)).timestamp())
    return {"access_token": "tok-1", "expires_at": ends, "token_type": "O-Bearer", "expires_in": None, **more}


def _create(access: Access, **more: object) -> CollectionAnswer:
    values = {"amount_minor": 1_020_001, "currency": "INR", "message": "Rent", **more}
    return PhonePe().create(
        CollectionOrder(access.organisation_id, "O1", return_url="https://p.example/rent/t/back", **values)  # type: ignore[arg-type]
    )


def _status(access: Access) -> CollectionAnswer:
    return PhonePe().status(access.organisation_id, "O1")


def _said(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": "x"})


def _paid(**more: object) -> httpx.Response:
    return httpx.Response(200, json={"state": "COMPLETED", "amount": 1, **more})


def test_an_order_as_documented(access: Access, wire: respx.MockRouter) -> None:
    answer = {"orderId": "OMO1", "state": "PENDING", "expireAt": 1_795_000_000_000, "redirectUrl": PAGE}
    route = wire.post(PAY).respond(200, json=answer)
    made = _create(access)
    assert (made.state, made.pay_url, made.provider_reference) == (_C.PENDING, PAGE, "OMO1")
    assert made.expires_at == datetime.fromtimestamp(1_795_000_000, UTC)
    sent = route.calls.last.request
    assert sent.headers["authorization"] == "O-Bearer tok-1"
    assert len(sent.headers["x-request-id"]) == 32
    assert json.loads(sent.content) == {
        "merchantOrderId": "O1",
        "amount": 1_020_001,
        "expireAfter": 1200,
        "paymentFlow": {
            "type": "PG_CHECKOUT",
            "message": "Rent",
            "merchantUrls": {"redirectUrl": "https://p.example/rent/t/back"},
        },
    }
    token = wire.calls[0].request
    assert (
        token.content
        == f"client_id=OURS&client_version=3&client_secret={SECRET}&grant_type=client_credentials".encode()
    )
    # What is kept of an answer holds neither the page nor a key.
    assert "redirectUrl" not in made.raw


def test_one_token_serves_many_calls(access: Access, wire: respx.MockRouter) -> None:
    wire.get(STATUS).respond(200, json={"orderId": "OMO1", "state": "PENDING", "amount": 1})
    for _ in range(3):
        _status(access)
    assert [call.request.url.path.rpartition("/")[2] for call in wire.calls].count("token") == 1


def test_a_token_that_is_not_taken_is_replaced_once(access: Access, wire: respx.MockRouter) -> None:
    refused = httpx.Response(401, json={"code": "AUTHORIZATION_FAILED", "message": "no"})
    route = wire.get(STATUS).mock(side_effect=[refused, refused, refused])
    answer = _status(access)
    assert (answer.state, answer.code, route.call_count) == (_C.NOT_SENT, CREDENTIALS, 2)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(401, json={"code": "INVALID_CLIENT", "message": "no"}),
        httpx.Response(200, json=_token(expires_at=None)),
        httpx.Response(200, json=_token(expires_at=10**20)),
        httpx.Response(200, json=_token(access_token="")),
        httpx.Response(200, text="<html>"),
    ],
    ids=["refused", "no end", "no real end", "empty", "a page"],
)
def test_without_a_token_nothing_is_sent(access: Access, reply: httpx.Response) -> None:
    with respx.mock(assert_all_called=False) as router:
        router.post(TOKEN).mock(return_value=reply)
        pay = router.post(PAY).respond(200, json={})
        answer = _create(access)
        assert (answer.state, answer.code) == (_C.NOT_SENT, CREDENTIALS)
        assert not pay.called


@pytest.mark.parametrize(
    ("reply", "state", "code"),
    [
        (_said(500, "INTERNAL_SERVER_ERROR"), _C.UNKNOWN, "INTERNAL_SERVER_ERROR"),
        (httpx.Response(502, text="<html>bad gateway"), _C.UNKNOWN, ""),
        (_said(429, "TOO_MANY_REQUESTS"), _C.UNKNOWN, "TOO_MANY_REQUESTS"),
        (httpx.Response(200, text='{"state": "COMP'), _C.UNKNOWN, ""),
        (httpx.Response(200, json=["COMPLETED"]), _C.UNKNOWN, ""),
        (httpx.Response(200, json={"state": "ON_THE_MOON", "amount": 1}), _C.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json={}), _C.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json={"state": "completed", "amount": 1}), _C.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json={"state": "COMPLETED"}), _C.UNKNOWN, UNREADABLE),
        (_paid(amount=100.5), _C.UNKNOWN, UNREADABLE),
        (_paid(amount=True), _C.UNKNOWN, UNREADABLE),
        (_paid(merchantOrderId="O2"), _C.UNKNOWN, UNREADABLE),
        (_said(400, "INVALID_MERCHANT_ORDER_ID"), _C.NOT_FOUND, "INVALID_MERCHANT_ORDER_ID"),
        (_said(404, "ORDER_NOT_FOUND"), _C.NOT_FOUND, "ORDER_NOT_FOUND"),
        (httpx.Response(404, text="<html>nginx"), _C.UNKNOWN, ""),
        (_said(403, "FORBIDDEN"), _C.NOT_SENT, CREDENTIALS),
        (httpx.Response(403, text="<html>a firewall"), _C.UNKNOWN, ""),
        *((_said(status, "BAD_REQUEST"), _C.UNKNOWN, "BAD_REQUEST") for status in (400, 409, 410, 417, 422)),
        (httpx.Response(400, text="<html>"), _C.UNKNOWN, ""),
        (_said(400, "DUPLICATE_ORDER"), _C.UNKNOWN, "DUPLICATE_ORDER"),
        (httpx.Response(200, json={"state": "FAILED", "amount": 1, "errorCode": "E"}), _C.FAILED, "E"),
    ],
)  # fmt: skip
def test_what_answers_mean(
    access: Access, wire: respx.MockRouter, reply: httpx.Response, state: CollectionState, code: str
) -> None:
    wire.get(STATUS).mock(return_value=reply)
    answer = _status(access)
    assert (answer.state, answer.code) == (state, code)


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        (httpx.ReadTimeout("slow"), _C.UNKNOWN),
        (httpx.ReadError("reset"), _C.UNKNOWN),
        (httpx.RemoteProtocolError("cut"), _C.UNKNOWN),
        (httpx.ConnectError("refused"), _C.NOT_SENT),
        (httpx.ConnectTimeout("far"), _C.NOT_SENT),
    ],
    ids=repr,
)
def test_what_no_answer_means(
    access: Access, wire: respx.MockRouter, broken: Exception, state: CollectionState
) -> None:
    route = wire.post(PAY).mock(side_effect=broken)
    assert (_create(access).state, route.call_count) == (state, 1)


def test_a_redirect_is_not_followed(access: Access, wire: respx.MockRouter) -> None:
    elsewhere = wire.get("https://evil.example/").respond(200, json={"state": "COMPLETED", "amount": 1})
    wire.get(STATUS).respond(302, headers={"location": "https://evil.example/"})
    assert _status(access).state is _C.UNKNOWN
    assert not elsewhere.called


def test_amounts_are_whole_paise_both_ways(access: Access, wire: respx.MockRouter) -> None:
    # 90,071,992,547,409.93: a double cannot hold it.
    route = wire.post(PAY).respond(200, json={"orderId": "A", "state": "PENDING", "redirectUrl": PAGE})
    _create(access, amount_minor=9_007_199_254_740_993)
    assert b'"amount": 9007199254740993' in route.calls.last.request.content
    said = '{"orderId": "A", "state": "COMPLETED", "amount": 9007199254740993}'
    wire.get(STATUS).respond(200, text=said)
    assert _status(access).amount_minor == 9_007_199_254_740_993


@pytest.mark.parametrize("values", [{"currency": "USD"}, {"amount_minor": 99}])
def test_what_phonepe_does_not_take_is_not_sent(
    access: Access, wire: respx.MockRouter, values: dict[str, object]
) -> None:
    assert _create(access, **values).state is _C.FAILED
    assert not wire.calls


def test_without_keys_nothing_is_sent(database: Flask) -> None:
    with respx.mock:
        answer = PhonePe().status(1, "O1")
    assert (answer.state, answer.code) == (_C.NOT_SENT, CREDENTIALS)


@pytest.mark.parametrize(
    ("page", "is_theirs"),
    [
        (PAGE, True),
        ("https://phonepe.com/x", True),
        ("https://evil.example/phonepe.com", False),
        ("https://evilphonepe.com/", False),
        ("https://phonepe.com.evil.example/", False),
        ("https://phonepe.com@evil.example/", False),
        ("http://mercury.phonepe.com/", False),
        ("https://mercury.phonepe.com:8443/", False),
        ("https://mercury.phonepe.com:99999/", False),
        ("javascript:alert(1)", False),
        ("//phonepe.com/", False),
        (f"https://phonepe.com/{'x' * 1000}", False),
    ],
)
def test_payers_are_sent_to_phonepe_only(
    access: Access, wire: respx.MockRouter, page: str, is_theirs: bool
) -> None:
    wire.post(PAY).respond(200, json={"orderId": "A", "state": "PENDING", "redirectUrl": page})
    assert _create(access).pay_url == (page if is_theirs else "")


def test_a_simulator_may_stand_in(access: Access) -> None:
    simulated = Access(1, 1, "sandbox", {"payments_url": "http://127.0.0.1:8010/phonepe"})
    assert client.is_pay_page(simulated, "http://127.0.0.1:8010/phonepe/checkout/page/x")
    assert not client.is_pay_page(simulated, "http://127.0.0.1:8011/phonepe/checkout/page/x")
    assert not client.is_pay_page(access, "http://127.0.0.1:8010/phonepe/checkout/page/x")


def test_an_order_that_is_there_is_asked_for(access: Access, wire: respx.MockRouter) -> None:
    wire.post(PAY).respond(400, json={"code": "ORDER_ALREADY_EXISTS", "message": "x"})
    wire.get(STATUS).respond(200, json={"orderId": "OMO1", "state": "COMPLETED", "amount": 1_020_001})
    assert _create(access).state is _C.COMPLETED


def test_an_order_that_is_there_has_not_failed_because_a_question_is_refused(
    access: Access, wire: respx.MockRouter
) -> None:
    wire.post(PAY).mock(return_value=_said(400, "ORDER_ALREADY_EXISTS"))
    wire.get(STATUS).mock(return_value=_said(422, "BAD_REQUEST"))
    assert _create(access).state is _C.UNKNOWN


def test_the_try_that_went_through_tells_how(access: Access, wire: respx.MockRouter) -> None:
    tries = [
        {"paymentMode": "CARD", "state": "COMPLETED", "rail": {"utr": "U1"}},
        {"paymentMode": "UPI_QR", "state": "FAILED", "rail": None},
        "no object",
    ]
    wire.get(STATUS).respond(200, json={"state": "COMPLETED", "amount": 5, "paymentDetails": tries})
    answer = _status(access)
    assert (answer.method, answer.utr) == ("CARD", "U1")


@pytest.mark.parametrize("context", [None, "text", {"description": "Card 4111111111111111 declined"}])
def test_a_failure_says_why_without_numbers(access: Access, wire: respx.MockRouter, context: object) -> None:
    body = {
        "state": "FAILED",
        "amount": 5,
        "errorCode": "E",
        "detailedErrorCode": "ZM",
        "errorContext": context,
    }
    wire.get(STATUS).respond(200, json=body)
    answer = _status(access)
    assert (answer.state, answer.code) == (_C.FAILED, "ZM")
    assert answer.message
    assert "4111111111111111" not in answer.message + str(answer.raw)


def test_a_refund_as_documented(access: Access, wire: respx.MockRouter) -> None:
    route = wire.post(REFUND).respond(200, json={"refundId": "OMR1", "amount": 500, "state": "PENDING"})
    answer = PhonePe().refund(access.organisation_id, "RF1", "O1", 500)
    assert (answer.state, answer.provider_reference) == (_C.PENDING, "OMR1")
    sent = json.loads(route.calls.last.request.content)
    assert sent == {"merchantRefundId": "RF1", "originalMerchantOrderId": "O1", "amount": 500}
    wire.get(f"{REFUND}/RF1/status").respond(
        200, json={"refundId": "OMR1", "state": "CONFIRMED", "amount": 500}
    )
    assert PhonePe().refund_status(access.organisation_id, "RF1").state is _C.PENDING
    wire.get(f"{REFUND}/RF1/status").respond(
        200, json={"merchantRefundId": "RF2", "state": "COMPLETED", "amount": 500}
    )
    assert PhonePe().refund_status(access.organisation_id, "RF1").state is _C.UNKNOWN


@pytest.mark.parametrize("status", [400, 409, 410, 417, 422])
def test_a_refused_order_has_failed_and_a_refused_question_has_not(
    access: Access, wire: respx.MockRouter, status: int
) -> None:
    wire.post(PAY).mock(return_value=_said(status, "BAD_REQUEST"))
    wire.post(REFUND).mock(return_value=_said(status, "BAD_REQUEST"))
    wire.get(f"{REFUND}/RF1/status").mock(return_value=_said(status, "BAD_REQUEST"))
    assert _create(access).state is _C.FAILED
    assert PhonePe().refund(access.organisation_id, "RF1", "O1", 500).state is _C.FAILED
    assert PhonePe().refund_status(access.organisation_id, "RF1").state is _C.UNKNOWN


def test_partners_name_the_merchant(database: Flask) -> None:
    partner = account(
        factories.organisation(currency="INR").id,
        "phonepe",
        client_id="P",
        client_secret="s",
        merchant_id="M7",
    )
    with respx.mock:
        respx.post(TOKEN).respond(200, json=_token())
        route = respx.get(STATUS).respond(200, json={"state": "PENDING"})
        _status(partner)
    assert route.calls.last.request.headers["x-merchant-id"] == "M7"


def test_no_key_and_no_token_is_logged(
    access: Access,
    wire: respx.MockRouter,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.post(PAY).mock(side_effect=httpx.ReadTimeout("slow"))
    wire.get(STATUS).respond(500, json={"code": "INTERNAL_SERVER_ERROR", "message": "x"})
    answers = [_create(access), _status(access)]
    out = capsys.readouterr()
    said = caplog.text + out.out + out.err + repr(answers) + repr(access)
    for secret in (SECRET, "tok-1", "O-Bearer"):
        assert secret not in said


def test_environments_are_two_worlds(access: Access) -> None:
    live = Access(1, 1, "production", {})
    assert client.base(access, "oauth") == BASE
    assert client.base(live, "oauth") == "https://api.phonepe.com/apis/identity-manager"
    assert client.base(live, "payments") == "https://api.phonepe.com/apis/pg"
    with pytest.raises(KeyError):
        client.base(Access(1, 1, "staging", {}), "oauth")
