"""Pieces of pages that come again and again: written once for the same facts, and kept for a while.

A chip of a status, an icon or a filter form depends on a few plain values and on the language of the page. Writing
it takes a template much longer than finding it. What is kept is bounded, and it is the very text that the template
wrote: escaped as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from flask import Flask
from markupsafe import Markup
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.web.situation import Situation, situation

# A piece may depend on these alone. Text that is marked as safe is told apart from the same text that is not.
_PLAIN = frozenset({str, Markup, int, bool, type(None), date, datetime})
_MACRO_KEEPS = 1_024
_PART_KEEPS = 512
_parts: dict[tuple[Hashable, ...], Markup] = {}


def remembered(macro: Callable[..., Any]) -> Callable[..., Any]:
    """A macro of plain arguments that keeps what it wrote. Only for macros that read nothing but their arguments.

    In a component: `{% macro _tag(text) %}…{% endmacro %}{% set tag = remembered(_tag) %}`. For what few different
    values have: a chip, a day, an icon; what names one record is not worth keeping.
    """

    @lru_cache(maxsize=_MACRO_KEEPS, typed=True)
    def write(where: Situation, *args: Hashable, **kwargs: Hashable) -> Any:
        return macro(*args, **kwargs)

    def piece(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if type(value) not in _PLAIN:
                return macro(*args, **kwargs)
        for value in kwargs.values():
            if type(value) not in _PLAIN:
                return macro(*args, **kwargs)
        return write(situation(), *args, **kwargs)

    return piece


def kept_part(name: str, *facts: Hashable, caller: Callable[[], Markup]) -> Markup:
    """A part of a page, written by the template once for equal facts.

    In a template: `{% call kept_part("payouts.filter", facts_of(form)) %}…{% endcall %}`. Everything that the part
    reads stands among the facts; a part with a token or with a person's data is never kept.
    """
    key = (name, situation(), *facts)
    found = _parts.get(key)
    if found is None:
        found = caller()
        if len(_parts) >= _PART_KEEPS:
            _parts.clear()
        _parts[key] = found
    return found


def facts_of(form: Any) -> tuple[Hashable, ...]:
    """What the look of a filter form depends on: its kind, choices, what was typed, and what is wrong with it."""
    found: list[Hashable] = [type(form).__qualname__]
    for name, field in form._fields.items():
        found.append(
            (name, str(field.data), tuple(map(str, field.raw_data or ())), tuple(map(str, field.errors)))
        )
        if choices := getattr(field, "choices", None):
            found.append(repr(choices) if isinstance(choices, dict) else tuple(map(_choice, choices)))
    return tuple(found)


def _choice(choice: Any) -> Hashable:
    """A choice of a select field, as the form library has it in its different versions of writing."""
    if isinstance(choice, SelectChoice):
        return str(choice.value), str(choice.label)
    return repr(choice)


def init_app(app: Flask) -> None:
    """Give templates `remembered`, `kept_part` and `facts_of`."""
    app.jinja_env.globals.update(remembered=remembered, kept_part=kept_part, facts_of=facts_of)
