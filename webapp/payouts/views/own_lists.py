"""What the lists of payees' own records have in common: the page that an address names, rows alone for htmx."""

from __future__ import annotations

from typing import Any

from flask import render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from webapp.payouts.views.listing import chips
from webapp.web import listing
from webapp.web.htmx import is_fragment
from webapp.web.i18n import counted
from webapp.web.listing import Listing
from webapp.web.pagination import Page, page_of_ids, page_size, position


def page_of(found: Listing, one: str, many: str) -> Page[Any]:
    """The page of a list that the address names, in the list's own order; `one` and `many` word its count."""
    after, before = position()
    part = listing.page(found, found.default, size=page_size(), after=after, before=before)
    page = page_of_ids(
        part.rows, [row.id for row in part.rows], has_previous=part.has_previous, has_next=part.has_next
    )
    return Page(page.items, page.previous_href, page.next_href, counted(listing.count(found), one, many))


def list_page(
    template: str, form: Form, endpoint: str, *, is_valid: bool, **context: Any
) -> ResponseReturnValue:
    """A list with its filter; 422 where the filter cannot be read. The template extends `payouts/_own_list.html`."""
    return (
        render_template(
            template,
            form=form,
            endpoint=endpoint,
            list_href=url_for(endpoint),
            chips=chips(form, endpoint) if is_valid else [],
            fragment=is_fragment(),
            has_errors=not is_valid,
            **context,
        ),
        200 if is_valid else 422,
    )
