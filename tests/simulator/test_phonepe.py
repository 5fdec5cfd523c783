"""The simulated gateway and our own collector: orders, the page without scripts, refunds, messages, faults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flask import Flask

from tests import factories
from tests.providers.accounts import account
from tests.simulator.world import Receiver, simulator
from webapp.providers import http
from webapp.providers.phonepe import client, webhooks
from webapp.providers.phonepe.collector import PhonePe
from webapp.providers.ports import (
    CREDENTIALS,
    UNREADABLE,
    CollectionAnswer,
    CollectionOrder,
    CollectionState,
)
from webapp.simulator.server import Running

_C = CollectionState
BACK = "http://localhost:8000/rent/token/back"


class Gateway:
    """An organisation that collects through the simulator."""

    def __init__(self, running: Running) -> None:
        self.running, self.sim = running, running.sim
        self.http = httpx.Client(base_url=running.url)
        self.organisation_id = factories.organisation(currency="INR").id
        base = f"{running.url}/phonepe"
        keys = {"client_id": "SIM_PHONEPE", "client_version": "1", "client_secret": "sim-phonepe-secret"}
        self.access = account(self.organisation_id, "phonepe", oauth_url=base, payments_url=base, **keys)
        self.collector = PhonePe()

    def create(self, order_id: str = "O1", amount: int = 1_020_000, **more: Any) -> CollectionAnswer:
        """Open an order of 10,200.00."""
        order = CollectionOrder(
            self.organisation_id, order_id, amount, "INR", "Rent RC-2026-000001", BACK, **more
        )
        return self.collector.create(order)

    def press(self, answer: CollectionAnswer, action: str, mode: str = "UPI_QR") -> httpx.Response:
        """Press a button of the payment page, as a browser without scripts does."""
        return self.http.post(answer.pay_url, data={"action": action, "mode": mode})

    def status(self, order_id: str = "O1") -> CollectionAnswer:
        """Ask by our own collector."""
        return self.collector.status(self.organisation_id, order_id)

    def later(self, seconds: float) -> None:
        """Let time pass at the provider."""
        self.sim.clock.move(seconds)
        self.sim.advance()


@pytest.fixture
def gateway(database: Flask) -> Iterator[Gateway]:
    """A simulator and an organisation that collects through it."""
    made = Gateway(simulator())
    yield made
    made.http.close()
    made.running.close()


def test_a_person_pays_on_the_page(gateway: Gateway) -> None:
    made = gateway.create()
    assert (made.state, made.expires_at is not None) == (_C.PENDING, True)
    page = gateway.http.get(made.pay_url)
    assert page.status_code == 200
    for said in ("10,200.00 INR", "Rent RC-2026-000001", 'value="pay"', 'value="UPI_QR"'):
        assert said in page.text, said
    assert "<script" not in page.text
    assert "http://localhost:8000" in page.headers["content-security-policy"]
    assert gateway.status().state is _C.PENDING
    left = gateway.press(made, "pay", "NET_BANKING")
    assert (left.status_code, left.headers["location"]) == (303, BACK)
    answer = gateway.status()
    assert (answer.state, answer.amount_minor, answer.method) == (_C.COMPLETED, 1_020_000, "NET_BANKING")
    assert answer.provider_reference == made.provider_reference


def test_upi_has_a_utr(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "pay")
    assert len(gateway.status().utr) == 12


def test_the_bank_declines(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "decline")
    answer = gateway.status()
    assert (answer.state, answer.code, answer.message) == (_C.FAILED, "ZM", "The bank declined the payment.")


def test_a_slow_bank_agrees_later(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "later")
    assert gateway.status().state is _C.PENDING
    gateway.later(61)
    assert gateway.status().state is _C.COMPLETED


def test_leaving_leaves_it_open_until_it_runs_out(gateway: Gateway) -> None:
    made = gateway.create()
    assert gateway.press(made, "leave").headers["location"] == BACK
    assert gateway.status().state is _C.PENDING
    gateway.sim.clock.move(1201)
    # Nobody has come round to let it run out; whoever asks is told the truth all the same.
    assert (gateway.status().state, gateway.status().code) == (_C.FAILED, "ORDER_EXPIRED")
    assert gateway.press(made, "pay").status_code == 409
    assert gateway.press(made, "leave").status_code == 303


@pytest.mark.parametrize("action", ["", "steal"])
def test_a_button_that_there_is_not(gateway: Gateway, action: str) -> None:
    assert gateway.press(gateway.create(), action).status_code == 409


def test_a_way_to_pay_that_there_is_not(gateway: Gateway) -> None:
    assert gateway.press(gateway.create(), "pay", "BARTER").status_code == 409
    assert gateway.status().state is _C.PENDING


def test_a_page_that_there_is_not(gateway: Gateway) -> None:
    address = f"{gateway.running.url}/phonepe/checkout/page/nothing"
    assert gateway.http.get(address).status_code == 404
    assert gateway.http.post(address, data={"action": "pay"}).status_code == 404


def test_two_clicks_pay_once(gateway: Gateway) -> None:
    made = gateway.create()
    assert [gateway.press(made, "pay").status_code for _ in range(2)] == [303, 409]
    assert gateway.http.get("/control/totals", params={"provider": "phonepe"}).json()["O1"]["posts"] == 1


def test_the_same_order_id_again_asks_for_the_order(gateway: Gateway) -> None:
    gateway.create()
    again = gateway.create()
    assert (again.state, again.pay_url) == (_C.PENDING, "")
    gateway.running.sim.providers["phonepe"].act(gateway.sim, "pay", "O1", {})
    assert gateway.create().state is _C.COMPLETED


def test_an_order_that_nobody_opened(gateway: Gateway) -> None:
    assert gateway.status("O404").state is _C.NOT_FOUND


def _raw(gateway: Gateway, body: object, token: bool = True) -> httpx.Response:
    fresh = client.fetch_token(gateway.access)
    assert fresh is not None
    headers = {"authorization": f"O-Bearer {fresh.value}"} if token else {}
    return gateway.http.post("/phonepe/checkout/v2/pay", json=body, headers=headers)


FLOW = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": BACK}}
GOOD = {"merchantOrderId": "O2", "amount": 100, "paymentFlow": FLOW}


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 99},
        {"amount": "100"},
        {"amount": 100.5},
        {"amount": True},
        {"merchantOrderId": "x" * 64},
        {"merchantOrderId": "a b"},
        {"expireAfter": 299},
        {"expireAfter": 3601},
        {"paymentFlow": {**FLOW, "type": "PG"}},
        {"paymentFlow": {"type": "PG_CHECKOUT"}},
        {"paymentFlow": {**FLOW, "merchantUrls": {"redirectUrl": "javascript:1"}}},
        {"metaInfo": {"udf16": "x"}},
        {"metaInfo": {"udf1": "x" * 257}},
        {"metaInfo": {"udf11": "<"}},
        {"orderId": "other"},
        {"paymentFlow": {**FLOW, "paymentModeConfig": {"enabledPaymentModes": [{"type": "BARTER"}]}}},
    ],
    ids=str,
)
def test_requests_that_are_not_as_documented(gateway: Gateway, wrong: dict[str, object]) -> None:
    said = _raw(gateway, {**GOOD, **wrong})
    assert (said.status_code, said.json()["code"]) == (400, "BAD_REQUEST")
    assert set(said.json()) == {"code", "message"}


def test_nulls_of_the_public_kit_are_no_values(gateway: Gateway) -> None:
    body = {**GOOD, "expireAfter": None, "metaInfo": None, "paymentFlow": {**FLOW, "message": None}}
    assert _raw(gateway, body).status_code == 200


def test_a_chosen_way_to_pay_is_the_only_one(gateway: Gateway) -> None:
    config = {"enabledPaymentModes": [{"type": "CARD"}]}
    said = _raw(gateway, {**GOOD, "paymentFlow": {**FLOW, "paymentModeConfig": config}})
    page = gateway.http.get(said.json()["redirectUrl"]).text
    assert ('value="CARD"' in page, 'value="UPI_QR"' in page) == (True, False)


def test_without_a_token_nobody_is_let_in(gateway: Gateway) -> None:
    said = _raw(gateway, GOOD, token=False)
    assert (said.status_code, said.json()["code"]) == (401, "AUTHORIZATION_FAILED")


def test_wrong_keys_get_no_token(gateway: Gateway) -> None:
    form = {"client_id": "SIM_PHONEPE", "client_version": "1", "client_secret": "wrong"}
    said = gateway.http.post("/phonepe/v1/oauth/token", data={**form, "grant_type": "client_credentials"})
    assert said.status_code == 401
    assert set(said.json()) == {"code", "errorCode", "message", "context"}


def test_a_token_that_ran_out_at_the_provider_is_renewed(gateway: Gateway) -> None:
    gateway.create()
    gateway.sim.store.write("DELETE FROM phonepe_tokens")
    assert gateway.status().state is _C.PENDING
    assert len(gateway.http.get("/control/calls", params={"endpoint": "token"}).json()) == 2


# ---------------------------------------------------------------- refunds and settlements


def _refund(gateway: Gateway, refund_id: str, amount: int) -> CollectionAnswer:
    return gateway.collector.refund(gateway.organisation_id, refund_id, "O1", amount)


def test_money_goes_back_in_parts(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "pay")
    assert _refund(gateway, "RF1", 20_000).state is _C.PENDING
    gateway.later(6)
    answer = gateway.collector.refund_status(gateway.organisation_id, "RF1")
    assert (answer.state, answer.amount_minor) == (_C.COMPLETED, 20_000)
    assert _refund(gateway, "RF1", 20_000).state is _C.COMPLETED
    too_much = _refund(gateway, "RF2", 1_000_001)
    assert (too_much.state, too_much.code) == (_C.FAILED, "REFUND_AMOUNT_EXCEEDS_ORIGINAL")
    assert _refund(gateway, "RF3", 1_000_000).state is _C.PENDING


def test_what_was_not_paid_cannot_go_back(gateway: Gateway) -> None:
    gateway.create()
    assert (_refund(gateway, "RF1", 100).state, _refund(gateway, "RF1", 100).code) == (
        _C.FAILED, "INVALID_TRANSACTION_ID",
    )  # fmt: skip
    assert gateway.collector.refund_status(gateway.organisation_id, "RF1").state is _C.NOT_FOUND


def test_a_refund_can_fail(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "pay")
    _refund(gateway, "RF1", 100)
    gateway.sim.providers["phonepe"].act(gateway.sim, "fail", "RF1", {})
    assert gateway.collector.refund_status(gateway.organisation_id, "RF1").state is _C.FAILED


def test_a_settlement_is_one_line_at_the_bank(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "pay")
    gateway.press(gateway.create("O2", 50_000), "pay")
    _refund(gateway, "RF1", 20_000)
    gateway.later(6)
    gateway.sim.providers["phonepe"].act(gateway.sim, "settle", "", {})
    (line,) = gateway.http.get("/control/statement.json").json()
    assert line["amount_minor"] == 1_020_000 + 50_000 - 20_000
    said = client.settlement_status(gateway.access, line["subject"])
    assert (said.body["state"], said.body["utr"]) == ("PROCESSED", line["utr"])


# ---------------------------------------------------------------- messages


@pytest.fixture
def told(gateway: Gateway, receiver: Receiver) -> Receiver:
    """Takes the gateway's messages."""
    body = {"provider": "phonepe", "client_id": "SIM_PHONEPE", "url": receiver.url}
    assert gateway.http.post("/control/target", json=body).status_code == 200
    return receiver


def _is_authorised(headers: Any) -> bool:
    return webhooks.is_authorised(headers, "paydesk_hooks", "simulator1")


def test_messages_carry_the_hash_and_name_our_id(gateway: Gateway, told: Receiver) -> None:
    gateway.press(gateway.create(), "pay")
    _refund(gateway, "RF1", 100)
    gateway.later(6)
    order, refund = told.told
    digest = hashlib.sha256(b"paydesk_hooks:simulator1").hexdigest()
    assert order.headers["authorization"] == digest
    assert _is_authorised(order.headers)
    assert webhooks.subject(order.body) == ("checkout.order.completed", "O1")
    assert webhooks.subject(refund.body) == ("pg.refund.completed", "RF1")
    payload = json.loads(order.body)["payload"]
    assert (payload["state"], payload["amount"], payload["merchantId"]) == (
        "COMPLETED",
        1_020_000,
        "SIM_PHONEPE",
    )


@pytest.mark.parametrize(
    ("how", "count", "good"), [("duplicate", 2, 2), ("forged", 2, 1), ("old", 1, 0), ("lost", 0, 0)]
)
def test_messages_that_go_wrong(gateway: Gateway, told: Receiver, how: str, count: int, good: int) -> None:
    gateway.sim.plan.add("F21", provider="phonepe", parameters={"how": how})
    gateway.press(gateway.create(), "pay")
    gateway.later(1)
    assert len(told.told) == count
    assert sum(_is_authorised(each.headers) for each in told.told) == good


def test_a_message_that_is_not_taken_comes_again(gateway: Gateway, told: Receiver) -> None:
    told.status = 500
    gateway.press(gateway.create(), "decline")
    gateway.later(1)
    told.status = 200
    gateway.later(16)
    assert [webhooks.subject(each.body)[0] for each in told.told] == ["checkout.order.failed"] * 2


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "state", "is_there"),
    [
        ("F1", _C.UNKNOWN, False),
        ("F3", _C.UNKNOWN, True),
        ("F4", _C.UNKNOWN, True),
        ("F5", _C.UNKNOWN, False),
        ("F6", _C.UNKNOWN, False),
        ("F8", _C.NOT_SENT, False),
        ("F10", _C.FAILED, False),
        ("F11", _C.UNKNOWN, True),
        ("F12", _C.UNKNOWN, True),
        ("F13", _C.UNKNOWN, True),
    ],
)
def test_an_order_that_is_opened_badly(
    gateway: Gateway, fault: str, state: CollectionState, is_there: bool
) -> None:
    gateway.sim.plan.add(fault, provider="phonepe", endpoint="pay")
    assert gateway.create().state is state
    assert gateway.status().state is (_C.PENDING if is_there else _C.NOT_FOUND)


def test_a_refused_address_is_said(gateway: Gateway) -> None:
    gateway.sim.plan.add("F8", provider="phonepe", endpoint="pay")
    assert gateway.create().code == CREDENTIALS


@pytest.mark.parametrize("fault", ["F5", "F6", "F11", "F12", "F13", "F16"])
def test_a_question_that_is_answered_badly_says_nothing(
    gateway: Gateway, fault: str, monkeypatch: Any
) -> None:
    gateway.press(gateway.create(), "pay")
    if fault == "F16":
        # The drip begins and goes on for longer than anybody waits.
        monkeypatch.setattr(http, "TOTAL_SECONDS", -1.0)
    gateway.sim.plan.add(fault, provider="phonepe", endpoint="status")
    assert gateway.status().state is _C.UNKNOWN


def test_an_old_answer_is_older_than_the_truth(gateway: Gateway) -> None:
    gateway.press(gateway.create(), "pay")
    gateway.sim.plan.add("F17", provider="phonepe", endpoint="status")
    assert [gateway.status().state for _ in range(2)] == [_C.PENDING, _C.COMPLETED]


def test_another_amount_and_another_order_are_what_they_say(gateway: Gateway) -> None:
    made = gateway.create()
    gateway.press(made, "pay")
    gateway.sim.plan.add("F14", provider="phonepe", endpoint="status")
    assert gateway.status().amount_minor == 1_020_100
    gateway.sim.plan.add("F15", provider="phonepe", endpoint="status")
    assert gateway.status().provider_reference == "SOMEBODYELSES1"


def test_an_order_that_is_hidden_at_first(gateway: Gateway) -> None:
    gateway.sim.plan.add("F18", provider="phonepe", endpoint="pay")
    gateway.create()
    assert gateway.status().state is _C.NOT_FOUND
    gateway.later(601)
    assert gateway.status().state is _C.PENDING


def test_a_late_order_arrives_after_a_404(gateway: Gateway) -> None:
    gateway.sim.plan.add("F2", provider="phonepe", endpoint="pay")
    assert gateway.create().state is _C.UNKNOWN
    assert gateway.status().state is _C.NOT_FOUND
    gateway.later(601)
    assert gateway.status().state is _C.PENDING


def test_a_failure_that_becomes_a_success(gateway: Gateway) -> None:
    gateway.sim.plan.add("F20", provider="phonepe", endpoint="pay")
    gateway.press(gateway.create(), "decline")
    assert gateway.status().state is _C.FAILED
    gateway.later(901)
    assert gateway.status().state is _C.COMPLETED


def test_keys_that_change_are_noticed_when_the_token_ends(gateway: Gateway) -> None:
    gateway.create()
    gateway.sim.rotate("phonepe", "SIM_PHONEPE")
    assert gateway.status().state is _C.PENDING
    gateway.sim.store.write("DELETE FROM phonepe_tokens")
    answer = gateway.status()
    assert (answer.state, answer.code) == (_C.NOT_SENT, CREDENTIALS)


def test_a_word_that_no_document_knows_is_kept(gateway: Gateway) -> None:
    gateway.create()
    gateway.sim.plan.add("F13", provider="phonepe", endpoint="status")
    answer = gateway.status()
    assert (answer.code, answer.raw["state"]) == (UNREADABLE, "ON_THE_MOON")
