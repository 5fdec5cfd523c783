"""Customers, appointments, invoices and transactions by API: making, finding, and what practitioners never see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Care
from tests.factories import clinic
from webapp.api.schemas import clinic as records
from webapp.api.schemas import clinic_money, commission
from webapp.api.schemas import runs as run_schemas
from webapp.database import db
from webapp.programs.clinic import states
from webapp.programs.clinic.models import Invoice, RuleState
from webapp.runs.models import RowOutcome, RunState


def _items(answer: Any, name: str = "reference") -> list[Any]:
    assert answer.status_code == 200, answer.text
    return [item[name] for item in answer.json["items"]]


def _cad(amount: str) -> dict[str, str]:
    return {"currency": "CAD", "amount": amount}


# ------------------------------------------------------------------ customers and appointments


def test_customers_are_added_found_and_changed(care: Care) -> None:
    api = care.api()
    made = api.post(
        "/customers", {"name": "Alex  Morgan", "email": "alex@example.com", "external_ref": "C-1"}
    )
    assert (made.status_code, made.json["reference"], made.json["name"]) == (201, "CU-0001", "Alex Morgan")
    assert _items(api.get("/customers?search=morg")) == ["CU-0001"]
    assert _items(api.get("/customers?search=nobody")) == []
    changed = api.send("PUT", "/customers/CU-0001", {"name": "Alex Moreau", "version": 1})
    assert (changed.json["name"], changed.json["email"], changed.json["version"]) == ("Alex Moreau", "", 2)
    stale = api.send("PUT", "/customers/CU-0001", {"name": "X", "version": 1})
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    twice = api.post("/customers", {"name": "Alex", "external_ref": "C-1"})
    assert twice.json["errors"][0]["field"] == "external_ref"
    assert api.post("/customers", {"name": "A", "email": "no"}).json["errors"][0]["field"] == "email"
    assert care.stranger().get("/customers/CU-0001").status_code == 404


def test_practitioners_never_come_to_customers(care: Care) -> None:
    clinic.customer(care.organisation)
    for address in ("/customers", "/customers/CU-0001"):
        answer = care.api("ana").get(address)
        assert (answer.status_code, answer.json["scope"]) == (403, "customers:read")


def test_appointments_are_made_changed_and_cancelled(care: Care) -> None:
    api, customer = care.api(), clinic.customer(care.organisation).reference
    body = {
        "customer": customer, "starts_at": "2026-11-21T23:30:00-05:00", "category": "Physiotherapy",
        "practitioners": [
            {"practitioner": care.ana.reference, "weight": 60, "is_primary": True},
            {"practitioner": care.ben.reference, "weight": 40},
        ],
    }  # fmt: skip
    made = api.post("/appointments", body)
    assert made.status_code == 201, made.text
    assert (made.json["starts_at"], made.json["held_on"]) == ("2026-11-22T04:30:00.000Z", "2026-11-21")
    assert [(s["weight"], s["is_primary"]) for s in made.json["practitioners"]] == [(60, True), (40, False)]
    reference = made.json["reference"]
    alone = {**body, "practitioners": body["practitioners"][1:], "version": 1}
    changed = api.send("PUT", f"/appointments/{reference}", alone)
    assert [s["practitioner"]["name"] for s in changed.json["practitioners"]] == ["Ben Okafor"]
    assert api.send("PUT", f"/appointments/{reference}", alone).json["code"] == "stale"
    assert _items(api.get(f"/appointments?practitioner={care.ben.reference}&held_from=2026-11-21")) == [
        reference
    ]
    assert _items(api.get(f"/appointments?practitioner={care.ana.reference}")) == []
    assert _items(api.get(f"/appointments?customer={customer}&held_to=2026-11-20")) == []
    done = api.post(f"/appointments/{reference}/cancel", {"version": 2})
    assert done.json["is_cancelled"] is True
    assert api.post(f"/appointments/{reference}/cancel", {}, key="again").status_code == 200


@pytest.mark.parametrize(("change", "field"), [
    ({"customer": "CU-0999"}, "customer"), ({"starts_at": "2026-11-21T09:00:00"}, "starts_at"),
    ({"starts_at": "2026-11-21"}, "starts_at"), ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
    ({"practitioners": [{"practitioner": "PY-9999"}]}, "practitioners"), ({"starts_at": 1}, "starts_at"),
])  # fmt: skip
def test_appointments_that_cannot_be(care: Care, change: dict[str, Any], field: str) -> None:
    body = {"customer": clinic.customer(care.organisation).reference, "starts_at": "2026-11-21T09:00:00Z"}
    answer = care.api().post("/appointments", {**body, **change})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)


def test_an_appointment_that_is_paid_stays_as_it_is(care: Care) -> None:
    invoice = clinic.paid(care.organisation, [care.ana])
    clinic.pay_out(invoice)
    reference = invoice.appointment.reference  # type: ignore[union-attr]
    answer = care.api().post(f"/appointments/{reference}/cancel", {})
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")
    assert "payout already" in answer.json["detail"]


# ------------------------------------------------------------------ invoices


def test_an_invoice_is_made_with_its_lines(care: Care) -> None:
    api = care.api()
    visit = clinic.appointment(care.organisation, [care.ana])
    body = {
        "customer": visit.customer.reference, "appointment": visit.reference, "issued_on": "2026-11-10",
        "lines": [
            {"description": "Assessment", "unit_price": _cad("90.00"), "quantity": "1.5", "discount": _cad("5"),
             "tax_percent": "13"},
            {"description": "Tape", "unit_price": _cad("7.50")},
        ],
    }  # fmt: skip
    made = api.post("/invoices", body, key="once")
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/api/v1/invoices/INV-001"
    amounts = {
        name: made.json[name]["amount"] for name in ("subtotal", "discount", "tax", "total", "remaining")
    }
    assert amounts == {"subtotal": "142.50", "discount": "5.00", "tax": "16.90", "total": "154.40",
                       "remaining": "154.40"}  # fmt: skip
    assert (made.json["state"], made.json["due_on"]) == ("pending", "2026-11-24")
    assert [line["total"]["amount"] for line in made.json["lines"]] == ["146.90", "7.50"]
    assert api.post("/invoices", body, key="once").json["number"] == "INV-001"
    assert api.post("/invoices", body).json["number"] == "INV-002"
    assert api.get("/invoices/INV-001").json["customer"]["name"] == "Alex Morgan"


@pytest.mark.parametrize(("change", "field"), [
    ({"customer": "CU-9"}, "customer"), ({"appointment": "AP-9", "about": "appointment"}, "appointment"),
    ({"about": "appointment"}, "appointment"), ({"lines": []}, "lines"),
    ({"lines": [{"description": "A", "unit_price": _cad("0")}]}, "lines"),
    ({"lines": [{"description": "A", "unit_price": {"currency": "USD", "amount": "1"}}]}, "unit_price"),
    ({"lines": [{"description": "A", "unit_price": _cad("1"), "discount": _cad("2")}]}, "discount"),
    ({"lines": [{"description": "A", "unit_price": _cad("1"), "tax_percent": "101"}]}, "tax_percent"),
    ({"due_on": "2026-01-01"}, "due_on"), ({"total": 5}, "total"),
])  # fmt: skip
def test_invoices_that_cannot_be(care: Care, change: dict[str, Any], field: str) -> None:
    body = {
        "customer": clinic.customer(care.organisation).reference, "about": "order", "issued_on": "2026-11-10",
        "lines": [{"description": "Tape", "unit_price": _cad("7.50")}],
    }  # fmt: skip
    answer = care.api().post("/invoices", {**body, **change})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), answer.text
    # A refused one leaves no gap.
    assert care.api().post("/invoices", body).json["number"] == "INV-001"


def test_invoices_are_found_by_filters_and_pages(care: Care) -> None:
    open_one = clinic.invoice(care.organisation, [care.ana])
    paid = clinic.paid(care.organisation, [care.ben])
    done = clinic.paid(care.organisation, [care.ana])
    clinic.pay_out(done)
    order = clinic.invoice(care.organisation)
    api = care.api("accountant")
    for query, expected in (
        ("", [order, done, paid, open_one]),
        ("?state=open", [order, open_one]),
        ("?state=paid", [done, paid]),
        ("?payout=ready", [paid]),
        ("?payout=made", [done]),
        (f"?practitioner={care.ana.reference}", [done, open_one]),
        (f"?customer={paid.customer.reference}", [paid]),
        (f"?number={paid.number}", [paid]),
        ("?issued_from=2026-11-11", []),
        ("?issued_to=2026-11-10&state=pending", [order, open_one]),
        ("?search=nobody", []),
    ):
        assert _items(api.get(f"/invoices{query}"), "number") == [row.number for row in expected], query
    first = api.get("/invoices?limit=3").json
    rest = api.get(f"/invoices?limit=3&cursor={first['next_cursor']}").json
    assert [row["number"] for row in rest["items"]] == [open_one.number]
    assert rest["next_cursor"] is None
    assert api.get("/invoices?state=late").status_code == 422


def test_another_organisation_gets_404(care: Care) -> None:
    invoice = clinic.paid(care.organisation, [care.ana])
    visit = invoice.appointment.reference  # type: ignore[union-attr]
    stranger = care.stranger()
    for address in (f"/invoices/{invoice.number}", f"/appointments/{visit}", "/transactions/TX-000001",
                    f"/invoices/{invoice.number}/refund-quote", f"/invoices/{invoice.number}/payout-quote",
                    f"/wallets/{care.ana.reference}", f"/wallets/{care.ana.reference}/movements"):  # fmt: skip
        assert stranger.get(address).status_code == 404, address
    bodies: dict[str, Any] = {
        "payments": {"amount": _cad("1"), "method": "cash"}, "refunds": {"amount": _cad("1"), "reason": "x"},
        "write-off": {"reason": "x"}, "decide": {"is_offered": True, "reason": "x"}, "create-payout": None,
    }  # fmt: skip
    for act, body in bodies.items():
        assert stranger.post(f"/invoices/{invoice.number}/{act}", body).status_code == 404, act
    for address in ("/invoices", "/appointments", "/transactions", "/wallets", "/withdrawals", "/customers"):
        assert stranger.get(address).json["items"] == []
    db.session.rollback()
    assert db.session.get_one(Invoice, invoice.id).version == 2


def test_practitioners_see_their_own_money_and_no_customer(care: Care) -> None:
    visit = clinic.appointment(care.organisation, [care.ana, care.ben], category="Pelvic floor")
    shared = clinic.invoice(care.organisation, visit, note="Talk about pain", order_reference="SECRET-1")
    clinic.pay(shared, provider_reference="pi_secret")
    clinic.pay_out(shared)
    others = clinic.paid(care.organisation, [care.ben])
    clinic.pay_out(others)
    ana = care.api("ana")
    assert _items(ana.get("/invoices"), "number") == [shared.number]
    own = ana.get(f"/invoices/{shared.number}").json
    assert own["customer"] == {"reference": None, "name": None, "initials": "A. M."}
    assert [p["practitioner"]["name"] for p in own["practitioners"]] == ["Dr Ana Souza"]
    assert (own["lines"], own["note"], own["order_reference"]) == ([], None, None)
    assert [p["amount"]["amount"] for p in own["payouts"]] == ["90.00"]
    assert {t["kind"] for t in own["transactions"]} == {"payout"}
    visits = ana.get("/appointments").json["items"]
    assert [(v["reference"], v["category"]) for v in visits] == [(visit.reference, None)]
    moved = ana.get("/transactions").json["items"]
    assert [(t["kind"], t["note"], t["provider_reference"], t["created_by"]) for t in moved] == [
        ("payout", None, None, None)
    ]
    seen = json.dumps([own, visits, moved, ana.get("/invoices").json, ana.get("/wallets").json])
    customer = shared.customer
    for secret in ("Morgan", customer.reference, "Pelvic", "pain", "Visit", "SECRET", "pi_secret", "Okafor",
                   others.number):  # fmt: skip
        assert secret not in seen, secret


def test_practitioners_get_404_for_what_is_another_s(care: Care) -> None:
    others = clinic.paid(care.organisation, [care.ben])
    clinic.pay_out(others)
    visit = others.appointment.reference  # type: ignore[union-attr]
    ana, everything = care.api("ana"), care.api().get("/transactions").json["items"]
    assert len(everything) == 2
    for address in (f"/invoices/{others.number}", f"/appointments/{visit}", "/wallets/clinic",
                    f"/wallets/{care.ben.reference}", f"/wallets/{care.ben.reference}/movements",
                    *(f"/transactions/{t['reference']}" for t in everything)):  # fmt: skip
        assert ana.get(address).status_code == 404, address
    for address in ("/invoices", "/appointments", "/transactions", "/wallets"):
        assert ana.get(address).json["items"] == []


@pytest.mark.parametrize("address", [
    "/invoices?customer=CU-0001", "/invoices?practitioner=PY-0002", "/appointments?customer=CU-0001",
    "/transactions?provider_reference=pi_1", "/transactions?practitioner=PY-0002",
])  # fmt: skip
def test_practitioners_cannot_ask_who_a_customer_is(care: Care, address: str) -> None:
    clinic.paid(care.organisation, [care.ana])
    answer = care.api("ana").get(address)
    assert (answer.status_code, answer.json["errors"][0]["message"]) == (
        422,
        "Only staff can narrow by this.",
    )


def test_a_practitioners_search_looks_at_numbers_only(care: Care) -> None:
    invoice = clinic.paid(care.organisation, [care.ana])
    api, word = care.api("ana"), invoice.customer.name.split()[1]
    assert _items(care.api().get(f"/invoices?search={word}"), "number") == [invoice.number]
    assert _items(api.get(f"/invoices?search={word}"), "number") == []
    assert _items(api.get(f"/appointments?search={word}")) == []
    assert _items(api.get("/invoices?search=inv-"), "number") == [invoice.number]


@pytest.mark.parametrize(("scope", "method", "address", "body"), [
    ("clinic:read", "GET", "/invoices", None), ("clinic:read", "GET", "/transactions", None),
    ("clinic:read", "GET", "/wallets", None), ("clinic:write", "POST", "/invoices", {}),
    ("clinic:write", "POST", "/invoices/INV-001/payments", {}),
    ("clinic:refund", "POST", "/invoices/INV-001/refunds", {}),
    ("clinic:refund", "GET", "/invoices/INV-001/refund-quote", None),
    ("payouts:create", "POST", "/invoices/INV-001/create-payout", None), ("payouts:create", "POST", "/payout-runs", {}),
    ("withdrawals:create", "POST", "/withdrawals", {}), ("commission:write", "POST", "/commission-rules", {}),
    ("commission:read", "GET", "/commission-rules", None), ("runs:read", "GET", "/runs", None),
])  # fmt: skip
def test_a_missing_scope_is_named(care: Care, scope: str, method: str, address: str, body: Any) -> None:
    clinic.paid(care.organisation, [care.ana])
    answer = care.api("admin", "payees:read").send(method, address, body)
    assert (answer.status_code, answer.json["code"], answer.json["scope"]) == (403, "scope-missing", scope)


def test_transactions_are_found(care: Care) -> None:
    invoice = clinic.paid(care.organisation, [care.ana])
    clinic.pay_out(invoice)
    api = care.api("accountant")
    for query, expected in (
        ("", ["payout", "payment"]),
        ("?kind=payment&method=gateway&state=completed", ["payment"]),
        (f"?practitioner={care.ana.reference}", ["payout"]),
        (f"?invoice={invoice.number}", ["payout", "payment"]),
        ("?invoice=INV-999", []),
        ("?happened_to=2026-11-09", []),
        ("?happened_from=2026-11-10", ["payout", "payment"]),
    ):
        assert _items(api.get(f"/transactions{query}"), "kind") == expected, query
    card = api.get(f"/transactions/{_items(api.get('/transactions?kind=payout'))[0]}").json
    assert (card["from_wallet"], card["to_wallet"]) == ("wallet:clinic", f"wallet:{care.ana.reference}")
    assert (card["amount"]["amount"], card["invoice"], card["taken_back"]) == ("90.00", invoice.number, [])
    assert api.get(f"/payouts/{card['payout']}").json["state"] == "paid"


def test_words_are_those_of_the_program() -> None:
    from typing import get_args

    pairs = [
        (records.InvoiceWord, states.InvoiceState), (records.AboutWord, states.About),
        (records.TransactionKindWord, states.TransactionKind), (records.TransactionWord, states.TransactionState),
        (records.MethodWord, states.Method), (records.PaidByWord, states.PAYMENT_METHODS),
        (commission.RuleWord, RuleState), (run_schemas.RunWord, RunState), (run_schemas.OutcomeWord, RowOutcome),
    ]  # fmt: skip
    for words, members in pairs:
        assert set(get_args(words)) == {str(member) for member in members}
    from webapp.api.problems import CODES
    from webapp.api.resources.invoice_payouts import GUARDS

    assert set(get_args(clinic_money.GuardWord)) == {code for _, code in GUARDS} | {"conflict"}
    assert all(CODES[code][0] == 409 for code in get_args(clinic_money.GuardWord))
