"""Shared by the lists of payouts: the filter's chips, the addresses of the same list, and the file columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Form

from webapp.kernel.money import Money, exponent
from webapp.payouts.lists import Total
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
