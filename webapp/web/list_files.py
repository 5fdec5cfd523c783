"""Files of long lists: which columns a file has, and its rows and sums read while they are written.

Amounts are minor units in the list, plain decimals in the file; the list has a column with the key `currency`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from wtforms import Form, SelectField

from webapp.kernel.money import Money
from webapp.web import listing, texts
from webapp.web.listing import Listing, Sort
from webapp.web.table_files import Cells, Column, Kind, Sum, Table


@dataclass(frozen=True)
class Field:
    """A column of a file and where its values come from; `words` says what stands for each value."""

    column: Column
    source: Any
    words: Callable[[Any], str] | None = None


def field(
    key: str, header: str, source: Any, kind: Kind = Kind.TEXT, width: int = 10, words: Any = None
) -> Field:
    """A column; days and instants become their ISO text in the database, `words` says a value of the others."""
    if kind is Kind.DAY:
        source = texts.iso_day(source)
    elif kind is Kind.INSTANT:
        source = texts.iso_instant(source)
    return Field(Column(key, header, kind, width), source, words)


def amount(key: str, header: str, source: Any) -> Field:
    """A column of minor units."""
    return field(key, header, source, Kind.AMOUNT, 11)


def currency(source: Any) -> Field:
    """The column that says in which currency the amounts of a row are."""
    return field("currency", "Currency", source, width=8)


def yes(value: Any) -> str:
    """ "yes" or "no"."""
    return "yes" if value else "no"


def words_of(labels: Any) -> Callable[[Any], str]:
    """How a value of some labels is said; nothing for none."""
    return lambda value: str(labels(value).label) if value else ""


def table(
    *,
    of: Listing,
    sort: Sort,
    fields: Sequence[Field],
    summed: Sequence[tuple[str, str]],
    title: str,
    words: str,
    made_at: datetime,
    is_letter: bool = False,
) -> Table:
    """The file of a list, ready to be written in any format; its rows are read while it is.

    `summed` names sums of the list with their labels; `words` say its filter.
    """
    tally = _Tally([name for name, _ in summed])
    plain = replace(
        of,
        query=of.query.with_only_columns(
            *(field.source.label(f"file_{n}") for n, field in enumerate(fields)),
            *(of.sums[name].label(f"sum_{name}") for name, _ in summed),
        ),
    )
    stamp = made_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Table(
        title=title,
        facts=(("Filter", words), ("Order", sort.text), ("Made at", stamp)),
        columns=[field.column for field in fields],
        batches=lambda: _batches(plain, sort, fields, tally),
        sums=tally.sums,
        summed=summed,
        is_letter=is_letter,
    )


class _Tally:
    """What is added up while the rows go by."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._counts: dict[str, int] = defaultdict(int)
        self._sums: dict[tuple[str, str], int] = defaultdict(int)

    def clear(self) -> None:
        """Begin again."""
        self._counts.clear()
        self._sums.clear()

    def add(self, currencies: Sequence[str], columns: Sequence[Sequence[int]]) -> None:
        """A batch of rows: one column for each name."""
        for code in set(currencies):
            self._counts[code] += currencies.count(code)
        is_one = len(set(currencies)) == 1
        for name, column in zip(self.names, columns, strict=True):
            if is_one:
                self._sums[currencies[0], name] += sum(map(int, column))
            else:
                for code, amount in zip(currencies, column, strict=True):
                    self._sums[code, name] += int(amount)

    def sums(self) -> list[Sum]:
        """What was added up so far, by currency."""
        return [
            Sum(code, n, {name: Money(self._sums[code, name], code).plain for name in self.names})
            for code, n in sorted(self._counts.items())
        ]


def _batches(of: Listing, sort: Sort, fields: Sequence[Field], tally: _Tally) -> Iterator[Sequence[Cells]]:
    """The columns of the file as text, some thousand rows at a time."""
    tally.clear()
    amounts, place = texts.Amounts(), next(n for n, f in enumerate(fields) if f.column.key == "currency")
    known: list[dict[Any, str]] = [{} for _ in fields]
    for rows in listing.batches(of, sort):
        columns = list(zip(*rows, strict=True))
        currencies = columns[place]
        tally.add(currencies, columns[len(fields) : len(fields) + len(tally.names)])
        yield [
            _cells(field, column, currencies, amounts, words)
            for field, column, words in zip(fields, columns, known, strict=False)
        ]


def _cells(
    field: Field, values: Sequence[Any], currencies: Sequence[str], amounts: texts.Amounts, known: dict[Any, str]
) -> Cells:  # fmt: skip
    if field.words is not None:
        for value in set(values).difference(known):
            known[value] = field.words(value)
        return texts.named(values, known)
    if field.column.kind is Kind.NUMBER:
        return list(map(str, values))
    if field.column.kind is not Kind.AMOUNT:
        return values
    if None in values:
        # Beside what has no amount stays an empty cell.
        filled = amounts.column([value or 0 for value in values], currencies)
        return [None if value is None else cell for value, cell in zip(values, filled, strict=True)]
    return amounts.column(map(int, values), currencies)


def filter_words(form: Form, args: Mapping[str, str]) -> str:
    """The filter that an address names, as people read it: "State: Won; Partner: Asha"."""
    said = []
    for field in form:
        raw = (args.get(field.name) or "").strip()
        if raw:
            choices = field.iter_choices() if isinstance(field, SelectField) else ()
            label = next((str(label) for value, label, *_ in choices if value == raw), raw)
            said.append(f"{field.label.text}: {label}")
    return "; ".join(said) or "everything"
