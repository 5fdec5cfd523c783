"""Pages of lists: the next one begins behind the last record shown, however many were added meanwhile."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select

from webapp.api.problems import Problem, field_error
from webapp.database import db

DEFAULT_LIMIT, MAXIMUM_LIMIT = 50, 200
_KEY = re.compile(r"k1:(\d{1,18})")


def cursor_of(key: int) -> str:
    """A key as an opaque text."""
    return base64.urlsafe_b64encode(f"k1:{key}".encode()).decode().rstrip("=")


def key_of(cursor: str) -> int:
    """The key in a cursor. Raises Problem 422 for a text that no page gave."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        text = ""
    found = _KEY.fullmatch(text)
    if found is None or cursor_of(int(found[1])) != cursor:
        message = "This is not a cursor of this API. Take next_cursor of the page before."
        raise Problem("invalid", message, members={"errors": [field_error("cursor", message)]})
    return int(found[1])


def page(
    query: Select[Any],
    key: Any,
    *,
    limit: int,
    cursor: str | None,
    newest_first: bool = True,
    key_of_row: Callable[[Any], int] = lambda row: row.id,
    as_rows: bool = False,
) -> tuple[Sequence[Any], str | None]:
    """The rows of one page and the cursor of the next, None at the end. `key` is a unique, indexed integer."""
    if cursor is not None:
        last = key_of(cursor)
        query = query.where(key < last if newest_first else key > last)
    ordered = query.order_by(None).order_by(key.desc() if newest_first else key.asc()).limit(limit + 1)
    result = db.session.execute(ordered)
    rows = list(result.all() if as_rows else result.scalars().unique().all())
    following = cursor_of(key_of_row(rows[limit - 1])) if len(rows) > limit else None
    return rows[:limit], following


def page_of_rows(
    query: Select[Any], key: Any, *, limit: int, cursor: str | None, newest_first: bool = True
) -> tuple[Sequence[Any], str | None]:
    """The same of a query with several columns, the first of which is the record that `key` belongs to."""
    return page(
        query,
        key,
        limit=limit,
        cursor=cursor,
        newest_first=newest_first,
        key_of_row=lambda row: int(row[0].id),
        as_rows=True,
    )
