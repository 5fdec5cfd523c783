"""What the providers' own kits for programmers need of an answer, and our own client does not."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.simulator.world import HEADERS, Receiver
from webapp.simulator.server import Running

PHONEPE, PAYOUT = "/phonepe", "/cashfree/payout"


@pytest.fixture
def gateway(running: Running, receiver: Receiver) -> httpx.Client:
    """PhonePe with a token, one open order O1, and somebody who takes its messages."""
    http = httpx.Client(base_url=running.url)
    form = {"client_id": "SIM_PHONEPE", "client_version": "1", "client_secret": "sim-phonepe-secret"}
    said = http.post(f"{PHONEPE}/v1/oauth/token", data={**form, "grant_type": "client_credentials"})
    http.headers["authorization"] = f"O-Bearer {said.json()['access_token']}"
    target = {"provider": "phonepe", "client_id": "SIM_PHONEPE", "url": receiver.url}
    assert http.post("/control/target", json=target).status_code == 200
    flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "http://localhost/back"}}
    order = {"merchantOrderId": "O1", "amount": 5000, "paymentFlow": flow}
    assert http.post(f"{PHONEPE}/checkout/v2/pay", json=order).status_code == 200
    return http


def _status(http: httpx.Client, path: str) -> dict[str, Any]:
    said: dict[str, Any] = http.get(f"{PHONEPE}/{path}/status").json()
    return said


def _press(running: Running, action: str) -> None:
    running.sim.providers["phonepe"].act(running.sim, action, "O1", {})


def test_one_try_to_pay_keeps_its_number_until_the_end(running: Running, gateway: httpx.Client) -> None:
    _press(running, "later")
    (waiting,) = _status(gateway, "checkout/v2/order/O1")["paymentDetails"]
    path = f"checkout/v2/transaction/{waiting['transactionId']}"
    assert _status(gateway, path)["state"] == "PENDING"
    running.sim.clock.move(61)
    said = _status(gateway, path)
    assert (said["state"], said["amount"], len(said["paymentDetails"])) == ("COMPLETED", 5000, 1)
    assert said["paymentDetails"][0]["state"] == "COMPLETED"


def test_a_try_that_nobody_made(gateway: httpx.Client) -> None:
    assert _status(gateway, "checkout/v2/transaction/OM0")["code"] == "INVALID_TRANSACTION_ID"


def test_a_refund_names_the_ids_of_the_merchant(running: Running, gateway: httpx.Client) -> None:
    _press(running, "pay")
    refund = {"merchantRefundId": "RF1", "originalMerchantOrderId": "O1", "amount": 100}
    assert gateway.post(f"{PHONEPE}/payments/v2/refund", json=refund).status_code == 200
    said = _status(gateway, "payments/v2/refund/RF1")
    assert (said["merchantId"], said["merchantRefundId"]) == ("SIM_PHONEPE", "RF1")


def test_messages_carry_the_old_name_of_the_event_too(
    running: Running, gateway: httpx.Client, receiver: Receiver
) -> None:
    _press(running, "pay")
    running.sim.advance()
    (told,) = receiver.told
    body = json.loads(told.body)
    assert (body["event"], body["type"]) == ("checkout.order.completed", "CHECKOUT_ORDER_COMPLETED")


@pytest.mark.parametrize(
    ("call", "headers", "code"),
    [("authorize", {**HEADERS, "x-client-secret": "wrong"}, "401"), ("verifyToken", {}, "403")],
)
def test_refusals_of_version_1_are_in_the_body_alone(
    running: Running, call: str, headers: dict[str, str], code: str
) -> None:
    said = httpx.post(f"{running.url}{PAYOUT}/v1/{call}", headers=headers)
    assert (said.status_code, said.json()["status"], said.json()["subCode"]) == (200, "ERROR", code)
