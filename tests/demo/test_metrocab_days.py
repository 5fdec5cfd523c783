"""The demo's fleet can be put in on any day, at any hour."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from webapp.database import db
from webapp.demo import metrocab
from webapp.demo.metrocab_work import WEEKS
from webapp.ledger import check
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.trips import Trip

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.mark.parametrize(
    ("now", "weeks"),
    [
        # In New York: a Sunday before five, in the night in which the clocks change; the scheduler does the last run.
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), WEEKS - 1),
        # The first minutes of a Monday: of this week only a Sunday has trips.
        (datetime(2027, 1, 4, 5, 5, tzinfo=UTC), WEEKS),
    ],
)
def test_it_can_be_put_in_at_any_time(database: Flask, now: datetime, weeks: int) -> None:
    metrocab.seed(now)
    assert check.run().findings == []
    assert len(db.session.scalars(select(Receipt.week_start).distinct()).all()) == weeks
    assert db.session.scalar(select(func.max(Trip.dropped_off_at))) <= now
