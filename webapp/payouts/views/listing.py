"""Shared by the lists of payouts: the filter's chips, the addresses of the same list, and the file columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Form

from webapp.kernel.money import Money
from webapp.payouts.lists import Total
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.web.i18n import translated

POSITION = ("before", "after", "open")
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


def export_cells(payouts: Iterable[Payout]) -> Iterator[tuple[Any, ...]]:
    """The rows of the admins' file: ISO days, plain amounts, a currency column, never an account number."""
    for p in payouts:
        yield (
            p.reference, p.payee.name, p.payee.reference, p.program, p.period_start, p.period_end,
            PayoutState(p.state).label, p.is_held, p.currency, Money(p.gross_minor, p.currency),
            Money(p.amount_minor - p.gross_minor, p.currency), Money(p.amount_minor, p.currency),
            p.payment_reference, p.approved_at, p.paid_on, p.created_at,
        )  # fmt: skip


def payee_export_cells(payouts: Iterable[Payout]) -> Iterator[tuple[Any, ...]]:
    """The rows of a payee's own file: no notes, no names of admins."""
    for p in payouts:
        yield (
            p.reference, p.period_start, p.period_end, PayoutState(p.state).label, p.currency,
            Money(p.gross_minor, p.currency), Money(p.amount_minor - p.gross_minor, p.currency),
            Money(p.amount_minor, p.currency), p.paid_on, p.payment_reference,
        )  # fmt: skip
