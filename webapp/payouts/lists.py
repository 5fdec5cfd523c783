"""What the lists of payouts show: filters, page queries, totals and flags. Reads only; sums by the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Exists,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import aliased, joinedload, selectinload

from webapp.database import among_given, ask, db
from webapp.kernel.errors import NotFound
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.payouts import list_filters, list_paths
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.payouts.states import CLOSED_STATES, LIVE_STATES, PayoutState
from webapp.people.models import Payee, PayoutMethod, User

#: A payout is "unusual" when it is more than this many times the payee's average paid payout …
UNUSUAL_FACTOR = 3
#: … and the average is worth something only after this many paid ones.
UNUSUAL_AFTER = 3
EXPORT_BATCH = 2_000


class Standing(Label):
    """Filters beside the plain states: what stops a payout, or who must act."""

    OPEN = "open", "Still open"
    HELD = "held", "On hold"
    NO_METHOD = "no_method", "Waiting for payment details"


class Flag(Label):
    """Signs that ask an approver for a closer look."""

    FIRST = "first", "First payout"
    NEW_DETAILS = "new_details", "New bank details"
    UNUSUAL = "unusual", "More than 3× usual"
    DUPLICATE = "duplicate", "Possible duplicate"


@dataclass(frozen=True)
class PayoutFilter:
    """What a person filters by. Amounts are minor units of the organisation's own currency."""

    text: str = ""
    program: str = ""
    status: str = ""
    payee: str = ""
    period_from: date | None = None
    period_to: date | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    waiting_days: int | None = None
    flag: str = ""
    # How it was sent; how the payee is paid; a part of the name of who approved it; the reference of a run.
    rail: str = ""
    method: str = ""
    approver: str = ""
    run: str = ""


@dataclass(frozen=True)
class Total:
    """Count and sums of one currency."""

    count: int
    gross: Money
    net: Money


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found: ColumnElement[bool] = column.ilike(f"%{escaped}%", escape="\\")
    return found


#: A whole reference, as pages show it: found by its index, without reading anything else.
_REFERENCE = re.compile(r"[A-Z]{2}-\d{4}-\d{3,}\Z")


def _has_method() -> ColumnElement[bool]:
    return exists().where(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))


def is_open(payout: Any = Payout) -> ColumnElement[bool]:
    """Whether a payout is not over. Word for word as the index of the open ones says it, so that it is used."""
    closed: BindParameter[Any] = bindparam(
        "closed", sorted(CLOSED_STATES), expanding=True, literal_execute=True
    )
    found: ColumnElement[bool] = payout.state.not_in(closed)
    return found


def _of_payees(organisation_id: int, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    found = select(Payee.id).where(Payee.organisation_id == organisation_id, or_(*conditions))
    return Payout.payee_id.in_(found)


def _text_clause(organisation_id: int, text: str) -> ColumnElement[bool]:
    """A whole reference names one payout; anything else may be a part of a name or of a bank's reference."""
    if _is_reference(text):
        return Payout.reference == text.upper()
    by_utr = select(Transfer.payout_id).where(
        Transfer.organisation_id == organisation_id, _contains(Transfer.utr, text)
    )
    return or_(
        _contains(Payout.reference, text),
        _of_payees(organisation_id, _contains(Payee.name, text)),
        _contains(Payout.payment_reference, text),
        Payout.id.in_(by_utr),
    )


def _status_clause(status: str) -> ColumnElement[bool]:
    if status == Standing.HELD:
        return Payout.is_held.is_(True)
    if status == Standing.OPEN:
        return is_open()
    if status == Standing.NO_METHOD:
        waiting = [PayoutState.PENDING_APPROVAL.value, PayoutState.APPROVED.value]
        return and_(is_open(), Payout.state.in_(waiting), ~_has_method())
    if status in CLOSED_STATES:
        return Payout.state == status
    return and_(is_open(), Payout.state == status)


def _payee_clause(organisation_id: int, name: str) -> tuple[ColumnElement[bool], int | None]:
    """The payees of a reference, or of a part of a name; and how many, where they are few enough to go by payee."""
    named = or_(Payee.reference == name.upper(), _contains(Payee.name, name))
    found = list_paths.few_payees(organisation_id, named)
    if found is None:
        return _of_payees(organisation_id, named), None
    # One payee has their payouts in order; those of several are put in order.
    return Payout.payee_id == found[0] if len(found) == 1 else Payout.payee_id.in_(found), len(found)


def _clauses(
    filters: PayoutFilter, organisation_id: int, currency: str, now: datetime
) -> Iterator[ColumnElement[bool]]:
    """The conditions of a filter, one by one, but for the payee's."""
    if filters.text:
        yield _text_clause(organisation_id, filters.text)
    if filters.program:
        yield Payout.program == filters.program
    if filters.status:
        yield _status_clause(filters.status)
    if filters.period_from:
        yield Payout.period_end >= filters.period_from
    if filters.period_to:
        yield Payout.period_start <= filters.period_to
        yield Payout.period_end <= list_paths.latest_end(organisation_id, filters.period_to)
    if filters.amount_from is not None:
        yield and_(Payout.currency == currency, Payout.amount_minor >= filters.amount_from)
    if filters.amount_to is not None:
        yield and_(Payout.currency == currency, Payout.amount_minor <= filters.amount_to)
    if filters.waiting_days:
        yield Payout.created_at <= now - timedelta(days=filters.waiting_days)
    if filters.flag:
        yield flag_clauses()[Flag(filters.flag)]
    if filters.rail:
        yield Payout.rail == filters.rail
    if filters.method:
        yield list_filters.paid_to(filters.method)
    if filters.approver:
        yield list_filters.approved_by(organisation_id, filters.approver)
    if filters.run:
        yield list_filters.of_run(organisation_id, filters.run)


@dataclass(frozen=True)
class Listing:
    """A list of payouts, read in its own order; and read by what is looked for, where an index has that."""

    query: Select[Any]
    by_value: Select[Any] | None


#: So many queries of lists are kept, of those that were asked last.
KEPT = 256


def is_lasting(filters: PayoutFilter) -> bool:
    """Whether a filter's conditions are the same whenever they are made: they depend on no clock and ask nothing."""
    return not (filters.waiting_days or filters.payee or filters.period_to or filters.approver)


def listing(
    *,
    organisation_id: int,
    currency: str,
    now: datetime,
    filters: PayoutFilter,
    payee_id: int | None = None,
) -> Listing:
    """The payouts of an organisation (of one payee, where given) that match, without order or limit.

    Kept for those who look at the same list again, where nothing in it changes with time.
    """
    if is_lasting(filters):
        return _kept_listing(organisation_id, currency, filters, payee_id)
    return _listing(organisation_id, currency, now, filters, payee_id)


@lru_cache(maxsize=KEPT)
def _kept_listing(
    organisation_id: int, currency: str, filters: PayoutFilter, payee_id: int | None
) -> Listing:
    return _listing(organisation_id, currency, datetime.min, filters, payee_id)


def _listing(
    organisation_id: int, currency: str, now: datetime, filters: PayoutFilter, payee_id: int | None
) -> Listing:
    query = select(Payout).where(Payout.organisation_id == organisation_id)
    index, value_index = _index(filters), _value_index(filters)
    if payee_id is not None:
        query, index, value_index = query.where(Payout.payee_id == payee_id), list_paths.OF_PAYEE, None
    if filters.payee:
        clause, n = _payee_clause(organisation_id, filters.payee)
        query = query.where(clause)
        value_index = None if n == 1 else list_paths.OF_PAYEE
        index = index if n is None else list_paths.OF_PAYEE
    query = query.where(*_clauses(filters, organisation_id, currency, now))
    return Listing(
        list_paths.read_by(query, index) if index else query,
        list_paths.read_by(query, value_index) if value_index else None,
    )


def payouts(
    *,
    organisation_id: int,
    currency: str,
    now: datetime,
    filters: PayoutFilter | None = None,
    payee_id: int | None = None,
) -> Select[Any]:
    """The query of a `listing`: for totals, files and counts."""
    return listing(
        organisation_id=organisation_id,
        currency=currency,
        now=now,
        filters=filters or PayoutFilter(),
        payee_id=payee_id,
    ).query


def _is_reference(text: str) -> bool:
    return bool(_REFERENCE.match(text.upper()))


def _index(filters: PayoutFilter) -> str | None:
    """The index that has a list in its order, by the status or the program that is looked for."""
    if _is_reference(filters.text) or filters.run:
        return None
    if filters.status == Standing.HELD:
        return list_paths.HELD
    if filters.status:
        return list_paths.OF_STATE if filters.status in CLOSED_STATES else list_paths.OPEN
    if filters.rail:
        return list_paths.OF_RAIL
    return list_paths.OF_PROGRAM if filters.program else list_paths.NEWEST


def _value_index(filters: PayoutFilter) -> str | None:
    """The index of a period or an amount that is looked for in the whole history."""
    if filters.text or filters.run or (filters.status and filters.status not in CLOSED_STATES):
        return None
    if filters.period_from or filters.period_to:
        return list_paths.BY_PERIOD
    has_amount = filters.amount_from is not None or filters.amount_to is not None
    return list_paths.BY_AMOUNT if has_amount else None


def pending(*, organisation_id: int, currency: str, now: datetime, filters: PayoutFilter) -> Select[Any]:
    """The payouts that wait for approval and match, joined with their payees, whom the rules ask about."""
    query = payouts(organisation_id=organisation_id, currency=currency, now=now, filters=filters)
    waiting = query.join(Payout.payee).where(is_open(), Payout.state == PayoutState.PENDING_APPROVAL.value)
    return list_paths.read_by(waiting, list_paths.OPEN)


def with_list_columns(query: Select[Any]) -> Select[Any]:
    """Load what a row of a list shows, so that no row asks the database again."""
    return query.options(
        joinedload(Payout.payee, innerjoin=True).joinedload(Payee.current_method),
        joinedload(Payout.payee, innerjoin=True).joinedload(Payee.pending_change),
        joinedload(Payout.method),
    )


def with_approval_facts(query: Select[Any]) -> Select[Any]:
    """Load what decides whether a person may approve each row."""
    return with_list_columns(query).options(selectinload(Payout.approvals), selectinload(Payout.exclusions))


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


def _was_paid(other: Any) -> ColumnElement[bool]:
    return and_(_same_payee(other), other.paid_at.is_not(None))


def _used_before(other: Any) -> ColumnElement[bool]:
    """Whether something was paid by these payment details."""
    used = _looked_up(_was_paid(other), other.method_id == PayoutMethod.id)
    return used.correlate(Payout, PayoutMethod)


def _current_method(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return _looked_up(
        PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True), *conditions
    )


def flag_clauses() -> dict[Flag, ColumnElement[bool]]:
    """Each flag as a condition on a payout, for columns and for the filter."""
    other = aliased(Payout)
    same_payee, was_paid = _same_payee(other), _was_paid(other)
    new_details = _current_method(~_used_before(other))
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
        Flag.NEW_DETAILS: and_(_looked_up(was_paid), new_details),
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
    is_known = or_(_current_method(_used_before(other)), and_(~_has_method(), _looked_up(_was_paid(other))))
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
        paid.paid_at.is_not(None), paid.method_id == method.id,
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
        paid.currency == waiting.currency, paid.paid_at.is_not(None),
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
    return {
        number: [flag for flag, is_set in zip(_FLAGS, found, strict=True) if is_set] if any(found) else []
        for number, *found in rows
    }


@cache
def _flags(dialect: str) -> Executable:
    """Put together once: that takes longer than asking it."""
    clauses = flag_clauses()
    query: Any = select(Payout.id, *(clauses[flag].label(flag.value) for flag in Flag))
    found: Executable = query.where(among_given(Payout.id, "payout_ids", dialect))
    return found


def totals(query: Select[Any]) -> list[Total]:
    """Count, gross and net of a filter, per currency; currencies are never added together."""
    summed = (
        query.order_by(None)
        .with_only_columns(
            Payout.currency, func.count(), func.sum(Payout.gross_minor), func.sum(Payout.amount_minor)
        )
        .group_by(Payout.currency)
        .order_by(Payout.currency)
    )
    return [
        Total(count, Money(int(gross), currency), Money(int(net), currency))
        for currency, count, gross, net in db.session.execute(summed)
    ]


EXPORTED = (
    Payout.id, Payout.reference, Payee.name.label("payee_name"), Payee.reference.label("payee_reference"),
    Payout.program, Payout.period_start, Payout.period_end, Payout.state, Payout.is_held, Payout.currency,
    Payout.gross_minor, Payout.amount_minor, Payout.payment_reference, Payout.approved_at, Payout.paid_on,
    Payout.created_at,
)  # fmt: skip


def export_rows(query: Select[Any]) -> Iterator[Any]:
    """The EXPORTED columns of every payout of a filter, newest first.

    Plain rows, no objects, in batches: a long history fits in memory and is read in seconds.
    """
    ordered = (
        query.join(Payout.payee).with_only_columns(*EXPORTED).order_by(Payout.id.desc()).limit(EXPORT_BATCH)
    )
    last: int | None = None
    while True:
        batch = db.session.execute(ordered if last is None else ordered.where(Payout.id < last)).all()
        yield from batch
        if len(batch) < EXPORT_BATCH:
            return
        last = batch[-1].id


@cache
def _approvers(dialect: str) -> Executable:
    """Put together once, as every question that each page asks in the same words."""
    return (
        select(Approval.payout_id, func.coalesce(User.name, Approval.approver_label))
        .join(User, User.id == Approval.approver_id, isouter=True)
        .where(among_given(Approval.payout_id, "payout_ids", dialect), Approval.decision == "approved")
        .order_by(Approval.id)
    )


def approvers_of(payout_ids: Sequence[int]) -> dict[int, str]:
    """Who approved the payouts of one page: names (or "policy"), comma-separated."""
    if not payout_ids:
        return {}
    names: dict[int, list[str]] = {}
    for payout_id, name in ask(_approvers(db.engine.dialect.name), {"payout_ids": list(payout_ids)}):
        names.setdefault(payout_id, []).append(name)
    return {payout_id: ", ".join(dict.fromkeys(found)) for payout_id, found in names.items()}


def get_for_page(*, organisation_id: int, reference: str, payee_id: int | None = None) -> Payout:
    """One payout with everything its page shows. Raises NotFound when it is not there or not theirs."""
    query = with_approval_facts(select(Payout)).where(
        Payout.organisation_id == organisation_id, Payout.reference == reference
    )
    if payee_id is not None:
        query = query.where(Payout.payee_id == payee_id)
    query = query.options(
        selectinload(Payout.lines), selectinload(Payout.transfers).selectinload(Transfer.events)
    )
    payout: Payout | None = db.session.scalars(query).unique().one_or_none()
    if payout is None:
        raise NotFound
    return payout


def _programs() -> Select[Any]:
    own = Payout.organisation_id == bindparam("organisation_id")
    steps = select(func.min(Payout.program).label("program")).where(own).cte("steps", recursive=True)
    following = (
        select(func.min(Payout.program)).where(own, Payout.program > steps.c.program).correlate(steps)
    ).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.program.is_not(None)))
    return select(steps.c.program).where(steps.c.program.is_not(None))


_PROGRAMS = _programs()


def programs_of(organisation_id: int) -> list[str]:
    """Programs that the organisation's payouts come from, for the filter.

    Steps from one program to the next along the index; DISTINCT would read every payout.
    """
    return [row[0] for row in ask(_PROGRAMS, {"organisation_id": organisation_id})]


def chosen(*, organisation_id: int, payout_ids: Sequence[int]) -> Select[Any]:
    """The payouts that a person ticked, whatever their state; those of others are simply not there."""
    return select(Payout).where(Payout.organisation_id == organisation_id, Payout.id.in_(payout_ids))
