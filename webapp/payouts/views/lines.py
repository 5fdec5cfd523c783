"""The lines of the lists of payouts, shaped before the template runs: a template that only writes is quick.

Everything that is the same for many lines is made once: addresses, the words of a status, days and amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from flask import g, request

from webapp.kernel.clock import local_date
from webapp.payouts import page_rows
from webapp.payouts.flags import Flag
from webapp.payouts.page_rows import ListedPayout
from webapp.payouts.queue_rows import WaitingPayout
from webapp.payouts.views import words
from webapp.web import addresses, filters
from webapp.web.i18n import locale_name, translated
from webapp.web.row_frames import Rows


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


# What a row's chip depends on: its tone, its word, its shape, and whether its sentence stands below it.
_Chip = tuple[str, str, str, bool]


class _Words:
    """The words of a page's rows; what many rows share is made once."""

    def __init__(self, status: Callable[[Any], words.Status]) -> None:
        self._status = status
        self._chips: dict[tuple[Any, ...], tuple[_Chip, str]] = {}
        self._amounts: dict[str, Callable[[int], str]] = {}
        self.locale = locale_name()

    def chip(self, row: Any) -> tuple[_Chip, str]:
        """The chip of the status, and the sentence below it; equal facts have equal words."""
        facts = page_rows.status_facts(row)
        found = self._chips.get(facts)
        if found is None:
            said = self._status(page_rows.line(row))
            sentence = translated(said.sentence) if said.needs_words else ""
            found = self._chips[facts] = (said.tone, said.label, said.icon, bool(sentence)), sentence
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
    locale = locale_name()
    show = addresses.each("admin.payouts.show", "reference")
    drawer = addresses.each("admin.payouts.index", "open", **request.args.to_dict())
    return [
        AdminLine(
            row.id, row.reference, show(row.reference), drawer(row.reference), row.payee.name,
            row.program.capitalize(), words.period_words(row.period_start, row.period_end, locale),
            words.admin_status(row), words.wording(row.currency)(row.amount_minor),
            _pay_to(row), row.payment_reference, approvers.get(row.id), row.paid_on, documents.get(row.id),
        )
        for row in rows
    ]  # fmt: skip


_ADMIN_VALUES = (
    "id", "reference", "show_href", "drawer_href", "payee", "program", "period", "sentence", "net", "pay_to",
    "payment_reference", "approved_by", "paid_iso", "paid_day", "document",
)  # fmt: skip


def admin_rows(
    rows: Sequence[Any],
    *,
    approvers: Mapping[int, str],
    documents: Mapping[int, str],
    has_several_programs: bool,
    chosen: Collection[int] | None,
) -> Rows:
    """The rows of the admins' list, of what a query of `page_rows.columns` gave; their drawers lead back to it.

    `chosen` are the ids that are ticked; None where nothing can be ticked.
    """
    say, ticked = _Words(words.admin_status), chosen or ()
    show = addresses.each("admin.payouts.show", "reference")
    drawer = addresses.each("admin.payouts.index", "open", **request.args.to_dict())
    made = []
    for row in rows:
        number, reference, program, currency, _, net, _, start, end, _, _, _, payment, paid_on, payee = row[
            :15
        ]
        chip, sentence = say.chip(row)
        pay_to, approved_by, document = page_rows.pay_to(row), approvers.get(number), documents.get(number)
        facts = (
            chosen is not None, number in ticked, has_several_programs, chip, bool(pay_to),
            bool(payment), bool(approved_by), bool(paid_on), bool(document),
        )  # fmt: skip
        values = (
            str(number), reference, show(reference), drawer(reference), payee, program.capitalize(),
            words.period_words(start, end, say.locale), sentence, say.amounts(currency)(net), pay_to or "",
            payment or "", approved_by or "", *_day(paid_on, say.locale), document or "",
        )  # fmt: skip
        made.append((facts, values))
    return Rows(_ADMIN_VALUES, made)


_QUEUE_VALUES = (
    "id", "reference", "show_href", "drawer_href", "payee", "program", "period", "pay_to", "gross", "deductions",
    "net", "since_iso", "since_day", "reasons",
)  # fmt: skip


def queue_rows(
    rows: Sequence[WaitingPayout],
    *,
    flags: Mapping[int, Sequence[Flag]],
    reasons: Callable[[Any], Sequence[str]],
    has_several_programs: bool,
    chosen: Collection[int] | None,
    says_reasons: bool,
) -> Rows:
    """The rows of the approvals queue; `reasons` says why the person who looks cannot approve a payout.

    `chosen` are the ids that are ticked; None where nothing can be ticked.
    """
    locale, zone, ticked = locale_name(), g.organisation.timezone, chosen or ()
    show = addresses.each("admin.payouts.show", "reference")
    drawer = addresses.each("admin.approvals.index", "open", **request.args.to_dict())
    amounts = {currency: words.wording(currency) for currency in {row.currency for row in rows}}
    made = []
    for row in rows:
        write, pay_to, why = amounts[row.currency], row.pay_to, reasons(row)
        facts = (
            chosen is not None, not why, row.id in ticked, has_several_programs, bool(pay_to),
            tuple(flag.label for flag in flags[row.id]), says_reasons,
        )  # fmt: skip
        values = (
            str(row.id), row.reference, show(row.reference), drawer(row.reference), row.payee.name,
            row.program.capitalize(), words.period_words(row.period_start, row.period_end, locale), pay_to or "",
            write(row.gross_minor), write(row.amount_minor - row.gross_minor), write(row.amount_minor),
            *_day(local_date(row.created_at, zone), locale), " ".join(why),
        )  # fmt: skip
        made.append((facts, values))
    return Rows(_QUEUE_VALUES, made)


_OWN_VALUES = (
    "reference", "show_href", "period", "sentence", "gross", "deductions", "net", "payment_reference", "paid_iso",
    "paid_day", "document",
)  # fmt: skip


def own_rows(rows: Sequence[Any], *, show_endpoint: str, documents: Mapping[int, str]) -> Rows:
    """The rows of a payee's own list, of what a query of `page_rows.columns` gave."""
    payer = g.organisation.name
    say = _Words(lambda row: words.payee_status(row, payer))
    show = addresses.each(show_endpoint, "reference")
    made = []
    for row in rows:
        number, reference, _, currency, gross, net, _, start, end, _, _, _, payment, paid_on = row[:14]
        chip, sentence = say.chip(row)
        write, document = say.amounts(currency), documents.get(number)
        values = (
            reference, show(reference), words.period_words(start, end, say.locale), sentence, write(gross),
            write(net - gross), write(net), payment or "", *_day(paid_on, say.locale), document or "",
        )  # fmt: skip
        made.append(((chip, bool(payment), bool(paid_on), bool(document)), values))
    return Rows(_OWN_VALUES, made)


@lru_cache(maxsize=4_096)
def _day(value: date | None, locale: str) -> tuple[str, str]:
    """A day for machines and in words; two empty texts where there is none."""
    return ("", "") if value is None else (value.isoformat(), filters.day_in(value, locale))
