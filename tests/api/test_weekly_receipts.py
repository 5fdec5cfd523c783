"""Weekly receipts by API: to the cent and in both signs, corrections, a driver's ledger; weekly runs."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any, get_args

import pytest

from tests.api.conftest import Cab, usd
from tests.api.test_driver_money import charge, earning
from tests.api.test_repair_posting import is_clean
from tests.factories import repairs as factory
from tests.factories.repairs import sunday
from webapp.api.schemas.people import StatementWord
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation
from webapp.programs.repairs import queries, receipt_document, week_runs
from webapp.programs.repairs.rules import week_of
from webapp.providers import storage
from webapp.statements import kinds
from webapp.statements import service as statements
from webapp.statements.models import Document

FRIDAY = "2025-10-10"


@pytest.fixture
def week(cab: Cab) -> Cab:
    """The week of 5 October as the program's page has it: 840.50 of charges, made by API."""
    api = cab.api()
    # The week before has its receipt; the lease is charged by the receipts.
    cab.repair("100")
    loan = {"driver": cab.ann.reference, "amount": usd("105.50"), "percent": "0", "lent_on": "2025-10-01",
            "start": "CURRENT"}  # fmt: skip
    assert api.post("/driver-loans", loan).status_code == 201
    settle = [earning(cab, "before", "500.00")]
    assert api.post("/driver-earnings", {"earnings": settle}).status_code == 200
    factory.run(cab.organisation, sunday(0))
    rows = [("taxes", "60.00"), ("tolls", "40.00"), ("tickets", "25.00"), ("miscellaneous", "10.00")]
    made = api.post(
        "/driver-charges", {"charges": [charge(cab, name, sum_, charged_on=FRIDAY) for name, sum_ in rows]}
    )
    assert made.status_code == 200, made.text
    return cab


def receipt(cab: Cab, n: int) -> dict[str, Any]:
    """Ann's receipt of the week that begins on the n-th Sunday."""
    query = f"driver={cab.ann.reference}&week_from={sunday(n)}&week_to={sunday(n)}&is_newest=true"
    items = cab.api().get(f"/weekly-receipts?{query}").json["items"]
    assert len(items) == 1
    found: dict[str, Any] = cab.api().get(f"/weekly-receipts/{items[0]['number']}").json
    return found


def figures(found: dict[str, Any]) -> tuple[str, ...]:
    """Opening, earnings, charges, adjustments, net, paid, closing."""
    names = ("opening", "earnings", "charges", "adjustments", "net", "paid", "closing")
    return tuple(found[name]["amount"] for name in names)


def test_a_driver_with_money_to_come_gets_a_payout(week: Cab) -> None:
    api = week.api()
    api.post("/driver-earnings", {"earnings": [earning(week, "w", "1000.00", earned_on=FRIDAY)]})
    factory.run(week.organisation, sunday(1))
    found = receipt(week, 0)
    assert figures(found) == ("0.00", "1000.00", "840.50", "0.00", "159.50", "159.50", "0.00")
    assert {each["category"]: each["amount"]["amount"] for each in found["by_category"]} == {
        "taxes": "60.00", "tolls": "40.00", "lease": "500.00", "tickets": "25.00", "repairs": "100.00",
        "loans": "105.50", "miscellaneous": "10.00",
    }  # fmt: skip
    assert [line["kind"] for line in found["lines"]].count("charge") == 7
    assert (found["week_start"], found["week_end"], found["lease"]) == (
        "2025-10-05", "2025-10-11", week.lease.reference,
    )  # fmt: skip
    payout = api.get(f"/payouts/{found['payout']}").json
    assert (payout["net"]["amount"], payout["state"]) == ("159.50", "pending_approval")
    assert is_clean(week)


def test_a_driver_who_owes_begins_the_next_week_with_it(week: Cab) -> None:
    api = week.api()
    api.post("/driver-earnings", {"earnings": [earning(week, "w", "600.00", earned_on=FRIDAY)]})
    factory.run(week.organisation, sunday(1))
    found = receipt(week, 0)
    assert figures(found) == ("0.00", "600.00", "840.50", "0.00", "-240.50", "0.00", "-240.50")
    assert found["payout"] is None
    owed = api.get(f"/drivers/{week.ann.reference}/balances").json
    assert (owed["owed"]["amount"], owed["kept"]["amount"], owed["net"]["amount"]) == (
        "240.50",
        "0.00",
        "-240.50",
    )
    factory.run(week.organisation, sunday(2))
    assert figures(receipt(week, 1)) == ("-240.50", "0.00", "500.00", "0.00", "-740.50", "0.00", "-740.50")
    assert [line["kind"] for line in receipt(week, 1)["lines"]].count("carried") > 0
    assert is_clean(week)


@pytest.mark.parametrize(("weekly", "part"), [("700.00", "400.00"), ("500.00", "285.71")])
def test_a_lease_from_the_middle_of_a_week_is_charged_by_its_days(cab: Cab, weekly: str, part: str) -> None:
    api = cab.api()
    plate = api.post("/vehicles", {"plate": "T777777C"}).json["plate"]
    body = {"driver": cab.ben.reference, "vehicle": plate, "weekly": usd(weekly), "starts_on": "2025-10-08"}
    lease = api.post("/driver-leases", body)
    assert lease.status_code == 201, lease.text
    factory.run(cab.organisation, sunday(1))
    rows = api.get(f"/weekly-receipts?lease={lease.json['reference']}").json["items"]
    assert [(row["charges"]["amount"], row["net"]["amount"]) for row in rows] == [(part, f"-{part}")]


def test_receipts_are_found_by_every_filter(week: Cab) -> None:
    api = week.api("accountant")
    week.api().post("/driver-earnings", {"earnings": [earning(week, "w", "1000.00", earned_on=FRIDAY)]})
    for n in (1, 2):
        factory.run(week.organisation, sunday(n))

    def found(query: str) -> list[str]:
        answer = api.get(f"/weekly-receipts?{query}")
        assert answer.status_code == 200, answer.text
        return [row["week_start"] for row in answer.json["items"]]

    w = [str(sunday(n)) for n in (-1, 0, 1)]
    for query, expected in (
        ("", [w[2], w[1], w[0]]), ("sort=week", w), ("sort=net", [w[2], w[0], w[1]]), ("net=positive", [w[1]]),
        ("net=negative", [w[2]]), ("net=zero", [w[0]]), ("payout=with", [w[1]]),
        ("payout=without&sort=week", [w[0], w[2]]),
        (f"driver={week.ben.reference}", []), (f"lease={week.lease.reference}&week_from={w[2]}", [w[2]]),
        (f"week_to={w[0]}", [w[0]]), ("search=Ann&limit=1", [w[2]]), ("search=nobody", []),
    ):  # fmt: skip
        assert found(query) == expected, query
    stranger = week.stranger()
    assert stranger.get("/weekly-receipts").json["items"] == []
    number = receipt(week, 0)["number"]
    assert stranger.get(f"/weekly-receipts/{number}").status_code == 404
    lines = [{"category": "tolls", "description": "x", "amount": usd("1"), "is_for_driver": True}]
    refused = stranger.post(f"/weekly-receipts/{number}/reissue", {"lines": lines, "reason": "x"})
    assert refused.status_code == 404


@pytest.mark.parametrize(("is_for_driver", "difference"), [(True, "12.50"), (False, "-12.50")])
def test_a_receipt_is_issued_anew_with_the_difference(
    week: Cab, is_for_driver: bool, difference: str
) -> None:
    api = week.api()
    factory.run(week.organisation, sunday(1))
    old = receipt(week, 0)
    line = {
        "category": "tolls",
        "description": "Toll of 8 Oct",
        "amount": usd("12.50"),
        "is_for_driver": is_for_driver,
    }
    body = {"lines": [line], "reason": "A toll was another driver's."}
    made = api.post(f"/weekly-receipts/{old['number']}/reissue", body, key="again")
    assert made.status_code == 201, made.text
    assert (made.json["revision"], made.json["difference"]["amount"], made.json["replaces"]) == (
        2, difference, old["number"],
    )  # fmt: skip
    assert made.json["number"] != old["number"]
    assert api.post(f"/weekly-receipts/{old['number']}/reissue", body, key="again").json == made.json
    first = api.get(f"/weekly-receipts/{old['number']}").json
    assert {**first, "corrected_by": None} == old
    assert first["corrected_by"] == made.json["number"]
    twice = api.post(f"/weekly-receipts/{old['number']}/reissue", body)
    assert (twice.status_code, made.json["number"] in twice.json["detail"]) == (409, True)
    for amount in ("0", "1.001"):
        wrong = {**body, "lines": [{**line, "amount": usd(amount)}]}
        assert api.post(f"/weekly-receipts/{made.json['number']}/reissue", wrong).status_code == 422
    assert is_clean(week)


def test_a_receipt_is_read_on_paper(week: Cab) -> None:
    api = week.api("ann")
    factory.run(week.organisation, sunday(1))
    found = receipt(week, 0)
    number = found["number"]
    early = api.get(f"/weekly-receipts/{number}/pdf")
    assert (found["file"], early.status_code, "not there yet" in early.json["detail"]) == (None, 409, True)
    with transaction():
        receipt_id = queries.get_receipt(week.organisation.id, number).id
    receipt_document.make_one(receipt_id=receipt_id, now=utc_now())
    assert receipt(week, 0)["file"] == "queued"
    data = b"%PDF-1.7 a receipt"
    storage.save("statements/receipt.pdf", data)
    with transaction():
        document = db.session.query(Document).filter_by(number=number).one()
        statements.record_ready(
            document_id=document.id, storage_key="statements/receipt.pdf", content=data,
            sha256=hashlib.sha256(data).hexdigest(), now=utc_now(),
        )  # fmt: skip
    for address in (f"/weekly-receipts/{number}/pdf", f"/statements/{number}/pdf"):
        pdf = api.get(address)
        assert (pdf.status_code, pdf.mimetype, pdf.data) == (200, "application/pdf", data), address
        assert week.api("ben").get(address).status_code == 404
    assert receipt(week, 0)["file"] == "ready"
    listed = api.get("/statements?kind=receipt").json["items"]
    assert [(each["number"], each["kind"], each["file"]) for each in listed] == [(number, "receipt", "ready")]
    assert {"remittance", "monthly", "receipt"} == set(kinds.LABELS) == set(get_args(StatementWord))


def test_a_driver_s_ledger_has_every_line_and_its_postings(week: Cab) -> None:
    api, address = week.api("accountant"), f"/drivers/{week.ann.reference}"
    factory.run(week.organisation, sunday(1))
    lines = api.get(f"{address}/ledger?sort=date").json["items"]
    assert [(line["kind"], line["amount"]["amount"]) for line in lines][:1] == [("earning", "500.00")]
    total = sum(line["amount"]["amount_minor"] for line in lines)
    assert lines[-1]["balance_after"]["amount_minor"] == total == -840_50
    assert api.get(f"{address}/balances").json["net"]["amount_minor"] == total
    newest = api.get(f"{address}/ledger?limit=3").json
    rest = api.get(f"{address}/ledger?limit=200&cursor={newest['next_cursor']}").json["items"]
    assert [each["id"] for each in newest["items"] + rest] == [each["id"] for each in reversed(lines)]
    assert [each["category"] for each in api.get(f"{address}/ledger?category=tolls").json["items"]] == [
        "tolls"
    ]
    assert api.get(f"{address}/ledger?kind=payout").json["items"] == []
    assert api.get(f"{address}/ledger?kind=earning&day_to=2025-09-30").json["items"] == []
    assert len(api.get(f"{address}/ledger?search=toll").json["items"]) == 1
    owed = api.get(f"{address}/postings?account=receivable&limit=200").json["items"]
    assert sum(each["amount"]["amount_minor"] for each in owed) == 840_50
    assert owed[0]["balance_after"]["amount_minor"] == 840_50
    page = api.get(f"{address}/postings?limit=1&on_from=2025-10-01").json
    assert (len(page["items"]), page["next_cursor"] is None) == (1, False)
    assert api.get(f"{address}/postings?on_to=2025-09-01").json["items"] == []


def this_week(cab: Cab) -> date:
    """The first day of the week that runs."""
    day = date.fromisoformat(cab.api().get("/repairs/calculate-installments?amount=1").json["invoice_date"])
    return week_of(day, db.session.get_one(Organisation, cab.organisation.id).week_start).start


def test_a_weekly_run_is_asked_for_and_followed(cab: Cab) -> None:
    api, day = cab.api(), this_week(cab)
    reference = cab.repair()
    asked = api.post("/weekly-runs", {"week": str(day)}, key="run")
    assert asked.status_code == 201, asked.text
    assert (asked.json["is_working"], asked.json["is_repeat"], asked.json["posted"]) == (True, False, 0)
    assert asked.headers["Location"] == f"/api/v1/weekly-runs/{day}"
    assert api.post("/weekly-runs", {"week": str(day)}, key="run").json == asked.json
    again = cab.api("approver").post("/weekly-runs", {"week": str(day)})
    assert (again.status_code, again.json["is_repeat"]) == (200, True)
    db.session.rollback()
    message = db.session.query(OutboxMessage).filter_by(kind=week_runs.KIND).one()
    run_id = message.reference_id
    db.session.rollback()
    week_runs.work(run_id=run_id, now=utc_now())
    found = cab.api("accountant").get(f"/weekly-runs/{day}").json
    assert (found["posted"], found["receipts"], found["problems"]) == (1, 1, 0)
    assert found["receipts_of"] == str(day - timedelta(days=7))
    assert [row["week_start"] for row in api.get("/weekly-runs").json["items"]] == [str(day)]
    assert api.get(f"/weekly-runs/{day}/problems").json["items"] == []
    assert api.get(f"/repairs/{reference}").json["instalments"][0]["state"] == "posted"
    assert is_clean(cab)


def test_weekly_runs_that_cannot_be(cab: Cab) -> None:
    api, day = cab.api(), this_week(cab)
    for wrong in (day + timedelta(days=14), day - timedelta(days=3)):
        answer = api.post("/weekly-runs", {"week": str(wrong)})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "week"), answer.text
    factory.run(cab.organisation, sunday(0))
    skipped = api.post("/weekly-runs", {"week": str(sunday(2))})
    assert (skipped.status_code, str(sunday(1)) in skipped.json["detail"]) == (409, True)
    for address in ("2025-10-12", "soon", "2025-10-05x"):
        assert api.get(f"/weekly-runs/{address}").status_code == 404
    assert cab.stranger().get("/weekly-runs/2025-10-05").status_code == 404
    assert cab.api("accountant").post("/weekly-runs", {"week": str(day)}).status_code == 403
