"""Who works on the rows of runs: rooms above register a handler per kind, of single rows, of many, or outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from webapp.kernel.actor import Actor
from webapp.runs.models import RowOutcome, Run, RunRow


@dataclass(frozen=True)
class RowDraft:
    """One row to be worked on. `subject_version` is what the person saw of the record."""

    subject_type: str = ""
    subject_id: int | None = None
    subject_label: str = ""
    subject_version: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RowResult:
    """What became of a row, with a sentence for the person."""

    outcome: RowOutcome
    message: str = ""


class RowHandler(Protocol):
    """Works on one row inside an open transaction; a PaydeskError makes the row's outcome and undoes the rest."""

    def __call__(self, run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult: ...


class BatchHandler(Protocol):
    """Works on many rows inside one open transaction; a row without a result is worked on by itself afterwards.

    When it raises a PaydeskError nothing of it is kept, and every row is worked on by itself.
    """

    def __call__(
        self, run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime
    ) -> Mapping[int, RowResult]: ...


@dataclass(frozen=True)
class OutsideRow:
    """A row that is worked on with no transaction open, and what is known of its run."""

    run_id: int
    row_id: int
    organisation_id: int
    data: Mapping[str, Any]


class OutsideHandler(Protocol):
    """Works on one row with no transaction open, as it takes long or talks to a storage. It must be safe to repeat.

    A PaydeskError makes the row's outcome.
    """

    def __call__(self, row: OutsideRow, actor: Actor, now: datetime) -> RowResult: ...


# By kind of run.
single: dict[str, RowHandler] = {}
together: dict[str, BatchHandler] = {}
outside: dict[str, OutsideHandler] = {}


def register_handler(kind: str, handler: RowHandler) -> None:
    """Say who works on the rows of a kind of run; once, at start-up."""
    single[kind] = handler


def register_batch(kind: str, handler: BatchHandler) -> None:
    """Have rows of a kind of run, which has its handler of single rows, worked on together; once, at start-up."""
    together[kind] = handler


def register_outside(kind: str, handler: OutsideHandler) -> None:
    """Say who works on the rows of a kind of run with no transaction open; once, at start-up."""
    outside[kind] = handler
