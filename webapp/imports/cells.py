"""Reading the cells of one row to the end: what is wrong with each is told at once, not one upload after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from webapp.imports.columns import Row
from webapp.kernel.errors import Invalid, PaydeskError

T = TypeVar("T")
D = TypeVar("D")
# What to put in the place of a field that was refused, so that the others can be looked at.
Neutral = Mapping[str, Callable[[D], Mapping[str, Any]]]


class BadCells(PaydeskError):
    """A row of which at least one cell cannot be used; `errors` has one for every such cell."""

    def __init__(self, errors: tuple[Invalid, ...]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors


class Cells:
    """What is wrong with the cells of a row, one error for each; made anew for every row.

    Cells that could not be read at all have their error already: what follows from their absence is not told.
    """

    def __init__(self, row: Row) -> None:
        self._unread = row.unread
        self._errors: dict[str, Invalid] = {}

    def add(self, error: Invalid) -> None:
        """Keep an error, unless its cell has one."""
        if error.field not in self._unread:
            self._errors.setdefault(error.field, error)

    def read(self, instead: T, reader: Callable[..., T], *values: Any) -> T:
        """What a reader makes of a cell; `instead`, and its error kept, where it raises Invalid."""
        try:
            return reader(*values)
        except Invalid as error:
            self.add(error)
            return instead

    def examine(self, draft: D, check: Callable[[D], None], neutral: Neutral[D]) -> None:
        """Everything a check has against a draft, although it stops at the first thing it finds.

        A field that it refuses is replaced by what `neutral` says, and the check is made again.
        """
        replaced: set[str] = set()
        while True:
            try:
                check(draft)
            except Invalid as error:
                self.add(error)
                if error.field in replaced or error.field not in neutral:
                    return
                replaced.add(error.field)
                draft = replace(draft, **neutral[error.field](draft))  # type: ignore[type-var]
            else:
                return

    @property
    def errors(self) -> tuple[Invalid, ...]:
        """One for each bad cell."""
        return tuple(self._errors.values())

    def finish(self) -> None:
        """Raises BadCells when something is wrong."""
        if self._errors:
            raise BadCells(self.errors)


def same(**values: Any) -> Callable[[Any], Mapping[str, Any]]:
    """A replacement that does not depend on the draft."""
    return lambda _: values
