"""A list as plain columns that can be put in several orders, paged by the last row shown, counted and summed.

A list knows its query without order or limit, a unique whole number as its key, and by which columns it can be put in
order. All orders end with the key, so every row has one place; an address carries the key of the last row alone, and
what the list is ordered by is read from that row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from webapp.database import ask, within
from webapp.kernel.money import Money

BATCH = 2_000
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Sort:
    """By what a list is ordered, and which way."""

    key: str
    is_descending: bool = False

    @property
    def text(self) -> str:
        """As an address has it: "amount", "-amount"."""
        return f"-{self.key}" if self.is_descending else self.key


@dataclass(frozen=True)
class Listing:
    """A list. `everything` is the same list without its filter, still of the same organisation (and payee)."""

    query: Select[Any]
    everything: Select[Any]
    key: Any
    # Name of an order → the columns before the key; none: by the key alone.
    orders: Mapping[str, tuple[Any, ...]]
    default: Sort
    currency: Any
    # Name of a sum → the column of minor units.
    sums: Mapping[str, Any]

    def sort(self, text: str | None) -> Sort:
        """The order that an address names; the list's own where it names none that there is."""
        text = text or ""
        key = text.removeprefix("-")
        return Sort(key, text.startswith("-")) if key in self.orders else self.default


def owned(model: Any, organisation_id: int, payee_id: int | None) -> Iterator[ColumnElement[bool]]:
    """Conditions that a record is the organisation's and, where a payee is named, that payee's."""
    yield model.organisation_id == organisation_id
    if payee_id is not None:
        yield model.payee_id == payee_id


def of_amount(
    model: Any, currency: str, least: int | None, most: int | None
) -> Iterator[ColumnElement[bool]]:
    """Conditions that a record's amount lies between two, both included; without a bound its currency is not asked."""
    if least is not None or most is not None:
        yield model.currency == currency
        yield from within(model.amount_minor, least, most)


@dataclass(frozen=True)
class Slice:
    """One page of rows, in order, and whether there are rows before and behind."""

    rows: Sequence[Any]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True)
class Total:
    """Count and sums of one currency, over all that a filter finds."""

    currency: str
    count: int
    sums: Mapping[str, Money]


def page(
    listing: Listing, sort: Sort, *, size: int, after: int | None = None, before: int | None = None
) -> Slice:
    """The page that lies behind (or before) the row of this key; the first one without either.

    A key that is not there gives the first page: rows may have been taken away since.
    """
    is_backwards = before is not None
    bound = before if is_backwards else after
    place = None if bound is None else _place(listing, sort, bound)
    is_descending = sort.is_descending != is_backwards
    rows = list(ask(_ordered(listing, sort, place, is_descending).limit(size + 1)))
    has_more, rows = len(rows) > size, rows[:size]
    if is_backwards:
        rows.reverse()
    is_inside = bool(rows) and place is not None
    return Slice(
        rows,
        has_previous=is_inside and (has_more if is_backwards else True),
        has_next=bool(rows) and ((is_backwards and place is not None) or has_more),
    )


def _ordered(listing: Listing, sort: Sort, place: Sequence[Any] | None, is_descending: bool) -> Select[Any]:
    columns = (*listing.orders[sort.key], listing.key)
    query = listing.query.order_by(None)
    if place is not None:
        # One column is compared by itself; a row of several by one comparison, which an index answers too.
        mine = columns[0] if len(columns) == 1 else tuple_(*columns)
        bound = place[0] if len(columns) == 1 else tuple_(*place)
        query = query.where(mine < bound if is_descending else mine > bound)
    return query.order_by(*(column.desc() if is_descending else column.asc() for column in columns))


def _place(listing: Listing, sort: Sort, key: int) -> Sequence[Any] | None:
    """What the row of a key is ordered by; None when there is no such row in the list, filtered or not."""
    columns = (*listing.orders[sort.key], listing.key)
    found = ask(listing.everything.with_only_columns(*columns).where(listing.key == key).limit(1))
    return tuple(found[0]) if found else None


def batches(listing: Listing, sort: Sort, *, size: int = BATCH) -> Iterator[Sequence[Any]]:
    """All rows of the list in its order, some thousand at a time.

    Each batch begins behind the last row of the one before, so nothing stays open in the database while a slow
    reader takes a file.
    """
    names = {column.name for column in listing.query.selected_columns}
    columns = (*listing.orders[sort.key], listing.key)
    marks = [column.label(f"place_{n}") for n, column in enumerate(columns)]
    if not names.isdisjoint(mark.name for mark in marks):
        raise ValueError("a column of the list has the name of a mark")
    marked = Listing(
        listing.query.add_columns(*marks), listing.everything, listing.key, listing.orders, listing.default,
        listing.currency, listing.sums,
    )  # fmt: skip
    place: Sequence[Any] | None = None
    while True:
        rows = ask(_ordered(marked, sort, place, sort.is_descending).limit(size))
        if rows:
            yield rows
            place = tuple(rows[-1])[-len(marks) :]
        if len(rows) < size:
            return


def count(listing: Listing, limit: int = COUNT_LIMIT) -> str:
    """How many rows there are, counted up to a limit: "137" or "10,000+"."""
    inner = listing.query.order_by(None).with_only_columns(listing.key).limit(limit + 1).subquery()
    found = int(ask(select(func.count()).select_from(inner))[0][0])
    return f"{limit:,}+" if found > limit else f"{found:,}"


def is_longer(listing: Listing, limit: int) -> bool:
    """Whether the list has more rows than this; looks at no more than it must."""
    inner = listing.query.order_by(None).with_only_columns(listing.key).limit(1).offset(limit)
    return bool(ask(inner))


def totals(listing: Listing) -> list[Total]:
    """Count and sums of all that the filter finds, by currency; one question, answered by the database."""
    columns = [func.coalesce(func.sum(column), 0) for column in listing.sums.values()]
    summed = (
        listing.query.order_by(None)
        .with_only_columns(listing.currency, func.count(), *columns)
        .group_by(listing.currency)
        .order_by(listing.currency)
    )
    return [
        Total(
            currency,
            int(n),
            {name: Money(int(amount), currency) for name, amount in zip(listing.sums, amounts, strict=True)},
        )
        for currency, n, *amounts in ask(summed)
    ]
