"""Ticks that stay when a person goes to another page of a list: what a page carries along, and the turn itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.errors import Invalid
from webapp.payouts.views import check_step
from webapp.web import addresses, selection
from webapp.web.htmx import see_other
from webapp.web.pagination import Page

_TURNED = ("size", "after", "before")


@dataclass(frozen=True)
class Carried:
    """What was ticked on other pages of a list, and where the buttons of the pages lead."""

    # Ticked before, shown on this page or not.
    chosen: Collection[int]
    n_elsewhere: int
    elsewhere: str
    clear_href: str
    previous_action: str | None
    next_action: str | None


def carried(page: Page[Any], endpoint: str) -> Carried:
    """What a page of a list carries along; `endpoint` answers the buttons that turn the page."""
    chosen = selection.of_address()
    elsewhere = chosen - {row.id for row in page.items}
    here = {name: value for name, value in request.args.items() if name != selection.PARAMETER}
    return Carried(
        chosen,
        len(elsewhere),
        selection.written(elsewhere),
        url_for(request.endpoint or "", **dict[str, Any](here)),
        _action(endpoint, page.previous_href),
        _action(endpoint, page.next_href),
    )


def _action(endpoint: str, href: str | None) -> str | None:
    if href is None:
        return None
    values = dict(parse_qsl(urlsplit(href).query))
    values.pop(selection.PARAMETER, None)
    return addresses.with_query(endpoint, values.items())


def sorting(links: dict[str, dict[str, Any]], endpoint: str, form: str) -> dict[str, dict[str, Any]]:
    """The links that sort a list as buttons of its form, so that what is ticked comes along."""
    return {
        key: {**link, "action": _action(endpoint, link["href"]), "form": form} for key, link in links.items()
    }


def turn(endpoint: str, names: Collection[str]) -> ResponseReturnValue:
    """Go to the page of a list that was asked for, with all that is ticked in its address.

    `names` are the list's own filters; nothing else is taken over.
    """
    try:
        chosen = selection.of_form()
    except Invalid as error:
        return check_step.problem("The page was not turned", error.message, 422)
    if len(chosen) > selection.MAXIMUM:
        message = (
            f"{len(chosen):,} payouts are ticked; up to {selection.MAXIMUM} can be carried from page to page. "
            "Go on with these first, or filter the list and choose all that match."
        )
        return check_step.problem("Too many are ticked", message, 422)
    values = {name: value for name, value in request.args.items() if name in {*names, *_TURNED} and value}
    if chosen:
        values[selection.PARAMETER] = selection.written(chosen)
    return see_other(url_for(endpoint, **dict[str, Any](values)))
