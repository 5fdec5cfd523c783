"""Lists in an order of the caller's choice: the cursor names the last row shown, the order is in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from webapp.api import paging
from webapp.api.queries import Viewer
from webapp.api.schemas.common import PageQuery
from webapp.web import listing
from webapp.web.listing import Listing


def own(found: Listing, viewer: Viewer) -> Listing:
    """A list with a column `payee_id`, narrowed to the records of the viewer."""
    if viewer.payee_ids is None:
        return found
    column = found.everything.selected_columns["payee_id"]
    return replace(
        found,
        query=found.query.where(column.in_(viewer.payee_ids)),
        everything=found.everything.where(column.in_(viewer.payee_ids)),
    )


def page(found: Listing, query: PageQuery, sort: str) -> tuple[Sequence[Any], str | None]:
    """The rows of one page and the cursor of the next, None at the end. Raises Problem 422 for a wrong cursor."""
    after = None if query.cursor is None else paging.key_of(query.cursor)
    shown = listing.page(found, found.sort(sort), size=query.limit, after=after)
    following = paging.cursor_of(shown.rows[-1].id) if shown.has_next else None
    return shown.rows, following


def where(found: Listing, condition: Any) -> Listing:
    """A list narrowed by one more condition."""
    return replace(found, query=found.query.where(condition))
