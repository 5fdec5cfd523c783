"""When a payee may expect money: said only where it can be known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from tests.factories import people
from tests.factories.pages import Place, counted_queries
from tests.factories.pages import place as make_place
from webapp.database import db, transaction
from webapp.payouts import policies, service
from webapp.payouts.models import ApprovalPolicy, Payout, PayoutMethod, RailSwitch, Transfer
from webapp.portals.expected import expected_on

# 10:00 in New York, on a Friday.
HOUR = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY, ZONE = date(2026, 11, 20), "America/New_York"


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(HOUR, tick=False):
        yield


@pytest.fixture
def place(database: Flask) -> Place:
    """An organisation whose payouts are sent by themselves over the sandbox bank at 17:30."""
    there = make_place(database)
    _rules(there, cut_off={"installations": "17:30"}, paid_by_itself=["installations"])
    return there


def _rules(place: Place, **changes: Any) -> None:
    with transaction():
        rules, version = policies.current_policy(place.organisation.id)
        db.session.add(
            ApprovalPolicy(
                organisation_id=place.organisation.id, version=version + 1, created_at=HOUR,
                rules={**rules.model_dump(mode="json"), "rails": ["sandbox", "manual"], **changes},
            )
        )  # fmt: skip


def _day(payout: Payout, now: datetime = HOUR) -> date | None:
    db.session.expire_all()
    return expected_on(db.session.get_one(Payout, payout.id), now, ZONE)


def _change(payout: Payout, **values: Any) -> Payout:
    with transaction():
        row = db.session.get_one(Payout, payout.id)
        for name, value in values.items():
            setattr(row, name, value)
    return payout


def test_an_approved_payout_leaves_at_the_cut_off_of_its_day(place: Place) -> None:
    payout = place.approved(now=HOUR)
    assert _day(payout) == TODAY
    assert _day(payout, HOUR + timedelta(hours=7)) == TODAY
    # The cut-off went by and it has not left: nobody knows why.
    assert _day(payout, HOUR + timedelta(hours=9)) is None


def test_new_details_are_waited_for(place: Place) -> None:
    payout = place.approved(now=HOUR)
    with transaction():
        for method in db.session.query(PayoutMethod).filter_by(payee_id=payout.payee_id, is_current=True):
            method.cool_off_until = HOUR + timedelta(hours=48)
    assert _day(payout) == date(2026, 11, 22)


@pytest.mark.parametrize(
    "changes",
    [
        {"paid_by_itself": []},
        {"rails": ["manual"]},
        {"rails": ["bank_file", "manual"]},
        {"single_operator": {"is_on": True, "delay_hours": 12}},
    ],
)
def test_where_a_person_sends_it_nothing_is_promised(place: Place, changes: dict[str, Any]) -> None:
    payout = place.approved(now=HOUR)
    _rules(place, **changes)
    assert _day(payout) is None


@pytest.mark.parametrize("rail", ["sandbox", "*"])
def test_a_halted_rail_promises_nothing(place: Place, rail: str) -> None:
    payout = place.approved(now=HOUR)
    with transaction():
        db.session.add(
            RailSwitch(
                organisation_id=place.organisation.id,
                rail=rail,
                is_halted=True,
                reason="Stop",
                changed_at=HOUR,
            )
        )
    assert _day(payout) is None


@pytest.mark.parametrize("state", ["pending_approval", "failed", "reversed", "paid", "retry_scheduled"])
def test_other_states_promise_no_day(place: Place, state: str) -> None:
    assert _day(_change(place.approved(now=HOUR), state=state, paid_on=TODAY)) is None


def test_on_hold_or_without_details_promises_nothing(place: Place) -> None:
    assert _day(_change(place.approved(now=HOUR), is_held=True)) is None
    bare = people.payee(place.organisation)
    assert _day(_change(place.payout(bare), state="approved", approved_at=HOUR)) is None


def test_what_is_on_its_way_comes_today_while_nothing_is_unclear(place: Place) -> None:
    payout = place.approved(now=HOUR)
    with transaction():
        service.submit(
            organisation_id=place.organisation.id, reference=payout.reference, rail="sandbox",
            actor=people.actor_of(place.approver), now=HOUR,
        )  # fmt: skip
    assert _day(payout) == TODAY
    assert _day(payout, HOUR + timedelta(days=1)) is None
    with transaction():
        db.session.query(Transfer).filter_by(payout_id=payout.id).one().state = "unknown"
    assert _day(payout) is None


def test_the_payees_home_says_it(place: Place) -> None:
    payout = place.approved(now=HOUR)
    client = place.client(place.technician)
    with counted_queries() as asked:
        html = client.get("/technician/").text
    assert "Expected today, 20 Nov 2026." in html
    assert len(asked) <= 15, asked
    _change(payout, state="retry_scheduled", retry_at=HOUR + timedelta(minutes=15))
    assert "It is tried again on 20 Nov 2026, 10:15 EST." in client.get("/technician/").text
    _change(payout, is_held=True)
    html = client.get("/technician/").text
    assert "Expected" not in html
    assert "tried again" not in html
