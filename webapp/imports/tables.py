"""Header and rows of a list, whatever file they came in; what a cell may be besides text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webapp.kernel.errors import Invalid

MAXIMUM_ROWS = 100_000
MAXIMUM_COLUMNS = 200
LONGEST_HEADER = 200
# Our own column in a file of rows to correct.
PROBLEM = "problem"
_HIDDEN_IN_HEADER = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Exact(str):
    """A number or a day that a workbook holds as such: "1.5", "2.5%", "2026-10-31".

    It means the same in every country: the way in which a list writes days and numbers does not touch it.
    """

    __slots__ = ()


class Unusable(str):
    """What stands in a cell that holds no value, with the reason and what to do; an error where it is needed."""

    reason: str

    def __new__(cls, text: str, reason: str) -> Unusable:
        """The text is what a person sees of the cell."""
        made = super().__new__(cls, text)
        made.reason = reason
        return made


@dataclass(frozen=True)
class Table:
    """Header and rows of a file; each row with the line it starts on."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()
    # The sheet of a workbook; empty: the file is no workbook.
    sheet: str = ""


def too_many_rows() -> Invalid:
    """The refusal of a list that is too long."""
    return Invalid("file", f"The file has more than {MAXIMUM_ROWS:,} rows. Split it.")


def check_header(header: tuple[str, ...]) -> None:
    """Whether a first row names columns. Raises Invalid("file", …)."""
    names = [name.casefold() for name in header if name]
    if not names or all(name.replace(".", "").isdigit() for name in names):
        raise Invalid("file", "The first line must name the columns.", "external_ref,name,email")
    if any(_HIDDEN_IN_HEADER.search(name) for name in names):
        raise Invalid("file", "This is no list: its first line holds control characters.")
    if len(header) > MAXIMUM_COLUMNS:
        raise Invalid("file", f"The file has {len(header):,} columns; at most {MAXIMUM_COLUMNS} are read.")
    if any(len(name) > LONGEST_HEADER for name in names):
        raise Invalid("file", f"The name of a column has more than {LONGEST_HEADER} characters.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Invalid("file", f"The header names a column twice: {', '.join(repeated)}.")
