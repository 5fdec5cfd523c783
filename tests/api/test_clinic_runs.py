"""Payouts of many invoices by API: what a run would do, starting it, and what became of each row."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tests import factories
from tests.api.conftest import Care
from tests.factories import clinic
from tests.support.worker import work_off_named
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts.models import Payout
from webapp.runs import service as runs
from webapp.runs.models import Run


def _count(model: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


def test_many_invoices_are_paid_out_by_a_run(care: Care) -> None:
    ready = [clinic.paid(care.organisation, [care.ana]) for _ in range(3)]
    done, order = clinic.paid(care.organisation, [care.ben]), clinic.paid(care.organisation, None)
    clinic.pay_out(done)
    numbers = [row.number for row in (*ready, done, order)]
    api = care.api()
    draft = api.post("/payout-runs", {"invoices": numbers, "is_draft": True})
    assert draft.status_code == 201, draft.text
    assert (draft.json["state"], draft.json["invoices"]) == ("draft", 5)
    assert [row["invoice"] for row in draft.json["ready"]] == numbers[:3]
    assert [(s["base"]["amount"], s["amount"]["amount"]) for s in draft.json["sums"]] == [
        ("300.00", "270.00")
    ]
    assert {row["invoice"]: row["reason"] for row in draft.json["skipped"]}.keys() == set(numbers[3:])
    reference = draft.json["reference"]
    assert _count(Payout) == 1
    assert api.get(f"/payout-runs/{reference}").json == draft.json
    assert care.api("approver").post(f"/payout-runs/{reference}/confirm").status_code == 409
    assert api.post(f"/payout-runs/{reference}/confirm").json["state"] == "queued"
    assert api.post(f"/payout-runs/{reference}/confirm").json["state"] == "queued"
    work_off_named(reference)
    run = care.api("accountant").get(f"/runs/{reference}").json
    assert (run["state"], run["done"], run["skipped"], run["failed"]) == ("finished", 3, 2, 0)
    first = api.get(f"/runs/{reference}/rows?limit=4").json
    rest = api.get(f"/runs/{reference}/rows?limit=4&cursor={first['next_cursor']}").json
    rows = first["items"] + rest["items"]
    assert [(row["subject"], row["outcome"]) for row in rows] == [
        *((number, "done") for number in numbers[:3]), *((number, "skipped") for number in numbers[3:]),
    ]  # fmt: skip
    left_out = api.get(f"/runs/{reference}/rows?outcome=skipped").json["items"]
    assert ["has its payout already" in left_out[0]["message"], "not about an appointment" in left_out[1]["message"]] \
        == [True, True]  # fmt: skip
    assert clinic.holds(care.organisation, care.ana) == 270_00
    assert [row["reference"] for row in api.get("/runs?kind=clinic.payouts").json["items"]] == [reference]
    db.session.rollback()
    assert check.run(care.organisation.id).findings == []


def test_every_invoice_that_is_ready(care: Care) -> None:
    api = care.api()
    empty = api.post("/payout-runs", {"all_ready": True})
    assert (empty.status_code, empty.json["code"]) == (409, "conflict")
    clinic.paid(care.organisation, [care.ana])
    made = api.post("/payout-runs", {"all_ready": True}, key="once")
    assert (made.status_code, made.json["state"], made.json["invoices"]) == (201, "queued", 1)
    assert api.post("/payout-runs", {"all_ready": True}, key="once").json == made.json
    assert _count(Run) == 1


@pytest.mark.parametrize("body", [{}, {"invoices": []}, {"invoices": ["INV-001"], "all_ready": True},
                                  {"invoices": ["INV-404"]}, {"invoices": [1]}])  # fmt: skip
def test_runs_that_cannot_be(care: Care, body: dict[str, Any]) -> None:
    clinic.paid(care.organisation, [care.ana])
    answer = care.api().post("/payout-runs", body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"].startswith("invoices")
    assert _count(Run) == 0


def test_runs_of_others_are_not_there(care: Care) -> None:
    clinic.paid(care.organisation, [care.ana])
    reference = care.api().post("/payout-runs", {"all_ready": True, "is_draft": True}).json["reference"]
    stranger = care.stranger()
    for address in (f"/payout-runs/{reference}", f"/runs/{reference}", f"/runs/{reference}/rows"):
        assert stranger.get(address).status_code == 404
    assert stranger.post(f"/payout-runs/{reference}/confirm").status_code == 404
    foreign = {"invoices": [clinic.paid(care.organisation, [care.ana]).number]}
    assert stranger.post("/payout-runs", foreign).json["errors"][0]["field"] == "invoices"
    # Another kind of run is none of payouts: it is neither shown nor started here.
    with transaction():
        other = runs.create_draft(
            organisation_id=care.organisation.id, kind="payouts.approve", title="Approve", rows=[runs.RowDraft()],
            actor=factories.actor_of(care.users["admin"]), now=utc_now(),
        ).reference  # fmt: skip
    assert care.api().get(f"/payout-runs/{other}").status_code == 404
    assert care.api().post(f"/payout-runs/{other}/confirm").status_code == 404
