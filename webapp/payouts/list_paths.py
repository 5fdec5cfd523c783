"""Which index a list of payouts is read from.

SQLite chooses by statistics that it may not have, so each list names its index. PostgreSQL counts its rows by itself
and needs no name, but it too expects matches to be spread evenly over the history: where they are not, `among` finds
them by what is looked for.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select, text

from webapp.database import db
from webapp.payouts.models import IS_LONG_PERIOD, LONG_PERIOD_DAYS, Payout
from webapp.payouts.states import CLOSED_STATES
from webapp.people.models import Payee

NEWEST, OPEN, HELD = "ix_payouts_organisation_created", "ix_payouts_open", "ix_payouts_held"
OF_PAYEE, OF_STATE, OF_PROGRAM, OF_RAIL = (
    "ix_payouts_organisation_payee", "ix_payouts_organisation_state", "ix_payouts_organisation_program",
    "ix_payouts_rail",
)  # fmt: skip
BY_PERIOD, BY_AMOUNT = "ix_payouts_period", "ix_payouts_amount"
#: A name that fits more payees than this is looked for along the history, not payee by payee.
FEW_PAYEES = 50


def is_open(payout: Any = Payout) -> ColumnElement[bool]:
    """Whether a payout is not over. Word for word as the index of the open ones says it, so that it is used."""
    closed: BindParameter[Any] = bindparam(
        "closed", sorted(CLOSED_STATES), expanding=True, literal_execute=True
    )
    found: ColumnElement[bool] = payout.state.not_in(closed)
    return found


def read_by(query: Select[Any], index: str) -> Select[Any]:
    """The query of payouts, read by this index on SQLite. The index must fit the query's conditions."""
    return query.with_hint(Payout, f"INDEXED BY {index}", "sqlite")


def few_payees(organisation_id: int, condition: ColumnElement[bool]) -> list[int] | None:
    """The payees that a condition names; None when they are more than a few."""
    query = select(Payee.id).where(Payee.organisation_id == organisation_id, condition)
    found = list(db.session.scalars(query.limit(FEW_PAYEES + 1)))
    return found if len(found) <= FEW_PAYEES else None


def latest_end(organisation_id: int, last_start: date) -> date:
    """A day after which no period ends that begins by `last_start`: what keeps a search by period short.

    Nearly all periods are a month or less; how far the few longer ones reach is asked of their own index.
    """
    is_long = text(IS_LONG_PERIOD[db.engine.dialect.name])
    furthest = db.session.scalar(
        select(func.max(Payout.period_end)).where(
            Payout.organisation_id == organisation_id, Payout.period_start <= last_start, is_long
        )
    )
    month_later = last_start + timedelta(days=min(LONG_PERIOD_DAYS, (date.max - last_start).days))
    return max(month_later, furthest) if furthest else month_later


def is_far_back(organisation_id: int, first: date | None, last: date | None, today: date) -> bool:
    """Whether fewer payouts lie in a period than after it, as far as days tell: then it is read by itself."""
    if last is None:
        return False
    if first is None:
        first = db.session.scalar(
            select(func.min(Payout.period_end)).where(Payout.organisation_id == organisation_id)
        )
    return first is None or (last - first).days + LONG_PERIOD_DAYS < (today - last).days
