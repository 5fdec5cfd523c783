"""Commissions, payouts by period, calculations, objections, rules and rates by API."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Guild, usd
from tests.factories import FACTORY
from tests.factories import partners as factory
from tests.support.worker import work_off_named
from webapp.database import db, transaction
from webapp.payouts.models import Payout
from webapp.programs.partners import exchange_rates
from webapp.programs.partners.exchange_rates import RateDraft


def payouts() -> int:
    """How many there are."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Payout)) or 0


def euro(guild: Guild, rate: str = "1.10") -> None:
    """What a euro is worth from February 2026 on."""
    with transaction():
        exchange_rates.enter(
            organisation_id=guild.organisation.id, draft=RateDraft("EUR", Decimal(rate), date(2026, 2, 1)),
            actor=FACTORY, now=factory.TODAY, reason="The list had a typing error.",
        )  # fmt: skip


def sums(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    """(state, currency, amount, count) of stats."""
    return [(row["state"], row["amount"]["currency"], row["amount"]["amount"], row["count"]) for row in rows]


def test_a_quarter_is_calculated_once(guild: Guild) -> None:
    guild.won(guild.anna, guild.ben)
    guild.won(guild.anna, amount=10_00, currency="EUR")
    api = guild.api()
    due = api.get("/partner-payouts/due?period=2026-Q1").json
    assert [(each["partner"]["name"], each["amount"]["amount"], each["waits_because"]) for each in due["items"]] == [
        ("Anna Snelling", "0.50", ""), ("Anna Snelling", "25.00", ""), ("Ben Moss", "25.00", ""),
    ]  # fmt: skip
    asked = api.post("/partner-payouts/calculate", {"period": "2026-Q1"}, key="c-1")
    assert asked.status_code == 200, asked.text
    assert (asked.json["is_new"], asked.json["partners"]) == (True, 2)
    assert api.post("/partner-payouts/calculate", {"period": "2026-Q1"}, key="c-1").json == asked.json
    # While it waits, a second one is that one; one of another period beside it takes nothing twice.
    same = guild.api("approver").post("/partner-payouts/calculate", {"period": "2026-Q1"}).json
    assert (same["is_new"], same["run"], same["partners"]) == (False, asked.json["run"], 2)
    beside = guild.api("approver").post("/partner-payouts/calculate", {"period": "2026-03"}).json
    work_off_named(asked.json["run"])
    work_off_named(beside["run"])
    assert api.get(f"/runs/{asked.json['run']}").json["done"] == 2
    assert api.get(f"/runs/{beside['run']}").json["skipped"] == 2
    again = api.post("/partner-payouts/calculate", {"period": "2026-Q1"})
    assert (again.status_code, again.json["is_new"], again.json["run"]) == (200, False, None)
    assert "Nothing new" in again.json["message"]
    assert payouts() == 3
    listed = api.get(f"/partner-payouts?period=2026-Q1&partner={guild.anna.reference}").json["items"]
    assert sorted(row["net"]["amount"] for row in listed) == ["0.50", "25.00"]
    assert api.get("/partner-payouts?period=2025-Q4").json["items"] == []
    states = {each["state"] for each in api.get("/commissions").json["items"]}
    assert states == {"claimed"}


@pytest.mark.parametrize("period", ["2026-13", "2026-Q5", "soon", "26-01", "2026", "2998-Q1"])
def test_what_is_no_period_is_refused(guild: Guild, period: str) -> None:
    guild.won()
    api = guild.api()
    for answer in (
        api.post("/partner-payouts/calculate", {"period": period}), api.get(f"/partner-payouts/due?period={period}"),
        api.get(f"/commissions?period={period}"), api.get(f"/partner-payouts?period={period}"),
    ):  # fmt: skip
        assert answer.status_code == 422, answer.text
        assert answer.json["errors"][0]["field"] == "period"
    assert payouts() == 0


def test_commissions_say_how_they_stand(guild: Guild) -> None:
    due = guild.won(guild.anna, amount=1_000_00)
    waits = guild.won(guild.anna, amount=200_00)
    row = factory.commissions(waits)[0]
    with transaction():
        db.session.merge(row).due_on = date(2999, 1, 1)
    api = guild.api("accountant")
    first = api.get(f"/commissions?deal={due.reference}").json["items"][0]
    assert (first["state"], first["base"]["amount"], first["percent"], first["amount"]["amount"]) == (
        "due", "1000.00", "5", "50.00",
    )  # fmt: skip
    assert (first["earned_on"], first["due_on"], first["waits_because"]) == ("2026-02-10", "2026-03-12", "")
    one = api.get(f"/commissions/{row.reference}").json
    assert (one["state"], "holding period until 2999-01-01" in one["waits_because"]) == ("holding", True)
    assert sums(api.get("/commissions/stats").json["items"]) == [
        ("holding", "USD", "10.00", 1), ("due", "USD", "50.00", 1),
    ]  # fmt: skip
    for query, found in (("state=due", 1), ("state=open", 2), ("state=paid", 0), ("period=2026-Q1", 2),
                         ("kind=sale", 2), ("amount_from=20", 1), ("amount_to=10", 1), ("earned_from=2026-03-01", 0),
                         (f"partner={guild.ben.reference}", 0), (f"search={row.reference}", 1)):  # fmt: skip
        assert len(api.get(f"/commissions?{query}").json["items"]) == found, query
    page = api.get("/commissions?sort=amount&limit=1").json
    rest = api.get(f"/commissions?sort=amount&limit=1&cursor={page['next_cursor']}").json
    assert [each["amount"]["amount"] for each in page["items"] + rest["items"]] == ["10.00", "50.00"]


def test_currencies_stand_side_by_side_and_together_by_a_rate(guild: Guild) -> None:
    guild.won(guild.anna, amount=1_000_00)
    guild.won(guild.anna, amount=1_000_00, currency="EUR")
    guild.won(guild.anna, amount=1_000_00, currency="INR")
    api = guild.api()
    assert api.get("/exchange-rates").json["items"] == []
    euro(guild)
    euro(guild, "1.20")
    found = api.get("/commissions/stats").json
    assert [each[1:3] for each in sums(found["items"])] == [
        ("EUR", "50.00"),
        ("INR", "50.00"),
        ("USD", "50.00"),
    ]
    base = found["in_base"]
    assert (base["currency"], base["together"]["amount"], base["missing"]) == ("USD", "110.00", ["INR"])
    assert [(line["rate"], line["rate_from"]) for line in base["lines"]] == [
        ("1.2", "2026-02-01"), (None, None), (None, None),
    ]  # fmt: skip
    rates = api.get("/exchange-rates").json["items"]
    assert [(row["rate"], row["version"], row["is_current"]) for row in rates] == [
        ("1.2", 2, True), ("1.1", 1, False),
    ]  # fmt: skip
    for query, count in (
        ("on=2026-02-01", 1),
        ("on=2026-01-31", 0),
        ("is_current=false", 1),
        ("currency=INR", 0),
    ):
        assert len(api.get(f"/exchange-rates?{query}").json["items"]) == count, query
    assert guild.api("anna").get("/exchange-rates").status_code == 403


def test_a_partner_s_summary_is_the_sum_of_its_commissions(guild: Guild) -> None:
    guild.won(guild.anna, amount=1_000_00)
    refunded = guild.won(guild.anna, amount=200_00)
    factory.calculate(guild.organisation)
    factory.lost(refunded)
    factory.deal(guild.program, [guild.anna])
    anna = guild.api("anna")
    found = anna.get(f"/partners/{guild.anna.reference}/summary")
    assert found.status_code == 200, found.text
    told = found.json
    assert sums(told["items"]) == [("due", "USD", "-10.00", 1), ("claimed", "USD", "60.00", 2)]
    for name, amount in (("lifetime", "50.00"), ("pending", "50.00"), ("taken_back", "-10.00")):
        assert [each["amount"] for each in told[name]] == [amount], name
    assert (told["open_deals"], told["won_deals"], told["lost_deals"], told["pending_registrations"]) == (
        1,
        1,
        1,
        0,
    )
    assert anna.get(f"/partners/{guild.ben.reference}/summary").status_code == 404
    [own] = anna.get("/partners").json["items"]
    assert (own["reference"], own["sums"][0]["owed"]["amount"]) == (guild.anna.reference, "50.00")


def test_what_is_lost_is_netted_and_below_zero_carried(guild: Guild) -> None:
    row, api = guild.won(guild.anna, amount=1_000_00), guild.api()
    factory.calculate(guild.organisation)
    assert api.post(f"/deals/{row.reference}/lose", {"reason": "Refunded"}).status_code == 200
    guild.won(guild.anna, amount=400_00)
    [due] = api.get("/partner-payouts/due").json["items"]
    assert (due["amount"]["amount"], "carried" in due["waits_because"]) == ("-30.00", True)
    guild.won(guild.anna, amount=2_000_00)
    [due] = api.get("/partner-payouts/due").json["items"]
    assert (due["amount"]["amount"], due["commissions"], due["waits_because"]) == ("70.00", 3, "")


def test_payouts_are_added_up_by_partner_and_period(guild: Guild) -> None:
    guild.won(guild.anna, guild.ben)
    factory.calculate(guild.organisation, "2026-02")
    guild.won(guild.anna)
    factory.calculate(guild.organisation)
    api = guild.api("accountant")
    anna, ben = api.get("/partner-payouts/by-period").json["items"]
    assert [(each["period_start"], each["period_end"], each["net"]["amount"]) for each in anna["items"]] == [
        ("2026-01-01", "2026-03-31", "50.00"), ("2026-02-01", "2026-02-28", "25.00"),
    ]  # fmt: skip
    assert [each["count"] for each in ben["items"]] == [1]
    month = api.get("/partner-payouts/by-period?period=2026-02").json["items"]
    assert [len(each["items"]) for each in month] == [1, 1]
    [found] = api.get("/partner-payouts/stats").json["items"]
    assert (found["state"], found["count"], found["net"]["amount"]) == ("pending_approval", 3, "100.00")
    assert len(guild.api("ben").get("/partner-payouts").json["items"]) == 1
    probing = guild.api("ben").get(f"/partner-payouts?partner={guild.anna.reference}")
    assert probing.status_code == 422


def test_a_payout_of_chosen_commissions(guild: Guild) -> None:
    first, second = (factory.commissions(guild.won(guild.anna))[0].reference for _ in range(2))
    api, body = guild.api(), {"partner": guild.anna.reference, "commissions": [first], "note": "Early"}
    made = api.post("/partner-payouts", body)
    assert made.status_code == 201, made.text
    assert (made.json["net"]["amount"], made.headers["Location"]) == (
        "50.00", f"/api/v1/payouts/{made.json['reference']}",
    )  # fmt: skip
    twice = api.post("/partner-payouts", {**body, "commissions": [first, second, "CM-999999"]})
    assert (twice.status_code, first in twice.json["detail"], "CM-999999" in twice.json["detail"]) == (
        409,
        True,
        True,
    )
    assert api.post("/partner-payouts", {**body, "partner": guild.ben.reference}).status_code == 409
    assert api.post("/partner-payouts", {**body, "commissions": []}).status_code == 422
    assert guild.stranger().post("/partner-payouts", body).status_code == 404
    assert payouts() == 1


def test_commissions_of_a_rejected_payout_wait_for_a_decision(guild: Guild) -> None:
    rows = [factory.commissions(guild.won(guild.anna))[0].reference for _ in range(2)]
    factory.calculate(guild.organisation)
    api = guild.api()
    [payout] = api.get("/partner-payouts").json["items"]
    rejected = api.post(f"/payouts/{payout['reference']}/reject", {"reason": "No order"})
    assert rejected.status_code == 200, rejected.text
    staff, own = (guild.api(who).get(f"/commissions/{rows[0]}").json for who in ("admin", "anna"))
    assert (staff["state"], "No order" in staff["waits_because"]) == ("rejected", True)
    assert (own["state"], "No order" in own["waits_because"], own["rule"]) == ("rejected", False, None)
    assert api.post("/partner-payouts/calculate", {"period": "2026-Q1"}).json["is_new"] is False
    offered = api.post(f"/commissions/{rows[0]}/offer", {"reason": "It is signed now."})
    assert offered.json["state"] == "due"
    assert (
        api.post(f"/commissions/{rows[1]}/dismiss", {"reason": "Never ordered"}).json["state"] == "dismissed"
    )
    assert api.post(f"/commissions/{rows[1]}/offer", {"reason": "x"}).status_code == 409
    assert api.post(f"/commissions/{rows[0]}/offer", {"reason": ""}).status_code == 422
    assert api.post("/partner-payouts/calculate", {"period": "2026-Q1"}).json["partners"] == 1


def test_an_objection_holds_one_commission(guild: Guild) -> None:
    rows = [factory.commissions(guild.won(guild.anna))[0].reference for _ in range(2)]
    anna, admin = guild.api("anna"), guild.api()
    made = anna.post(f"/commissions/{rows[0]}/dispute", {"reason": "It was 1,200."})
    assert made.status_code == 201, made.text
    address = f"/partner-disputes/{made.json['id']}"
    assert made.headers["Location"] == f"/api/v1{address}"
    assert anna.post(f"/commissions/{rows[0]}/dispute", {"reason": "Again"}).status_code == 409
    assert guild.api("ben").post(f"/commissions/{rows[1]}/dispute", {"reason": "x"}).status_code == 404
    assert guild.api("ben").get(address).status_code == 404
    [due] = admin.get("/partner-payouts/due").json["items"]
    assert (due["commissions"], anna.get(f"/commissions/{rows[0]}").json["state"]) == (1, "disputed")
    assert anna.post(f"{address}/accept", {"answer": "x"}).status_code == 403
    done = admin.post(f"{address}/refuse", {"answer": "It was 1,000."})
    assert (done.json["state"], done.json["decided_by"]) == ("refused", "admin@guild.example")
    assert admin.post(f"{address}/accept", {"answer": "x"}).status_code == 409
    told = anna.get(f"/partner-disputes?commission={rows[0]}").json["items"]
    assert [(each["answer"], each["decided_by"], each["raised_by"]) for each in told] == [
        ("It was 1,000.", None, None)
    ]
    # An objection that staff wrote down is answered by somebody else.
    by_phone = admin.post(f"/commissions/{rows[1]}/dispute", {"reason": "By phone"}).json["id"]
    assert admin.post(f"/partner-disputes/{by_phone}/accept", {"answer": "x"}).status_code == 409
    accepted = guild.api("approver").post(f"/partner-disputes/{by_phone}/accept", {"answer": "Corrected"})
    assert accepted.json["state"] == "accepted"
    assert (
        len(admin.get(f"/partner-disputes?state=accepted&partner={guild.anna.reference}").json["items"]) == 1
    )


def test_a_partner_s_rate_and_its_limits(guild: Guild) -> None:
    api, address = guild.api(), f"/partners/{guild.anna.reference}"
    before = api.get(address).json
    assert (before["percent"], before["type"], before["tier"]) == ("5", "referral", "bronze")
    body = {"type": "reseller", "tier": "gold", "percent": "7.5", "version": before["version"]}
    changed = api.send("PUT", f"{address}/profile", body)
    assert (changed.json["percent"], changed.json["version"]) == ("7.5", before["version"] + 1)
    assert api.send("PUT", f"{address}/profile", body).status_code == 409
    for percent in ("100.01", "-1", "7.123", "101", "x"):
        refused = api.send("PUT", f"{address}/profile", {**body, "percent": percent, "version": 2})
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "percent"), percent
    assert guild.api("anna").send("PUT", f"{address}/profile", body).status_code == 403
    for query, count in (
        ("type=reseller", 1),
        ("tier=bronze", 1),
        ("search=anna", 1),
        ("is_active=false", 0),
    ):
        assert len(api.get(f"/partners?{query}").json["items"]) == count, query
    technician = api.post("/payees", {"kind": "technician", "name": "Ana"}).json["reference"]
    assert api.get(f"/partners/{technician}").status_code == 404


def test_a_rule_counts_once_a_second_admin_accepts_it(guild: Guild) -> None:
    api, body = (
        guild.api(),
        {"name": "Large deals", "percent": "10", "least_deal": usd("500"), "cap": usd("80")},
    )
    made = api.post("/partner-commission-rules", body)
    assert made.status_code == 201, made.text
    address = f"/partner-commission-rules/{made.json['id']}"
    assert (made.json["counts"], made.json["waits"]["currency"], made.json["waits"]["percent"]) == (
        None,
        "USD",
        "10",
    )
    assert api.post(f"{address}/accept", {"version": 1}).status_code == 409
    other = guild.api("approver")
    assert other.post(f"{address}/accept", {"version": 2}).json["code"] == "stale"
    assert other.post(f"{address}/accept", {"version": 1}).json["counts"]["cap"]["amount"] == "80.00"
    # 10 % of 1,000.00, capped; a smaller deal has the partner's own 5 %.
    for amount, expected in ((1_000_00, "80.00"), (100_00, "5.00")):
        deal = guild.won(guild.anna, amount=amount)
        assert api.get(f"/deals/{deal.reference}").json["commissions"][0]["amount"]["amount"] == expected
    next_one = api.send("PUT", address, {**body, "percent": "12", "version": 1})
    assert next_one.json["waits"]["version"] == 2
    assert other.post(f"{address}/withdraw", {"version": 2}).status_code == 409
    assert other.post(f"{address}/refuse", {"version": 2, "reason": "Too much"}).json["waits"] is None
    ended = api.post(f"{address}/end", {"last_day": "2999-12-30"})
    assert (ended.json["waits"]["is_active"], ended.json["waits"]["valid_from"]) == (False, "2999-12-31")
    assert api.post(f"{address}/withdraw", {"version": 3}).json["newest_version"] == 3
    assert [row["id"] for row in api.get("/partner-commission-rules").json["items"]] == [made.json["id"]]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("percent", {"percent": "100.01"}),
        ("percent", {"percent": "-1"}),
        ("percent", {"percent": "1.001"}),
        ("cap", {"cap": usd("1"), "floor": usd("2")}),
        ("floor", {"floor": usd("1"), "currency": "EUR"}),
        ("currency", {"currency": "XQX"}),
        ("program", {"program": "PP-9999"}),
        ("months", {"months": 0}),
        ("priority", {"priority": -1}),
        ("tier", {"tier": "wood"}),
    ],
)
def test_what_is_no_rule_is_refused_with_its_field(guild: Guild, field: str, values: dict[str, Any]) -> None:
    refused = guild.api().post("/partner-commission-rules", {"name": "x", "percent": "5", **values})
    assert refused.status_code == 422, refused.text
    assert refused.json["errors"][0]["field"] == field


def test_programs_say_their_model_in_words(guild: Guild) -> None:
    factory.program(
        guild.organisation, model="role", minimums={"USD": 50_00}, period="quarter", is_active=False
    )
    anna = guild.api("anna")
    by_role, equal = anna.get("/partner-programs").json["items"]
    assert (equal["model_words"], equal["role_weights"]) == ("The same to every partner who took part.", [])
    assert (by_role["period"], by_role["minimums"][0]["amount"], by_role["role_weights"][0]) == (
        "quarter", "50.00", {"type": "referral", "weight": 40},
    )  # fmt: skip
    assert len(anna.get("/partner-programs?is_active=true").json["items"]) == 1
    assert anna.get(f"/partner-programs/{guild.program.reference}").json["model"] == "equal"
    assert anna.get("/partner-programs/PP-9999").status_code == 404
