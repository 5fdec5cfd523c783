"""Wallets, withdrawals and commission rules by API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from tests import factories
from tests.api.conftest import Care
from tests.factories import clinic
from webapp.database import db, transaction
from webapp.ledger import check
from webapp.payouts.models import Payout
from webapp.people.access.tokens import Scope, allowed_scopes
from webapp.programs.clinic.models import CommissionRuleVersion

RULE = {"name": "Standard", "percent": "12.5"}


def _cad(amount: str) -> dict[str, str]:
    return {"currency": "CAD", "amount": amount}


def _count(model: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


def _earn(care: Care, amount_minor: int = 100_00) -> None:
    clinic.pay_out(clinic.paid(care.organisation, [care.ana], amount_minor))


# ------------------------------------------------------------------ wallets


def test_wallets_have_a_running_balance(care: Care) -> None:
    _earn(care)
    _earn(care, 50_00)
    clinic.paid(care.organisation, [care.ben], 20_00)
    api = care.api("accountant")
    listed = {row["wallet"]: row["balance"]["amount"] for row in api.get("/wallets").json["items"]}
    assert listed == {"clinic": "20.00", care.ana.reference: "135.00"}
    assert api.get("/wallets?currency=USD").json["items"] == []
    first = api.get("/wallets?limit=1").json
    second = api.get(f"/wallets?limit=1&cursor={first['next_cursor']}").json
    assert {row["wallet"] for row in (*first["items"], *second["items"])} == listed.keys()
    own = care.api("ana")
    assert [row["wallet"] for row in own.get("/wallets").json["items"]] == [care.ana.reference]
    moves = own.get(f"/wallets/{care.ana.reference}/movements").json["items"]
    assert [(m["amount"]["amount"], m["balance_after"]["amount"], m["kind"]) for m in moves] == [
        ("45.00", "135.00", "payout.paid_into_wallet"), ("90.00", "90.00", "payout.paid_into_wallet"),
    ]  # fmt: skip
    assert {m["description"] for m in moves} == {None}
    page = own.get(f"/wallets/{care.ana.reference}/movements?limit=1").json
    rest = own.get(f"/wallets/{care.ana.reference}/movements?limit=1&cursor={page['next_cursor']}").json
    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [m["id"] for m in moves]
    out = [m["amount"]["amount"] for m in api.get("/wallets/clinic/movements").json["items"]]
    assert out == ["20.00", "-50.00", "50.00", "-100.00", "100.00"]


def test_a_wallet_that_was_never_used_is_empty(care: Care) -> None:
    for api, name in ((care.api("ana"), care.ana.reference), (care.api(), "clinic")):
        found = api.get(f"/wallets/{name}").json
        assert (found["balance"]["amount"], found["held"]["amount"], found["debts"]) == ("0.00", "0.00", [])
        assert api.get(f"/wallets/{name}/movements").json == {"items": [], "next_cursor": None}
    technician = factories.payee(care.organisation, kind="technician")
    assert care.api().get(f"/wallets/{technician.reference}").status_code == 404
    assert care.api().get("/wallets/PY-9999").status_code == 404


# ------------------------------------------------------------------ withdrawals


def test_a_practitioner_asks_for_their_own_money(care: Care) -> None:
    _earn(care)
    api = care.api("ana")
    asked = api.post("/withdrawals", {"amount": _cad("60.00")}, key="w")
    assert asked.status_code == 201, asked.text
    reference = asked.json["reference"]
    assert (asked.json["program"], asked.json["net"]["amount"], asked.json["state"]) == (
        "clinic", "60.00", "pending_approval",
    )  # fmt: skip
    assert asked.headers["Location"] == f"/api/v1/withdrawals/{reference}"
    assert api.post("/withdrawals", {"amount": _cad("60.00")}, key="w").json == asked.json
    wallet = api.get(f"/wallets/{care.ana.reference}").json
    assert (wallet["balance"]["amount"], wallet["held"]["amount"]) == ("30.00", "60.00")
    # The same record at both addresses; the invoice's payout is no withdrawal.
    assert api.get(f"/withdrawals/{reference}").json == api.get(f"/payouts/{reference}").json
    assert [row["reference"] for row in api.get("/withdrawals").json["items"]] == [reference]
    paid = care.api().get("/payouts?state=paid").json["items"][0]["reference"]
    assert care.api().get(f"/withdrawals/{paid}").status_code == 404
    assert care.api().get("/withdrawals?state=paid").json["items"] == []
    found = care.api().get(f"/withdrawals?practitioner={care.ana.reference}&state=pending_approval").json
    assert [row["reference"] for row in found["items"]] == [reference]
    for other in (care.api("ben"), care.stranger()):
        assert other.get(f"/withdrawals/{reference}").status_code == 404
        assert other.get("/withdrawals").json["items"] == []
    # It is approved as any payout, by a person with the scope: never by a practitioner's token.
    own = api.post(f"/payouts/{reference}/approve", {"version": 1, "seen_details_version": 0})
    assert (own.status_code, own.json["scope"]) == (403, "payouts:approve")
    no = care.api("approver").post(f"/payouts/{reference}/reject", {"reason": "Not this week"})
    assert no.status_code == 200, no.text
    again = api.get(f"/wallets/{care.ana.reference}").json
    assert (again["balance"]["amount"], again["held"]["amount"]) == ("90.00", "0.00")
    db.session.rollback()
    assert check.run(care.organisation.id).findings == []


def test_nobody_withdraws_from_another_s_wallet(care: Care) -> None:
    _earn(care)
    body = {"practitioner": care.ana.reference, "amount": _cad("10.00")}
    for other in (care.api("ben"), care.stranger()):
        assert other.post("/withdrawals", body).status_code == 404
    refused = care.api("accountant").post("/withdrawals", body)
    assert (refused.status_code, refused.json["scope"]) == (403, "withdrawals:create")
    assert care.api("ana", "clinic:read").post("/withdrawals", body).json["scope"] == "withdrawals:create"
    nobody = care.api().post("/withdrawals", {"amount": _cad("10.00")})
    assert (nobody.status_code, nobody.json["errors"][0]["field"]) == (422, "practitioner")
    assert clinic.holds(care.organisation, care.ana) == 90_00
    assert _count(Payout) == 1
    made = care.api().post("/withdrawals", body)
    assert (made.status_code, made.json["payee"]["reference"], made.json["created_by"]) == (
        201, care.ana.reference, "admin@care.example",
    )  # fmt: skip


@pytest.mark.parametrize(("amount", "words"), [
    (_cad("90.01"), "90.00; not more"), (_cad("0"), "more than zero"), (_cad("19.99"), "smallest withdrawal"),
    ({"currency": "USD", "amount": "50.00"}, "0.00; not more"),
])  # fmt: skip
def test_withdrawals_that_cannot_be(care: Care, amount: dict[str, str], words: str) -> None:
    clinic.set_up(care.organisation, withdrawal_minimum_minor=20_00)
    _earn(care)
    answer = care.api("ana").post("/withdrawals", {"amount": amount})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "amount")
    assert words in answer.json["errors"][0]["message"]
    assert clinic.holds(care.organisation, care.ana) == 90_00
    assert _count(Payout) == 1


def test_only_practitioners_and_admins_can_ask() -> None:
    for role in ("accountant", "technician", "owner", "driver", "partner"):
        assert Scope.WITHDRAWALS_CREATE not in allowed_scopes([role])
    acting = {scope for scope in allowed_scopes(["practitioner"]) if not scope.endswith(":read")}
    assert acting == {Scope.WITHDRAWALS_CREATE}


# ------------------------------------------------------------------ commission rules


def test_a_rule_counts_when_a_second_admin_accepted_it(care: Care) -> None:
    admin, approver = care.api(), care.api("approver")
    made = admin.post("/commission-rules", {**RULE, "category": "Massage", "cap": _cad("50"), "external_ref": "R-1",
        "tiers": [{"below": _cad("1000"), "percent": "10"}, {"percent": "7.5"}]}, key="k")  # fmt: skip
    assert made.status_code == 201, made.text
    ident = made.json["id"]
    assert (made.json["counts"], made.json["waits"]["state"], made.json["waits"]["percent"]) == (
        None, "proposed", "12.5",
    )  # fmt: skip
    assert [(t["below"] and t["below"]["amount"], t["percent"]) for t in made.json["waits"]["tiers"]] == [
        ("1000.00", "10"), (None, "7.5"),
    ]  # fmt: skip
    assert admin.post("/commission-rules", {**RULE, "external_ref": "R-1"}).status_code == 422
    own = admin.post(f"/commission-rules/{ident}/accept", {"version": 1})
    assert (own.status_code, own.json["reasons"]) == (
        409, ["You asked for this change; another admin must accept it."],
    )  # fmt: skip
    wrong = approver.post(f"/commission-rules/{ident}/accept", {"version": 2})
    assert (wrong.status_code, wrong.json["code"]) == (409, "stale")
    assert admin.get(f"/commission-rules/{ident}").json["waits"] is not None
    done = approver.post(f"/commission-rules/{ident}/accept", {"version": 1, "note": "Agreed"}).json
    assert (done["waits"], done["counts"]["decided_by"], done["counts"]["state"]) == (
        None, "approver@care.example", "in_force",
    )  # fmt: skip
    revised = admin.send("PUT", f"/commission-rules/{ident}", {**RULE, "percent": "15", "version": 1}).json
    assert (revised["newest_version"], revised["waits"]["percent"], revised["counts"]["percent"]) == (
        2,
        "15",
        "12.5",
    )
    waiting = admin.send("PUT", f"/commission-rules/{ident}", {**RULE, "percent": "16", "version": 2})
    assert (waiting.status_code, waiting.json["code"]) == (409, "conflict")
    no = approver.post(f"/commission-rules/{ident}/refuse", {"version": 2, "reason": "Too much"}).json
    assert (no["waits"], [v["state"] for v in no["versions"]]) == (None, ["refused", "in_force"])
    stale = admin.send("PUT", f"/commission-rules/{ident}", {**RULE, "version": 1})
    assert stale.json["code"] == "stale"
    ended = admin.post(f"/commission-rules/{ident}/end", {"last_day": "2026-12-31"}).json
    assert (ended["waits"]["is_active"], ended["waits"]["valid_from"]) == (False, "2027-01-01")
    assert approver.post(f"/commission-rules/{ident}/withdraw", {"version": 3}).status_code == 409
    back = admin.post(f"/commission-rules/{ident}/withdraw", {"version": 3}).json
    assert [v["state"] for v in back["versions"]] == ["withdrawn", "refused", "in_force"]
    assert [row["id"] for row in care.api("accountant").get("/commission-rules").json["items"]] == [ident]
    assert care.api("ana").get("/commission-rules").json["scope"] == "commission:read"
    stranger = care.stranger()
    assert stranger.get(f"/commission-rules/{ident}").status_code == 404
    for act, body in (("accept", {"version": 3}), ("refuse", {"version": 3, "reason": "x"}),
                      ("withdraw", {"version": 3}), ("end", {"last_day": "2026-12-31"})):  # fmt: skip
        assert stranger.post(f"/commission-rules/{ident}/{act}", body).status_code == 404
    assert _count(CommissionRuleVersion) == 3


@pytest.mark.parametrize(("change", "field"), [
    ({"percent": "101"}, "percent"), ({"percent": 10}, "percent"), ({"practitioner": "PY-9999"}, "practitioner"),
    ({"floor": _cad("5"), "cap": _cad("4")}, "cap"), ({"flat": {"currency": "USD", "amount": "1"}}, "flat"),
    ({"tiers": [{"percent": "1"}, {"percent": "2"}]}, "tiers"), ({"priority": 10**7}, "priority"),
    ({"name": " "}, "name"),
])  # fmt: skip
def test_rules_that_cannot_be(care: Care, change: dict[str, Any], field: str) -> None:
    for address in ("/commission-rules", "/commission-rules/effect"):
        answer = care.api().post(address, {**RULE, **change})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert _count(CommissionRuleVersion) == 0


def test_the_effect_on_a_month_is_shown_before_anything_is_stored(care: Care) -> None:
    _earn(care)
    _earn(care, 200_00)
    api = care.api()
    asked = {**RULE, "percent": "20", "month": "2026-11"}
    effect = api.post("/commission-rules/effect", asked).json
    assert (effect["first_day"], effect["last_day"], effect["payouts"], effect["changed"]) == (
        "2026-11-01", "2026-11-30", 2, 2,
    )  # fmt: skip
    assert (effect["commission_before"]["amount"], effect["commission_after"]["amount"]) == ("30.00", "60.00")
    assert _count(CommissionRuleVersion) == 0
    ident = api.post("/commission-rules", {**RULE, "percent": "20"}).json["id"]
    waiting = api.get(f"/commission-rules/{ident}/effect?month=2026-11").json
    assert waiting == effect
    assert api.post("/commission-rules/effect", {**asked, "rule": ident}).json == effect
    assert api.get(f"/commission-rules/{ident}/effect?month=2026-10").json["payouts"] == 0
    assert api.get(f"/commission-rules/{ident}/effect").status_code == 200
    assert api.get(f"/commission-rules/{ident}/effect?month=2026-13").status_code == 422
    stranger = care.stranger()
    assert stranger.get(f"/commission-rules/{ident}/effect").status_code == 404
    assert stranger.post("/commission-rules/effect", {**RULE, "rule": ident}).status_code == 404


@pytest.mark.parametrize(("amount", "commission", "payout"), [
    ("100.00", "10.00", "90.00"), ("99.99", "10.00", "89.99"), ("0.05", "0.01", "0.04"),
])  # fmt: skip
def test_the_numbers(care: Care, amount: str, commission: str, payout: str) -> None:
    found = care.api("accountant").get(f"/commission-rules/quote?amount={amount}").json
    said = (found["base"]["amount"], found["commission"]["amount"], found["payout"]["amount"], found["rule"])
    assert said == (amount, commission, payout, "Default")


def test_a_quote_goes_by_the_rules(care: Care) -> None:
    with transaction():
        clinic.rule(care.organisation, "Ana", percent=Decimal(25), payee_id=care.ana.id, priority=5)
        clinic.rule(care.organisation, "Massage", percent=Decimal(15), category="Massage")
    api = care.api()
    for query, percent in (("", "10"), (f"&practitioner={care.ana.reference}", "25"), ("&category=Massage", "15"),
                           (f"&practitioner={care.ana.reference}&category=Massage&on=2026-11-10", "25")):  # fmt: skip
        assert api.get(f"/commission-rules/quote?amount=100{query}").json["percent"] == percent, query
    for query, field in (("", "amount"), ("?amount=-1", "amount"), ("?amount=1.001", "amount"),
                         ("?amount=1&practitioner=PY-9999", "practitioner")):  # fmt: skip
        answer = api.get(f"/commission-rules/quote{query}")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
