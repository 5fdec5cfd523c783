"""Money of drivers by API: charges, earnings, payments, credits, deposits, loans to the cent, a last day."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Cab, usd
from tests.api.test_repair_plans import _after_this_week, amounts
from tests.api.test_repair_posting import is_clean
from tests.factories import repairs as factory
from tests.factories.repairs import DAY


def charge(cab: Cab, category: str = "tolls", amount: str = "40.00", **values: Any) -> dict[str, Any]:
    """One charge of a call."""
    body = {
        "driver": cab.ann.reference, "category": category, "description": f"{category} of 1 October",
        "amount": usd(amount), "charged_on": "2025-10-01",
    }  # fmt: skip
    return {**body, **values}


def earning(cab: Cab, name: str, amount: str = "600.00", **values: Any) -> dict[str, Any]:
    """One earning of a call."""
    body = {
        "driver": cab.ann.reference, "source": "Card fares", "external_ref": name, "amount": usd(amount),
        "earned_on": "2025-10-01",
    }  # fmt: skip
    return {**body, **values}


def test_many_charges_are_made_at_once_and_each_name_counts_once(cab: Cab) -> None:
    api = cab.api()
    body = {"charges": [charge(cab, external_ref="toll-1"), charge(cab, "taxes", "60.00"),
                        charge(cab, "tickets", "25.00", driver=cab.ben.reference)]}  # fmt: skip
    made = api.post("/driver-charges", body)
    assert made.status_code == 200, made.text
    assert [(c["driver"]["name"], c["category"], c["open"]["amount"]) for c in made.json["items"]] == [
        ("Ann Lee", "tolls", "40.00"), ("Ann Lee", "taxes", "60.00"), ("Ben Ortiz", "tickets", "25.00"),
    ]  # fmt: skip
    assert (made.json["known"], made.json["items"][0]["week_start"]) == (0, "2025-09-28")
    again = api.post("/driver-charges", {"charges": [charge(cab, external_ref="toll-1"), charge(cab)]})
    assert (len(again.json["items"]), again.json["known"]) == (1, 1)
    other = api.post(
        "/driver-charges", {"charges": [charge(cab), charge(cab, amount="1", external_ref="toll-1")]}
    )
    assert (other.status_code, "toll-1" in other.json["detail"]) == (409, True)
    found = api.get(f"/driver-charges?driver={cab.ann.reference}&category=tolls&is_open=true").json["items"]
    assert len(found) == 2
    for query in ("charged_from=2025-10-02", "is_open=false", "driver=PY-9999", "charged_to=2025-09-30"):
        assert api.get(f"/driver-charges?{query}").json["items"] == [], query
    assert is_clean(cab)


@pytest.mark.parametrize(("change", "status", "field"), [
    ({"category": "repairs"}, 422, "charges.0.category"), ({"category": "loans"}, 422, "charges.0.category"),
    ({"amount": "0"}, 422, "amount"), ({"amount": "1.005"}, 422, "charges.0.amount"),
    ({"charged_on": _after_this_week}, 422, "charged_on"), ({"description": "  "}, 422, "description"),
    ({"driver": "PY-9999"}, 404, None),
])  # fmt: skip
def test_charges_that_cannot_be(cab: Cab, change: dict[str, Any], status: int, field: str | None) -> None:
    change = {name: value() if callable(value) else value for name, value in change.items()}
    answer = cab.api().post("/driver-charges", {"charges": [charge(cab, **change), charge(cab)]})
    assert answer.status_code == status, answer.text
    assert field is None or answer.json["errors"][0]["field"] == field
    assert cab.api().get("/driver-charges").json["items"] == []


def test_earnings_count_once_by_their_name(cab: Cab) -> None:
    api = cab.api()
    made = api.post("/driver-earnings", {"earnings": [earning(cab, "a"), earning(cab, "b", "20.50")]})
    assert [each["amount"]["amount"] for each in made.json["items"]] == ["600.00", "20.50"]
    again = api.post("/driver-earnings", {"earnings": [earning(cab, "a"), earning(cab, "c", "1")]})
    assert ([each["external_ref"] for each in again.json["items"]], again.json["known"]) == (["c"], 1)
    other = api.post("/driver-earnings", {"earnings": [earning(cab, "a", "1"), earning(cab, "d")]})
    assert (other.status_code, "Card fares a" in other.json["detail"]) == (409, True)
    found = api.get(f"/driver-earnings?driver={cab.ann.reference}&source=Card fares&earned_to=2025-10-01")
    assert [each["external_ref"] for each in found.json["items"]] == ["c", "b", "a"]
    assert api.get("/driver-earnings?earned_from=2025-10-02").json["items"] == []
    kept = api.get(f"/drivers/{cab.ann.reference}/balances").json["kept"]["amount"]
    assert kept == "621.50"
    late = api.post("/driver-earnings", {"earnings": [earning(cab, "z", earned_on=_after_this_week())]})
    assert (late.status_code, late.json["errors"][0]["field"]) == (422, "earned_on")
    assert is_clean(cab)


def test_a_payment_is_for_chosen_debts_never_taxes_and_the_rest_for_the_lease(cab: Cab) -> None:
    api = cab.api()
    made = api.post("/driver-charges", {"charges": [
        charge(cab, "taxes", "60.00"), charge(cab, "tolls", "40.00"), charge(cab, "lease", "100.00")]})  # fmt: skip
    tax, toll, rent = (each["id"] for each in made.json["items"])
    body = {"driver": cab.ann.reference, "amount": usd("120.00"), "method": "cash", "received_on": str(DAY)}
    taxed = api.post(
        "/driver-adjustments/payments", {**body, "charges": [{"charge": tax, "amount": usd("10")}]}
    )
    assert (taxed.status_code, "Taxes" in taxed.json["detail"]) == (422, True)
    much = api.post(
        "/driver-adjustments/payments", {**body, "charges": [{"charge": toll, "amount": usd("41")}]}
    )
    assert (much.status_code, "$40.00 is open" in much.json["detail"]) == (422, True)
    foreign = {**body, "driver": cab.ben.reference, "charges": [{"charge": toll, "amount": usd("40")}]}
    assert api.post("/driver-adjustments/payments", foreign).status_code == 404
    body["charges"] = [{"charge": toll, "amount": usd("40")}]
    paid = api.post("/driver-adjustments/payments", body, key="pay")
    assert paid.status_code == 201, paid.text
    assert (paid.json["kind"], paid.json["method"], paid.json["applied"]["amount"]) == (
        "payment",
        "cash",
        "120.00",
    )
    assert [(p["charge"], p["amount"]["amount"]) for p in paid.json["parts"]] == [
        (toll, "40.00"),
        (rent, "80.00"),
    ]
    assert api.post("/driver-adjustments/payments", body, key="pay").json == paid.json
    assert paid.headers["Location"] == f"/api/v1/driver-adjustments/{paid.json['reference']}"
    assert api.get(f"/driver-adjustments/{paid.json['reference']}").json == paid.json
    owed = api.get(f"/drivers/{cab.ann.reference}/balances").json
    assert [(c["category"], c["owed"]["amount"]) for c in owed["categories"]] == [
        ("taxes", "60.00"), ("tolls", "0.00"), ("lease", "20.00"),
    ]  # fmt: skip
    future = api.post("/driver-adjustments/payments", {**body, "charges": [], "received_on": "2999-01-01"})
    assert (future.status_code, future.json["errors"][0]["field"]) == (422, "received_on")
    assert is_clean(cab)


def test_a_credit_is_on_the_next_receipt(cab: Cab) -> None:
    api = cab.api()
    body = {"driver": cab.ann.reference, "amount": usd("15.00"), "reason": "Waited for the workshop"}
    made = api.post("/driver-adjustments/credits", body)
    assert (made.status_code, made.json["kind"], made.json["receipt"]) == (201, "credit", None)
    found = api.get(f"/driver-adjustments?kind=credit&driver={cab.ann.reference}").json["items"]
    assert found == [made.json]
    for query in ("kind=payment", f"driver={cab.ben.reference}", "happened_to=2025-09-01"):
        assert api.get(f"/driver-adjustments?{query}").json["items"] == [], query
    assert api.post("/driver-adjustments/credits", {**body, "amount": usd("0")}).status_code == 422
    assert api.post("/driver-adjustments/credits", {**body, "driver": "PY-9999"}).status_code == 404
    assert is_clean(cab)


def test_a_deposit_is_given_back_at_most_as_it_was_paid(cab: Cab) -> None:
    api, address = cab.api(), f"/drivers/{cab.ann.reference}/return-deposit"
    row = api.post("/driver-charges", {"charges": [charge(cab, "deposit", "300.00")]}).json["items"][0]
    none = api.post(address, {"amount": usd("1")})
    assert (none.status_code, none.json["errors"][0]["field"]) == (422, "amount")
    paid = {"driver": cab.ann.reference, "amount": usd("300"), "method": "check", "received_on": str(DAY),
            "charges": [{"charge": row["id"], "amount": usd("300")}]}  # fmt: skip
    assert api.post("/driver-adjustments/payments", paid).status_code == 201
    assert api.get(f"/drivers/{cab.ann.reference}/balances").json["deposit"]["amount"] == "300.00"
    done = api.post(address, {"amount": usd("200")})
    assert (done.status_code, done.json["kind"]) == (201, "deposit")
    after = api.get(f"/drivers/{cab.ann.reference}/balances").json
    assert (after["deposit"]["amount"], after["kept"]["amount"]) == ("100.00", "200.00")
    assert is_clean(cab)


def test_a_loan_is_paid_back_with_interest_by_days(cab: Cab) -> None:
    api = cab.api()
    quote = api.get(
        "/driver-loans/calculate-installments?amount=1200&percent=10&lent_on=2025-10-06&start=CURRENT"
    )
    assert quote.status_code == 200, quote.text
    assert amounts(quote.json) == "251.97 251.82 251.34 250.86 200.38"
    assert [i["interest"]["amount"] for i in quote.json["instalments"]] == [
        "1.97",
        "1.82",
        "1.34",
        "0.86",
        "0.38",
    ]
    assert (quote.json["interest"]["amount"], quote.json["instalments"][0]["week_start"]) == (
        "6.37",
        "2025-10-12",
    )
    body = {"driver": cab.ann.reference, "amount": usd("1200.00"), "percent": "10", "lent_on": "2025-10-06",
            "start": "CURRENT", "note": "New phone"}  # fmt: skip
    lent = api.post("/driver-loans", body, key="loan")
    assert lent.status_code == 201, lent.text
    assert amounts(lent.json) == "251.97 251.82 251.34 250.86 200.38"
    assert [i["balance_after"]["amount"] for i in lent.json["instalments"]] == [
        "950.00", "700.00", "450.00", "200.00", "0.00",
    ]  # fmt: skip
    assert api.post("/driver-loans", body, key="loan").json == lent.json
    assert api.get(f"/driver-loans/{lent.json['reference']}").json == lent.json
    assert [
        each["reference"] for each in api.get(f"/driver-loans?driver={cab.ann.reference}").json["items"]
    ] == [lent.json["reference"]]
    assert api.get(f"/driver-loans?driver={cab.ben.reference}").json["items"] == []
    loan = api.get(f"/drivers/{cab.ann.reference}/postings?account=loan").json["items"]
    assert [(p["amount"]["amount"], p["balance_after"]["amount"]) for p in loan] == [("1200.00", "1200.00")]
    assert cab.stranger().get(f"/driver-loans/{lent.json['reference']}").status_code == 404
    assert is_clean(cab)


@pytest.mark.parametrize(("query", "field"), [
    ("percent=10", "amount"), ("amount=0&percent=10", "principal"), ("amount=5", "percent"),
    ("amount=5&percent=101", "percent"), ("amount=5&percent=-1", "percent"), ("amount=5.005&percent=1", "amount"),
    ("amount=5&percent=1&lent_on=2999-01-01", "lent_on"), ("amount=5&percent=0.00001", "percent"),
])  # fmt: skip
def test_loans_that_cannot_be(cab: Cab, query: str, field: str) -> None:
    answer = cab.api().get(f"/driver-loans/calculate-installments?{query}")
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), answer.text


def test_a_driver_who_leaves_is_charged_what_is_left(cab: Cab) -> None:
    api, reference = cab.api(), cab.repair()
    today = api.get("/repairs/calculate-installments?amount=1").json["invoice_date"]
    done = api.post(f"/drivers/{cab.ann.reference}/leave", {"last_day": today, "reason": "Moved away."})
    assert done.status_code == 200, done.text
    assert (done.json["ends_on"], done.json["end_reason"]) == (today, "Moved away.")
    assert {each["state"] for each in api.get(f"/repairs/{reference}").json["instalments"]} == {"posted"}
    assert api.get(f"/drivers/{cab.ann.reference}/balances").json["owed"]["amount"] == "500.50"
    none = api.post(f"/drivers/{cab.ben.reference}/leave", {"last_day": today, "reason": "x"})
    assert (none.status_code, "no lease" in none.json["detail"]) == (409, True)
    assert is_clean(cab)


def test_what_is_no_driver_is_not_found(cab: Cab) -> None:
    owner = factory.people.payee(cab.organisation, kind="owner").reference
    stranger = cab.stranger()
    for api, reference in ((cab.api(), owner), (cab.api(), "PY-9999"), (stranger, cab.ann.reference)):
        for part in ("balances", "ledger", "postings"):
            assert api.get(f"/drivers/{reference}/{part}").status_code == 404
        assert api.post(f"/drivers/{reference}/return-deposit", {"amount": usd("1")}).status_code == 404
        leaves = {"last_day": "2025-10-05", "reason": "x"}
        assert api.post(f"/drivers/{reference}/leave", leaves).status_code == 404
