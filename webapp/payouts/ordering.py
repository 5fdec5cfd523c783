"""The orders of a list of payouts beside its own (by reference, which is by time): by payee and by amount.

A page is found in two steps: the ids of its rows in the order that is asked for, then the rows. Where few payouts
match, they are put in order; where many do, an index that has the order is read until the page is full. All orders
end with the id, so every payout has one place; the address carries the id of the last row alone, and what it is
ordered by is read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import aliased

from webapp.database import db
from webapp.payouts import list_paths
from webapp.payouts.models import Payout
from webapp.people.models import Payee

REFERENCE, PAYEE, AMOUNT = "reference", "payee", "amount"
KEYS = (REFERENCE, PAYEE, AMOUNT)
PAYEES_BY_NAME = "ix_payees_organisation_id_name"
#: Up to so many payouts are put in order; of more, an index that has the order is read.
FEW = 10_000
# Under a name of its own: a filter may ask the same table in a query of its own.
_by_name = aliased(Payee, name="by_name")


@dataclass(frozen=True)
class Sort:
    """By what a list is ordered, and which way. Amounts of one currency stand together."""

    key: str
    is_descending: bool

    @property
    def text(self) -> str:
        """As an address has it: "amount", "-amount"."""
        return f"-{self.key}" if self.is_descending else self.key


@dataclass(frozen=True)
class Ids:
    """The payouts of one page, in order."""

    ids: Sequence[int]
    has_previous: bool
    has_next: bool


def read(text: str | None, default: Sort) -> Sort:
    """The order that an address names; the list's own where it names none that there is."""
    text = text or ""
    key = text.removeprefix("-")
    return Sort(key, text.startswith("-")) if key in KEYS else default


def _columns(key: str) -> tuple[Any, ...]:
    return (
        (_by_name.name, _by_name.id, Payout.id)
        if key == PAYEE
        else (Payout.currency, Payout.amount_minor, Payout.id)
    )


def _place_of(organisation_id: int, payout_id: int, key: str) -> tuple[Any, ...] | None:
    """What a payout is ordered by; None when it is not the organisation's."""
    query = select(*_columns(key)).where(Payout.id == payout_id, Payout.organisation_id == organisation_id)
    if key == PAYEE:
        query = query.join(_by_name, _by_name.id == Payout.payee_id)
    row = db.session.execute(query).one_or_none()
    return None if row is None else tuple(row)


def _sorted_few(query: Select[Any], key: str, limit: int | None) -> tuple[Select[Any], tuple[Any, ...]]:
    """All that match, to be put in order."""
    columns = [column.label(f"by_{n}") for n, column in enumerate(_columns(key))]
    query = query.order_by(None).with_only_columns(*columns)
    if key == PAYEE:
        query = query.join(_by_name, _by_name.id == Payout.payee_id)
    found = query.limit(limit).subquery()
    return select(found.c.by_2), tuple(found.c)


def _along_index(
    query: Select[Any], organisation_id: int, key: str, bound: tuple[Any, ...] | None, is_descending: bool
) -> tuple[Select[Any], tuple[Any, ...]]:
    """Along an index that has the order: amounts, or the payees by name and the payouts of each."""
    query = query.order_by(None).with_only_columns(Payout.id)
    columns = _columns(key)
    if key != PAYEE:
        return list_paths.read_by(query, list_paths.BY_AMOUNT), columns
    # SQLite reads the tables of a CROSS JOIN in the order in which they are written, and so needs no sorting; the
    # word stands where a hint does, right before JOIN.
    query = (
        list_paths.read_by(query, list_paths.OF_PAYEE)
        .select_from(_by_name)
        .join(Payout, Payout.payee_id == _by_name.id)
        .with_hint(_by_name, f"INDEXED BY {PAYEES_BY_NAME} CROSS", "sqlite")
        .where(_by_name.organisation_id == organisation_id)
    )
    if bound is not None:
        # Says nothing that the whole bound does not; it is what the index of the payees begins at.
        query = query.where(_by_name.name <= bound[0] if is_descending else _by_name.name >= bound[0])
    return query, columns


def page(
    query: Select[Any],
    sort: Sort,
    *,
    organisation_id: int,
    is_many: bool,
    after: int | None,
    before: int | None,
    size: int,
    limit: int | None = FEW + 1,
) -> Ids:
    """The page of a list's query that lies after or before a payout; `is_many`: more than FEW match.

    `limit` keeps what is put in order to what was counted; None where the query itself keeps it small.
    """
    is_backwards = before is not None
    is_descending = sort.is_descending != is_backwards
    position = before if is_backwards else after
    bound = None if position is None else _place_of(organisation_id, position, sort.key)
    if is_many:
        narrow, columns = _along_index(query, organisation_id, sort.key, bound, is_descending)
    else:
        narrow, columns = _sorted_few(query, sort.key, limit)
    if bound is not None:
        place = tuple_(*columns)
        narrow = narrow.where(place < tuple_(*bound) if is_descending else place > tuple_(*bound))
    order = [column.desc() if is_descending else column.asc() for column in columns]
    found = list(db.session.scalars(narrow.order_by(*order).limit(size + 1)))
    has_more = len(found) > size
    ids = found[:size][::-1] if is_backwards else found[:size]
    is_inside = bool(ids)
    return Ids(
        ids,
        has_previous=is_inside and (has_more if is_backwards else bound is not None),
        has_next=is_inside and (is_backwards or has_more),
    )
