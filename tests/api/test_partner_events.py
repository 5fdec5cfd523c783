"""Events of a CRM: each counts once, older ones undo nothing, what is refused leaves nothing behind."""

from __future__ import annotations

from itertools import count, permutations
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Guild, usd
from tests.factories import partners as factory
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.programs.partners.models import Commission, Deal
from webapp.programs.partners.models_events import CrmEvent

_numbers = count(1)
JAN, FEB, MAR, APR = (f"2026-0{month}-10T09:00:00Z" for month in (1, 2, 3, 4))


def event(kind: str, at: str, **data: Any) -> dict[str, Any]:
    """An event about the deal that the CRM calls crm-1."""
    return {"id": f"evt-{next(_numbers)}", "type": kind, "occurred_at": at, "data": {"deal": "crm-1", **data}}


def created(at: str = JAN, **data: Any) -> dict[str, Any]:
    """A deal of 1,000.00 that came into the CRM."""
    return event("deal.created", at, **{"name": "Acme", "amount": usd("1000"), **data})


def rows(model: Any) -> int:
    """How many there are."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_deal_goes_its_way_by_events(guild: Guild) -> None:
    api = guild.api("admin", "events:write", "events:read")
    first = api.post("/events", created(program=guild.program.reference, opened_at="2026-01-05T00:00:00Z"))
    assert first.status_code == 201, first.text
    assert first.headers["Location"] == f"/api/v1/events/{first.json['id']}"
    assert (first.json["outcome"], first.json["is_repeat"], first.json["note"]) == ("applied", False, "")
    touched = event("touchpoint.created", FEB, partner=guild.anna.reference, type="demo", touchpoint="t-1")
    answer = api.post("/events", touched)
    assert answer.status_code == 201, answer.text
    assert api.post("/events", event("deal.updated", FEB, amount=usd("2000"))).json["outcome"] == "applied"
    assert api.post("/events", event("deal.won", MAR, closed_at="2026-03-09T09:00:00Z")).status_code == 201
    deal = guild.api().get(f"/deals/{first.json['deal']}").json
    assert (deal["state"], deal["closed_at"], deal["amount"]["amount"], deal["external_ref"]) == (
        "won", "2026-03-09T09:00:00.000Z", "2000.00", "crm-1",
    )  # fmt: skip
    assert [each["amount"]["amount"] for each in deal["commissions"]] == ["100.00"]
    [part] = deal["attribution"][0]["parts"]
    assert (part["touchpoint"], part["kind"]) == (answer.json["touchpoint"], "Demonstration")
    assert api.post("/events", event("deal.lost", APR, reason="Refunded")).status_code == 201
    deal = guild.api().get(f"/deals/{first.json['deal']}").json
    assert (deal["state"], deal["reason"], deal["commissions"][0]["state"]) == (
        "lost", "Refunded", "cancelled",
    )  # fmt: skip
    listed = api.get(f"/events?deal={first.json['deal']}").json["items"]
    assert [each["type"] for each in listed] == [
        "deal.lost", "deal.won", "deal.updated", "touchpoint.created", "deal.created",
    ]  # fmt: skip
    assert len(api.get("/events?type=deal.won&limit=1").json["items"]) == 1
    told = db.session.scalars(select(AuditEvent.tag).where(AuditEvent.tag == "partners:event:received"))
    assert len(told.all()) == 5


def test_a_repeated_event_gets_the_first_answer(guild: Guild) -> None:
    api, body = guild.api(), created()
    first = api.post("/events", body, key="k-1")
    replayed = api.post("/events", body, key="k-1")
    assert (replayed.headers["Idempotency-Replayed"], replayed.json) == ("true", first.json)
    again = api.post("/events", body, key="k-2")
    assert (again.status_code, again.json) == (200, {**first.json, "is_repeat": True})
    # The deal has changed since; the answer has not.
    api.post("/events", event("deal.won", FEB))
    assert api.post("/events", body).json == again.json
    assert {**api.get(f"/events/{body['id']}").json, "is_repeat": True} == again.json
    for other in ({**body, "occurred_at": FEB}, {**body, "type": "deal.updated"},
                  {**body, "data": {**body["data"], "name": "Else"}}):  # fmt: skip
        refused = api.post("/events", other)
        assert (refused.status_code, "something else" in refused.json["detail"]) == (409, True)
    assert (rows(Deal), rows(CrmEvent)) == (1, 2)


def story() -> list[dict[str, Any]]:
    """A deal that came in, got cheaper, was lost, and was won after all."""
    return [
        created(customer="Acme Corporation", amount=usd("1000")),
        event("deal.updated", FEB, amount=usd("800")),
        event("deal.lost", MAR, reason="Too dear", name="Acme", amount=usd("800")),
        event("deal.won", APR, name="Acme: 20 seats", amount=usd("750"), closed_at=APR),
    ]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
def test_in_whatever_order_events_arrive_the_newest_is_right(guild: Guild, order: tuple[int, ...]) -> None:
    api, told = guild.api(), story()
    for index in order:
        answer = api.post("/events", told[index])
        # A change by itself does not say what a deal is called: it is sent again once the deal is there.
        if order[0] == 1 and index == 1:
            assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "data.name")
        else:
            assert answer.status_code == 201, answer.text
    if order[0] == 1:
        assert api.post("/events", told[1]).status_code == 201
    [deal] = api.get("/deals").json["items"]
    assert (deal["state"], deal["name"], deal["amount"]["amount"], deal["customer"]) == (
        "won", "Acme: 20 seats", "750.00", "Acme Corporation",
    )  # fmt: skip
    assert (deal["opened_at"], deal["closed_at"]) == ("2026-01-10T09:00:00.000Z", "2026-04-10T09:00:00.000Z")


def test_an_old_event_says_what_it_left_alone(guild: Guild) -> None:
    api = guild.api()
    api.post("/events", created())
    api.post("/events", event("deal.updated", MAR, name="New", amount=usd("500")))
    part = api.post("/events", event("deal.updated", FEB, name="Old", product="Seats"))
    assert (part.json["outcome"], part.json["note"]) == ("applied", "Newer events said anew: name.")
    none = api.post("/events", event("deal.updated", FEB, amount=usd("9")))
    assert none.json["outcome"] == "superseded"
    [deal] = api.get("/deals").json["items"]
    assert (deal["name"], deal["product"], deal["amount"]["amount"]) == ("New", "Seats", "500.00")
    assert [each["note"] for each in api.get("/events?outcome=superseded").json["items"]] == [
        "Newer events said anew: amount."
    ]


def test_a_lost_deal_is_changed_and_stays_lost(guild: Guild) -> None:
    api = guild.api()
    api.post("/events", created())
    assert api.post("/events", event("deal.lost", FEB, reason="Too dear")).status_code == 201
    assert api.post("/events", event("deal.updated", MAR, amount=usd("5"))).json["outcome"] == "applied"
    [deal] = api.get("/deals").json["items"]
    assert (deal["state"], deal["amount"]["amount"], deal["reason"], deal["closed_at"]) == (
        "lost", "5.00", "Too dear", "2026-02-10T09:00:00.000Z",
    )  # fmt: skip
    assert api.post("/events", event("deal.reopened", APR, amount=usd("6"))).json["outcome"] == "applied"
    [deal] = api.get("/deals").json["items"]
    assert (deal["state"], deal["amount"]["amount"], deal["closed_at"]) == ("open", "6.00", None)
    assert api.post("/events", event("deal.won", APR)).status_code == 201
    assert api.post("/events", event("deal.reopened", APR)).status_code == 409


def test_what_is_lost_after_it_was_paid_is_taken_back_once(guild: Guild) -> None:
    api = guild.api()
    api.post("/events", created())
    api.post("/events", event("touchpoint.created", JAN, partner=guild.anna.reference))
    api.post("/events", event("deal.won", FEB))
    factory.calculate(guild.organisation)
    for at in (MAR, APR):
        assert api.post("/events", event("deal.lost", at, amount=usd("900"))).status_code == 201
    found = api.get("/commissions?sort=created").json["items"]
    assert [(each["kind"], each["amount"]["amount"]) for each in found] == [
        ("sale", "50.00"), ("clawback", "-50.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("data.amount", event("deal.created", JAN, name="x")),
        ("data.name", event("deal.won", JAN, amount=usd("1"))),
        ("data.currency", created(amount={"currency": "XQX", "amount": "1"})),
        ("data.program", created(program="PP-9999")),
        ("data.registered_by", created(registered_by="PY-9999")),
        ("data.partner", created(partner="PY-0001")),
        ("data.name", event("touchpoint.created", JAN, name="x")),
        ("data.deal", event("touchpoint.created", JAN, partner="PY-0001")),
        ("data.closed_at", {**created(closed_at="2026-01-10"), "type": "deal.won"}),
        ("data.closed_at", {**created(closed_at="2999-01-01T00:00:00Z"), "type": "deal.won"}),
        ("occurred_at", {**created(), "occurred_at": "2998-01-01T00:00:00Z"}),
        ("type", {**created(), "type": "deal.eaten"}),
        ("id", {**created(), "id": "has a space"}),
        ("data.deal", {**created(), "data": {"name": "x"}}),
        ("data.stage", created(stage="x")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_can_be_sent_again(
    guild: Guild, field: str, body: dict[str, Any]
) -> None:
    refused = guild.api().post("/events", body)
    assert refused.status_code == 422, refused.text
    assert refused.json["errors"][0]["field"] == field
    assert (rows(Deal), rows(CrmEvent)) == (0, 0)
    if field != "id":
        good = {**created(), "id": body["id"]}
        assert guild.api().post("/events", good).status_code == 201


def test_partners_and_touches_go_by_the_names_of_the_crm(guild: Guild) -> None:
    api, cleo = guild.api(), factory.partner(guild.organisation, external_ref="sales-7")
    api.post("/events", created(registered_by="sales-7"))
    body = event("touchpoint.created", FEB, partner="sales-7", touchpoint="t-1")
    assert api.post("/events", body).status_code == 201
    # Another event about the same touch adds none; one that says otherwise is refused.
    again = api.post("/events", event("touchpoint.created", FEB, partner="sales-7", touchpoint="t-1"))
    assert again.status_code == 201
    other = event("touchpoint.created", FEB, partner=guild.anna.reference, touchpoint="t-1")
    assert api.post("/events", other).status_code == 409
    [deal] = api.get(f"/deals?partner={cleo.reference}").json["items"]
    assert deal["registered_by"]["reference"] == cleo.reference
    [touch] = api.get("/touchpoints").json["items"]
    assert (touch["type"], touch["happened_at"], touch["external_ref"]) == (
        "other", "2026-02-10T09:00:00.000Z", "t-1",
    )  # fmt: skip


def test_with_several_programs_an_event_names_one(guild: Guild) -> None:
    factory.program(guild.organisation)
    refused = guild.api().post("/events", created())
    assert refused.json["errors"][0]["field"] == "data.program"
    assert guild.api().post("/events", created(program=guild.program.reference)).status_code == 201


def test_an_event_of_one_company_is_nobody_else_s(guild: Guild) -> None:
    body, stranger = created(), guild.stranger()
    assert guild.api().post("/events", body).status_code == 201
    assert stranger.get(f"/events/{body['id']}").status_code == 404
    # The same id and deal of another company are others; without a program there is no deal.
    refused = stranger.post("/events", body)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "data.program")
    assert guild.api("anna").get("/events").status_code == 403
    assert guild.api("accountant").post("/events", created()).status_code == 403
    assert (rows(Deal), rows(CrmEvent), rows(Commission)) == (1, 1, 0)
