"""Columns of files as text: whole columns at a time, so that the guards cost a look at each cell and no call.

The database writes days and instants as the file has them; what is left is done here, a column of some thousand
cells at once. Every text that a person may have typed goes through `safe`, which is `exports.defuse` for columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Date, DateTime, String, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from webapp.kernel.money import exponent
from webapp.web.exports import defuse

Cells = Sequence[str | None]
_KEEPS = 20_000


class iso_day(FunctionElement[str]):
    """A day of a table as text: 2026-10-31."""

    inherit_cache = True
    type = String()
    name = "iso_day"


class iso_instant(FunctionElement[str]):
    """An instant of a table as text in UTC: 2026-10-31T12:00:00Z."""

    inherit_cache = True
    type = String()
    name = "iso_instant"


def _column(element: Any, compiler: Any, as_type: Any, **kw: Any) -> str:
    return str(compiler.process(type_coerce(next(iter(element.clauses)), as_type), **kw))


@compiles(iso_day, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    # SQLite keeps days in this very form.
    return _column(element, compiler, Date(), **kw)


@compiles(iso_day, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    return f"to_char({_column(element, compiler, Date(), **kw)}, 'YYYY-MM-DD')"


@compiles(iso_instant, "sqlite")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    column = _column(element, compiler, DateTime(), **kw)
    return f"(replace(substr({column}, 1, 19), ' ', 'T') || 'Z')"


@compiles(iso_instant, "postgresql")
def _(element: Any, compiler: Any, **kw: Any) -> str:
    column = _column(element, compiler, DateTime(timezone=True), **kw)
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def safe(values: Cells) -> Cells:
    """The texts of a column, none of which a spreadsheet takes for a formula; None stays an empty cell."""
    different = set(values)
    starts = {value[:1] for value in different if value}
    # Nearly every column: what begins with a letter or a digit runs nowhere.
    if all(map(str.isalnum, starts)) and "\x00" not in "".join(filter(None, different)):
        return values
    return [defuse(value) for value in values]


def safe_words(values: Sequence[str]) -> Cells:
    """The same for a column of few different texts."""
    words = {value: defuse(value) for value in set(values)}
    return named(values, words)


class _Written(dict[int, str]):
    """Minor units as plain decimals of one currency; the same amounts come again and again."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self._places = places

    def __missing__(self, amount: int) -> str:
        if len(self) >= _KEEPS:
            self.clear()
        digits = str(abs(amount)).rjust(self._places + 1, "0")
        cut = len(digits) - self._places
        text = f"{digits[:cut]}.{digits[cut:]}" if self._places else digits
        found = self[amount] = f"-{text}" if amount < 0 else text
        return found


class Amounts:
    """How amounts stand in a file: "1234.50", with the decimals of their currency."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def _of(self, currency: str) -> _Written:
        found = self._written.get(currency)
        if found is None:
            found = self._written[currency] = _Written(exponent(currency))
        return found

    def column(self, amounts: Iterable[int], currencies: Sequence[str]) -> Cells:
        """A column of minor units, each in the currency that stands beside it."""
        first = currencies[0]
        if currencies.count(first) == len(currencies):
            return list(map(self._of(first).__getitem__, amounts))
        return [self._of(code)[amount] for amount, code in zip(amounts, currencies, strict=True)]


def named(values: Sequence[Any], words: Mapping[Any, str]) -> Cells:
    """A column of few different values, each with a word of ours."""
    return list(map(words.__getitem__, values))
