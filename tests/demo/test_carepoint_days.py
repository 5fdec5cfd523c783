"""The demo's clinic can be put in on any day, at any hour."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from webapp.database import db
from webapp.demo import carepoint
from webapp.ledger import check
from webapp.programs.clinic.models import Invoice

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.mark.parametrize(
    "now",
    [
        # In Toronto: the last minutes of a short month; the first day of one, in the night in which the clocks change.
        datetime(2027, 3, 1, 4, 55, tzinfo=UTC),
        datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    ],
)
def test_it_can_be_put_in_at_any_time(database: Flask, now: datetime) -> None:
    carepoint.seed(now)
    assert check.run().findings == []
    assert db.session.scalar(select(func.max(Invoice.issued_on))) <= now.date()
