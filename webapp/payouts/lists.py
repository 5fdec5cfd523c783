"""What the lists of payouts show: filters, page queries and totals. Reads only; sums by the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import among_given, ask, db, like
from webapp.kernel.errors import NotFound
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.payouts import flags, list_filters, list_paths
from webapp.payouts.list_paths import is_open
from webapp.payouts.models import Approval, Payout, Transfer
from webapp.payouts.states import CLOSED_STATES, PayoutState
from webapp.people.models import Payee, User
from webapp.people.queries import is_named

EXPORT_BATCH = 2_000


class Standing(Label):
    """Filters beside the plain states: what stops a payout, or who must act."""

    OPEN = "open", "Still open"
    HELD = "held", "On hold"
    NO_METHOD = "no_method", "Waiting for payment details"


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


#: A whole reference, as pages show it: found by its index, without reading anything else.
_REFERENCE = re.compile(r"[A-Z]{2}-\d{4}-\d{3,}\Z")


def _of_payees(organisation_id: int, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    found = select(Payee.id).where(Payee.organisation_id == organisation_id, or_(*conditions))
    return Payout.payee_id.in_(found)


def _text_clause(organisation_id: int, text: str) -> ColumnElement[bool]:
    """A whole reference names one payout; anything else may be a part of a name or of a bank's reference."""
    if _is_reference(text):
        return Payout.reference == text.upper()
    by_utr = select(Transfer.payout_id).where(
        Transfer.organisation_id == organisation_id, like(Transfer.utr, text)
    )
    return or_(
        like(Payout.reference, text),
        _of_payees(organisation_id, like(Payee.name, text)),
        like(Payout.payment_reference, text),
        Payout.id.in_(by_utr),
    )


def _status_clause(status: str) -> ColumnElement[bool]:
    if status == Standing.HELD:
        return Payout.is_held.is_(True)
    if status == Standing.OPEN:
        return is_open()
    if status == Standing.NO_METHOD:
        waiting = [PayoutState.PENDING_APPROVAL.value, PayoutState.APPROVED.value]
        return and_(is_open(), Payout.state.in_(waiting), ~list_filters.has_method())
    if status in CLOSED_STATES:
        return Payout.state == status
    return and_(is_open(), Payout.state == status)


def _payee_clause(organisation_id: int, name: str) -> tuple[ColumnElement[bool], int | None]:
    """The payees of a reference, or of a part of a name; and how many, where they are few enough to go by payee."""
    named = is_named(name)
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
        yield flags.flag_clauses()[flags.Flag(filters.flag)]
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
