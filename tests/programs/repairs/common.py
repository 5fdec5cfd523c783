"""What tests of this program ask and do again and again."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.factories.people import FACTORY
from tests.factories.repairs import DAY, at
from webapp.database import db, transaction
from webapp.programs.repairs.models import Repair


def plan(repair: Repair) -> list[tuple[int, date, int, int, str]]:
    """Number, week, amount, balance after and state of each instalment."""
    db.session.refresh(repair)
    return [
        (each.number, each.week_start, each.amount_minor, each.balance_after_minor, each.state)
        for each in repair.instalments
    ]


def do(function: Any, repair: Repair, day: date = DAY, **values: Any) -> Any:
    """Call a service for a repair, in a transaction."""
    with transaction():
        return function(
            organisation_id=repair.organisation_id,
            reference=repair.reference,
            **{"actor": FACTORY, "now": at(day), **values},
        )
