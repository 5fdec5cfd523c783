"""Statistics of repairs, and what monitoring reads: counts, amounts, how charging goes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from tests.factories import repairs as world
from tests.factories.pages import counted_queries
from tests.factories.repairs import FACTORY, at, sunday
from webapp.database import db, transaction
from webapp.kernel.money import Money
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import changing, measures
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun
from webapp.programs.repairs.statistics import POSTING, Posting, Statistics, StatisticsFilter, statistics

FRIDAY = date(2025, 10, 10)


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return world.metrocab(slug="metrocab")


@pytest.fixture
def ann(metrocab: Organisation) -> Payee:
    """A driver with a plan of three, a draft, and one on hold."""
    found = world.driver(metrocab, name="Ann Lee")
    lease = world.lease(found)
    world.repair(lease, 500_50)
    world.draft(lease, 80_00)
    held = world.repair(lease, 60_00)
    with transaction():
        changing.hold_repair(
            organisation_id=metrocab.id, reference=held.reference, reason="It is looked at.", actor=FACTORY,
            now=at(world.DAY),
        )  # fmt: skip
    return found


@pytest.fixture
def bob(metrocab: Organisation) -> Payee:
    """Another, with a plan of one and a loan."""
    found = world.driver(metrocab, name="Bob Roy")
    world.repair(world.lease(found), 150_00, invoice_date=date(2025, 10, 2), start="NEXT")
    world.loan(found)
    return found


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def figures(found: Statistics, name: str) -> dict[str, tuple[int, int]]:
    """State → count and amount, of those that have any."""
    return {each.state: (each.count, each.amount.amount) for each in getattr(found, name) if each.count}


def trouble(
    metrocab: Organisation, payee: Payee, day: date, happened_at: datetime, step: str = POSTING
) -> None:
    """A driver whom a run could not charge."""
    with transaction():
        run = WeeklyRun(organisation_id=metrocab.id, week_start=day, started_at=happened_at)
        db.session.add(run)
        db.session.flush()
        db.session.add(
            WeeklyProblem(run_id=run.id, payee_id=payee.id, step=step, message="No.", happened_at=happened_at)
        )


def test_counts_and_amounts_of_each_state(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    found = statistics(metrocab.id, "USD", sunday(0))
    assert figures(found, "repairs") == {
        "draft": (1, 80_00), "open": (2, 650_50), "hold": (1, 60_00),
    }  # fmt: skip
    assert [each.state for each in found.repairs] == ["draft", "open", "hold", "closed", "cancelled"]
    # Of what is scheduled only the open plan's first week has begun: a draft and a repair on hold are not due.
    assert figures(found, "instalments") == {
        "due": (1, 200_00), "scheduled": (2 + 1 + 1 + 1 + 5, 300_50 + 80_00 + 60_00 + 150_00 + 1_206_37),
    }  # fmt: skip
    assert found.posting == Posting(0, 1, usd(200_00), 0)
    assert found.posting.success_percent == Decimal("0.0")
    assert (found.receipts, found.receipt_sums["charges"]) == (0, usd(0))


def test_charging_and_receipts_show(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    world.run(metrocab, sunday(0))
    world.earn(ann, 250_00, FRIDAY)
    world.run(metrocab, sunday(1))
    found = statistics(metrocab.id, "USD", sunday(1))
    by_state = figures(found, "instalments")
    # Ann's first is covered by what she earned; of the second week hers, Bob's repair and his loan are charged.
    assert by_state["paid"] == (1, 200_00)
    assert by_state["posted"] == (3, 200_00 + 150_00 + 251_97)
    assert found.posting == Posting(4, 0, usd(0), 0)
    assert found.posting.success_percent == Decimal("100.0")
    assert found.receipts == 4
    assert found.receipt_sums["paid"] == usd(50_00)
    (open_ones,) = [each for each in found.repairs if each.state == "open"]
    assert (open_ones.paid, open_ones.outstanding) == (usd(200_00), usd(450_50))
    later = statistics(metrocab.id, "USD", sunday(2))
    assert later.posting == Posting(4, 2, usd(100_50 + 251_82), 0)
    # Two of six are missing: never rounded up to what is not reached.
    assert later.posting.success_percent == Decimal("66.6")


def test_a_driver_a_lease_and_days_narrow_it(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    of_bob = StatisticsFilter(driver=bob.reference)
    assert figures(statistics(metrocab.id, "USD", sunday(1), of_bob), "repairs") == {"open": (1, 150_00)}
    assert figures(statistics(metrocab.id, "USD", sunday(1), of_bob), "instalments") == {
        "due": (2, 150_00 + 251_97), "scheduled": (4, 251_82 + 251_34 + 250_86 + 200_38),
    }  # fmt: skip
    reference = world.lease(world.driver(metrocab, name="Cy Poe")).reference
    for chosen in (StatisticsFilter(lease=reference), StatisticsFilter(driver="nobody")):
        found = statistics(metrocab.id, "USD", sunday(1), chosen)
        assert figures(found, "repairs") == figures(found, "instalments") == {}
        assert found.posting.success_percent is None
    october = StatisticsFilter(date_from=date(2025, 10, 2), date_to=date(2025, 10, 11))
    found = statistics(metrocab.id, "USD", sunday(1), october)
    assert figures(found, "repairs") == {"open": (1, 150_00)}
    assert figures(found, "instalments") == {"due": (1, 200_00), "scheduled": (2, 140_00)}
    assert figures(statistics(world.metrocab().id, "USD", sunday(1)), "repairs") == {}
    assert figures(statistics(metrocab.id, "EUR", sunday(1)), "repairs") == {}


def test_drivers_who_could_not_be_charged_are_counted(metrocab: Organisation, ann: Payee, bob: Payee) -> None:
    trouble(metrocab, ann, sunday(0), at(sunday(0)))
    trouble(metrocab, bob, sunday(1), at(sunday(1)), step="receipt")
    for chosen, n in (
        (StatisticsFilter(), 1),
        (StatisticsFilter(driver=ann.reference), 1),
        (StatisticsFilter(driver=bob.reference), 0),
        (StatisticsFilter(date_from=sunday(1)), 0),
        (StatisticsFilter(date_to=sunday(0)), 1),
    ):
        assert statistics(metrocab.id, "USD", sunday(2), chosen).posting.failures == n, chosen


def test_it_takes_four_questions(metrocab: Organisation, ann: Payee) -> None:
    here = metrocab.id
    with counted_queries() as queries:
        statistics(here, "USD", sunday(1))
    assert len(queries) == 4


def test_monitoring_reads_backlog_success_and_failures(
    metrocab: Organisation, ann: Payee, bob: Payee
) -> None:
    people_only = world.metrocab(slug="other", programs=["clinic"])
    # A run at five in New York, in summer; what its week brings is not late before six.
    early, late = datetime(2025, 10, 12, 9, 30, tzinfo=UTC), datetime(2025, 10, 12, 10, 30, tzinfo=UTC)
    world.run(metrocab, sunday(0))
    (before,) = measures.measures(early)
    assert (before.organisation, before.posted, before.due, before.success) == ("metrocab", 1, 0, 1.0)
    (after,) = measures.measures(late)
    assert (after.posted, after.due) == (0, 3)
    assert after.success == 0.0
    assert after.states == {"draft": 1, "open": 2, "hold": 1}
    trouble(metrocab, ann, sunday(1), late)
    assert [each.failures for each in measures.measures(late + timedelta(hours=23))] == [1]
    assert [each.failures for each in measures.measures(late + timedelta(hours=25))] == [0]
    assert [each.created for each in measures.measures(at(world.DAY))] == [4]
    assert [each.created for each in measures.measures(at(world.DAY) + timedelta(days=2))] == [0]
    assert people_only.slug not in {each.organisation for each in measures.measures(late)}
