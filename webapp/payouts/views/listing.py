"""Shared by the lists of payouts: the filter's chips, the addresses of the same list, and the file columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from flask import g, request
from sqlalchemy import Select, select
from wtforms import Form

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.payouts import list_paths, lists, ordering
from webapp.payouts.lists import PayoutFilter, Total
from webapp.payouts.models import Payout
from webapp.payouts.ordering import Sort
from webapp.payouts.states import PayoutState
from webapp.web import addresses, selection
from webapp.web.i18n import translated
from webapp.web.pagination import (
    SIZES,
    Page,
    capped_count,
    is_capped,
    keyset,
    page_of_ids,
    page_size,
    position,
)

# What an address of another list, or of the same with another filter, does not carry along.
POSITION = ("before", "after", "open", selection.PARAMETER)
EXPORT_HEADERS = (
    "Reference", "Payee", "Payee reference", "Program", "Period from", "Period to", "Status", "On hold", "Currency",
    "Gross", "Deductions", "Net", "Payment reference", "Approved at", "Paid on", "Created at",
)  # fmt: skip
#: What each of these columns has, as a workbook writes it.
EXPORT_KINDS = (
    *["text"] * 4, "day", "day", *["text"] * 3, *["amount"] * 3, "text", "instant", "day", "instant",
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


def page_of(
    filters: PayoutFilter, sort: Sort, now: datetime, columns: Callable[[Select[Any]], Select[Any]]
) -> Page[Any]:
    """The page of the admins' list that the address names, with `columns`; its label is the capped count.

    A period or an amount that few payouts have is looked up; where many have it, the newest are soon found.
    """
    here = g.organisation
    found = lists.listing(organisation_id=here.id, currency=here.currency, now=now, filters=filters)
    apart = found.by_value
    count = capped_count(found.query if apart is None else apart, Payout.id)
    everything = select(Payout).where(Payout.organisation_id == here.id)
    if sort.key != ordering.REFERENCE:
        query = found.query if apart is None or is_capped(count) else apart
        load = partial(_load, columns(everything))
        page = sorted_page(query, sort, load, is_many=is_capped(count))
        return Page(page.items, page.previous_href, page.next_href, count)
    if apart is not None and is_capped(count):
        today = local_date(now, here.timezone)
        is_apart = list_paths.is_far_back(here.id, filters.period_from, filters.period_to, today)
        apart = apart if is_apart else None
    query = found.query if apart is None else everything
    among = None if apart is None else apart.with_only_columns(Payout.id)
    page = keyset(columns(query), Payout.id, newest_first=sort.is_descending, among=among, is_plain=True)
    return Page(page.items, page.previous_href, page.next_href, count)


def _load(query: Select[Any], ids: Sequence[int]) -> Sequence[Any]:
    return db.session.execute(query.where(Payout.id.in_(ids))).all()


def sorted_page(
    query: Select[Any],
    sort: Sort,
    load: Callable[[Sequence[int]], Sequence[Any]],
    *,
    is_many: bool = False,
    limit: int | None = ordering.FEW + 1,
) -> Page[Any]:
    """The page of a list in another order than its own; `load` gives the rows of some ids, in any order."""
    after, before = position()
    found = ordering.page(
        query, sort, organisation_id=g.organisation.id, is_many=is_many, after=after, before=before,
        size=page_size(), limit=limit,
    )  # fmt: skip
    rows = {row.id: row for row in load(found.ids)} if found.ids else {}
    items = [rows[i] for i in found.ids if i in rows]
    return page_of_ids(items, found.ids, has_previous=found.has_previous, has_next=found.has_next)


def sort_links(endpoint: str, sort: Sort, keys: Sequence[str] = ordering.KEYS) -> dict[str, dict[str, Any]]:
    """For the headers of a table: where each leads, and which way the list is ordered now."""
    links = {}
    for key in keys:
        is_current = sort.key == key
        direction = ("descending" if sort.is_descending else "ascending") if is_current else None
        # Amounts begin with the largest, names and references with the first; pressed again, the other way round.
        is_descending = not sort.is_descending if is_current else key == ordering.AMOUNT
        wanted = Sort(key, is_descending).text
        links[key] = {"href": address(endpoint, sort=wanted), "direction": direction, "value": wanted}
    return links


def size_links(endpoint: str, page: Page[Any]) -> list[dict[str, Any]]:
    """The sizes that a page of a list can have; none where all rows fit on the smallest and nobody chose one."""
    is_short = len(page.items) <= min(SIZES) and not page.previous_href and not page.next_href
    if is_short and "size" not in request.args:
        return []
    now = page_size()
    return [{"n": n, "href": address(endpoint, size=n), "is_current": n == now} for n in SIZES]


def kept_choices() -> tuple[tuple[str, str], ...]:
    """How the list is shown, for the form of its filter: that is sent without what it does not hold itself."""
    return tuple((name, request.args[name]) for name in ("sort", "size") if request.args.get(name))


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
    values: dict[str, Any] = {n: value for n, value in request.args.items() if n not in POSITION}
    for name, value in changes.items():
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    return addresses.with_query(endpoint, values.items())


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


def payee_export_cells(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a payee's own file: no notes, no names of admins."""
    for r in rows:
        yield (
            r.reference, r.period_start, r.period_end, PayoutState(r.state).label, r.currency,
            Money(r.gross_minor, r.currency), Money(r.amount_minor - r.gross_minor, r.currency),
            Money(r.amount_minor, r.currency), r.paid_on, r.payment_reference,
        )  # fmt: skip
