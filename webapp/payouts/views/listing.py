"""Shared by the lists of payouts: the filter's chips, the addresses of the same list, and the file columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import g, request, url_for
from sqlalchemy import Select, select
from werkzeug.datastructures import MultiDict
from wtforms import Form

from webapp.kernel.clock import local_date
from webapp.kernel.money import Money, exponent
from webapp.payouts import list_paths, lists
from webapp.payouts.lists import PayoutFilter, Total
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.web import selection
from webapp.web.i18n import translated
from webapp.web.pagination import Page, capped_count, is_capped, keyset

# What an address of another list, or of the same with another filter, does not carry along.
POSITION = ("before", "after", "open", selection.PARAMETER)
EXPORT_HEADERS = (
    "Reference", "Payee", "Payee reference", "Program", "Period from", "Period to", "Status", "On hold", "Currency",
    "Gross", "Deductions", "Net", "Payment reference", "Approved at", "Paid on", "Created at",
)  # fmt: skip
PAYEE_EXPORT_HEADERS = (
    "Reference", "Period from", "Period to", "Status", "Currency", "Gross", "Deductions", "Net", "Paid on",
    "Payment reference",
)  # fmt: skip


@dataclass(frozen=True)
class Chip:
    """One filter in use, and the address of the list without it."""

    label: str
    remove_href: str


def page_of(filters: PayoutFilter, now: datetime, columns: Callable[[Select[Any]], Select[Any]]) -> Page[Any]:
    """The page of the admins' list that the address names, with `columns`; its label is the capped count.

    A period or an amount that few payouts have is looked up; where many have it, the newest are soon found.
    """
    here = g.organisation
    found = lists.listing(organisation_id=here.id, currency=here.currency, now=now, filters=filters)
    apart = found.by_value
    count = capped_count(found.query if apart is None else apart, Payout.id)
    if apart is not None and is_capped(count):
        today = local_date(now, here.timezone)
        is_apart = list_paths.is_far_back(here.id, filters.period_from, filters.period_to, today)
        apart = apart if is_apart else None
    query = found.query if apart is None else select(Payout).where(Payout.organisation_id == here.id)
    among = None if apart is None else apart.with_only_columns(Payout.id)
    page = keyset(columns(query), Payout.id, key_of=lambda row: row.id, among=among)
    return Page(page.items, page.previous_href, page.next_href, count)


def filter_values(form: Form) -> dict[str, str]:
    """The filter as plain values, empty ones left out: for links and hidden fields."""
    values = {}
    for name in form._fields:
        raw = request.values.get(name, "").strip()
        if raw:
            values[name] = raw
    return values


def address(endpoint: str, **changes: Any) -> str:
    """The present list at another endpoint or with other values; the position is dropped."""
    values = MultiDict(request.args)
    for name in POSITION:
        values.poplist(name)
    for name, value in changes.items():
        if value is None:
            values.poplist(name)
        else:
            values[name] = value
    return url_for(endpoint, **dict[str, Any](values.to_dict()))


def drawer_address(endpoint: str, reference: str) -> str:
    """The present page of a list with one record open beside it; kept in the history, so Back closes it."""
    values = {**request.args.to_dict(), "open": reference}
    return url_for(endpoint, **dict[str, Any](values))


def chips(form: Form, endpoint: str) -> list[Chip]:
    """A chip for every filter in use: "Status: Paid"."""
    found = []
    for name, raw in filter_values(form).items():
        field = form[name]
        choices = {choice.value: choice.label for choice in getattr(field, "choices", None) or []}
        label = f"{translated(field.label.text)}: {translated(choices[raw]) if raw in choices else raw}"
        found.append(Chip(label, address(endpoint, **{name: None})))
    return found


def said_totals(totals: Iterable[Total]) -> str:
    """ "$12,345.67 and 1,000.00 INR"; currencies stand side by side, never added."""
    from webapp.web.filters import money

    return " and ".join(money(total.net) for total in totals) or money(Money(0, g.organisation.currency))


def count_of(totals: Iterable[Total]) -> int:
    """How many payouts a filter has, over all currencies."""
    return sum(total.count for total in totals)


def export_cells(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of the admins' file: ISO days, plain amounts, a currency column, never an account number."""
    labels = {state.value: state.label for state in PayoutState}
    for (
        _, reference, payee, payee_reference, program, start, end, state, is_held, currency, gross, net, payment,
        approved_at, paid_on, created_at,
    ) in rows:  # fmt: skip
        places = -exponent(currency)
        yield (
            reference, payee, payee_reference, program, start, end, labels[state], is_held, currency,
            Decimal(gross).scaleb(places), Decimal(net - gross).scaleb(places), Decimal(net).scaleb(places), payment,
            approved_at, paid_on, created_at,
        )  # fmt: skip


def payee_export_cells(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a payee's own file: no notes, no names of admins."""
    for r in rows:
        yield (
            r.reference, r.period_start, r.period_end, PayoutState(r.state).label, r.currency,
            Money(r.gross_minor, r.currency), Money(r.amount_minor - r.gross_minor, r.currency),
            Money(r.amount_minor, r.currency), r.paid_on, r.payment_reference,
        )  # fmt: skip
