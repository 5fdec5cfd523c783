"""Addresses that are asked for again and again: built once, and filled in for every row of a list.

Building one address takes longer than writing a cell; a list has one or two of them in every row.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from flask import Flask, current_app, has_request_context, request, url_for

# Nothing of these needs to be quoted, wherever they stand in an address; references have no others.
_is_safe = re.compile(r"[A-Za-z0-9-]+").fullmatch
# Stands in a built address where the value of a row belongs: digits, because some addresses take nothing else, and
# others in every process, so that nobody can put them into a filter.
_PLACE = str(10**17 + secrets.randbelow(9 * 10**17))


def fixed(endpoint: str) -> str:
    """The address of an endpoint that takes no values, as `url_for` gives it."""
    if not has_request_context():
        return url_for(endpoint)
    return _fixed(current_app._get_current_object(), request.script_root, endpoint)  # type: ignore[attr-defined]


@lru_cache(maxsize=1_024)
def _fixed(app: object, script_root: str, endpoint: str) -> str:
    """Kept for each application and for each path that it is mounted at: an address depends on nothing else."""
    return url_for(endpoint)


def with_query(endpoint: str, values: Iterable[tuple[str, Any]]) -> str:
    """The address of an endpoint with these values in its query, in this order, as `url_for` gives it.

    None is left out. An endpoint that takes values in its path gets them there.
    """
    given = [(name, value) for name, value in values if value is not None]
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if not has_request_context() or _has_places(app, endpoint):
        return url_for(endpoint, **dict(given))
    query = "&".join([f"{_quoted(name)}={_quoted(str(value))}" for name, value in given])
    return f"{fixed(endpoint)}?{query}" if query else fixed(endpoint)


def _quoted(text: str) -> str:
    # What a browser's address may hold as it is, in the words of werkzeug: the same address is the same text.
    return text if _is_safe(text) else quote_plus(text, safe="!$'()*,/:;?@")


@lru_cache(maxsize=1_024)
def _has_places(app: Flask, endpoint: str) -> bool:
    return any(rule.arguments for rule in app.url_map.iter_rules(endpoint))


def each(endpoint: str, name: str, **values: Any) -> Callable[[object], str]:
    """A function that gives the address of `endpoint` for one value of `name`, in the path or in the query.

    `values` are the same for all rows. The value is quoted, so nothing in it can lead anywhere else.
    """
    before, _, after = url_for(endpoint, **{**values, name: _PLACE}).partition(_PLACE)

    def address(value: object) -> str:
        text = str(value)
        return before + (text if _is_safe(text) else quote(text, safe="")) + after

    return address
