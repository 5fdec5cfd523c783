"""The rows of a list of payouts as plain values: what one line shows, and nothing else.

A page of fifty loaded records, each with its payee, methods and change, costs more than the rest of the page. These
rows have the names of the records' attributes, so that the same words are made of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, and_
from sqlalchemy.orm import aliased

from webapp.payouts.models import Payout
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee, PayoutMethod
from webapp.web.pagination import derived


class ListedMethod(NamedTuple):
    """Where money goes, as a list shows it."""

    masked: str
    cool_off_until: datetime | None = None


class ListedChange(NamedTuple):
    """Payment details that were asked for and wait for a second person."""

    reference: str
    masked: str


class ListedPayee(NamedTuple):
    """Who is paid, and where their money goes at present."""

    name: str
    current_method: ListedMethod | None
    pending_change: ListedChange | None


class ListedPayout(NamedTuple):
    """One line of a list of payouts."""

    id: int
    reference: str
    program: str
    currency: str
    gross_minor: int
    amount_minor: int
    state: str
    period_start: date
    period_end: date
    is_held: bool
    hold_reason: str
    reason: str
    payment_reference: str | None
    paid_on: date | None
    payee: ListedPayee
    method: ListedMethod | None


_OWN = (
    Payout.id, Payout.reference, Payout.program, Payout.currency, Payout.gross_minor, Payout.amount_minor,
    Payout.state, Payout.period_start, Payout.period_end, Payout.is_held, Payout.hold_reason, Payout.reason,
    Payout.payment_reference, Payout.paid_on,
)  # fmt: skip
# Under names of their own: a filter may ask the same tables in a query of its own.
_payee, _change = aliased(Payee, name="to"), aliased(MethodChange, name="asked")
_current, _method = aliased(PayoutMethod, name="current"), aliased(PayoutMethod, name="bound")
_COLUMNS: tuple[Any, ...] = (
    *_OWN, _payee.name, _current.id, _current.masked, _current.cool_off_until, _change.reference, _change.masked,
    _method.id, _method.masked,
)  # fmt: skip


def columns(query: Select[Any]) -> Select[Any]:
    """The query of a list of payouts, for the columns of its lines alone."""
    return derived(query, "lines", _columns)


def _columns(query: Select[Any]) -> Select[Any]:
    return (
        query.with_only_columns(*_COLUMNS)
        .join(_payee, _payee.id == Payout.payee_id)
        .outerjoin(_current, and_(_current.payee_id == Payout.payee_id, _current.is_current.is_(True)))
        .outerjoin(_change, and_(_change.payee_id == Payout.payee_id, _change.state == "pending"))
        .outerjoin(_method, _method.id == Payout.method_id)
    )


def listed(rows: Iterable[Any]) -> list[ListedPayout]:
    """The lines of the rows that a query of `columns` gave."""
    return [line(row) for row in rows]


def status_facts(row: Any) -> tuple[Any, ...]:
    """What the status of a row depends on: its state, hold and reason, who is paid, and their details."""
    # In the order of `_COLUMNS`; a test holds the two together.
    return (row[6], row[9:12], row[14:20])


def pay_to(row: Any) -> str | None:
    """Where the money of a row goes: what it is bound to, else the payee's details; None where there are none."""
    if row[20] is not None:
        return row[21] or "By hand"
    return None if row[15] is None else row[16] or "By hand"


def line(row: Any) -> ListedPayout:
    """The line of a row that a query of `columns` gave."""
    *own, name, current, current_masked, until, asked, asked_masked, bound, bound_masked = row
    payee = ListedPayee(
        name,
        None if current is None else ListedMethod(current_masked, until),
        None if asked is None else ListedChange(asked, asked_masked),
    )
    return ListedPayout._make((*own, payee, None if bound is None else ListedMethod(bound_masked)))
