"""Our client's requests and the simulator's answers obey Cashfree's own description of Payouts V2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_core.exceptions import OpenAPIError

from tests.providers.cashfree.contract import DOCUMENT, Contract, asked, described
from tests.simulator.world import HEADERS, World, simulator
from webapp.providers.cashfree import webhooks
from webapp.providers.ports import Outcome

IDS = ("026291800001191", "YESB0000262"), ("00011020001772", "HDFC0000001")


@pytest.fixture
def contract() -> Contract:
    """What is looked at, and what did not fit."""
    return Contract()


@pytest.fixture
def world(database: Flask, contract: Contract) -> Iterator[World]:
    """An organisation that pays through a simulator which is looked at."""
    running = simulator()
    contract.watch(running.app)
    made = World(running)
    yield made
    made.close()
    assert not contract.broken, "\n".join(contract.broken)


def test_a_transfer_from_its_beneficiary_to_its_credit(world: World, contract: Contract) -> None:
    assert world.send().outcome is Outcome.ACCEPTED
    for seconds in (0, 6, 6):
        world.later(seconds)
        world.status()
    assert world.status().utr
    assert set(contract.seen) == {
        "POST /payout/beneficiary 201", "POST /payout/transfers 200", "GET /payout/transfers 200",
    }  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {"details": {"vpa": "success@upi"}, "amount_minor": 1_00},
        {"details": {"vpa": "failure@upi"}},
        {"details": {"account_number": "2640101002729", "ifsc": "CNRR0002640"}},
        {"details": {"account_number": "7766671735000", "ifsc": "SBIN0000004"}},
        {"details": {"account_number": "007711000031", "ifsc": "HDFC0000077"}},
        {"amount_minor": 9_99_99_999_99},
        {"amount_minor": 3_00_000_01},
        {"remarks": "PO-2026-000001 · किराया / rent & more", "beneficiary": "Núñez & Söhne (Pvt.) Ltd. 42"},
        {"beneficiary_key": "0f" * 16, "remarks": "x" * 300, "beneficiary": "Z " * 90},
    ],
    ids=str,
)
def test_every_kind_of_transfer(world: World, more: dict[str, Any]) -> None:
    assert world.send(**more).outcome is Outcome.ACCEPTED
    for seconds in (6, 100_000):
        world.later(seconds)
        world.status()


def test_refusals(world: World, contract: Contract) -> None:
    world.send()
    world.send()  # the same id
    world.send("PD2", beneficiary_key="k2")  # the same account
    world.status("PD404")
    world.rail.send(world.order("x" * 41))  # what our own ids never are, so that the answer is one
    contract.broken[:] = [
        line for line in contract.broken if "x" * 41 not in line or line.startswith("answer")
    ]
    world.enter_keys(client_secret="wrong")
    assert world.send("PD3").code == "CREDENTIALS"
    assert {name.rpartition(" ")[2] for name in contract.seen} >= {"200", "201", "400", "404", "409", "401"}


@pytest.mark.parametrize(
    "fault", ["F5", "F6", "F7", "F8", "F9", "F10", "F14", "F15", "F17", "F18", "F19", "F20"]
)
def test_answers_under_faults(world: World, fault: str) -> None:
    world.send("PD0")
    world.fault(fault, provider="cashfree", times=2)
    world.send("PD1")
    for seconds in (0, 30, 1_000, 300_000):
        world.later(seconds)
        world.status("PD1")


def test_the_rest_of_what_the_simulator_answers(world: World) -> None:
    world.send()
    ask, query = world.http.get, {"headers": HEADERS}
    known = ask("/cashfree/payout/beneficiary", params={"beneficiary_id": "PDBk1"}, **query)
    assert known.status_code == 200
    for params in ({"beneficiary_id": "nobody"}, {"bank_account_number": IDS[1][0], "bank_ifsc": IDS[1][1]}):
        assert ask("/cashfree/payout/beneficiary", params=params, **query).status_code == 404
    transfer = {
        "transfer_id": "B1", "transfer_amount": 1.25, "beneficiary_details": {"beneficiary_id": "PDBk1"},
    }  # fmt: skip
    batch = {"batch_transfer_id": "BATCH_1", "transfers": [transfer]}
    for expected in (200, 409):
        said = world.http.post("/cashfree/payout/transfers/batch", json=batch, **query)
        assert said.status_code == expected
    world.later(10)
    found = ask("/cashfree/payout/transfers/batch", params={"batch_transfer_id": "BATCH_1"}, **query)
    assert found.json()["transfers"][0]["transfer_id"] == "B1"
    gone = world.http.delete("/cashfree/payout/beneficiary", params={"beneficiary_id": "PDBk1"}, **query)
    assert gone.json()["beneficiary_status"] == "DELETED"


# ---------------------------------------------------------------- the check itself


def _post(body: object, **headers: str) -> None:
    sent = {**HEADERS, "content-type": "application/json", **headers}
    url = "http://127.0.0.1/cashfree/payout/transfers"
    described().validate_request(asked("POST", url, sent, json.dumps(body).encode()))


GOOD = {"transfer_id": "A1", "transfer_amount": 1.0, "beneficiary_details": {"beneficiary_id": "B1"}}


def test_what_is_right_passes_the_check() -> None:
    _post(GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"transfer_id": "A-1"},
        {"transfer_amount": 0.5},
        {"transfer_amount": "1.00"},
        {"amount": 1},
        {"transfer_remarks": "PO/1"},
        {"transfer_mode": "cheque"},
        {"beneficiary_details": {"beneficiary_id": "B1", "ifsc": "X"}},
    ],
    ids=str,
)
def test_what_is_wrong_does_not(wrong: dict[str, object]) -> None:
    with pytest.raises(OpenAPIError):
        _post({**GOOD, **wrong})


@pytest.mark.parametrize(
    "answer",
    [
        {"transfer_id": "A1", "status": "SUCCESS"},
        {"transfer_id": "A1", "cf_transfer_id": 7, "status": "SUCCESS"},
        {"transfer_id": "A1", "cf_transfer_id": "7", "status": "SUCCESS", "transfer_amount": "1.00"},
    ],
    ids=str,
)
def test_an_answer_that_is_not_as_described_is_found(contract: Contract, answer: dict[str, object]) -> None:
    app = Flask("elsewhere")
    app.add_url_rule("/cashfree/payout/transfers", view_func=lambda: answer)
    contract.watch(app)
    app.test_client().get("/cashfree/payout/transfers?transfer_id=A1", headers=HEADERS)
    (found,) = contract.broken
    assert found.startswith("answer GET /payout/transfers 200")


def test_a_call_without_its_version_does_not() -> None:
    with pytest.raises(OpenAPIError):
        _post(GOOD, **{"x-api-version": "2022-09-01"})


def test_the_shapes_of_messages_are_understood() -> None:
    examples = json.loads(DOCUMENT.with_name("webhook_examples.json").read_text())
    seen = [
        webhooks.subject(json.dumps(each).encode(), content_type="application/json")
        for each in examples["v2"]
    ]
    assert ("TRANSFER_ACKNOWLEDGED", "JUNOB2018") in seen
    assert ("BULK_TRANSFER_REJECTED", "") in seen
    assert all(kind for kind, _ in seen)
