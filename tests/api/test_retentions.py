"""What is held back of technicians' payouts, by API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import func, select

from tests import factories
from tests.api.conftest import Api, World, usd
from tests.factories import installations
from tests.factories.payouts import payout
from webapp.api.schemas.retentions import RetentionSortWord, RetentionWord
from webapp.database import db, transaction
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.installations import creation, pricing, retaining, retention_lists, service, work
from webapp.programs.installations.models import Installation
from webapp.programs.installations.retention_lists import RetentionFilter
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import HeldBack, RetentionState
from webapp.programs.installations.subscriber import InstallationsSubscriber
from webapp.runs.models import Run, RunRow

WHY = "The inverter was wired again."


@dataclass
class Held:
    """An organisation, and 25.00 that are held back of Maya with a payout that is paid."""

    world: World
    id: int
    installation: str
    payout: str

    def charge(
        self, amount: str = "5.00", *, api: Api | None = None, key: str | None = None, **values: Any
    ) -> Any:
        """A call that charges back, by the admin unless it says who."""
        body = {"amount": usd(amount), "reason": WHY, **values}
        return (api or self.world.api()).post(f"/retentions/{self.id}/charge", body, key=key)

    def row(self) -> Retention:
        """It, as it is now."""
        db.session.rollback()
        return db.session.get_one(Retention, self.id)

    def is_due(self) -> None:
        """Its day is today."""
        with transaction():
            db.session.get_one(Retention, self.id).release_on = today(self.world)


def today(world: World) -> date:
    """In the organisation's time zone."""
    return local_date(utc_now(), world.organisation.timezone)


def hold(world: World, payee: Payee, *, days: int = 30, is_paid: bool = True) -> Held:
    """25.00 of an installation wait for some days."""
    made = world.installation(payee)
    of = payout(world.organisation, payee, actor=factories.FACTORY)
    now, boss = utc_now(), factories.actor_of(world.users["approver"])
    with transaction():
        part = HeldBack(Money(25_00, of.currency), 1_000, today(world) + timedelta(days=days))
        where = {
            "organisation_id": world.organisation.id,
            "reference": of.reference,
            "actor": boss,
            "now": now,
        }
        retaining.store(of, [(_installation_id(made), part)], now)
        if is_paid:
            payouts.approve(**where)
            payouts.mark_paid(payment_reference=f"UTR {of.reference}", paid_on=now.date(), **where)
        found = db.session.scalars(select(Retention.id).where(Retention.payout_id == of.id)).one()
    return Held(world, found, made, of.reference)


def _installation_id(reference: str) -> int:
    return db.session.scalars(select(Installation.id).where(Installation.reference == reference)).one()


@pytest.fixture
def held(world: World) -> Held:
    payouts.register_subscriber("installations", InstallationsSubscriber())
    return hold(world, world.maya)


def ids(answer: Any) -> list[int]:
    """Which are on the page."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


def test_one_is_told_with_its_payout_and_its_day(held: Held) -> None:
    found = held.world.api("accountant").get(f"/retentions/{held.id}").json
    assert (found["installation"], found["payout"], found["state"]) == (
        held.installation,
        held.payout,
        "held",
    )
    assert found["technician"]["name"] == "Maya Fernandez"
    assert (found["percent"], found["amount"]["amount"], found["left"]["amount"]) == ("10", "25.00", "25.00")
    assert found["release_on"] == str(today(held.world) + timedelta(days=30))
    assert (found["is_chargeable"], found["release_payout"], found["waits_because"]) == (True, None, None)


def test_the_list_is_narrowed_as_the_page_is(held: Held) -> None:
    later = hold(held.world, held.world.noor, days=60)
    held.charge("25.00")
    api, day = held.world.api(), today(held.world) + timedelta(days=60)
    assert ids(api.get("/retentions")) == [later.id, held.id]
    assert ids(api.get("/retentions?sort=day")) == [held.id, later.id]
    assert ids(api.get("/retentions?state=held")) == [later.id]
    assert ids(api.get("/retentions?technician=Fernandez")) == [held.id]
    assert ids(api.get(f"/retentions?day_from={day}&day_to={day}")) == [later.id]
    assert ids(api.get(f"/retentions?day_to={day - timedelta(days=1)}")) == [held.id]
    assert ids(api.get(f"/retentions?search={later.installation}")) == [later.id]
    assert api.get("/retentions?state=gone").status_code == 422


def test_pages_follow_each_other(held: Held) -> None:
    later = hold(held.world, held.world.noor, days=60)
    api = held.world.api()
    first = api.get("/retentions?limit=1&sort=day")
    rest = api.get(f"/retentions?limit=1&sort=day&cursor={first.json['next_cursor']}")
    assert (ids(first), ids(rest), rest.json["next_cursor"]) == ([held.id], [later.id], None)


def test_a_technician_sees_their_own_alone(held: Held) -> None:
    other = hold(held.world, held.world.noor)
    api = held.world.api("noor")
    assert ids(api.get("/retentions")) == [other.id]
    assert ids(api.get("/retentions?technician=Fernandez")) == []
    assert api.get(f"/retentions/{held.id}").status_code == 404
    assert api.get(f"/retentions/{other.id}").status_code == 200


def test_a_technician_changes_nothing(held: Held) -> None:
    api = held.world.api("maya")
    assert held.charge(api=api).json["scope"] == "installations:write"
    day = {"release_on": str(today(held.world)), "reason": WHY}
    assert api.post(f"/retentions/{held.id}/day", day).status_code == 403
    assert api.post("/retentions/release").json["scope"] == "payouts:create"
    assert api.get("/retentions/terms").status_code == 403
    assert (held.row().charged_minor, held.row().version) == (0, 1)


def test_another_organisation_finds_nothing(held: Held) -> None:
    stranger = held.world.outsider(factories.organisation("elsewhere"))
    day = {"release_on": str(today(held.world)), "reason": WHY}
    assert ids(stranger.get("/retentions")) == []
    assert stranger.get(f"/retentions/{held.id}").status_code == 404
    assert held.charge(api=stranger).status_code == 404
    assert stranger.post(f"/retentions/{held.id}/day", day).status_code == 404
    held.is_due()
    assert stranger.post("/retentions/release").json["run"] is None
    assert (held.row().state, held.row().version) == ("held", 1)


def test_a_token_without_the_scope_is_told_which(held: Held) -> None:
    reader = held.world.api("admin", "installations:read")
    assert held.charge(api=reader).json["scope"] == "installations:write"
    assert reader.post("/retentions/release").json["scope"] == "payouts:create"
    writer = held.world.api("admin", "installations:write")
    assert writer.get("/retentions").json["scope"] == "installations:read"
    assert held.row().charged_minor == 0


def test_a_part_of_it_is_charged_back(held: Held) -> None:
    answer = held.charge("5.00", version=1)
    assert answer.status_code == 200, answer.text
    found = answer.json
    assert (found["charged"]["amount"], found["left"]["amount"], found["state"]) == ("5.00", "20.00", "held")
    assert (found["reason"], found["version"]) == (WHY, 2)
    assert held.row().edited_by_id == held.world.users["admin"].id
    own = held.world.api("maya").get(f"/retentions/{held.id}").json
    assert (own["charged"]["amount"], own["reason"]) == ("5.00", WHY)


def test_a_charge_that_is_sent_again_counts_once(held: Held) -> None:
    api = held.world.api()
    first, again = held.charge(api=api, key="k-1"), held.charge(api=api, key="k-1")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    assert held.charge("6.00", api=api, key="k-1").json["code"] == "key-reused"
    assert held.row().charged_minor == 5_00


def test_more_than_is_left_is_not_charged(held: Held) -> None:
    assert held.charge("20.00").status_code == 200
    for amount in ("5.01", "0"):
        answer = held.charge(amount)
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "amount")
        assert answer.mimetype == "application/problem+json"
        assert answer.json["errors"][0]["example"] == "5.00"
    assert held.row().charged_minor == 20_00


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"reason": " "}, "reason"), ({"amount": {"currency": "EUR", "amount": "1.00"}}, "amount"),
     ({"amount": {"currency": "USD", "amount": 1.0}}, "amount"), ({"more": 1}, "more")],
)  # fmt: skip
def test_a_charge_that_cannot_be_read_is_refused(held: Held, wrong: dict[str, Any], field: str) -> None:
    answer = held.charge(**wrong)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"].startswith(field)
    assert held.row().charged_minor == 0


def test_what_is_charged_in_full_is_not_charged_again(held: Held) -> None:
    assert held.charge("25.00").json["state"] == "charged"
    again = held.charge("1.00")
    assert (again.status_code, again.json["code"]) == (409, "conflict")
    assert "charged back already" in again.json["detail"]


def test_a_charge_is_to_the_version_that_was_seen(held: Held) -> None:
    held.charge(version=1)
    late = held.charge(version=1)
    assert (late.status_code, late.json["code"]) == (409, "stale")
    assert held.row().charged_minor == 5_00


def test_nothing_is_charged_before_its_payout_is_paid(held: Held) -> None:
    waiting = hold(held.world, held.world.maya, is_paid=False)
    assert held.world.api().get(f"/retentions/{waiting.id}").json["is_chargeable"] is False
    answer = waiting.charge()
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")
    assert f"{waiting.payout} is not paid" in answer.json["detail"]
    assert waiting.row().charged_minor == 0


def test_it_is_released_on_another_day(held: Held) -> None:
    api, day = held.world.api(), today(held.world) + timedelta(days=3)
    address = f"/retentions/{held.id}/day"
    answer = api.post(address, {"release_on": str(day), "reason": WHY, "version": 1})
    assert (answer.status_code, answer.json["release_on"], answer.json["version"]) == (200, str(day), 2)
    stale = api.post(address, {"release_on": str(day), "reason": WHY, "version": 1})
    assert stale.json["code"] == "stale"
    over = api.post(address, {"release_on": str(today(held.world) - timedelta(days=1)), "reason": WHY})
    assert (over.status_code, over.json["errors"][0]["field"]) == (422, "release_on")
    assert held.row().release_on == day


def work_through(run: str) -> list[str]:
    """What a worker says of each technician of a run."""
    with transaction():
        row = db.session.scalars(select(Run).where(Run.reference == run)).one()
        subjects = db.session.scalars(select(RunRow).where(RunRow.run_id == row.id)).all()
        return [work.release_row(row, each, factories.FACTORY, utc_now()).message for each in subjects]


def test_what_is_due_is_released_once(held: Held) -> None:
    hold(held.world, held.world.noor)
    held.is_due()
    api = held.world.api()
    first, beside = api.post("/retentions/release").json, api.post("/retentions/release").json
    assert first["technicians"] == 1
    assert "over 25.00 USD" in work_through(first["run"])[0]
    assert work_through(beside["run"]) == ["Nothing is to be released any more."]
    again = api.post("/retentions/release").json
    assert (again["run"], again["technicians"]) == (None, 0)
    assert api.get(f"/runs/{first['run']}").status_code == 200
    found = api.get(f"/retentions/{held.id}").json
    assert (found["state"], found["left"]["amount"]) == ("released", "0.00")
    made = api.get(f"/payouts/{found['release_payout']}").json
    assert made["net"]["amount"] == "25.00"
    day = {"release_on": str(today(held.world)), "reason": WHY}
    assert api.post(f"/retentions/{held.id}/day", day).json["code"] == "conflict"
    assert held.charge().json["code"] == "conflict"


def test_a_release_that_is_sent_again_starts_one_run(held: Held) -> None:
    held.is_due()
    api = held.world.api()
    first, again = (api.post("/retentions/release", key="k-1") for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Run)) == 1


def test_what_is_not_due_is_not_released(held: Held) -> None:
    answer = held.world.api().post("/retentions/release").json
    assert (answer["run"], answer["message"]) == (
        None,
        "Nothing is to be released today. No payout was created.",
    )
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Run)) == 0


def test_a_release_that_was_cancelled_says_so_to_staff_alone(held: Held) -> None:
    held.is_due()
    api = held.world.api()
    work_through(api.post("/retentions/release").json["run"])
    made = api.get(f"/retentions/{held.id}").json["release_payout"]
    with transaction():
        payouts.cancel(
            organisation_id=held.world.organisation.id, reference=made, reason="A second visit is planned.",
            actor=factories.actor_of(held.world.users["approver"]), now=utc_now(),
        )  # fmt: skip
    found = api.get(f"/retentions/{held.id}").json
    assert found["state"] == "held"
    assert "A second visit is planned." in found["waits_because"]
    assert held.world.api("maya").get(f"/retentions/{held.id}").json["waits_because"] is None
    assert api.post("/retentions/release").json["run"] is None
    offered = api.post(f"/retentions/{held.id}/day", {"release_on": str(today(held.world)), "reason": WHY})
    assert offered.json["waits_because"] is None
    assert api.post("/retentions/release").json["technicians"] == 1


def test_terms_are_changed_and_nothing_else_of_the_settings(world: World) -> None:
    with transaction():
        service.save_settings(
            organisation_id=world.organisation.id, range_mode="inclusive", is_progressive=True, is_automatic=False,
            minimum_payout_minor=10_00, actor=factories.FACTORY, now=utc_now(),
        )  # fmt: skip
    api = world.api()
    assert api.get("/retentions/terms").json == {"percent": "0", "days": 0}
    done = api.send("PUT", "/retentions/terms", {"percent": "7.25", "days": 90})
    assert (done.status_code, done.json) == (200, {"percent": "7.25", "days": 90})
    assert api.get("/retentions/terms").json == done.json
    db.session.rollback()
    kept = pricing.settings_of(world.organisation.id)
    assert (kept.range_mode, kept.is_progressive, kept.is_automatic, kept.minimum_payout_minor) == (
        "inclusive", True, False, 10_00,
    )  # fmt: skip


def test_the_next_payout_is_made_by_the_new_terms(world: World) -> None:
    payouts.register_subscriber("installations", InstallationsSubscriber())
    api = world.api()
    assert api.send("PUT", "/retentions/terms", {"percent": "10", "days": 3_650}).status_code == 200
    with transaction():
        installations.rate(world.organisation)
    due = world.installation()
    with transaction():
        creation.create_due_for(
            organisation_id=world.organisation.id, payee_id=world.maya.id, home_currency="USD",
            actor=factories.FACTORY, now=utc_now(),
        )  # fmt: skip
        total = db.session.scalars(select(Payout.amount_minor)).one()
    [found] = api.get("/retentions").json["items"]
    assert (found["installation"], found["percent"]) == (due, "10")
    assert found["amount"]["amount_minor"] * 9 == total


@pytest.mark.parametrize(
    ("body", "field"),
    [({"percent": "50.01", "days": 90}, "percent"), ({"percent": "1.005", "days": 90}, "percent"),
     ({"percent": "10", "days": 0}, "days"), ({"percent": "10", "days": 3_651}, "days"),
     ({"percent": "10"}, "days")],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(world: World, body: dict[str, Any], field: str) -> None:
    answer = world.api().send("PUT", "/retentions/terms", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    db.session.rollback()
    assert pricing.settings_of(world.organisation.id).retention_bp == 0


def test_terms_are_for_admins(world: World) -> None:
    assert world.api("accountant").get("/retentions/terms").status_code == 403
    body = {"percent": "10", "days": 90}
    assert world.api("accountant").send("PUT", "/retentions/terms", body).status_code == 403


def test_words_are_those_of_the_house(world: World) -> None:
    assert set(get_args(RetentionWord)) == {str(state) for state in RetentionState}
    orders = retention_lists.retentions(world.organisation.id, RetentionFilter()).orders
    assert set(get_args(RetentionSortWord)) == {f"{way}{name}" for name in orders for way in ("", "-")}
