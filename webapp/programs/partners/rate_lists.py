"""Reading exchange rates and exchange differences for lists and files; rows of plain columns, never writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import aliased

from webapp.database import ask, within
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.partners.models_rates import ExchangeDifference, ExchangeRate
from webapp.programs.partners.states import DifferenceState
from webapp.web.listing import Listing, Sort

partner, payout = aliased(Payee), aliased(Payout)
approved_rate, paid_rate = aliased(ExchangeRate), aliased(ExchangeRate)
_D = ExchangeDifference
#: What is in the ledger of a difference: nothing while it waits, or after the money came back.
BOOKED = func.coalesce(_D.difference_minor, 0)
#: Those that a person can do something about.
WAITING = (DifferenceState.WAITING.value, DifferenceState.RETURNING.value)


@dataclass(frozen=True)
class RateFilter:
    """What the list of rates is narrowed to; `all` shows those that were replaced or withdrawn, too."""

    currency: str = ""
    date_from: date | None = None
    date_to: date | None = None
    shows_all: bool = False


@dataclass(frozen=True)
class DifferenceFilter:
    """What the list of differences is narrowed to. Days are those of the payment."""

    currency: str = ""
    state: str = ""
    date_from: date | None = None
    date_to: date | None = None


def rates(organisation_id: int, chosen: RateFilter | None = None) -> Listing:
    """Exchange rates, by default the latest day first.

    Columns: id, currency, base, rate, valid_from, version, is_current, note, created_by_label, created_at, is_replaced.
    Orders: date, currency, created. No sums.
    """
    chosen = chosen or RateFilter()
    later = aliased(ExchangeRate)
    is_replaced = exists().where(
        later.organisation_id == ExchangeRate.organisation_id, later.base == ExchangeRate.base,
        later.currency == ExchangeRate.currency, later.valid_from == ExchangeRate.valid_from,
        later.version > ExchangeRate.version,
    )  # fmt: skip
    columns: tuple[Any, ...] = (
        ExchangeRate.id, ExchangeRate.currency, ExchangeRate.base, ExchangeRate.rate, ExchangeRate.valid_from,
        ExchangeRate.version, ExchangeRate.is_current, ExchangeRate.note, ExchangeRate.created_by_label,
        ExchangeRate.created_at, is_replaced.label("is_replaced"),
    )  # fmt: skip
    everything = select(*columns).where(ExchangeRate.organisation_id == organisation_id)
    return Listing(
        everything.where(*_rate_clauses(chosen)),
        everything,
        ExchangeRate.id,
        {"date": (ExchangeRate.valid_from,), "currency": (ExchangeRate.currency,), "created": ()},
        Sort("date", is_descending=True),
        ExchangeRate.currency,
        {},
    )


def _rate_clauses(chosen: RateFilter) -> Iterator[ColumnElement[bool]]:
    if not chosen.shows_all:
        yield ExchangeRate.is_current.is_(True)
    if chosen.currency:
        yield ExchangeRate.currency == chosen.currency
    yield from within(ExchangeRate.valid_from, chosen.date_from, chosen.date_to)


def differences(organisation_id: int, chosen: DifferenceFilter | None = None) -> Listing:
    """Exchange differences of payouts, by default the newest first.

    Columns: id, state, currency, amount_minor, base, approved_on, paid_on, approved_value_minor, paid_value_minor,
    difference_minor (above zero: it cost more), approved_rate, paid_rate, reference, partner_name, partner_reference.
    Orders: created, date, amount. Sums, in the organisation's currency: difference.
    """
    chosen = chosen or DifferenceFilter()
    columns: tuple[Any, ...] = (
        _D.id, _D.state, _D.currency, _D.amount_minor, _D.base, _D.approved_on, _D.paid_on,
        _D.approved_value_minor, _D.paid_value_minor, _D.difference_minor,
        approved_rate.rate.label("approved_rate"), paid_rate.rate.label("paid_rate"), payout.reference,
        partner.name.label("partner_name"), partner.reference.label("partner_reference"),
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(payout, payout.id == _D.payout_id)
        .join(partner, partner.id == payout.payee_id)
        .outerjoin(approved_rate, approved_rate.id == _D.approved_rate_id)
        .outerjoin(paid_rate, paid_rate.id == _D.paid_rate_id)
        .where(_D.organisation_id == organisation_id)
    )
    return Listing(
        everything.where(*_difference_clauses(chosen)),
        everything,
        _D.id,
        {"created": (), "date": (_D.paid_on,), "amount": (BOOKED,)},
        Sort("created", is_descending=True),
        _D.base,
        {"difference": BOOKED},
    )


def _difference_clauses(chosen: DifferenceFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.currency:
        yield _D.currency == chosen.currency
    if chosen.state:
        yield _D.state == chosen.state
    yield from within(_D.paid_on, chosen.date_from, chosen.date_to)


@dataclass(frozen=True)
class Wanted:
    """How many payouts wait for a rate of a currency, and the first day that needs one."""

    currency: str
    payouts: int
    since: date


def wanted(organisation_id: int) -> list[Wanted]:
    """The currencies of payments whose difference cannot be booked yet."""
    query = (
        select(_D.currency, func.count(), func.min(_D.approved_on), func.min(_D.paid_on))
        .where(_D.organisation_id == organisation_id, _D.state == DifferenceState.WAITING.value)
        .group_by(_D.currency)
        .order_by(_D.currency)
    )
    return [Wanted(code, n, min(approved, paid)) for code, n, approved, paid in ask(query)]


def booked_with(rate_id: int) -> int:
    """How many differences were booked with a rate; they stay."""
    query: Any = select(func.count()).where(
        (_D.approved_rate_id == rate_id) | (_D.paid_rate_id == rate_id),
        _D.state == DifferenceState.BOOKED.value,
    )
    return int(ask(query)[0][0])
