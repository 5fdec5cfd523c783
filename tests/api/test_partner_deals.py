"""Deals, touches, attribution and registrations by API: with their money, their refusals, and what partners see."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Guild, usd
from tests.factories import partners as factory
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.programs.partners.models import Commission, Deal

OPENED, CLOSED = "2026-01-15T12:00:00Z", "2026-02-10T12:00:00Z"


def draft(guild: Guild, **values: Any) -> dict[str, Any]:
    """The body of a deal of 100.01."""
    body = {"name": "Acme: 20 seats", "amount": usd("100.01"), "customer": "Acme", "opened_at": OPENED}
    return {**body, **values}


def touch(guild: Guild, who: Any, **values: Any) -> dict[str, Any]:
    """The body of a referral."""
    return {"partner": who.reference, "type": "referral", "happened_at": "2026-01-20T12:00:00Z", **values}


def amounts(found: dict[str, Any], name: str = "attribution") -> list[str]:
    """The amounts of a deal's shares."""
    return [each["amount"]["amount"] for each in found[name]]


def test_a_deal_is_entered_touched_won_and_explained(guild: Guild) -> None:
    api = guild.api()
    cleo = factory.partner(guild.organisation, name="Cleo Park")
    made = api.post("/deals", draft(guild, external_ref="crm-1"), key="one")
    assert made.status_code == 201, made.text
    address = f"/deals/{made.json['reference']}"
    assert made.headers["Location"] == f"/api/v1{address}"
    assert (made.json["state"], made.json["attribution"], made.json["model"]) == ("open", [], "equal")
    for who in (guild.anna, guild.ben, cleo):
        said = api.post(f"{address}/touchpoints", touch(guild, who))
        assert said.status_code == 201, said.text
    won = api.post(f"{address}/win", {"closed_at": CLOSED, "version": made.json["version"]})
    assert won.status_code == 200, won.text
    assert amounts(won.json) == ["33.34", "33.34", "33.33"]
    assert sum(each["millionths"] for each in won.json["attribution"]) == 1_000_000
    first = won.json["attribution"][0]
    assert first["partner"]["name"] == "Anna Snelling"
    assert (first["parts"][0]["kind"], "One of 3 partners" in first["parts"][0]["why"]) == ("Referral", True)
    assert first["parts"][0]["amount"] == first["amount"]
    # 5 % of 33.34 is 1.667, of 33.33 1.6665.
    assert sorted(amounts(won.json, "commissions")) == ["1.67", "1.67", "1.67"]
    assert api.post("/deals", draft(guild, external_ref="crm-1"), key="one").json == made.json
    twice = api.post("/deals", draft(guild, external_ref="crm-1"))
    assert (twice.status_code, twice.json["errors"][0]["field"]) == (422, "external_ref")


def test_a_deal_goes_its_whole_way(guild: Guild) -> None:
    api, row = guild.api(), factory.deal(guild.program, [guild.anna])
    address = f"/deals/{row.reference}"
    assert api.post(f"{address}/reopen", {}).status_code == 409
    lost = api.post(f"{address}/lose", {"reason": "Another offer", "closed_at": CLOSED}).json
    assert (lost["state"], lost["reason"]) == ("lost", "Another offer")
    assert api.post(f"{address}/lose", {"reason": "Again"}).json["reason"] == "Another offer"
    assert api.post(f"{address}/win", {"closed_at": CLOSED}).status_code == 409
    changed = {"name": "Acme", "amount": usd("2000")}
    assert api.send("PUT", address, changed).status_code == 409
    assert api.post(f"{address}/reopen", {}).json["state"] == "open"
    seen = api.get(address).json["version"]
    stale = api.send("PUT", address, {**changed, "version": seen - 1})
    assert (stale.status_code, stale.json["code"]) == (409, "stale")
    put = api.send("PUT", address, {**changed, "version": seen})
    assert (put.json["amount"]["amount"], put.json["opened_at"]) == ("2000.00", "2026-01-15T12:00:00.000Z")
    won = api.post(f"{address}/win", {"closed_at": CLOSED})
    assert amounts(won.json, "commissions") == ["100.00"]
    # Won: a change needs its reason, and program and currency stay.
    bare = api.send("PUT", address, {**changed, "amount": usd("1000")})
    assert (bare.status_code, bare.json["errors"][0]["field"]) == (422, "reason")
    euros = {**changed, "amount": {"currency": "EUR", "amount": "1"}, "reason": "x"}
    assert api.send("PUT", address, euros).json["errors"][0]["field"] == "currency"
    less = api.send("PUT", address, {**changed, "amount": usd("1000"), "reason": "Two seats less"})
    assert amounts(less.json, "commissions") == ["50.00"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("amount.amount", {"amount": {"currency": "USD", "amount": "-1"}}),
        ("amount", {"amount": {"currency": "USD", "amount": "1.001"}}),
        ("currency", {"amount": {"currency": "XQX", "amount": "1"}}),
        ("name", {"name": ""}),
        ("program", {"program": "PP-9999"}),
        ("registered_by", {"registered_by": "PY-9999"}),
        ("opened_at", {"opened_at": "2999-01-01T00:00:00Z"}),
        ("opened_at", {"opened_at": "2026-01-15T12:00:00"}),
    ],
)
def test_what_is_no_deal_is_refused_with_its_field(guild: Guild, field: str, values: dict[str, Any]) -> None:
    refused = guild.api().post("/deals", draft(guild, **values))
    assert refused.status_code == 422, refused.text
    assert refused.json["errors"][0]["field"] == field
    assert db.session.scalar(select(func.count()).select_from(Deal)) == 0


def test_closing_days_that_cannot_be(guild: Guild) -> None:
    api, row = guild.api(), factory.deal(guild.program, [guild.anna])
    for day in ("2999-01-01T00:00:00Z", "2026-01-01T00:00:00Z"):
        refused = api.post(f"/deals/{row.reference}/win", {"closed_at": day})
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "closed_at")


def test_touches_are_listed_counted_once_and_taken_back(guild: Guild) -> None:
    api, row = guild.api(), factory.deal(guild.program, [guild.anna])
    address = f"/deals/{row.reference}/touchpoints"
    body = touch(guild, guild.ben, external_ref="act-1", type="demo")
    made = api.post(address, body)
    assert made.headers["Location"] == f"/api/v1/touchpoints/{made.json['id']}"
    assert api.post(address, body).json["id"] == made.json["id"]
    other = api.post(address, {**body, "type": "referral"})
    assert (other.status_code, "another one" in other.json["detail"]) == (409, True)
    listed = api.get(address).json["items"]
    assert [(each["partner"]["name"], each["type"]) for each in listed] == [
        ("Anna Snelling", "referral"), ("Ben Moss", "demo"),
    ]  # fmt: skip
    for query, count in (("type=demo", 1), (f"partner={guild.anna.reference}", 1), ("happened_to=2026-01-19", 1),
                         (f"deal={row.reference}", 2), ("happened_from=2026-02-01", 0)):  # fmt: skip
        assert len(api.get(f"/touchpoints?{query}").json["items"]) == count, query
    left = api.post(f"/touchpoints/{made.json['id']}/remove")
    assert amounts(left.json) == ["1000.00"]
    assert api.get(f"/touchpoints/{made.json['id']}").status_code == 404
    for wrong, field in ((touch(guild, guild.ben, weight=-1), "weight"), ({**body, "partner": "PY-9"}, "partner"),
                         (touch(guild, guild.ben, happened_at="2999-01-01T00:00:00Z"), "happened_at")):  # fmt: skip
        refused = api.post(address, wrong)
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, field)


def test_a_payout_freezes_the_shares(guild: Guild) -> None:
    row = guild.won()
    factory.calculate(guild.organisation)
    api = guild.api()
    assert api.get(f"/deals/{row.reference}").json["attribution"][0]["is_frozen"] is True
    late = api.post(f"/deals/{row.reference}/touchpoints", touch(guild, guild.ben))
    assert (late.status_code, "does not change any more" in late.json["detail"]) == (409, True)
    [kept] = api.get(f"/deals/{row.reference}/touchpoints").json["items"]
    assert api.post(f"/touchpoints/{kept['id']}/remove").status_code == 409


def test_deals_are_found_by_every_filter(guild: Guild) -> None:
    api = guild.api("accountant")
    big = guild.won(guild.anna, amount=5_000_00, name="Big", product="GTX Pro", external_ref="crm-1")
    small = factory.deal(guild.program, [guild.ben], 10_00, name="Small", customer="Initech")
    names = {big.reference: "big", small.reference: "small"}
    for query, expected in (
        ("", ["small", "big"]), ("sort=name", ["big", "small"]), ("state=won", ["big"]), ("search=initech", ["small"]),
        (f"partner={guild.ben.reference}", ["small"]), ("product=gtx", ["big"]), ("external_ref=crm-1", ["big"]),
        ("closed_from=2026-02-10&closed_to=2026-02-10", ["big"]), ("closed_from=2026-02-11", []),
        ("amount_from=10.00&amount_to=100", ["small"]), ("currency=EUR", []), (f"program={guild.program.reference}",
        ["small", "big"]),
    ):  # fmt: skip
        found = api.get(f"/deals?{query}")
        assert found.status_code == 200, found.text
        assert [names[each["reference"]] for each in found.json["items"]] == expected, query
    first = api.get("/deals?limit=1").json
    assert (
        names[api.get(f"/deals?limit=1&cursor={first['next_cursor']}").json["items"][0]["reference"]] == "big"
    )
    assert api.get("/deals?state=half").status_code == 422


def test_a_partner_sees_the_own_part_of_the_own_deals(guild: Guild) -> None:
    shared, foreign = guild.won(guild.anna, guild.ben, registered_by_id=guild.ben.id), guild.won(guild.ben)
    anna = guild.api("anna")
    assert [each["reference"] for each in anna.get("/deals").json["items"]] == [shared.reference]
    assert anna.get(f"/deals/{foreign.reference}").status_code == 404
    assert anna.get(f"/deals/{foreign.reference}/touchpoints").status_code == 404
    found = anna.get(f"/deals/{shared.reference}")
    assert "Ben" not in found.text
    assert guild.ben.reference not in found.text
    mine, rest = found.json["attribution"]
    assert (mine["partner"]["name"], rest["partner"], rest["parts"]) == ("Anna Snelling", None, [])
    assert [each["partner"]["name"] for each in found.json["commissions"]] == ["Anna Snelling"]
    assert (found.json["reason"], found.json["created_by"], found.json["registered_by"]) == (None, None, None)
    assert {each["partner"]["name"] for each in anna.get("/touchpoints").json["items"]} == {"Anna Snelling"}
    probing = anna.get(f"/deals?partner={guild.ben.reference}")
    assert (probing.status_code, probing.json["errors"][0]["field"]) == (422, "partner")
    assert anna.post("/deals", draft(guild)).status_code == 403
    assert guild.api("ben").get(f"/deals/{shared.reference}").json["registered_by"]["name"] == "Ben Moss"


def test_a_registration_makes_a_deal_and_no_money(guild: Guild) -> None:
    anna, admin = guild.api("anna"), guild.api()
    factory.deal(guild.program, [guild.ben], customer="Acme")
    body = {"customer": "ACME", "product": "Seats", "expected": usd("5000"), "note": "They asked."}
    made = anna.post("/partner-registrations", body, key="r")
    assert made.status_code == 201, made.text
    address = f"/partner-registrations/{made.json['reference']}"
    assert (made.json["partner"]["name"], made.json["state"], made.json["warnings"]) == (
        "Anna Snelling", "pending", [],
    )  # fmt: skip
    assert anna.post("/partner-registrations", body).status_code == 409
    assert "deals with this customer" in admin.get(address).json["warnings"][0]
    assert guild.api("ben").get(address).status_code == 404
    assert anna.post(f"{address}/accept", {}).status_code == 403
    done = admin.post(f"{address}/accept", {"version": 1})
    assert (done.json["state"], done.json["decided_by"]) == ("approved", "admin@guild.example")
    deal = anna.get(f"/deals/{done.json['deal']}").json
    assert (deal["state"], deal["registered_by"]["name"]) == ("open", "Anna Snelling")
    assert anna.get(address).json["decided_by"] is None
    for act, more in (("accept", {}), ("reject", {"reason": "No"})):
        assert admin.post(f"{address}/{act}", more).status_code == 409
    assert anna.post(f"{address}/withdraw", {}).status_code == 409
    for model in (Commission, Payout):
        assert db.session.scalar(select(func.count()).select_from(model)) == 0


def test_registrations_are_refused_withdrawn_and_written_for_partners(guild: Guild) -> None:
    admin, anna = guild.api(), guild.api("anna")
    body = {"customer": "Initech", "expected": usd("10")}
    nobody = admin.post("/partner-registrations", body)
    assert (nobody.status_code, nobody.json["errors"][0]["field"]) == (422, "partner")
    made = admin.post("/partner-registrations", {**body, "partner": guild.anna.reference}).json
    refused = admin.post(f"/partner-registrations/{made['reference']}/reject", {"reason": "Ours"}).json
    assert (refused["state"], refused["reason"]) == ("rejected", "Ours")
    again = anna.post("/partner-registrations", body).json
    assert anna.post(f"/partner-registrations/{again['reference']}/withdraw", {}).json["state"] == "withdrawn"
    as_another = anna.post("/partner-registrations", {**body, "partner": guild.ben.reference})
    assert (as_another.status_code, as_another.json["errors"][0]["field"]) == (422, "partner")
    for values, field in (({"expected": usd("0")}, "expected"), ({"customer": ""}, "customer"),
                          ({"expected": {"currency": "XQX", "amount": "1"}}, "currency"),
                          ({"program": "PP-77"}, "program")):  # fmt: skip
        answer = anna.post("/partner-registrations", {**body, **values})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    states = [each["state"] for each in anna.get("/partner-registrations").json["items"]]
    assert states == ["withdrawn", "rejected"]
    assert len(admin.get("/partner-registrations?state=rejected").json["items"]) == 1
    assert guild.api("ben").get("/partner-registrations").json["items"] == []


def test_another_company_sees_and_moves_nothing(guild: Guild) -> None:
    row, stranger = guild.won(), guild.stranger()
    [kept] = guild.api().get("/touchpoints").json["items"]
    for address in ("/deals", "/touchpoints", "/partners", "/partner-registrations", "/commissions", "/events",
                    "/partner-programs", "/partner-disputes", "/partner-payouts", "/exchange-rates"):  # fmt: skip
        assert stranger.get(address).json["items"] == [], address
    for address in (f"/deals/{row.reference}", f"/deals/{row.reference}/touchpoints", f"/touchpoints/{kept['id']}",
                    f"/partners/{guild.anna.reference}", f"/partners/{guild.anna.reference}/summary",
                    f"/commissions/{factory.commissions(row)[0].reference}",
                    f"/partner-programs/{guild.program.reference}"):  # fmt: skip
        assert stranger.get(address).status_code == 404, address
    for address, body in ((f"/deals/{row.reference}/lose", {"reason": "x"}),
                          (f"/deals/{row.reference}/touchpoints", touch(guild, guild.ben)),
                          (f"/touchpoints/{kept['id']}/remove", None)):  # fmt: skip
        assert stranger.post(address, body).status_code == 404, address
    assert stranger.post("/deals", draft(guild, program=guild.program.reference)).status_code == 422
    assert db.session.get_one(Deal, row.id).version == row.version
