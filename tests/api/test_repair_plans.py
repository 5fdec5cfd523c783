"""Repairs by API: every plan of the payment matrix to the cent, and drafts, which are changed, confirmed or refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, get_args

import pytest

from tests.api.conftest import Cab, usd
from tests.factories import repairs as factory
from webapp.api.schemas import drivers, fleet, repairs, weekly
from webapp.kernel.clock import local_date, utc_now
from webapp.programs.repairs import ledger_list, states, week_runs
from webapp.programs.repairs.lists import DUE, UNPOSTED

PLANS = {
    "200": "200.00", "200.50": "100.00 100.00 0.50", "201": "100.00 100.00 1.00",
    "450": "100.00 100.00 100.00 100.00 50.00", "500": "100.00 100.00 100.00 100.00 100.00",
    "500.50": "200.00 200.00 100.50", "501": "200.00 200.00 101.00",
    "1000": "200.00 200.00 200.00 200.00 200.00", "1001": "250.00 250.00 250.00 250.00 1.00",
    "1200": "250.00 250.00 250.00 250.00 200.00", "1500": " ".join(["250.00"] * 6),
    "3000": " ".join(["250.00"] * 12), "3000.50": " ".join([*["300.00"] * 10, "0.50"]),
    "3001": " ".join([*["300.00"] * 10, "1.00"]), "5000": " ".join([*["300.00"] * 16, "200.00"]),
}  # fmt: skip


def amounts(plan: Any) -> str:
    """The amounts of the instalments of an answer."""
    return " ".join(each["amount"]["amount"] for each in plan["instalments"])


def test_every_amount_becomes_the_instalments_of_the_matrix(cab: Cab) -> None:
    api = cab.api()
    for amount, expected in PLANS.items():
        asked = api.get(
            f"/repairs/calculate-installments?amount={amount}&invoice_date=2025-10-01&start=CURRENT"
        )
        assert (asked.status_code, amounts(asked.json)) == (200, expected), amount
        stored = api.get(f"/repairs/{cab.draft(amount)}").json
        assert amounts(stored) == expected
        assert [(i["number"], i["week_start"], i["due_on"], i["balance_after"]) for i in stored["instalments"]] == [
            (i["number"], i["week_start"], i["due_on"], i["balance_after"]) for i in asked.json["instalments"]
        ]  # fmt: skip
        assert stored["instalments"][-1]["balance_after"]["amount"] == "0.00"


@pytest.mark.parametrize(("day", "current", "following"), [
    ("2025-10-01", "2025-10-05", "2025-10-12"), ("2025-10-05", "2025-10-05", "2025-10-12"),
    # The clocks go back on 2 November 2025 and forward on 8 March 2026.
    ("2025-10-29", "2025-11-02", "2025-11-09"), ("2026-03-04", "2026-03-08", "2026-03-15"),
])  # fmt: skip
def test_weeks_begin_on_sundays(cab: Cab, day: str, current: str, following: str) -> None:
    api = cab.api()
    for start, first in (("CURRENT", current), ("NEXT", following)):
        plan = api.get(f"/repairs/calculate-installments?amount=300&invoice_date={day}&start={start}").json
        begins = date.fromisoformat(first)
        assert [(i["week_start"], i["due_on"]) for i in plan["instalments"]] == [
            (str(begins + timedelta(weeks=n)), str(begins + timedelta(weeks=n, days=6))) for n in range(3)
        ]


def test_a_plan_as_the_quote_prints_it(cab: Cab) -> None:
    plan = cab.api("accountant").get(
        "/repairs/calculate-installments?amount=500.50&invoice_date=2025-10-01&start=NEXT"
    )
    rows = plan.json["instalments"]
    assert [(i["week_start"], i["amount"]["amount"], i["balance_after"]["amount"]) for i in rows] == [
        ("2025-10-12", "200.00", "300.50"), ("2025-10-19", "200.00", "100.50"), ("2025-10-26", "100.50", "0.00"),
    ]  # fmt: skip
    today = local_date(utc_now(), "America/New_York")
    assert cab.api().get("/repairs/calculate-installments?amount=1").json["invoice_date"] == str(today)


def test_a_draft_is_made_read_changed_and_confirmed(cab: Cab) -> None:
    api, body = cab.api(), cab.invoice(description="Brakes", workshop="in_house")
    made = api.post("/repairs", body, key="once")
    assert made.status_code == 201, made.text
    reference = made.json["reference"]
    assert made.headers["Location"] == f"/api/v1/repairs/{reference}"
    assert (made.json["state"], made.json["outstanding"]["amount"], made.json["weekly"]["amount"]) == (
        "draft", "500.50", "200.00",
    )  # fmt: skip
    assert (made.json["driver"]["name"], made.json["vehicle"]) == ("Ann Lee", cab.lease.vehicle.plate)
    again = api.post("/repairs", body, key="once")
    assert (again.status_code, again.json, again.headers["Idempotency-Replayed"]) == (201, made.json, "true")
    assert api.get(f"/repairs/{reference}").json == made.json
    changed = api.send("PUT", f"/repairs/{reference}", {**body, "amount": usd("201"), "version": 1})
    assert (changed.status_code, amounts(changed.json), changed.json["version"]) == (
        200,
        "100.00 100.00 1.00",
        2,
    )
    stale = api.post(f"/repairs/{reference}/confirm", {"version": 1})
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    opened = api.post(f"/repairs/{reference}/confirm", {"version": 2})
    assert (opened.json["state"], opened.json["version"]) == ("open", 3)
    assert opened.json["confirmed_at"] is not None
    refused = api.send("PUT", f"/repairs/{reference}", body)
    assert (refused.status_code, refused.json["code"]) == (409, "conflict")
    assert reference in refused.json["detail"]
    assert "is open" in refused.json["detail"]


def test_an_invoice_that_is_there_names_the_repair_that_has_it(cab: Cab) -> None:
    api, body = cab.api(), cab.invoice()
    reference = api.post("/repairs", body).json["reference"]
    twice = api.post("/repairs", body)
    assert (twice.status_code, twice.json["code"]) == (409, "conflict")
    assert reference in twice.json["detail"]
    assert body["invoice_number"] in twice.json["detail"]
    other = cab.draft()
    moved = api.send("PUT", f"/repairs/{other}", body)
    assert (moved.status_code, reference in moved.json["detail"]) == (409, True)
    assert api.post(f"/repairs/{reference}/cancel", {"reason": "Entered twice."}).json["state"] == "cancelled"
    assert api.post("/repairs", body).status_code == 201


def _after_this_week() -> str:
    return str(local_date(utc_now(), "America/New_York") + timedelta(days=8))


@pytest.mark.parametrize(("change", "field"), [
    ({"amount": usd("0")}, "amount"), ({"amount": usd("0.001")}, "amount"), ({"amount": usd("500.505")}, "amount"),
    ({"amount": usd("-5")}, "amount.amount"), ({"amount": {"currency": "EUR", "amount": "5"}}, "amount"),
    ({"amount": {"currency": "USD", "amount": 5}}, "amount.amount"),
    ({"invoice_date": _after_this_week}, "invoice_date"),
    ({"invoice_date": "2025-13-01"}, "invoice_date"), ({"invoice_date": "2025-09-27"}, "lease"),
    ({"invoice_number": ""}, "invoice_number"), ({"invoice_number": "   "}, "invoice_number"),
    ({"workshop": "garage"}, "workshop"), ({"start": "LATER"}, "start"), ({"weekly": "5"}, "weekly"),
])  # fmt: skip
def test_what_cannot_be_names_its_field(cab: Cab, change: dict[str, Any], field: str) -> None:
    change = {name: value() if callable(value) else value for name, value in change.items()}
    answer = cab.api().post("/repairs", cab.invoice(**change))
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), answer.text
    assert cab.api().get("/repairs").json["items"] == []


@pytest.mark.parametrize(("query", "field"), [
    ("", "amount"), ("?amount=0", "amount"), ("?amount=-1", "amount"), ("?amount=5.001", "amount"),
    ("?amount=5&start=now", "start"), ("?amount=5&invoice_date=soon", "invoice_date"),
    ("?amount=999999999999", "amount"),
])  # fmt: skip
def test_plans_that_cannot_be(cab: Cab, query: str, field: str) -> None:
    answer = cab.api().get(f"/repairs/calculate-installments{query}")
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), answer.text


def test_a_lease_that_takes_no_repairs(cab: Cab) -> None:
    kept = factory.lease(cab.ben, takes_repairs=False).reference
    answer = cab.api().post("/repairs", cab.invoice(lease=kept))
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "lease")
    asked = cab.api().get(f"/driver-leases/{kept}/chargeable?invoice_date=2025-10-01").json
    assert (asked["is_chargeable"], "not charged" in asked["reason"]) == (False, True)
    mine = cab.api().get(f"/driver-leases/{cab.lease.reference}/chargeable?invoice_date=2025-10-01").json
    assert (mine["is_chargeable"], mine["reason"]) == (True, "")


def test_unknown_and_foreign_records_are_not_found(cab: Cab) -> None:
    reference, stranger = cab.repair(), cab.stranger()
    instalment = f"{reference}-01"
    assert cab.api().post("/repairs", cab.invoice(lease="LS-9999")).status_code == 404
    assert cab.api().post("/repairs", cab.invoice(vehicle="NOWHERE")).status_code == 404
    assert stranger.post("/repairs", cab.invoice(lease="LS-0009")).status_code == 404
    for address in (f"/repairs/{reference}", f"/repairs/{reference}/settlement", f"/instalments/{instalment}",
                    "/repairs/RPR-1999-001", f"/driver-leases/{cab.lease.reference}",
                    f"/vehicles/{cab.lease.vehicle.plate}"):  # fmt: skip
        assert stranger.get(address).status_code == 404, address
    calls: dict[str, Any] = {
        f"/repairs/{reference}/confirm": {}, f"/repairs/{reference}/hold": {"reason": "x"},
        f"/repairs/{reference}/release": {}, f"/repairs/{reference}/cancel": {"reason": "x"},
        f"/repairs/{reference}/settle": {"amount": usd("500.50"), "method": "cash"},
        f"/repairs/{reference}/replans": {"weekly": usd("50"), "reason": "x"},
        f"/instalments/{instalment}/post": None, f"/instalments/{instalment}/skip": {"reason": "x"},
    }  # fmt: skip
    before = cab.api().get(f"/repairs/{reference}").json
    for address, body in calls.items():
        assert stranger.post(address, body).status_code == 404, address
    assert stranger.send("PUT", f"/repairs/{reference}", cab.invoice()).status_code == 404
    assert stranger.get("/repairs").json["items"] == stranger.get("/instalments").json["items"] == []
    assert cab.api().get(f"/repairs/{reference}").json == before


def test_repairs_are_found_by_every_filter_in_every_order(cab: Cab) -> None:
    first = cab.draft("200", description="Brakes", workshop="in_house", invoice_number="A-1")
    second = cab.repair("500.50", invoice_date="2025-10-03")
    theirs = factory.lease(cab.ben)
    third = cab.draft("3000", lease=theirs.reference, invoice_date="2025-10-02")
    api = cab.api("accountant")

    def found(query: str) -> list[str]:
        answer = api.get(f"/repairs?{query}")
        assert answer.status_code == 200, answer.text
        return [item["reference"] for item in answer.json["items"]]

    for query, expected in (
        ("", [second, third, first]), ("sort=date", [first, third, second]), ("sort=amount", [first, second, third]),
        ("sort=-amount", [third, second, first]), ("sort=created", [first, second, third]),
        ("sort=driver&state=draft", [first, third]), ("sort=-outstanding", [third, second, first]),
        ("state=open", [second]), ("workshop=in_house", [first]), (f"driver={cab.ben.reference}", [third]),
        (f"lease={cab.lease.reference}&sort=created", [first, second]), (f"vehicle={theirs.vehicle.plate}", [third]),
        ("medallion=5Y21", []), ("invoice_from=2025-10-02", [second, third]), ("invoice_to=2025-10-01", [first]),
        ("amount_from=200.01&amount_to=500.50", [second]), ("search=brakes", [first]), ("search=A-1", [first]),
        ("search=nothing", []), ("driver=PY-9999", []),
    ):  # fmt: skip
        assert found(query) == expected, query
    page = api.get("/repairs?limit=2&sort=amount").json
    assert [item["reference"] for item in page["items"]] == [first, second]
    rest = api.get(f"/repairs?limit=2&sort=amount&cursor={page['next_cursor']}").json
    assert ([item["reference"] for item in rest["items"]], rest["next_cursor"]) == ([third], None)
    for query in ("state=late", "sort=size", "limit=0", "amount_from=x", "cursor=x", "colour=red"):
        assert api.get(f"/repairs?{query}").status_code == 422, query


def test_words_are_those_of_the_program() -> None:
    pairs: list[tuple[Any, Any]] = [
        (repairs.RepairWord, states.RepairState), (repairs.InstalmentWord, states.InstalmentState),
        (repairs.WorkshopWord, states.Workshop), (repairs.PaidWithWord, states.PaymentMethod),
        (repairs.ReplanWord, states.ReplanState), (repairs.PostedWord, states.Posted),
        (repairs.InstalmentFilterWord, [*states.InstalmentState, DUE, UNPOSTED]),
        (drivers.CategoryWord, states.Category), (drivers.AdjustmentWord, states.AdjustmentKind),
        (drivers.ChargedWord, set(states.Category) - {states.Category.REPAIRS, states.Category.LOANS}),
        (drivers.LedgerKindWord, [kind for kind, _ in ledger_list.KINDS]), (fleet.ShiftWord, states.Shift),
        (weekly.StepWord, week_runs.STEPS),
    ]  # fmt: skip
    for words, members in pairs:
        assert set(get_args(words)) == {str(member) for member in members}


def test_orders_are_those_of_the_lists(cab: Cab) -> None:
    from webapp.programs.repairs import lists

    for words, found in (
        (repairs.RepairSortWord, lists.repairs(1)), (repairs.InstalmentSortWord, lists.instalments(1)),
        (weekly.ReceiptSortWord, lists.receipts(1)),
    ):  # fmt: skip
        assert set(get_args(words)) == {f"{sign}{name}" for name in found.orders for sign in ("", "-")}
