"""Keyset pages: Previous and Next by the last key shown, never by OFFSET."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import request, url_for
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from webapp.database import db

T = TypeVar("T")
SIZES = (25, 50, 100)
COUNT_LIMIT = 10_000


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
    parts: dict[str, Any] = {**(request.view_args or {}), **values.to_dict(flat=False)}
    return url_for(request.endpoint or "", **parts)


def keyset(
    query: Select[Any],
    key: Any,
    *,
    newest_first: bool = True,
    key_of: Callable[[Any], int] | None = None,
) -> Page[Any]:
    """Run `query` for the page that ?after= or ?before= name. `key` is a unique, indexed integer column.

    `key_of` reads the key from a row; by default its `id`.
    """
    size, read = page_size(), key_of or (lambda row: row.id)
    after, before = (
        request.args.get("after", type=_key),
        request.args.get("before", type=_key),
    )
    backwards = before is not None
    bound = before if backwards else after
    descending = newest_first != backwards
    if bound is not None:
        query = query.where(key < bound if descending else key > bound)
    query = query.order_by(None).order_by(key.desc() if descending else key.asc()).limit(size + 1)
    result = db.session.execute(query)
    rows = list(result.scalars().unique().all() if key_of is None else result.all())
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


def capped_count(query: Select[Any], id_column: Any) -> str:
    """How many rows a filter has, counted up to 10,000: "137" or "10,000+"."""
    from sqlalchemy import func, select

    inner = query.order_by(None).with_only_columns(id_column).limit(COUNT_LIMIT + 1).subquery()
    count = db.session.scalar(select(func.count()).select_from(inner)) or 0
    return f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}"
