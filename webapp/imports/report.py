"""What an import did, row by row where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from webapp.kernel.errors import Invalid, PaydeskError

LINES_NAMED = 20


@dataclass(frozen=True)
class Problem:
    """A cell (or a row) that was not stored. `column` is the file's own name for it; line 1 is the header."""

    line: int
    column: str
    value: str
    reason: str
    example: str = ""

    @property
    def text(self) -> str:
        """One sentence: where, what is wrong, what would be right."""
        where = f"Line {self.line}" + (f", column {self.column}" if self.column else "")
        said = f" ({self.value!r})" if self.value else ""
        return f"{where}{said}: {self.reason}" + (f" Example: {self.example}" if self.example else "")

    @property
    def short(self) -> str:
        """The same beside its own row: column, what is wrong, what would be right."""
        where = f"{self.column}: " if self.column else ""
        return where + self.reason + (f" Example: {self.example}" if self.example else "")

    def to_list(self) -> list[Any]:
        """As it is kept."""
        return list(astuple(self))


@dataclass
class Report:
    """Counts of rows by what became of them, and the problems."""

    kind: str
    is_dry_run: bool
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    # Of the refused rows, one for each bad cell.
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def has_problems(self) -> bool:
        """Whether a row was left out."""
        return bool(self.problems)

    @property
    def summary(self) -> str:
        """The counts as a sentence."""
        verb = "would be " if self.is_dry_run else ""
        return (
            f"{self.rows:,} rows read: {self.created:,} {verb}created, {self.updated:,} {verb}updated, "
            f"{self.unchanged:,} unchanged, {self.refused:,} with a problem."
        )

    def count(self, outcome: str) -> None:
        """Add one row to created, updated or unchanged."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def problem_of(
    error: PaydeskError, line: int, columns: Mapping[str, str], cells: Mapping[str, str]
) -> Problem:
    """A refused row as a problem; the field of an Invalid is named as the file names it."""
    if isinstance(error, Invalid):
        column = columns.get(error.field, error.field)
        return Problem(line, column, cells.get(error.field, "")[:80], error.reason, error.example or "")
    return Problem(line, "", "", error.message)


def say_remarks(remarks: Iterable[tuple[str, int]]) -> list[str]:
    """Remarks on single rows as one sentence each: "Sizes are kept to 6 decimals; rounded on line 5, 6." """
    lines: dict[str, list[int]] = {}
    for sentence, line in remarks:
        lines.setdefault(sentence, []).append(line)
    said = []
    for sentence, found in lines.items():
        named = ", ".join(str(line) for line in found[:LINES_NAMED])
        more = f" and {len(found) - LINES_NAMED} more" if len(found) > LINES_NAMED else ""
        said.append(f"{sentence} {named}{more}.")
    return said
