"""What goes over the wire to Cashfree and what comes of each answer, without a network."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask

from tests import factories
from tests.providers.accounts import account
from webapp.database import db, transaction
from webapp.providers.accounts import Access
from webapp.providers.cashfree import client
from webapp.providers.cashfree.rail import Cashfree
from webapp.providers.models import ProviderBeneficiary
from webapp.providers.ports import (
    CREDENTIALS,
    CREDITED,
    DUPLICATE,
    UNREADABLE,
    Answer,
    Outcome,
    TransferOrder,
)

BASE = "https://sandbox.cashfree.com/payout"
TRANSFERS, BENEFICIARY = f"{BASE}/transfers", f"{BASE}/beneficiary"
V1 = "https://payout-gamma.cashfree.com/payout/v1"
SECRET = "very-secret-key-of-ours"
GOOD = {"account_number": "026291800001191", "ifsc": "YESB0000262"}
_O = Outcome


@pytest.fixture
def access(database: Flask) -> Access:
    """An account in the sandbox."""
    keys = {"client_id": "OURS", "client_secret": SECRET, "fund_source": "CASHFREE_1"}
    return account(factories.organisation(currency="INR").id, "cashfree", **keys)


@pytest.fixture
def wire(access: Access) -> Iterator[respx.MockRouter]:
    """Cashfree, which takes every beneficiary."""
    with respx.mock(assert_all_called=False) as router:
        router.post(BENEFICIARY).mock(side_effect=_made)
        yield router


def _made(request: httpx.Request) -> httpx.Response:
    return httpx.Response(201, json={**json.loads(request.content), "beneficiary_status": "VERIFIED"})


def _body(**more: Any) -> dict[str, Any]:
    said = {"transfer_id": "PD1", "cf_transfer_id": "77", "status": "RECEIVED", "transfer_amount": 9056}
    return {**said, **more}


def _send(access: Access, **more: Any) -> Answer:
    values: dict[str, Any] = {
        "transfer_id": "PD1", "amount_minor": 9_056_00, "currency": "INR", "beneficiary": "Meera Iyer",
        "account_masked": "••1191", "remarks": "PO-2026-000001", "beneficiary_key": "k1", "details": GOOD, **more,
    }  # fmt: skip
    return Cashfree().send(TransferOrder(organisation_id=access.organisation_id, **values))


def _status(access: Access) -> Answer:
    return Cashfree().status(access.organisation_id, "PD1")


def test_a_transfer_as_documented(access: Access, wire: respx.MockRouter) -> None:
    route = wire.post(TRANSFERS).respond(200, json=_body())
    answer = _send(access)
    assert (answer.outcome, answer.provider_reference, answer.amount_minor) == (_O.ACCEPTED, "77", 9_056_00)
    sent = route.calls.last.request
    assert (sent.headers["x-client-id"], sent.headers["x-client-secret"]) == ("OURS", SECRET)
    assert sent.headers["x-api-version"] == "2024-01-01"
    assert len(sent.headers["x-request-id"]) == 32
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.content) == {
        "transfer_id": "PD1", "transfer_amount": 9056.0, "transfer_currency": "INR", "transfer_mode": "imps",
        "beneficiary_details": {"beneficiary_id": "PDBk1"}, "transfer_remarks": "PO 2026 000001",
        "fundsource_id": "CASHFREE_1",
    }  # fmt: skip
    made = wire.calls[0].request
    assert json.loads(made.content) == {
        "beneficiary_id": "PDBk1", "beneficiary_name": "Meera Iyer",
        "beneficiary_instrument_details": {"bank_account_number": GOOD["account_number"], "bank_ifsc": GOOD["ifsc"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("minor", "text"),
    [
        (9_056_00, "9056.00"),
        (10_000_01, "10000.01"),
        (100, "1.00"),
        (110, "1.10"),
        (9_007_199_254_740_993, "90071992547409.93"),
    ],
)
def test_amounts_are_exact_both_ways(access: Access, wire: respx.MockRouter, minor: int, text: str) -> None:
    said = json.dumps(_body()).replace("9056", text)
    route = wire.post(TRANSFERS).respond(200, text=said, headers={"content-type": "application/json"})
    answer = _send(access, amount_minor=minor)
    assert f'"transfer_amount": {text},'.encode() in route.calls.last.request.content
    assert answer.amount_minor == minor


def test_a_beneficiary_is_made_once_for_each_version_of_details(
    access: Access, wire: respx.MockRouter
) -> None:
    wire.post(TRANSFERS).respond(200, json=_body())
    for key in ("k1", "k1", "k2"):
        _send(access, beneficiary_key=key)
    made = [json.loads(c.request.content) for c in wire.calls if c.request.url.path.endswith("beneficiary")]
    assert [each["beneficiary_id"] for each in made] == ["PDBk1", "PDBk2"]
    db.session.rollback()
    assert db.session.query(ProviderBeneficiary).count() == 2


def test_an_account_that_is_there_already_is_used_under_its_own_id(
    access: Access, wire: respx.MockRouter
) -> None:
    wire.post(BENEFICIARY).respond(
        409, json={"type": "x", "code": "beneficiary_already_exists", "message": "x"}
    )
    instrument = {"bank_account_number": GOOD["account_number"], "bank_ifsc": GOOD["ifsc"]}
    wire.get(BENEFICIARY, params={"beneficiary_id": "PDBk1"}).respond(
        404, json={"code": "beneficiary_not_found"}
    )
    wire.get(BENEFICIARY, params=instrument).respond(
        200, json={"beneficiary_id": "OLDER", "beneficiary_instrument_details": instrument}
    )
    route = wire.post(TRANSFERS).respond(200, json=_body())
    assert _send(access).outcome is _O.ACCEPTED
    assert json.loads(route.calls.last.request.content)["beneficiary_details"] == {"beneficiary_id": "OLDER"}


def test_an_id_that_belongs_to_another_account_is_not_paid(access: Access, wire: respx.MockRouter) -> None:
    wire.post(BENEFICIARY).respond(409, json={"code": "beneficiary_id_already_exists", "message": "x"})
    other = {"bank_account_number": "999999999999", "bank_ifsc": "YESB0000262"}
    wire.get(BENEFICIARY).respond(
        200, json={"beneficiary_id": "PDBk1", "beneficiary_instrument_details": other}
    )
    post = wire.post(TRANSFERS).respond(200, json=_body())
    answer = _send(access)
    assert (answer.outcome, answer.code, post.called) == (_O.NOT_SENT, "BENEFICIARY_DIFFERS", False)


def _said(status: int, code: str, message: str = "x") -> httpx.Response:
    return httpx.Response(status, json={"type": "invalid_request_error", "code": code, "message": message})


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (_said(400, "transfer_amount_invalid"), _O.FAILED, "transfer_amount_invalid"),
        (_said(422, "something"), _O.FAILED, "something"),
        (_said(401, "authentication_failed"), _O.NOT_SENT, CREDENTIALS),
        (_said(403, "ip_not_whitelisted"), _O.NOT_SENT, CREDENTIALS),
        (httpx.Response(403, text="<html>a firewall"), _O.UNKNOWN, ""),
        (_said(409, "transfer_id_already_exists"), _O.UNKNOWN, DUPLICATE),
        (_said(400, "transfer_id_already_exists"), _O.UNKNOWN, DUPLICATE),
        (_said(429, "too_many_requests"), _O.UNKNOWN, ""),
        (_said(500, "internal_server_error"), _O.UNKNOWN, ""),
        (httpx.Response(502, text="<html>"), _O.UNKNOWN, ""),
        (httpx.Response(400, text="<html>"), _O.UNKNOWN, ""),
        (httpx.Response(200, text='{"transfer_id": "PD'), _O.UNKNOWN, ""),
        (httpx.Response(200, text="<html>maintenance"), _O.UNKNOWN, ""),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), _O.UNKNOWN, ""),
        (httpx.Response(200, json=_body(transfer_id="PD2")), _O.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json=_body(transfer_amount=1.005)), _O.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json=_body(transfer_amount=True)), _O.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json=_body(status="ON_THE_MOON")), _O.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json=_body(status="success")), _O.UNKNOWN, UNREADABLE),
        (httpx.Response(200, json=_body(status="")), _O.UNKNOWN, UNREADABLE),
    ],
)  # fmt: skip
def test_what_answers_to_a_post_mean(
    access: Access, wire: respx.MockRouter, reply: httpx.Response, outcome: Outcome, code: str
) -> None:
    elsewhere = wire.get("https://evil.example/").respond(200, json=_body(status="SUCCESS"))
    route = wire.post(TRANSFERS).mock(return_value=reply)
    answer = _send(access)
    assert (answer.outcome, answer.code, route.call_count) == (outcome, code, 1)
    assert not elsewhere.called


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        (httpx.ReadTimeout("slow"), _O.UNKNOWN),
        (httpx.WriteError("cut"), _O.UNKNOWN),
        (httpx.ReadError("reset"), _O.UNKNOWN),
        (httpx.RemoteProtocolError("cut"), _O.UNKNOWN),
        (httpx.ConnectError("refused"), _O.NOT_SENT),
        (httpx.ConnectTimeout("far"), _O.NOT_SENT),
        (httpx.PoolTimeout("full"), _O.NOT_SENT),
    ],
    ids=repr,
)
def test_what_no_answer_to_a_post_means(
    access: Access, wire: respx.MockRouter, broken: Exception, outcome: Outcome
) -> None:
    route = wire.post(TRANSFERS).mock(side_effect=broken)
    assert (_send(access).outcome, route.call_count) == (outcome, 1)


@pytest.mark.parametrize(
    ("status", "status_code", "outcome", "code"),
    [
        ("RECEIVED", "RECEIVED", _O.ACCEPTED, ""),
        ("APPROVAL_PENDING", "VELOCITY_CHECK_FAILED", _O.ACCEPTED, ""),
        ("QUEUED", "", _O.ACCEPTED, ""),
        ("PENDING", "SCHEDULED_FOR_NEXT_WORKINGDAY", _O.ACCEPTED, ""),
        ("SUCCESS", "SENT_TO_BENEFICIARY", _O.SUCCEEDED, ""),
        ("SUCCESS", "COMPLETED", _O.SUCCEEDED, CREDITED),
        ("FAILED", "IMPS_MODE_FAIL", _O.FAILED, "IMPS_MODE_FAIL"),
        ("FAILED", "NPCI_UNAVAILABLE", _O.FAILED, "BANK_UNAVAILABLE"),
        ("REJECTED", "INSUFFICIENT_BALANCE", _O.FAILED, "INSUFFICIENT_BALANCE"),
        ("MANUALLY_REJECTED", "", _O.FAILED, "MANUALLY_REJECTED"),
        ("REVERSED", "IMPS_MODE_FAIL", _O.REVERSED, "IMPS_MODE_FAIL"),
        ("VALIDATION_PENDING", "", _O.ACCEPTED, ""),
    ],
)
def test_what_a_status_means(
    access: Access, wire: respx.MockRouter, status: str, status_code: str, outcome: Outcome, code: str
) -> None:
    route = wire.get(TRANSFERS, params={"transfer_id": "PD1"}).respond(
        200, json=_body(status=status, status_code=status_code, transfer_utr="UTR1")
    )
    answer = _status(access)
    assert (answer.outcome, answer.code, answer.utr) == (outcome, code, "UTR1")
    assert route.called


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (_said(404, "transfer_id_not_found"), _O.NOT_FOUND),
        (_said(404, "beneficiary_not_found"), _O.UNKNOWN),
        (httpx.Response(404, text="<html>nginx"), _O.UNKNOWN),
        (_said(401, "authentication_failed"), _O.UNKNOWN),
        (_said(400, "bad"), _O.UNKNOWN),
        (_said(500, "internal_server_error"), _O.UNKNOWN),
    ],
)
def test_asking_never_says_more_than_it_knows(
    access: Access, wire: respx.MockRouter, reply: httpx.Response, outcome: Outcome
) -> None:
    wire.get(TRANSFERS).mock(return_value=reply)
    assert _status(access).outcome is outcome


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"currency": "USD"}, "CURRENCY"),
        ({"details": {"vpa": "a@ok"}, "amount_minor": 1_00_000_01}, "NO_MODE"),
        ({"details": {"account_number": "12345678", "ifsc": "YESB0000262"}}, "NO_MODE"),
        ({"amount_minor": 99}, "NO_MODE"),
        ({"details": {"iban": "DE0"}}, "NO_MODE"),
        ({"beneficiary": "मीरा"}, "NAME"),
    ],
)
def test_what_cashfree_does_not_take_is_not_sent(
    access: Access, wire: respx.MockRouter, more: dict[str, Any], code: str
) -> None:
    answer = _send(access, **more)
    assert (answer.outcome, answer.code) == (_O.FAILED, code)
    assert not wire.calls


def test_without_keys_nothing_is_sent(database: Flask) -> None:
    organisation = factories.organisation(currency="INR")
    with respx.mock:
        answer = _send(Access(0, organisation.id, "sandbox", {}))
    assert (answer.outcome, answer.code) == (_O.NOT_SENT, CREDENTIALS)


def test_the_network_is_never_asked_inside_a_transaction(access: Access, wire: respx.MockRouter) -> None:
    with transaction(), pytest.raises(RuntimeError, match="outside"):
        _send(access)
    assert not wire.calls


@pytest.mark.parametrize(
    ("data", "minor"),
    [
        ({"balance": "100.00", "availableBalance": "99.50"}, 99_50),
        ({"availableBalance": 1234567.89}, 1_234_567_89),
        ({"balance": 5}, 5_00),
        ({"balance": "a lot"}, None),
        ({}, None),
    ],
)
def test_the_balance_is_exact(
    access: Access, wire: respx.MockRouter, data: object, minor: int | None
) -> None:
    authorize = wire.post(f"{V1}/authorize").respond(
        200, json={"status": "SUCCESS", "data": {"token": "tok-1"}}
    )
    asked = wire.get(f"{V1}/getBalance").respond(200, json={"status": "SUCCESS", "data": data})
    assert Cashfree().balance(access.organisation_id, "INR") == minor
    assert Cashfree().balance(access.organisation_id, "INR") == minor
    assert asked.calls.last.request.headers["authorization"] == "Bearer tok-1"
    assert authorize.call_count == 1
    assert Cashfree().balance(access.organisation_id, "USD") is None


def test_a_signature_stands_in_for_a_fixed_address(database: Flask) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    access = Access(
        1, 1, "production", {"client_id": "OURS", "client_secret": "s", "public_key": pem.decode()}
    )
    with respx.mock:
        ask = respx.get("https://api.cashfree.com/payout/transfers").respond(200, json=_body())
        authorize = respx.post("https://payout-api.cashfree.com/payout/v1/authorize").respond(200, json={})
        client.get_transfer(access, "PD1")
        client.authorize(access)
    for route in (ask, authorize):
        sealed = base64.b64decode(route.calls.last.request.headers["x-cf-signature"])
        opened = key.decrypt(sealed, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)).decode()
        name, _, at = opened.partition(".")
        assert name == "OURS"
        assert abs(int(at) - time.time()) < 60


def test_without_a_key_nothing_is_sealed(database: Flask) -> None:
    access = Access(1, 1, "production", {"client_id": "OURS", "client_secret": "s"})
    with respx.mock:
        authorize = respx.post("https://payout-api.cashfree.com/payout/v1/authorize").respond(200, json={})
        client.authorize(access)
    assert "x-cf-signature" not in authorize.calls.last.request.headers


def test_verification_has_its_own_keys(database: Flask) -> None:
    keys = {
        "client_id": "P",
        "client_secret": "p",
        "verification_client_id": "V",
        "verification_client_secret": "v",
    }
    access = Access(1, 1, "sandbox", keys)
    base = "https://sandbox.cashfree.com/verification"
    with respx.mock:
        bank = respx.post(f"{base}/bank-account/sync").respond(200, json={"account_status": "VALID"})
        upi = respx.post(f"{base}/upi").respond(200, json={"status": "VALID"})
        client.verify_bank_account(access, account="026291800001191", ifsc="YESB0000262", name="Meera")
        client.verify_upi(access, verification_id="v1", vpa="a@ok", name="Meera")
    for route in (bank, upi):
        headers = route.calls.last.request.headers
        assert (headers["x-client-id"], headers["x-client-secret"]) == ("V", "v")


def test_no_key_and_no_account_is_logged_or_kept(
    access: Access,
    wire: respx.MockRouter,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    details = {"bank_account_number": GOOD["account_number"], "bank_ifsc": GOOD["ifsc"]}
    echo = _body(beneficiary_details={"beneficiary_instrument_details": details}, transfer_utr="123456789012")
    wire.post(TRANSFERS).respond(200, json=echo)
    wire.get(TRANSFERS).respond(
        400, json={"code": "x", "message": f"account {GOOD['account_number']} is wrong"}
    )
    answers = [_send(access), _status(access)]
    out = capsys.readouterr()
    said = caplog.text + out.out + out.err + repr(answers)
    for secret in (SECRET, GOOD["account_number"]):
        assert secret not in said
    assert "••1191" in said


def test_environments_are_two_worlds() -> None:
    assert client.base(Access(1, 1, "production", {}), "payouts") == "https://api.cashfree.com/payout"
    assert client.base(Access(1, 1, "sandbox", {}), "payouts") == BASE
    assert (
        client.base(Access(1, 1, "sandbox", {"payouts_url": "http://127.0.0.1:1/x/"}), "payouts")
        == "http://127.0.0.1:1/x"
    )
    with pytest.raises(KeyError):
        client.base(Access(1, 1, "staging", {}), "payouts")
