"""Signs that ask an approver for a closer look: first payouts, new details, unusual amounts, doubles. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Exists,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from webapp.database import among_given, ask, db
from webapp.kernel.labels import Label
from webapp.payouts import list_filters
from webapp.payouts.list_paths import is_open
from webapp.payouts.models import Payout
from webapp.payouts.states import LIVE_STATES, PayoutState
from webapp.people.models import PayoutMethod

#: A payout is "unusual" when it is more than this many times the payee's average paid payout …
UNUSUAL_FACTOR = 3
#: … and the average is worth something only after this many paid ones.
UNUSUAL_AFTER = 3


class Flag(Label):
    """Signs that ask an approver for a closer look."""

    FIRST = "first", "First payout"
    NEW_DETAILS = "new_details", "New bank details"
    UNUSUAL = "unusual", "More than 3× usual"
    DUPLICATE = "duplicate", "Possible duplicate"


def _looked_up(*conditions: ColumnElement[bool]) -> Exists:
    """EXISTS, asked for each waiting payout by an index. The offset keeps PostgreSQL from joining with the history."""
    return select(literal(1)).where(*conditions).offset(0).exists()


def _same_payee(other: Any) -> ColumnElement[bool]:
    """Another payout of the payee. The organisation is named although the payee decides: the index begins with it."""
    return and_(
        other.organisation_id == Payout.organisation_id,
        other.payee_id == Payout.payee_id,
        other.id != Payout.id,
    )


def _is_paid(payout: Any) -> ColumnElement[bool]:
    """Whether a payout was paid.

    On PostgreSQL within a function, so that the index is not searched by it: it stands last there, and the search
    would step through every currency and amount before it. SQLite never steps so.
    """
    is_stepping = db.engine.dialect.name == "postgresql"
    paid_at = func.coalesce(payout.paid_at, None) if is_stepping else payout.paid_at
    found: ColumnElement[bool] = paid_at.is_not(None)
    return found


def _was_paid(other: Any) -> ColumnElement[bool]:
    return and_(_same_payee(other), _is_paid(other))


def _used_before(other: Any) -> ColumnElement[bool]:
    """Whether something was paid by these payment details."""
    used = _looked_up(_was_paid(other), other.method_id == PayoutMethod.id)
    return used.correlate(Payout, PayoutMethod)


def _is_unused() -> ColumnElement[bool]:
    """Whether nothing was paid yet by the payment details of now."""
    return _current_method(~_used_before(aliased(Payout)))


def _current_method(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return _looked_up(
        PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True), *conditions
    )


def flag_clauses() -> dict[Flag, ColumnElement[bool]]:
    """Each flag as a condition on a payout, for columns and for the filter."""
    other = aliased(Payout)
    same_payee, was_paid = _same_payee(other), _was_paid(other)
    paid_alike = and_(was_paid, other.currency == Payout.currency)
    # Who stays within this many times the smallest stays within that many times the average: one look at the
    # index settles nearly all of them, and the average is worked out for the rest alone.
    smallest = select(func.min(other.amount_minor)).where(paid_alike).correlate(Payout).scalar_subquery()
    usual = (
        select(other.payee_id)
        .where(paid_alike)
        .group_by(other.payee_id)
        .having(
            func.count() >= UNUSUAL_AFTER,
            Payout.amount_minor * func.count() > UNUSUAL_FACTOR * func.sum(other.amount_minor),
        )
        .offset(0)
        .correlate(Payout)
    )
    twin = _looked_up(
        same_payee,
        other.amount_minor == Payout.amount_minor,
        other.currency == Payout.currency,
        other.period_start == Payout.period_start,
        other.period_end == Payout.period_end,
        other.state.in_([s.value for s in LIVE_STATES]),
    )
    return {
        Flag.FIRST: ~_looked_up(was_paid),
        Flag.NEW_DETAILS: and_(_looked_up(was_paid), _is_unused()),
        # Not AND: SQLite works out both of its sides.
        Flag.UNUSUAL: case((Payout.amount_minor > UNUSUAL_FACTOR * smallest, usual.exists()), else_=false()),
        Flag.DUPLICATE: twin,
    }


def is_flagged(organisation_id: int | None = None) -> ColumnElement[bool]:
    """Whether a payout has any flag. With `organisation_id`, for its waiting payouts alone: the same, sooner.

    Nearly every payee was paid before by the details of now, and then neither of the first two flags is set: one
    look instead of three. On PostgreSQL what depends on the payee alone is looked up once for each who waits;
    SQLite is quicker at looking up one by one.
    """
    other, clauses = aliased(Payout), flag_clauses()
    is_known = or_(
        _current_method(_used_before(other)), and_(~list_filters.has_method(), _looked_up(_was_paid(other)))
    )
    unusual = clauses[Flag.UNUSUAL]
    if organisation_id is not None and db.engine.dialect.name == "postgresql":
        known, suspect = _payees_paid_alike(organisation_id), _payees_who_wait_for_much(organisation_id)
        # A payout that was paid itself is no example for itself; those few are looked up one by one.
        was_paid_itself = Payout.paid_at.is_not(None)
        is_known = or_(and_(~was_paid_itself, Payout.payee_id.in_(known)), is_known)
        unusual = and_(or_(was_paid_itself, Payout.payee_id.in_(suspect)), unusual)
    return or_(~is_known, unusual, clauses[Flag.DUPLICATE])


def _waits(payout: Any, organisation_id: int) -> ColumnElement[bool]:
    state = PayoutState.PENDING_APPROVAL.value
    return and_(payout.organisation_id == organisation_id, is_open(payout), payout.state == state)


def _payees_paid_alike(organisation_id: int) -> Select[Any]:
    """Of the payees who wait, those who were paid before by their payment details of now."""
    waiting, paid, method = aliased(Payout), aliased(Payout), aliased(PayoutMethod)
    was_used = select(literal(1)).where(
        paid.organisation_id == organisation_id, paid.payee_id == method.payee_id,
        _is_paid(paid), paid.method_id == method.id,
    )  # fmt: skip
    return select(method.payee_id).where(
        method.payee_id.in_(select(waiting.payee_id).where(_waits(waiting, organisation_id))),
        method.is_current.is_(True),
        was_used.correlate(method).offset(0).exists(),
    )


def _payees_who_wait_for_much(organisation_id: int) -> Select[Any]:
    """Of the payees who wait, those who wait for more than so many times the smallest that they were paid."""
    waiting, paid = aliased(Payout), aliased(Payout)
    smallest = select(func.min(paid.amount_minor)).where(
        paid.organisation_id == organisation_id, paid.payee_id == waiting.payee_id,
        paid.currency == waiting.currency, _is_paid(paid),
    )  # fmt: skip
    return (
        select(waiting.payee_id)
        .where(_waits(waiting, organisation_id))
        .group_by(waiting.payee_id, waiting.currency)
        .having(
            func.max(waiting.amount_minor) > UNUSUAL_FACTOR * smallest.correlate(waiting).scalar_subquery()
        )
    )


_FLAGS = tuple(Flag)


def flags_of(payout_ids: Sequence[int]) -> dict[int, list[Flag]]:
    """The flags of the payouts of one page, in one query."""
    if not payout_ids:
        return {}
    rows = ask(_flags(db.engine.dialect.name), {"payout_ids": list(payout_ids)})
    return {number: _set_flags(found) if any(found) else [] for number, *found in rows}


def _set_flags(found: Sequence[bool]) -> list[Flag]:
    flags = [flag for flag, is_set in zip(_FLAGS, found, strict=True) if is_set]
    # Who was never paid has no old details either: only this query asks it so, to look up one thing less.
    return [flag for flag in flags if flag is not Flag.NEW_DETAILS or Flag.FIRST not in flags]


@cache
def _flags(dialect: str) -> Executable:
    """Put together once: that takes longer than asking it."""
    clauses = {**flag_clauses(), Flag.NEW_DETAILS: _is_unused()}
    query: Any = select(Payout.id, *(clauses[flag].label(flag.value) for flag in Flag))
    found: Executable = query.where(among_given(Payout.id, "payout_ids", dialect))
    return found
