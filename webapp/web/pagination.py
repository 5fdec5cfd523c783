"""Keyset pages: Previous and Next by the last key shown, never by OFFSET."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from flask import request, url_for
from sqlalchemy import BigInteger, Select, bindparam, func, select
from werkzeug.datastructures import MultiDict

from webapp.database import ask, db
from webapp.web import addresses

T = TypeVar("T")
SIZES = (25, 50, 100)
COUNT_LIMIT = 10_000
#: What was made of a query, for as long as somebody keeps that query.
_derived: WeakKeyDictionary[Select[Any], dict[Hashable, Select[Any]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of rows and the addresses of its neighbours."""

    items: Sequence[T]
    previous_href: str | None
    next_href: str | None
    count_label: str = ""


def page_size() -> int:
    """Rows per page from ?size=, 50 unless it is one of the offered sizes."""
    size = request.args.get("size", type=int)
    return size if size in SIZES else 50


def _key(text: str) -> int:
    if len(text) > 18:
        raise ValueError("larger than any key")
    return int(text)


def _address(**changes: Any) -> str:
    values = MultiDict(request.args)
    for name in ("before", "after"):
        values.poplist(name)
    for name, value in changes.items():
        values[name] = value
    if not request.view_args:
        return addresses.with_query(request.endpoint or "", values.items(multi=True))
    parts: dict[str, Any] = {**request.view_args, **values.to_dict(flat=False)}
    return url_for(request.endpoint or "", **parts)


def position() -> tuple[int | None, int | None]:
    """The keys that ?after= and ?before= name; None for what the address does not say."""
    return request.args.get("after", type=_key), request.args.get("before", type=_key)


def page_of_ids(items: Sequence[T], ids: Sequence[int], *, has_previous: bool, has_next: bool) -> Page[T]:
    """A page whose rows were found by somebody else, in their order; `ids` are the keys of its rows."""
    return Page(
        items=items,
        previous_href=_address(before=ids[0]) if has_previous else None,
        next_href=_address(after=ids[-1]) if has_next else None,
    )


def derived(query: Select[Any], name: Hashable, make: Callable[[Select[Any]], Select[Any]]) -> Select[Any]:
    """What `make` makes of a query, made once under this name for a query that is kept and asked again.

    To put a statement together takes longer than to ask it. `make` may depend on the query and on the name alone.
    """
    known = _derived.setdefault(query, {})
    found = known.get(name)
    if found is None:
        found = known[name] = make(query)
    return found


def keyset(
    query: Select[Any],
    key: Any,
    *,
    newest_first: bool = True,
    key_of: Callable[[Any], int] | None = None,
    among: Select[Any] | None = None,
    is_plain: bool = False,
    values: Mapping[str, Any] | None = None,
) -> Page[Any]:
    """Run `query` for the page that ?after= or ?before= name. `key` is a unique, indexed integer column.

    `key_of` reads the key from a row; by default its `id`. Rows of plain columns, with no records among them, come
    sooner when `is_plain` says so; `values` are those that the query is given when it is asked. `among` selects the
    keys that match, where few do: they are found by what is looked for and put in order, instead of reading the
    history from its end until a page is full.
    """
    size, read = page_size(), key_of or (lambda row: row.id)
    after, before = position()
    backwards = before is not None
    bound = before if backwards else after
    descending = newest_first != backwards
    given = dict(values or ()) if bound is None else {**(values or {}), _BOUND: bound}

    def cut(query: Select[Any]) -> Select[Any]:
        if among is not None:
            # The key plus nothing is the same number, and not the order of any index.
            found = _cut(among, key + 0, bound is not None, descending, size)
            query = query.where(key.in_(found.correlate(None)))
        return _cut(query, key, bound is not None, descending, size)

    if is_plain and among is None:
        rows = list(ask(derived(query, (str(key), bound is not None, descending, size), cut), given))
    else:
        result = db.session.execute(cut(query), given)
        rows = list(result.scalars().unique().all() if key_of is None and not is_plain else result.all())
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous = (more if backwards else after is not None) and bool(rows)
    has_next = (True if backwards else more) and bool(rows)
    return Page(
        items=rows,
        previous_href=_address(before=read(rows[0])) if has_previous else None,
        next_href=_address(after=read(rows[-1])) if has_next else None,
    )


_BOUND = "key_of_the_last_row"


def _cut(query: Select[Any], key: Any, is_bound: bool, descending: bool, size: int) -> Select[Any]:
    if is_bound:
        last: Any = bindparam(_BOUND, type_=BigInteger)
        query = query.where(key < last if descending else key > last)
    return query.order_by(None).order_by(key.desc() if descending else key.asc()).limit(size + 1)


def capped_count(query: Select[Any], id_column: Any) -> str:
    """How many rows a filter has, counted up to 10,000: "137" or "10,000+"."""

    def counting(query: Select[Any]) -> Select[Any]:
        inner = query.order_by(None).with_only_columns(id_column).limit(COUNT_LIMIT + 1).subquery()
        return select(func.count()).select_from(inner)

    count: int = ask(derived(query, ("count", str(id_column)), counting))[0][0]
    return f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}"


def is_capped(count: str) -> bool:
    """Whether a capped count stopped at its limit: there are more than it says."""
    return count.endswith("+")
