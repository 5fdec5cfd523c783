"""Sums behind the pages of repairs: how debts run off, a driver's usual week, what the next run pays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from flask import Flask

from tests.factories import FACTORY, repairs
from tests.factories.people import stored
from webapp.people.models import Organisation
from webapp.programs.repairs import changing, figures
from webapp.programs.repairs.figures import WeekNet, WeekPosted


@pytest.fixture
def fleet(database: Flask) -> Organisation:
    """A fleet."""
    return repairs.metrocab()


def hold(reference: str, fleet: Organisation) -> None:
    with stored():
        changing.hold_repair(
            organisation_id=fleet.id, reference=reference, reason="Disputed", actor=FACTORY,
            now=repairs.at(repairs.DAY),
        )  # fmt: skip


def left(weeks: Sequence[tuple[date, int]]) -> list[int]:
    return [minor for _, minor in weeks]


def test_what_is_outstanding_runs_off_week_by_week(fleet: Organisation) -> None:
    lease = repairs.lease(repairs.driver(fleet))
    repairs.repair(lease)
    repairs.repair(lease, 300_00, start="NEXT")
    found = figures.run_off(fleet.id, "USD", repairs.sunday(0))
    assert found.outstanding == 800_50
    assert found.weeks[0] == (repairs.sunday(0), 600_50)
    assert left(found.weeks) == [600_50, 300_50, 100_00, 0]


def test_what_is_late_or_charged_is_taken_with_the_first_week(fleet: Organisation) -> None:
    repairs.repair(repairs.lease(repairs.driver(fleet)))
    repairs.run(fleet, repairs.sunday(0))
    assert left(figures.run_off(fleet.id, "USD", repairs.sunday(1)).weeks) == [100_50, 0]
    # Two weeks later the second one is late, and the third one's week has begun.
    assert left(figures.run_off(fleet.id, "USD", repairs.sunday(2)).weeks) == [0]


def test_what_is_on_hold_stays(fleet: Organisation) -> None:
    lease = repairs.lease(repairs.driver(fleet))
    repairs.repair(lease, 200_00)
    hold(repairs.repair(lease, 500_50).reference, fleet)
    found = figures.run_off(fleet.id, "USD", repairs.sunday(0))
    assert (found.outstanding, found.held) == (700_50, 500_50)
    assert left(found.weeks) == [500_50]


def test_a_long_plan_is_cut(fleet: Organisation) -> None:
    repairs.repair(repairs.lease(repairs.driver(fleet)), 5_000_00)
    weeks = figures.run_off(fleet.id, "USD", repairs.sunday(0)).weeks
    assert len(weeks) == figures.AHEAD
    assert left(weeks)[-1] == 5_000_00 - figures.AHEAD * 300_00


def test_another_fleet_s_debts_do_not_count(fleet: Organisation) -> None:
    repairs.repair(repairs.lease(repairs.driver(repairs.metrocab())))
    assert figures.run_off(fleet.id, "USD", repairs.sunday(0)).outstanding == 0
    assert figures.needs(fleet.id, repairs.sunday(0)) == figures.Needs(0, 0, 0, 0, 0, 0)


def test_the_usual_week_is_the_middle_one(fleet: Organisation) -> None:
    payee = repairs.driver(fleet)
    repairs.lease(payee, 100_00)
    assert figures.usual_week(payee.id, "USD") is None
    for n, earned in enumerate((400_00, 150_00, 300_00)):
        repairs.earn(payee, earned, repairs.sunday(n))
        repairs.run(fleet, repairs.sunday(n + 1))
    assert figures.usual_week(payee.id, "USD") == 200_00


def test_a_week_s_earnings_are_what_is_left_and_what_is_deducted(fleet: Organisation) -> None:
    rich, poor = repairs.driver(fleet), repairs.driver(fleet)
    repairs.lease(rich, 100_00)
    repairs.lease(poor, 100_00)
    repairs.earn(rich, 250_00, repairs.sunday(0))
    repairs.earn(poor, 30_00, repairs.sunday(0))
    repairs.run(fleet, repairs.sunday(1))
    assert figures.weekly_nets(fleet.id, "USD", repairs.sunday(0)) == [
        WeekNet(repairs.sunday(0), 2, 150_00, 130_00, 70_00)
    ]
    assert figures.weekly_nets(fleet.id, "USD", repairs.sunday(1)) == []


def test_what_is_not_charged_counts_against_its_week_also_without_a_run(fleet: Organisation) -> None:
    repairs.repair(repairs.lease(repairs.driver(fleet)))
    repairs.run(fleet, repairs.sunday(0))
    assert figures.posting_weeks(fleet.id, repairs.sunday(0), repairs.sunday(1)) == [
        WeekPosted(repairs.sunday(0), 1, 0), WeekPosted(repairs.sunday(1), 0, 1),
    ]  # fmt: skip


def test_the_next_run_pays_what_is_left_after_a_week_s_lease(fleet: Organisation) -> None:
    payee, owing = repairs.driver(fleet), repairs.driver(fleet)
    repairs.lease(payee, 100_00)
    repairs.lease(owing, 100_00)
    repairs.earn(payee, 250_00, repairs.sunday(0))
    repairs.earn(owing, 20_00, repairs.sunday(0))
    repairs.charge(payee, "tolls", 6_94, repairs.sunday(0))
    # A Sunday's own run is done in the morning: the next one is a week later.
    assert figures.next_payouts(fleet.id, "USD", repairs.sunday(0), 6) == (repairs.sunday(1), 143_06)
    assert figures.next_payouts(fleet.id, "USD", date(2025, 10, 11), 6)[0] == repairs.sunday(1)
    assert figures.next_payouts(fleet.id, "EUR", repairs.sunday(0), 6)[1] == 0


def test_the_last_run_says_who_was_left_out(fleet: Organisation) -> None:
    assert figures.last_run(fleet.id) is None
    repairs.lease(repairs.driver(fleet))
    repairs.run(fleet, repairs.sunday(0))
    repairs.run(fleet, repairs.sunday(1))
    assert figures.last_run(fleet.id) == (repairs.sunday(1), 0)
