"""The rows of long lists: the template writes the frame of a row once for equal facts, each row's values are put in.

A row of a list is mostly the same text: tags, a chip, what stands where nothing is. That depends on a few facts: the
status, whether there is a document. A macro writes it with a place for every value; the places are filled in by one
format for each row. What is kept from page to page are frames with empty places, and never what stands in them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from flask import Flask
from markupsafe import Markup, _escape_inner

from webapp.web.situation import Situation, situation

# Stands in a frame where a value belongs: other digits in every process, so that nobody can put them into a text.
_PLACE = f"{10**17 + secrets.randbelow(9 * 10**17)}x"
_PLACES = re.compile(_PLACE + r"(\d\d)")
_FRAMES = 1_024

#: What the look of a row depends on, and the plain texts that stand in it, in the order of `Rows.names`.
Row = tuple[tuple[Hashable, ...], Sequence[str]]


class Places:
    """What a macro writes instead of the values: `place.reference` stands for the reference of any row."""

    def __init__(self, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            setattr(self, name, f"{_PLACE}{number:02d}")


@dataclass(frozen=True)
class Rows:
    """The rows of a list, to be written by what `framed` gives; falsy where there are none.

    Every value is plain text and is escaped where it is put in; `Markup` has no business among them.
    """

    names: tuple[str, ...]
    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.rows)


def framed(macro: Callable[..., Any]) -> Callable[[Rows], Markup]:
    """A macro of one row as a writer of all rows: `macro(place, *facts)` may read its arguments and nothing else.

    In a template of macros: `{% macro _row(place, is_paid) %}…{% endmacro %}{% set rows = framed(_row) %}`.
    """

    @lru_cache(maxsize=_FRAMES)
    def frame_of(where: Situation, names: tuple[str, ...], facts: tuple[Hashable, ...]) -> Any:
        return _frame(str(macro(Places(names), *facts)))

    def write(rows: Rows) -> Markup:
        where, names = situation(), rows.names
        known: dict[tuple[Hashable, ...], Callable[[Sequence[str]], str]] = {}
        written = []
        for facts, values in rows.rows:
            fill = known.get(facts)
            if fill is None:
                fill = known[facts] = frame_of(where, names, facts)
            written.append(fill(values))
        # nosemgrep: no-markup-of-values - templates wrote the frames, and every value is escaped
        return Markup("".join(written))  # noqa: S704

    return write


def _frame(text: str) -> Callable[[Sequence[str]], str]:
    """A written row with places as a function of its values: one format, and no step for each value."""
    parts = _PLACES.split(text)
    form = "%s".join(part.replace("%", "%%") for part in parts[::2])
    numbers = [int(number) for number in parts[1::2]]
    if len(numbers) < 2:
        # With one place or none a getter would not give a tuple.
        return lambda values: form % tuple(_escape_inner(values[n]) for n in numbers)
    chosen = itemgetter(*numbers)
    return lambda values: form % chosen(tuple(map(_escape_inner, values)))


def init_app(app: Flask) -> None:
    """Give templates `framed`."""
    app.jinja_env.globals["framed"] = framed
