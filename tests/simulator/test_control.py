"""What people and tests tell the simulator: time, faults, options, buttons; and that its books survive it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.simulator.world import HEADERS
from webapp.simulator import app as application
from webapp.simulator.clock import Clock, from_text, text
from webapp.simulator.server import Running
from webapp.simulator.settings import Options, Settings

TRANSFER = {
    "transfer_id": "T1",
    "transfer_amount": 100.5,
    "beneficiary_details": {
        "beneficiary_name": "Joan Doe",
        "beneficiary_instrument_details": {
            "bank_account_number": "007711000031",
            "bank_ifsc": "HDFC0000077",
        },
    },
}


@pytest.fixture
def api(running: Running) -> httpx.Client:
    """A caller with good keys."""
    return httpx.Client(base_url=running.url, headers=HEADERS)


def test_time_stands_moves_and_runs_on(api: httpx.Client) -> None:
    api.post("/control/clock", json={"stand": True, "now": "2026-11-21T10:00:00Z"})
    said = api.post("/control/clock", json={"seconds": 90}).json()
    assert said == {"now": "2026-11-21T10:01:30Z", "stands": True, "happened": 0}
    assert api.post("/control/clock", json={"stand": False}).json()["stands"] is False
    assert api.post("/control/clock", json={"now": "yesterday"}).status_code == 400


def test_a_clock_goes_on_from_where_it_stood() -> None:
    clock = Clock()
    clock.stand(from_text("2026-01-01T00:00:00+05:30"))
    assert text(clock.now()) == "2025-12-31T18:30:00Z"
    clock.run()
    assert clock.now() - from_text("2025-12-31T18:30:00") in range(10_000)
    clock.move(-3600)
    assert text(clock.now()).startswith("2025-12-31T17:30")


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("/control/faults", {"fault": "F99"}, "F1 to F24"),
        ("/control/faults", {"fault": "F3", "colour": "red"}, "'colour'"),
        ("/control/faults", {}, "fault is missing"),
        ("/control/faults/random", {"rate": 1}, "seed is missing"),
        ("/control/target", {"provider": "cashfree", "client_id": "NOBODY", "url": "http://x"}, "NOBODY"),
        ("/control/clients", {"provider": "stripe", "client_id": "A", "secret": "b"}, "stripe"),
        ("/control/options", {"weather": "fine"}, "'weather'"),
        ("/control/act", {"provider": "cashfree", "subject": "T9", "action": "settle"}, "no transfer T9"),
        ("/control/rotate", {"provider": "cashfree", "client_id": "NOBODY"}, "NOBODY"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    api: httpx.Client, path: str, body: dict[str, object], problem: str
) -> None:
    reply = api.post(path, json=body)
    assert reply.status_code == 400
    assert problem in reply.json()["problem"]


def test_an_outcome_is_ordered_for_a_transfer_an_account_or_the_next_one(
    running: Running, api: httpx.Client
) -> None:
    def order(subject: str, behaviour: str) -> httpx.Response:
        words = {"behaviour": behaviour}
        return api.post(
            "/control/act",
            json={"provider": "cashfree", "action": "order", "subject": subject, "words": words},
        )

    def status_of(transfer_id: str) -> tuple[str, str]:
        api.post("/cashfree/payout/transfers", json={**TRANSFER, "transfer_id": transfer_id})
        running.sim.clock.move(10)
        body = api.get("/cashfree/payout/transfers", params={"transfer_id": transfer_id}).json()
        return body["status"], body["status_code"]

    assert order("T1", "nonsense").status_code == 400
    order("T1", "fail:NPCI_UNAVAILABLE")
    assert status_of("T1") == ("FAILED", "NPCI_UNAVAILABLE")
    order("next", "approval:VELOCITY_CHECK_FAILED")
    assert status_of("T2") == ("APPROVAL_PENDING", "VELOCITY_CHECK_FAILED")
    assert status_of("T3") == ("PENDING", "PENDING")
    order("007711000031", "success")
    assert status_of("T4")[0] == status_of("T5")[0] == "SUCCESS"


def test_everything_can_be_forgotten(running: Running, api: httpx.Client) -> None:
    api.post("/cashfree/payout/transfers", json=TRANSFER)
    api.post("/control/faults", json={"fault": "F5", "times": 0})
    api.post("/control/options", json={"others": "succeed"})
    api.post("/control/reset", json={})
    assert api.get("/control/calls").json() == []
    assert api.get("/control/faults").json()["rules"] == []
    assert api.get("/control/").json()["options"]["others"] == "fail"
    assert api.post("/cashfree/payout/transfers", json=TRANSFER).status_code == 200


def test_the_page_lists_with_buttons_that_work_without_scripts(running: Running, api: httpx.Client) -> None:
    assert "Nothing has been asked for yet" in api.get("/").text
    api.post("/cashfree/payout/transfers", json=TRANSFER)
    page = api.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert not re.search(r"\son\w+=|style=", page.text)
    assert "100.50" in page.text
    form = {"provider": "cashfree", "subject": "T1", "client_id": HEADERS["x-client-id"]}
    assert api.post("/act", data={**form, "action": "settle"}).status_code == 303
    assert "SUCCESS SENT_TO_BENEFICIARY" in api.get("/").text
    again = api.post("/act", data={**form, "action": "fail"})
    assert again.status_code == 409
    assert "A transfer that is SUCCESS cannot do that." in again.text
    assert api.post("/act", data={"action": "settle"}).status_code == 409
    assert api.get("/simulator.css").headers["content-type"].startswith("text/css")


def test_a_fault_is_chosen_on_the_page(api: httpx.Client) -> None:
    assert api.post("/fault", data={"fault": "F9", "subject": " T1 "}).status_code == 303
    assert "F9 duplicate of T1" in " ".join(api.get("/").text.split())
    assert api.post("/fault", data={"fault": "F99"}).status_code == 422
    assert api.post("/faults/clear").status_code == 303
    assert "F9 duplicate of" not in " ".join(api.get("/").text.split())


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 303)])
def test_another_site_presses_no_buttons(api: httpx.Client, site: str, status: int) -> None:
    assert api.post("/faults/clear", headers={"sec-fetch-site": site}).status_code == status


def test_what_was_typed_is_shown_as_text(running: Running, api: httpx.Client) -> None:
    api.post("/fault", data={"fault": "F1", "subject": "<script>alert(1)</script>"})
    assert "<script" not in api.get("/").text


def test_the_books_outlive_the_process(tmp_path: Path) -> None:
    settings = Settings(database=str(tmp_path / "books.sqlite"), has_background=False)
    first = Running(settings)
    httpx.post(f"{first.url}/cashfree/payout/transfers", json=TRANSFER, headers=HEADERS)
    first.close()
    second = Running(settings)
    try:
        asked = httpx.get(
            f"{second.url}/cashfree/payout/transfers", params={"transfer_id": "T1"}, headers=HEADERS
        )
        assert asked.json()["status"] == "RECEIVED"
        again = httpx.post(f"{second.url}/cashfree/payout/transfers", json=TRANSFER, headers=HEADERS)
        assert again.status_code == 409
    finally:
        second.close()


def test_time_alone_settles_when_nobody_moves_it() -> None:
    app = application.create(Settings(options=Options(settle_seconds=0.0, credit_seconds=0.0)))
    sim = app.extensions["simulator"]
    try:
        details = {"beneficiary_name": "J", "beneficiary_instrument_details": {"vpa": "success@upi"}}
        body = {**TRANSFER, "transfer_mode": "upi", "beneficiary_details": details}
        made = app.test_client().post("/cashfree/payout/transfers", json=body, headers=HEADERS)
        assert made.status_code == 200
        deadline = time.monotonic() + 20
        while not sim.store.read("SELECT 1 FROM cashfree_transfers WHERE status_code = 'COMPLETED'"):
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
    finally:
        sim.close()
