"""A list of plain columns on a page: the page that the address names, links of its headers, its sums in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import request

from webapp.payouts.views.listing import address
from webapp.payouts.views.program_pages import sums_words
from webapp.programs.repairs import listing
from webapp.programs.repairs.listing import Listing, Sort, Total
from webapp.web.pagination import Page, page_of_ids, page_size, position

#: Orders whose first look is the largest or the newest; names begin with the first.
_LARGEST_FIRST = ("amount", "outstanding", "net", "paid", "date", "week", "created")


def sort_of(of: Listing) -> Sort:
    """The order that ?sort= names."""
    return of.sort(request.args.get("sort"))


def page_of(of: Listing, noun: str, many: str = "") -> Page[Any]:
    """The page of a list that the address names (?sort=, ?size=, ?after=, ?before=), with its count in words."""
    after, before = position()
    part = listing.page(of, sort_of(of), size=page_size(), after=after, before=before)
    count = listing.count(of)
    words = f"{count} {noun}" if count == "1" else f"{count} {many or noun + 's'}"
    ids = [row.id for row in part.rows]
    page = page_of_ids(part.rows, ids, has_previous=part.has_previous, has_next=part.has_next)
    return Page(page.items, page.previous_href, page.next_href, words)


def sort_links(endpoint: str, of: Listing) -> dict[str, dict[str, Any]]:
    """For the headers of a table (macro `data_table`): where each order leads, and which way it goes now."""
    now, links = sort_of(of), {}
    for key in of.orders:
        is_current = key == now.key
        direction = ("descending" if now.is_descending else "ascending") if is_current else None
        wanted = Sort(key, not now.is_descending if is_current else key in _LARGEST_FIRST).text
        links[key] = {"href": address(endpoint, sort=wanted), "direction": direction, "value": wanted}
    return links


def total_words(totals: Iterable[Total], name: str) -> str:
    """One sum of a filter in words, currencies side by side: "$1,200.00 and 30.00 EUR"; "" when there is nothing."""
    return sums_words([total.sums[name] for total in totals])
