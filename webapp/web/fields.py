"""Small pieces that the forms of every room share."""

from __future__ import annotations

from collections.abc import Iterable

from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.form import BaseForm


def options(pairs: Iterable[tuple[str, str]], nothing: str | None = None) -> list[SelectChoice]:
    """The choices of a select field from (value, label) pairs; `nothing` words the empty one before them."""
    first = [] if nothing is None else [SelectChoice("", nothing)]
    return [*first, *(SelectChoice(value, label) for value, label in pairs)]


def strip(value: str | None) -> str | None:
    """A filter of text fields: without the blanks around it."""
    return value.strip() if value else value


def all_optional(form: BaseForm) -> None:
    """In the filter of a list every field may be empty; saying so at each would be noise."""
    for field in form:
        field.flags.optional = False
