"""The lines of the lists of payouts, shaped before the template runs: a template that only writes is quick.

Everything that is the same for many lines is made once: addresses, the words of a status, days and amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from flask import g, request

from webapp.kernel.clock import local_date
from webapp.payouts.lists import Flag
from webapp.payouts.page_rows import ListedPayout
from webapp.payouts.queue_rows import WaitingPayout
from webapp.payouts.views import words
from webapp.web import addresses
from webapp.web.i18n import gettext

# Stands for what changes from line to line while a text is made once.
_PLACE = "0place0of0the0value0"


class AdminLine(NamedTuple):
    """One line as admins see it."""

    id: int
    reference: str
    show_href: str
    drawer_href: str
    payee: str
    program: str
    period: str
    status: words.Status
    net: str
    pay_to: str | None
    payment_reference: str | None
    approved_by: str | None
    paid_on: date | None
    document: str | None


class OwnLine(NamedTuple):
    """One line as the payee sees it."""

    reference: str
    show_href: str
    period: str
    status: words.Status
    gross: str
    deductions: str
    net: str
    payment_reference: str | None
    paid_on: date | None
    document: str | None


class QueueLine(NamedTuple):
    """One line of the approvals queue, for the person who looks at it."""

    id: int
    reference: str
    show_href: str
    drawer_href: str
    payee: str
    program: str
    period: str
    pay_to: str | None
    gross: str
    deductions: str
    net: str
    waiting_since: date
    flags: Sequence[Flag]
    # Why this person cannot approve it; empty when they can.
    reasons: Sequence[str]


class _Words:
    """The words of a page's lines; what many lines share is made once."""

    def __init__(self, status: Callable[[Any], words.Status]) -> None:
        self._status = status
        self._states: dict[tuple[object, ...], words.Status] = {}
        self._periods: dict[tuple[date, date], str] = {}
        self._amounts: dict[str, Callable[[int], str]] = {}

    def status(self, row: ListedPayout) -> words.Status:
        """The status; equal facts have equal words."""
        key = (row.state, row.is_held, row.hold_reason, row.reason, row.payee)
        found = self._states.get(key)
        if found is None:
            found = self._states[key] = self._status(row)
        return found

    def period(self, row: ListedPayout | WaitingPayout) -> str:
        """The period that is paid for."""
        key = (row.period_start, row.period_end)
        found = self._periods.get(key)
        if found is None:
            found = self._periods[key] = words.period(row)
        return found

    def amounts(self, currency: str) -> Callable[[int], str]:
        """How minor units of a currency are written."""
        found = self._amounts.get(currency)
        if found is None:
            found = self._amounts[currency] = words.wording(currency)
        return found


def _pay_to(row: ListedPayout) -> str | None:
    method = row.method or row.payee.current_method
    return (method.masked or "By hand") if method else None


def admin_lines(
    rows: Sequence[ListedPayout], *, approvers: Mapping[int, str], documents: Mapping[int, str]
) -> list[AdminLine]:
    """The lines of the admins' list; a line's drawer keeps the page of the list behind it in the history."""
    say = _Words(words.admin_status)
    show = addresses.each("admin.payouts.show", "reference")
    drawer = addresses.each("admin.payouts.index", "open", **request.args.to_dict())
    return [
        AdminLine(
            row.id, row.reference, show(row.reference), drawer(row.reference), row.payee.name,
            row.program.capitalize(), say.period(row), say.status(row), say.amounts(row.currency)(row.amount_minor),
            _pay_to(row), row.payment_reference, approvers.get(row.id), row.paid_on, documents.get(row.id),
        )
        for row in rows
    ]  # fmt: skip


def queue_lines(
    rows: Sequence[WaitingPayout],
    *,
    flags: Mapping[int, Sequence[Flag]],
    reasons: Callable[[Any], Sequence[str]],
) -> list[QueueLine]:
    """The lines of the approvals queue; `reasons` says why the person who looks cannot approve a payout."""
    say = _Words(words.admin_status)
    show = addresses.each("admin.payouts.show", "reference")
    drawer = addresses.each("admin.approvals.index", "open", **request.args.to_dict())
    zone = g.organisation.timezone
    lines = []
    for row in rows:
        write = say.amounts(row.currency)
        lines.append(
            QueueLine(
                row.id, row.reference, show(row.reference), drawer(row.reference), row.payee.name,
                row.program.capitalize(), say.period(row), row.pay_to, write(row.gross_minor),
                write(row.amount_minor - row.gross_minor), write(row.amount_minor),
                local_date(row.created_at, zone), flags[row.id], reasons(row),
            )
        )  # fmt: skip
    return lines


def own_lines(
    rows: Sequence[ListedPayout], *, show_endpoint: str, documents: Mapping[int, str]
) -> list[OwnLine]:
    """The lines of a payee's own list."""
    payer = g.organisation.name
    say = _Words(lambda row: words.payee_status(row, payer))
    show = addresses.each(show_endpoint, "reference")
    lines = []
    for row in rows:
        write = say.amounts(row.currency)
        lines.append(
            OwnLine(
                row.reference, show(row.reference), say.period(row), say.status(row), write(row.gross_minor),
                write(row.amount_minor - row.gross_minor), write(row.amount_minor), row.payment_reference,
                row.paid_on, documents.get(row.id),
            )
        )  # fmt: skip
    return lines


def around_copy_label() -> tuple[str, str]:
    """What the button that copies a payment reference is called, before and after the payout's reference."""
    what = gettext("the payment reference of %(payout)s", payout=_PLACE)
    before, _, after = gettext("Copy %(what)s", what=what).partition(_PLACE)
    return before, after
