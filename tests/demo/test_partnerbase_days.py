"""The demo's partners can be put in on any day, at any hour."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from webapp.database import db
from webapp.demo import partnerbase
from webapp.ledger import check
from webapp.payouts.models import Payout
from webapp.programs.partners.models import Commission

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.mark.parametrize(
    "now",
    [
        # In New York: the evening of a leap day, which is March elsewhere.
        datetime(2028, 3, 1, 3, 30, tzinfo=UTC),
        # The first minutes of a year.
        datetime(2027, 1, 1, 5, 5, tzinfo=UTC),
    ],
)
def test_it_can_be_put_in_at_any_time(database: Flask, now: datetime) -> None:
    partnerbase.seed(now)
    assert check.run().findings == []
    assert db.session.scalars(select(func.max(Payout.created_at))).one() <= now
    assert db.session.scalars(select(func.max(Commission.created_at))).one() <= now
