"""What Cashfree takes and how it says no, asked over plain HTTP: field by field, header by header."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.simulator.world import HEADERS
from webapp.simulator.server import Running

PAYOUT = "/cashfree/payout"
INSTRUMENT = {"bank_account_number": "026291800001191", "bank_ifsc": "YESB0000262"}
INLINE = {"beneficiary_name": "Joan Doe", "beneficiary_instrument_details": INSTRUMENT}
TRANSFER: dict[str, Any] = {
    "transfer_id": "T1", "transfer_amount": 100.5, "transfer_mode": "imps", "beneficiary_details": INLINE,
}  # fmt: skip
BENEFICIARY: dict[str, Any] = {
    "beneficiary_id": "B1", "beneficiary_name": "Joan Doe", "beneficiary_instrument_details": INSTRUMENT,
}  # fmt: skip
IN = "beneficiary_details.beneficiary_instrument_details"
GONE = object()


def _with(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**body, **changes}.items() if value is not GONE}


def _instrument(**values: str) -> dict[str, Any]:
    return {**INLINE, "beneficiary_instrument_details": values}


@pytest.fixture
def api(running: Running) -> httpx.Client:
    """A caller with good keys."""
    return httpx.Client(base_url=running.url, headers=HEADERS)


WRONG_TRANSFERS = [
    (_with(TRANSFER, transfer_id=GONE), "transfer_id_missing"),
    (_with(TRANSFER, transfer_id="with-hyphen"), "transfer_id_invalid"),
    (_with(TRANSFER, transfer_id="x" * 41), "transfer_id_invalid"),
    (_with(TRANSFER, transfer_id=7), "transfer_id_invalid"),
    (_with(TRANSFER, transfer_amount=GONE), "transfer_amount_missing"),
    (_with(TRANSFER, transfer_amount="100.50"), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_amount=0.99), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_amount=1.005), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_amount=True), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_amount=-5), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_amount=10**15), "transfer_amount_invalid"),
    (_with(TRANSFER, transfer_mode="bank"), "transfer_mode_invalid"),
    (_with(TRANSFER, transfer_mode=5), "transfer_mode_invalid"),
    (_with(TRANSFER, transfer_currency="USD"), "transfer_currency_invalid"),
    (_with(TRANSFER, transfer_remarks="no/slash"), "transfer_remarks_invalid"),
    (_with(TRANSFER, transfer_remarks="x" * 71), "transfer_remarks_invalid"),
    (_with(TRANSFER, beneficiary_details=GONE), "beneficiary_details_missing"),
    (_with(TRANSFER, beneficiary_details={}), "beneficiary_details.beneficiary_name_invalid"),
    (
        _with(TRANSFER, beneficiary_details={**INLINE, "beneficiary_name": "A. & Sons"}),
        "beneficiary_details.beneficiary_name_invalid",
    ),
    (
        _with(TRANSFER, beneficiary_details={"beneficiary_id": "a b"}),
        "beneficiary_details.beneficiary_id_invalid",
    ),
    (
        _with(
            TRANSFER, beneficiary_details=_instrument(bank_account_number="12345678", bank_ifsc="YESB0000262")
        ),
        f"{IN}.bank_account_number_invalid",
    ),
    (
        _with(
            TRANSFER,
            beneficiary_details=_instrument(bank_account_number="026291800001191", bank_ifsc="YESB1"),
        ),
        f"{IN}.bank_ifsc_invalid",
    ),
    (
        _with(TRANSFER, beneficiary_details=_instrument(vpa="success@upi")),
        f"{IN}.bank_account_number_invalid",
    ),
    (_with(TRANSFER, transfer_mode="upi"), f"{IN}.vpa_invalid"),
    (_with(TRANSFER, amount=5), "amount_invalid"),
    (_with(TRANSFER, beneficiary_details={**INLINE, "ifsc": "X"}), "beneficiary_details.ifsc_invalid"),
    (_with(TRANSFER, beneficiary_details=_instrument(ifsc="X")), f"{IN}.ifsc_invalid"),
]


@pytest.mark.parametrize(
    ("body", "code"), WRONG_TRANSFERS, ids=[f"{n}-{c}" for n, (_, c) in enumerate(WRONG_TRANSFERS)]
)
def test_a_transfer_that_is_wrong_is_refused_by_its_code(
    api: httpx.Client, body: dict[str, Any], code: str
) -> None:
    reply = api.post(f"{PAYOUT}/transfers", json=body)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert reply.json()["type"] == "invalid_request_error"
    assert set(reply.json()) == {"type", "code", "message"}
    assert api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}).status_code == 404


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"transfer_amount": NaN}', "transfer_id=T1"])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, text: str) -> None:
    reply = api.post(f"{PAYOUT}/transfers", content=text)
    assert (reply.status_code, reply.json()["code"]) == (400, "request_body_invalid")


WRONG_BENEFICIARIES = [
    (_with(BENEFICIARY, beneficiary_id=GONE), 400, "beneficiary_id_missing"),
    (_with(BENEFICIARY, beneficiary_id="x" * 51), 400, "beneficiary_id_length_exceeded"),
    (_with(BENEFICIARY, beneficiary_id="\\q"), 400, "beneficiary_id_invalid"),
    (_with(BENEFICIARY, beneficiary_name="7 Seas"), 400, "beneficiary_name_invalid"),
    (
        _with(BENEFICIARY, beneficiary_instrument_details={"bank_account_number": "1234"}),
        400,
        "bank_ifsc_missing",
    ),
    (
        _with(BENEFICIARY, beneficiary_instrument_details={"bank_ifsc": "YESB0000262"}),
        400,
        "bank_account_number_missing",
    ),
    (
        _with(BENEFICIARY, beneficiary_instrument_details={**INSTRUMENT, "bank_account_number": "1" * 26}),
        400,
        "bank_account_number_length_exceeded",
    ),
    (
        _with(BENEFICIARY, beneficiary_instrument_details={**INSTRUMENT, "bank_account_number": "123"}),
        400,
        "bank_account_number_length_short",
    ),
    (
        _with(
            BENEFICIARY, beneficiary_instrument_details={**INSTRUMENT, "bank_account_number": "123@456789"}
        ),
        400,
        "bank_account_number_invalid",
    ),
    (
        _with(BENEFICIARY, beneficiary_instrument_details={**INSTRUMENT, "bank_ifsc": "SBIN00708410"}),
        400,
        "bank_ifsc_invalid",
    ),
    (
        _with(
            BENEFICIARY, beneficiary_instrument_details={**INSTRUMENT, "bank_account_number": "CFSOURCE00001"}
        ),
        422,
        "beneficiary_account_same_as_source",
    ),
    (_with(BENEFICIARY, bank_account="1"), 400, "bank_account_invalid"),
    (
        _with(BENEFICIARY, beneficiary_contact_details={"beneficiary_phone": "12"}),
        400,
        "beneficiary_phone_invalid",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), WRONG_BENEFICIARIES, ids=[c for *_, c in WRONG_BENEFICIARIES]
)
def test_a_beneficiary_that_is_wrong_is_refused_by_its_code(
    api: httpx.Client, body: dict[str, Any], status: int, code: str
) -> None:
    reply = api.post(f"{PAYOUT}/beneficiary", json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_a_beneficiary_is_made_found_and_removed(api: httpx.Client) -> None:
    made = api.post(f"{PAYOUT}/beneficiary", json=BENEFICIARY)
    assert made.status_code == 201
    assert made.json()["beneficiary_status"] == "VERIFIED"
    found = api.get(f"{PAYOUT}/beneficiary", params=INSTRUMENT)
    assert found.json() == made.json()
    again = api.post(f"{PAYOUT}/beneficiary", json=BENEFICIARY)
    assert (again.status_code, again.json()["code"]) == (409, "beneficiary_id_already_exists")
    twin = api.post(f"{PAYOUT}/beneficiary", json={**BENEFICIARY, "beneficiary_id": "B2"})
    assert (twin.status_code, twin.json()["code"]) == (409, "beneficiary_already_exists")
    gone = api.delete(f"{PAYOUT}/beneficiary", params={"beneficiary_id": "B1"})
    assert gone.json() == {**made.json(), "beneficiary_status": "DELETED"}
    assert api.get(f"{PAYOUT}/beneficiary", params={"beneficiary_id": "B1"}).status_code == 404


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 400, "beneficiary_identifiers_missing"),
        ({"beneficiary_id": "B1", **INSTRUMENT}, 400, "too_many_parameters_in_request"),
        ({"bank_account_number": "026291800001191"}, 400, "bank_ifsc_missing"),
        ({"bank_ifsc": "YESB0000262"}, 400, "bank_account_number_missing"),
        ({"beneficiary_id": "B9"}, 404, "beneficiary_not_found"),
        (INSTRUMENT, 404, "beneficiary_not_found"),
    ],
)
def test_asking_for_a_beneficiary_in_a_wrong_way(
    api: httpx.Client, query: dict[str, str], status: int, code: str
) -> None:
    reply = api.get(f"{PAYOUT}/beneficiary", params=query)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_an_instrument_that_is_not_the_beneficiarys_is_refused(api: httpx.Client) -> None:
    api.post(f"{PAYOUT}/beneficiary", json=BENEFICIARY)
    details = {
        "beneficiary_id": "B1",
        "beneficiary_instrument_details": {**INSTRUMENT, "bank_ifsc": "YESB0000263"},
    }
    reply = api.post(f"{PAYOUT}/transfers", json=_with(TRANSFER, beneficiary_details=details))
    assert reply.json()["code"] == f"{IN}.bank_ifsc_invalid"
    assert "does not match with the beneficiary" in reply.json()["message"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-client-secret": "wrong"}, 401, "authentication_failed"),
        ({"x-client-id": "SOMEBODY"}, 401, "authentication_failed"),
        ({"x-api-version": ""}, 400, "x-api-version_missing"),
        ({"x-api-version": "2023-08-01"}, 400, "x-api-version_invalid"),
    ],
)
def test_who_is_not_let_in(api: httpx.Client, headers: dict[str, str], status: int, code: str) -> None:
    reply = api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_an_answer_has_the_headers_of_the_document(api: httpx.Client) -> None:
    reply = api.post(f"{PAYOUT}/transfers", json=TRANSFER, headers={"x-request-id": "our-own-id"})
    assert reply.headers["x-request-id"] == "our-own-id"
    assert reply.headers["x-api-version"] == "2024-01-01"
    assert reply.headers["x-ratelimit-retry"] == "0"
    assert reply.json()["cf_transfer_id"].isdecimal()
    assert '"transfer_amount":100.50' in reply.text


def test_too_many_requests_in_a_minute_are_told_how_long_to_wait(running: Running, api: httpx.Client) -> None:
    running.sim.options.requests_a_minute = 2
    ask = {"transfer_id": "T1"}
    seen = [api.get(f"{PAYOUT}/transfers", params=ask).status_code for _ in range(3)]
    assert seen == [404, 404, 429]
    running.sim.clock.move(20)
    reply = api.get(f"{PAYOUT}/transfers", params=ask)
    assert (reply.status_code, reply.headers["x-ratelimit-retry"]) == (429, "40")
    # Each call has a limit of its own, and a minute later all is well again.
    assert api.post(f"{PAYOUT}/transfers", json=TRANSFER).status_code == 200
    running.sim.clock.move(41)
    assert api.get(f"{PAYOUT}/transfers", params=ask).status_code == 200


def test_a_transfer_is_found_by_either_id_and_by_its_own_account_only(
    running: Running, api: httpx.Client
) -> None:
    made = api.post(f"{PAYOUT}/transfers", json=TRANSFER).json()
    by_own = api.get(f"{PAYOUT}/transfers", params={"cf_transfer_id": made["cf_transfer_id"]})
    assert by_own.json()["transfer_id"] == "T1"
    api.post(
        "/control/clients", json={"provider": "cashfree", "client_id": "OTHER", "secret": "another-secret"}
    )
    other = {**HEADERS, "x-client-id": "OTHER", "x-client-secret": "another-secret"}
    assert api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}, headers=other).status_code == 404
    assert api.post(f"{PAYOUT}/transfers", json=TRANSFER, headers=other).status_code == 200
    unknown = api.get(f"{PAYOUT}/transfers", params={"cf_transfer_id": "9"}).json()
    assert unknown["code"] == "cf_transfer_id_not_found"


def test_a_batch_is_taken_whole_or_not_at_all(running: Running, api: httpx.Client) -> None:
    second = _with(TRANSFER, transfer_id="T2", transfer_amount=0)
    body = {"batch_transfer_id": "BATCH_1", "transfers": [TRANSFER, second]}
    refused = api.post(f"{PAYOUT}/transfers/batch", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "transfers[1].transfer_amount_invalid")
    assert api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}).status_code == 404
    body["transfers"] = [TRANSFER, {**second, "transfer_amount": 7}]
    taken = api.post(f"{PAYOUT}/transfers/batch", json=body)
    assert taken.json()["status"] == "RECEIVED"
    again = api.post(f"{PAYOUT}/transfers/batch", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "batch_transfer_id_already_exists")
    running.sim.clock.move(30)
    done = api.get(f"{PAYOUT}/transfers/batch", params={"batch_transfer_id": "BATCH_1"}).json()
    assert done["status"] == "PROCESSED"
    assert [each["status"] for each in done["transfers"]] == ["SUCCESS", "SUCCESS"]
    missing = api.get(f"{PAYOUT}/transfers/batch", params={"batch_transfer_id": "BATCH_2"})
    assert (missing.status_code, missing.json()["code"]) == (404, "batch_transfer_id_not_found")


@pytest.mark.parametrize(
    ("mode", "phone", "status"),
    [
        ("paytm", "9999999999", "SUCCESS"), ("paytm", "8888888888", "FAILED"),
        ("amazonpay", "7777777777", "SUCCESS"), ("amazonpay", "6666666666", "FAILED"),
    ],
)  # fmt: skip
def test_wallets(running: Running, api: httpx.Client, mode: str, phone: str, status: str) -> None:
    details = {"beneficiary_name": "J", "beneficiary_contact_details": {"beneficiary_phone": phone}}
    body = _with(TRANSFER, transfer_mode=mode, beneficiary_details=details)
    assert api.post(f"{PAYOUT}/transfers", json=body).status_code == 200
    running.sim.clock.move(30)
    assert api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}).json()["status"] == status


@pytest.mark.parametrize(
    ("token", "status"), [("4434260000000000", "SUCCESS"), ("4434260000000001", "FAILED")]
)
def test_cards(running: Running, api: httpx.Client, token: str, status: str) -> None:
    details = _instrument()
    details["beneficiary_instrument_details"] = {"card_details": {"card_token": token}}
    body = _with(TRANSFER, transfer_mode="card", beneficiary_details=details)
    assert api.post(f"{PAYOUT}/transfers", json=body).status_code == 200
    running.sim.clock.move(30)
    assert api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}).json()["status"] == status


@pytest.mark.parametrize(("mode", "amount"), [("imps", 500_001), ("upi", 100_001)])
def test_more_than_a_mode_takes_is_rejected(api: httpx.Client, mode: str, amount: int) -> None:
    details = _instrument(vpa="success@upi") if mode == "upi" else INLINE
    body = _with(TRANSFER, transfer_mode=mode, transfer_amount=amount, beneficiary_details=details)
    reply = api.post(f"{PAYOUT}/transfers", json=body).json()
    assert (reply["status"], reply["status_code"]) == ("REJECTED", "INVALID_AMOUNT_FAIL")


def test_what_a_transfer_costs_is_told_and_taken(running: Running, api: httpx.Client) -> None:
    running.sim.options.charge_minor = 100
    before = running.sim.client("cashfree", HEADERS["x-client-id"])
    api.post(f"{PAYOUT}/transfers", json=TRANSFER)
    running.sim.clock.move(30)
    body = api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"}).json()
    assert (body["transfer_service_charge"], body["transfer_service_tax"]) == (1.00, 0.18)
    after = running.sim.client("cashfree", HEADERS["x-client-id"])
    assert before is not None
    assert after is not None
    assert before.balance_minor - after.balance_minor == 100_50 + 1_18


# ---------------------------------------------------------------- V1 and verification


def test_the_balance_needs_a_token_that_lives_five_minutes(running: Running, api: httpx.Client) -> None:
    refused = api.post(f"{PAYOUT}/v1/authorize", headers={"x-client-secret": "wrong"})
    assert (refused.status_code, refused.json()["status"], refused.json()["subCode"]) == (200, "ERROR", "401")
    token = api.post(f"{PAYOUT}/v1/authorize").json()["data"]["token"]
    bearer = {"authorization": f"Bearer {token}"}
    said = api.get(f"{PAYOUT}/v1/getBalance", headers=bearer).json()
    assert said["data"] == {"balance": "1000000000.00", "availableBalance": "1000000000.00"}
    assert api.post(f"{PAYOUT}/v1/verifyToken", headers=bearer).json()["subCode"] == "200"
    running.sim.clock.move(301)
    late = api.get(f"{PAYOUT}/v1/getBalance", headers=bearer)
    assert (late.status_code, late.json()["subCode"]) == (200, "403")


@pytest.mark.parametrize(
    ("account", "ifsc", "status", "code"),
    [
        ("026291800001191", "YESB0000262", "VALID", "ACCOUNT_IS_VALID"),
        ("234005000876", "ICIC0000007", "INVALID", "INVALID_ACCOUNT_FAIL"),
        ("2640101002729", "CNRR0002640", "INVALID", "INVALID_IFSC_FAIL"),
    ],
)
def test_verifying_a_bank_account(api: httpx.Client, account: str, ifsc: str, status: str, code: str) -> None:
    body = {"bank_account": account, "ifsc": ifsc, "name": "Joan Doe"}
    said = api.post("/cashfree/verification/bank-account/sync", json=body).json()
    assert (said["account_status"], said["account_status_code"]) == (status, code)
    assert said["name_at_bank"] == ("JOAN DOE" if status == "VALID" else None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ifsc": "YESB0000262"}, 400, "bank_account_missing"),
        ({"bank_account": "12345", "ifsc": "YESB0000262"}, 400, "bank_account_length_short"),
        ({"bank_account": "1" * 41, "ifsc": "YESB0000262"}, 400, "bank_account_length_exceeded"),
        ({"bank_account": "123456@", "ifsc": "YESB0000262"}, 400, "bank_account_value_invalid"),
        ({"bank_account": "123456789"}, 400, "ifsc_missing"),
        ({"bank_account": "123456789", "ifsc": "YES"}, 400, "ifsc_value_invalid"),
        ({"bank_account": "34978321547298", "ifsc": "KKBK0000001"}, 422, "connection_timeout"),
    ],
)
def test_a_verification_that_does_not_work(
    api: httpx.Client, body: dict[str, str], status: int, code: str
) -> None:
    reply = api.post("/cashfree/verification/bank-account/sync", json=body)
    assert (reply.status_code, reply.json()["code"], reply.json()["type"]) == (
        status,
        code,
        "validation_error",
    )


@pytest.mark.parametrize(
    ("vpa", "status"), [("success@upi", "VALID"), ("incorrect@upi", "INVALID"), ("invalid@upi", "INVALID")]
)
def test_verifying_a_upi_address(api: httpx.Client, vpa: str, status: str) -> None:
    said = api.post("/cashfree/verification/upi", json={"verification_id": "v1", "vpa": vpa})
    assert said.json()["status"] == status
    again = api.get("/cashfree/verification/upi", params={"verification_id": "v1"})
    assert again.json() == said.json()
    by_reference = api.get("/cashfree/verification/upi", params={"reference_id": said.json()["reference_id"]})
    assert by_reference.json() == said.json()
    missing = api.get("/cashfree/verification/upi", params={"verification_id": "v2"})
    assert (missing.status_code, missing.json()["code"]) == (404, "verification_id_not_found")


def test_every_call_is_in_the_journal(api: httpx.Client) -> None:
    api.post(f"{PAYOUT}/transfers", json=TRANSFER)
    api.post(f"{PAYOUT}/transfers", json=TRANSFER)
    api.get(f"{PAYOUT}/transfers", params={"transfer_id": "T1"})
    calls = api.get("/control/calls", params={"subject": "T1"}).json()
    assert [(call["endpoint"], call["status"]) for call in calls] == [
        ("transfers.create", 200), ("transfers.create", 409), ("transfers.get", 200),
    ]  # fmt: skip
    assert json.loads(calls[0]["request"]) == TRANSFER
    assert api.get("/control/totals").json()["T1"]["posts"] == 2
