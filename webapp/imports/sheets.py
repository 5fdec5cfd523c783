"""The cells of one sheet of a workbook, as a stream, turned into the text that a person would have typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal

from openpyxl.styles.numbers import is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel
from openpyxl.utils.escape import unescape

from webapp.imports.package import Handler, damaged
from webapp.imports.tables import MAXIMUM_COLUMNS, MAXIMUM_ROWS, Exact, Unusable, too_many_rows
from webapp.imports.values import SHOWS_ERROR
from webapp.kernel.errors import Invalid

LAST_ROW = 1_048_576
MAXIMUM_MERGES = 20_000
# Spreadsheets keep so many digits of a number and show zeros for the rest.
DIGITS = 15
_NUMBER = re.compile(
    r"[+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?|[+-]?\.\d{1,400}(?:[eE][+-]?\d{1,3})?"
)
_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})")
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')

NO_RESULT = "It is a formula without its result. Open the workbook in Excel, save it, and upload it again."
NO_DAY = "It is formatted as a day, and there is no such day."
NO_NUMBER = "It is no number that can be read."
LOST_DIGITS = (
    f"It is a number of more than {DIGITS} digits, and spreadsheets lose the others. "
    "Format the cell as text and type it again."
)

Span = tuple[int, int, int, int]


@dataclass
class Found:
    """What stands in a sheet: rows with something in them, and the merged cells (top, left, bottom, right)."""

    rows: list[tuple[int, dict[int, str]]] = field(default_factory=list)
    merges: list[Span] = field(default_factory=list)


def too_many_merges() -> Invalid:
    """The refusal of a sheet that is more form than list."""
    return Invalid("file", "The sheet has too many merged cells. Unmerge them.")


class Enough(Exception):
    """The sheet was read as far as was asked for."""


class Numbers:
    """How a workbook counts days and formats numbers, by the number of a cell's style."""

    def __init__(self, formats: Sequence[str], *, is_1904: bool) -> None:
        self._formats = formats
        self._epoch = CALENDAR_MAC_1904 if is_1904 else CALENDAR_WINDOWS_1900
        self._known: dict[str, tuple[bool, bool, bool, int]] = {}

    def text(self, raw: str, style: str) -> str:
        """A stored number as the text that a person would have typed; `Exact`, or `Unusable`."""
        if not _NUMBER.fullmatch(raw):
            return Unusable(raw[:60], NO_NUMBER)
        is_day, is_duration, is_percent, zeros = self._kind(style)
        value = float(raw)
        if is_day:
            return self._day(value, raw, is_duration)
        if abs(value) >= 10**DIGITS:
            shown = format(Decimal(raw), "f") if abs(value) < 1e60 else raw
            return Unusable(shown[:60], LOST_DIGITS)
        number = Decimal(f"{value:.{DIGITS}g}") + 0
        if is_percent:
            return Exact(f"{_plain(number * 100)}%")
        return Exact(_plain(number).zfill(zeros))

    def _kind(self, style: str) -> tuple[bool, bool, bool, int]:
        """Whether a style shows days, durations, per cent; how many digits it fills up with zeros."""
        if style not in self._known:
            at = int(style)
            code = self._formats[at] if at < len(self._formats) else "General"
            first = _QUOTED.sub("", code.split(";")[0])
            self._known[style] = (
                is_date_format(code), is_timedelta_format(code), "%" in first,
                len(first) if re.fullmatch("0{2,40}", first) else 0,
            )  # fmt: skip
        return self._known[style]

    def _day(self, value: float, raw: str, is_duration: bool) -> str:
        if value < 0:
            return Unusable(raw[:60], NO_DAY)
        try:
            found = from_excel(value, self._epoch, timedelta=is_duration)
        except (OverflowError, ValueError):
            return Unusable(raw[:60], NO_DAY)
        if isinstance(found, datetime):
            return Exact(found.date() if found.time() == time() else found.isoformat(" ", "seconds"))
        return Exact(found)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class SheetReader(Handler):
    """Hears the XML of a sheet and keeps its rows. Stops with `Enough` after so many rows, where asked to."""

    def __init__(self, strings: Sequence[str], numbers: Numbers, stop_after: int = 0) -> None:
        self.found = Found()
        self._strings, self._numbers, self._stop_after = strings, numbers, stop_after
        self._row = self._column = 0
        self._cells: dict[int, str] = {}
        self._type = self._style = ""
        self._is_in_cell = False
        self._listens_to = ""
        self._heard: list[str] = []
        self._value: str | None = None
        self._formula: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name[name.find(":") + 1 :]
        if name == "c":
            self._is_in_cell = True
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            self._column = self._column_of(attributes.get("r"))
            self._value = self._formula = None
        elif self._is_in_cell:
            if name in ("v", "t", "f"):
                self._listens_to, self._heard = name, []
            elif name == "rPh":
                # How a text is read aloud stands beside it.
                self._is_in_cell = False
        elif name == "row":
            row = int(attributes["r"]) if "r" in attributes else self._row + 1
            if not self._row < row <= LAST_ROW:
                raise damaged()
            self._row, self._column, self._cells = row, 0, {}
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def text(self, text: str) -> None:
        """Some of the text in an element."""
        if self._listens_to:
            self._heard.append(text)

    def end(self, name: str) -> None:
        """An element ends."""
        name = name[name.find(":") + 1 :]
        if self._listens_to:
            if name == self._listens_to:
                self._keep("".join(self._heard))
        elif name == "rPh":
            self._is_in_cell = True
        elif name == "c":
            self._is_in_cell = False
            self._end_cell()
        elif name == "row" and self._cells:
            self.found.rows.append((self._row, self._cells))
            self._cells = {}
            if self._stop_after and len(self.found.rows) >= self._stop_after:
                raise Enough
            # Some more than can be read: titles above the header are not counted.
            if len(self.found.rows) > MAXIMUM_ROWS + 100:
                raise too_many_rows()

    def _keep(self, text: str) -> None:
        if self._listens_to == "f":
            self._formula = text
        else:
            # The runs of a text with several formats follow one another.
            self._value = (self._value or "") + text
        self._listens_to = ""

    def _column_of(self, reference: str | None) -> int:
        if reference is None:
            return self._column + 1
        column, _ = _place(reference)
        return column

    def _end_cell(self) -> None:
        text = self._text()
        if not text.strip() and not isinstance(text, Unusable):
            return
        if self._column > MAXIMUM_COLUMNS:
            words = f"The file has {self._column:,} columns; at most {MAXIMUM_COLUMNS} are read."
            raise Invalid("file", words)
        self._cells[self._column] = text

    def _text(self) -> str:
        value = self._value
        if not value and self._formula is not None and not (self._type == "str" and value is not None):
            return Unusable(f"={self._formula}"[:200], NO_RESULT)
        if not value:
            return ""
        match self._type:
            case "s":
                return self._strings[int(value)]
            case "str" | "inlineStr":
                return unescape(value) if "_x" in value else value
            case "b":
                return "yes" if value.strip() in ("1", "true") else "no"
            case "e":
                return Unusable(value[:60], SHOWS_ERROR)
            case "d":
                return Exact(value.removesuffix("Z").removesuffix("T00:00:00").replace("T", " "))
            case "n":
                return self._numbers.text(value.strip(), self._style)
        raise damaged()

    def _merge(self, reference: str) -> None:
        first, _, last = reference.partition(":")
        (left, top), (right, bottom) = _place(first), _place(last or first)
        self.found.merges.append((top, left, bottom, right))
        if len(self.found.merges) > MAXIMUM_MERGES:
            raise too_many_merges()


def _place(reference: str) -> tuple[int, int]:
    """ "AB12" as column 28, row 12. Raises Invalid."""
    found = _PLACE.fullmatch(reference)
    if found is None:
        raise damaged()
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return column, int(found[2])


def letters_of(column: int) -> str:
    """Column 28 as "AB"."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
