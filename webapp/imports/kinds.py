"""What can be imported. A kind is one value of this file's shape, registered by its room when it is imported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound

if TYPE_CHECKING:
    from webapp.imports.columns import Mapped, Row
    from webapp.people.models import Organisation


class Cell(StrEnum):
    """How a cell is read: days and numbers are written differently from country to country."""

    TEXT = "text"
    DAY = "day"
    NUMBER = "number"
    # Several, with semicolons between them.
    NUMBERS = "numbers"


@dataclass(frozen=True)
class Field:
    """One of our fields: what it means, and the names that other systems give it."""

    name: str
    label: str
    meaning: str
    example: str = ""
    cell: Cell = Cell.TEXT
    is_required: bool = False
    is_in_template: bool = True
    aliases: tuple[str, ...] = ()


def reference_field(example: str, noun: str, *aliases: str) -> Field:
    """The field by which the next import finds a record again."""
    meaning = f"The number of the {noun} in your other system. The next import finds the {noun} by it."
    names = ("id", "reference", "external_reference", *aliases)
    return Field("external_ref", "Your reference", meaning, example, is_required=True, aliases=names)


@dataclass(frozen=True)
class Origin:
    """A published list whose columns are known: what they leave unsaid, and what stands for "missing".

    `site` names columns that together are the field of that name (city, state, zip).
    """

    name: str
    needs: frozenset[str]
    defaults: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    site: tuple[str, ...] = ()


class Importer(Protocol):
    """Stores the rows of one file. Made once per worker's turn; it asks the database chunk by chunk."""

    # (sentence, line) of good rows about which something is to be said; whoever reads them empties the list.
    remarks: list[tuple[str, int]]

    def prepare(self, rows: Sequence[Row]) -> None:
        """Load what these rows are about, in few queries; what earlier chunks loaded may be forgotten."""

    def is_repeat(self, row: Row) -> bool:
        """Whether a row only repeats an earlier one and is not counted."""

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged. Raises PaydeskError.

        `cells.BadCells` holds an error for each bad cell; any other is one problem.
        """

    def remember(self, row: Row) -> None:
        """A row that an earlier turn stored: another row with its reference is refused. No queries."""


@runtime_checkable
class ChecksCells(Protocol):
    """An importer that can also say all that is wrong with the cells of a row without storing anything.

    The preview shows it at each cell; and a row with a cell that could not be read at all is told the rest, too.
    """

    def check(self, row: Row) -> Sequence[Invalid]:
        """One error for each bad cell, after `prepare`. Writes nothing and remembers nothing."""


@runtime_checkable
class FinishesChunks(Protocol):
    """An importer that stores the rows of a chunk together, once each of them was looked at."""

    def finish(self) -> None:
        """Store what `apply` accepted since `prepare`, with the caller's transaction. No row is refused any more."""


ImporterFactory = Callable[["Organisation", "Mapped", Actor, datetime], Importer]


@dataclass(frozen=True)
class Kind:
    """A kind of list. `following` is the endpoint of the page to go to afterwards, and its label."""

    code: str
    label: str
    text: str
    fields: tuple[Field, ...]
    importer: ImporterFactory
    origins: tuple[Origin, ...] = ()
    following: tuple[str, str] | None = None
    # Only organisations that use this program are offered it; empty: all are.
    program: str = ""
    # Where it stands among the kinds: what others refer to comes first.
    order: int = 100

    def field(self, name: str) -> Field | None:
        """The field of a name, if the kind has it."""
        return next((each for each in self.fields if each.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all fields."""
        return tuple(each.name for each in self.fields)

    @property
    def template(self) -> tuple[Field, ...]:
        """The fields that the template shows."""
        return tuple(each for each in self.fields if each.is_in_template)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the fields that every file must have."""
        return tuple(each.name for each in self.fields if each.is_required)


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known; once, at start-up."""
    _kinds[kind.code] = kind
    return kind


def registered() -> list[Kind]:
    """Every kind, in the order in which lists are usually brought in."""
    return sorted(_kinds.values(), key=lambda kind: (kind.order, kind.label))


def offered(programs: Collection[str]) -> list[Kind]:
    """The kinds for an organisation that uses these programs."""
    return [kind for kind in registered() if not kind.program or kind.program in programs]


def find_kind(code: str) -> Kind | None:
    """The kind of a code, if a room brought it."""
    return _kinds.get(code)


def get_kind(code: str) -> Kind:
    """The kind of a code. Raises NotFound."""
    kind = _kinds.get(code)
    if kind is None:
        raise NotFound
    return kind
