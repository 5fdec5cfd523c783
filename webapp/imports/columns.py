"""Which column of a file means what, and its rows under our names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webapp.imports import values
from webapp.imports.kinds import Cell, Field, Kind, Origin
from webapp.imports.report import Problem, problem_of
from webapp.imports.tables import PROBLEM, Exact, Table, Unusable
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest


@dataclass(frozen=True)
class Reading:
    """How a list writes days and numbers; empty: as they come, for forms that have one meaning only."""

    dates: str = ""
    decimal: str = ""


AS_WRITTEN = Reading()


@dataclass(frozen=True)
class Row:
    """One row with the cells that were understood, trimmed; absent and empty cells are "".

    `problems` are cells that could not be read at all: such a row is not stored. `unread` are our names of them.
    """

    line: int
    cells: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    unread: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


class Mapped:
    """The rows of a file under our names, and the file's own name of each."""

    def __init__(
        self, kind: Kind, table: Table, found: Mapping[str, int], reading: Reading = AS_WRITTEN
    ) -> None:
        self.kind, self.table, self.found, self.reading = kind, table, found, reading
        position = positions(table)
        self.width = len(table.header)
        self.origin: Origin | None = next((o for o in kind.origins if o.needs <= position.keys()), None)
        names = self.origin.site if self.origin else ()
        self._site = [position[name] for name in names if name in position]
        self._missing = self.origin.missing if self.origin else frozenset()
        self.columns: dict[str, str] = {name: table.header[index] for name, index in found.items()}
        used = {*found.values(), *self._site}
        self.ignored = tuple(
            name
            for index, name in enumerate(table.header)
            if name and index not in used and name.casefold() != PROBLEM
        )

    def __len__(self) -> int:
        return len(self.table.rows)

    def has(self, name: str) -> bool:
        """Whether the file (or its known origin) says anything about a column."""
        return name in self.columns or (self.origin is not None and name in self.origin.defaults)

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """The rows from a number on, counted from 0, up to another."""
        for line, cells in self.table.rows[start:stop]:
            yield self._row(line, cells)

    def notes(self) -> list[str]:
        """What is to be said of the file as a whole."""
        notes = []
        if self.origin is not None:
            notes.append(f"Read as {self.origin.name}.")
        if self.ignored:
            notes.append(f"Columns not used: {', '.join(self.ignored)}.")
        return notes

    def _row(self, line: int, cells: tuple[str, ...]) -> Row:
        if len(cells) != self.width:
            reason = f"It has {len(cells)} cells where the header has {self.width}."
            example = "text with the delimiter in it stands in quotes"
            return Row(line, {}, (Problem(line, "", "", reason, example),))
        found: dict[str, str] = {}
        problems: dict[str, Problem] = {}
        for name, index in self.found.items():
            found[name] = self._cell(name, cells[index], line, problems)
        for name, default in (self.origin.defaults if self.origin else {}).items():
            found[name] = found.get(name) or default
        if self._site and "site" not in self.found:
            found["site"] = _place([self._cell("site", cells[index], line, problems) for index in self._site])
        return Row(line, found, tuple(problems.values()), frozenset(problems))

    def _cell(self, name: str, raw: str, line: int, problems: dict[str, Problem]) -> str:
        trimmed = ""
        try:
            if isinstance(raw, Unusable):
                raise Invalid(name, raw.reason, self._example(name))
            trimmed = values.clean(name, raw)
            if not trimmed or trimmed in self._missing:
                return ""
            if isinstance(raw, Exact):
                return self._exact(self.kind.field(name), trimmed)
            return self._read(self.kind.field(name), trimmed)
        except Invalid as error:
            problems[name] = problem_of(error, line, self.columns, {name: trimmed or visible(raw)})
            return ""

    def _example(self, name: str) -> str | None:
        field = self.kind.field(name)
        return (field.example or None) if field else None

    def _exact(self, field: Field | None, text: str) -> str:
        """A number that is one already: 2.5 % is 2.5 where a number is asked for."""
        is_number = field is not None and field.cell in (Cell.NUMBER, Cell.NUMBERS)
        return text.removesuffix("%") if is_number else text

    def _read(self, field: Field | None, text: str) -> str:
        """A day as ISO, a number with a point, by the way in which the file writes them."""
        cell = field.cell if field else Cell.TEXT
        if field is None or cell is Cell.TEXT:
            return text
        if cell is Cell.DAY:
            return values.plain_day(field.name, text, self.reading.dates) if self.reading.dates else text
        if not self.reading.decimal:
            return text
        convert = values.plain_numbers if cell is Cell.NUMBERS else values.plain_number
        return convert(field.name, text, self.reading.decimal)


def visible(text: str) -> str:
    """The beginning of a text with every hidden character as its number."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:80])[:80]


def normal(name: str) -> str:
    """A column name without case, blanks and punctuation: "Installation Date" is installation_date."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")


def positions(table: Table) -> dict[str, int]:
    """Where each column of a file is, by its normal name."""
    return {normal(name): index for index, name in enumerate(table.header) if name}


def map_columns(kind: Kind, table: Table, chosen: Mapping[str, str] | None = None) -> Mapped:
    """Find our columns in a file: by the given mapping (theirs → ours), by our names, by names in common use.

    Raises Invalid("file", …) when a needed column is missing or a mapping names what is not there.
    """
    found = _chosen(positions(table), kind.names, chosen or {})
    found = _guessed(kind, table, found)
    missing = [name for name in kind.required if name not in found]
    if missing:
        raise Invalid(
            "file",
            f"The file has no column {', '.join(missing)}. Its columns are {', '.join(table.header)}.",
            ",".join(field.name for field in kind.template),
        )
    return Mapped(kind, table, found)


def guess(kind: Kind, table: Table) -> dict[str, str]:
    """Our field → the file's column, as far as names tell."""
    return {name: table.header[index] for name, index in _guessed(kind, table, {}).items()}


def map_exactly(kind: Kind, table: Table, chosen: Mapping[str, str], reading: Reading) -> Mapped:
    """The rows by a mapping (ours → theirs) that a person has seen. Raises Invalid at the field.

    Raises Invalid for a needed field without a column, a column that the file lacks, and one that serves twice.
    """
    position = {name: index for index, name in enumerate(table.header) if name}
    found: dict[str, int] = {}
    for field in kind.fields:
        theirs = chosen.get(field.name)
        if not theirs:
            if field.is_required:
                raise Invalid(
                    field.name, f"Choose the column for {field.label.casefold()}; every row needs it."
                )
            continue
        if theirs not in position:
            raise Invalid(field.name, f"The file has no column {theirs!r}.")
        if position[theirs] in found.values():
            raise Invalid(field.name, f"The column {theirs!r} is chosen twice. One column is one field.")
        found[field.name] = position[theirs]
    return Mapped(kind, table, found, reading)


def header_digest(table: Table) -> str:
    """The same for files with the same column names, whatever their order."""
    return digest(sorted(name.casefold() for name in table.header if name and name.casefold() != PROBLEM))


def guess_reading(table: Table, default: Reading, rows: int = 500) -> Reading:
    """How a file writes days and numbers, by its first rows; the default where they leave it open.

    All columns are looked at: which of them hold days is not known before a person says so. Numbers and days that a
    workbook holds as such are written in no way at all.
    """
    written = (cell for _, cells in table.rows[:rows] for cell in cells if type(cell) is str)
    texts = [part.strip() for cell in written for part in cell.split(";")]
    return Reading(values.guess_order(texts, default.dates), values.guess_decimal(texts, default.decimal))


def _guessed(kind: Kind, table: Table, given: Mapping[str, int]) -> dict[str, int]:
    position, found = positions(table), dict(given)
    for field in kind.fields:
        candidates = (field.name, *field.aliases, normal(field.label))
        at = next(
            (position[c] for c in candidates if c in position and position[c] not in found.values()), None
        )
        if field.name not in found and at is not None:
            found[field.name] = at
    return found


def _chosen(position: Mapping[str, int], known: tuple[str, ...], chosen: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for theirs, ours in chosen.items():
        if normal(theirs) not in position:
            raise Invalid("map", f"The file has no column {theirs!r}.", "their_column=external_ref")
        if ours not in known:
            raise Invalid(
                "map", f"{ours!r} is not a column here: {', '.join(known)}.", "project_id=external_ref"
            )
        found[ours] = position[normal(theirs)]
    return found


def _place(parts: list[str]) -> str:
    """City, state and zip as an address line: "Flushing, NY 11355"."""
    city, *rest = parts
    return ", ".join(piece for piece in (city, " ".join(p for p in rest if p)) if piece)
