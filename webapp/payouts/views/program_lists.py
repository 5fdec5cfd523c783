"""What the long lists of programs have in common: the page that an address names, its order, totals of the filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from wtforms import Form

from webapp.payouts.views import listing as addresses
from webapp.payouts.views.program_pages import NO_PAGE, Area
from webapp.web import listing
from webapp.web.htmx import is_fragment
from webapp.web.listing import Listing, Sort
from webapp.web.pagination import Page, page_of_ids, page_size, position

#: Orders that begin with the largest, or the newest, when their header is pressed for the first time.
LARGEST_FIRST = frozenset({"date", "created", "week", "amount", "outstanding", "net", "paid"})


def page_of(found: Listing, noun: str, many: str = "") -> Page[Any]:
    """The page of a list that the address names, with the words of its count: "1 repair", "10,000+ repairs"."""
    after, before = position()
    part = listing.page(found, sort_of(found), size=page_size(), after=after, before=before)
    page = page_of_ids(
        part.rows, [row.id for row in part.rows], has_previous=part.has_previous, has_next=part.has_next
    )
    count = listing.count(found)
    words = f"{count} {noun}" if count == "1" else f"{count} {many or noun + 's'}"
    return Page(page.items, page.previous_href, page.next_href, words)


def sort_of(found: Listing) -> Sort:
    """The order that the address names."""
    return found.sort(request.args.get("sort"))


def sort_links(found: Listing, endpoint: str) -> dict[str, dict[str, Any]]:
    """For the headers of a table: where each leads, and which way the list is ordered now."""
    now, links = sort_of(found), {}
    for key in found.orders:
        is_current = now.key == key
        direction = ("descending" if now.is_descending else "ascending") if is_current else None
        is_descending = not now.is_descending if is_current else key in LARGEST_FIRST
        wanted = Sort(key, is_descending).text
        links[key] = {"href": addresses.address(endpoint, sort=wanted), "direction": direction}
    return links


def list_context(
    area: Area,
    found: Listing | None,
    tab: str,
    noun: str,
    many: str = "",
    files: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """What a template of a list needs beside the filter; a filter that cannot be read (None) has no rows.

    `files` are label and address of each of its files. The list's totals are at the endpoint of its name and `_totals`.
    """
    endpoint = f"{area.prefix}.{tab}"
    page: Page[Any] = NO_PAGE if found is None else page_of(found, noun, many)
    return {
        "page": page,
        "sort": sort_links(found, endpoint) if found is not None else {},
        "kept": addresses.kept_choices(),
        "sizes": addresses.size_links(endpoint, page),
        "file_links": files,
        "totals_href": addresses.address(f"{endpoint}_totals"),
    }


def totals_page(
    area: Area,
    found: Listing | None,
    form: Form,
    tab: str,
    sums: Sequence[tuple[str, str]],
    noun: str,
) -> ResponseReturnValue:
    """Count and sums of a filter per currency: a fragment below the rows, a page without JavaScript.

    `sums` are the list's sums that are shown, with their headers; a filter that cannot be read (None) answers 422.
    """
    rows = [] if found is None else listing.totals(found)
    return (
        render_template(
            "programs/_totals.html" if is_fragment() else "programs/totals.html",
            area=area,
            form=form,
            totals=rows,
            sums=sums,
            noun=noun,
            list_href=addresses.address(f"{area.prefix}.{tab}"),
        ),
        422 if found is None else 200,
    )
