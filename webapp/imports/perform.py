"""The rows of a file one by one, each in a savepoint of its own; and a whole import in one transaction."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.imports.cells import BadCells
from webapp.imports.columns import Row, map_columns
from webapp.imports.kinds import ChecksCells, FinishesChunks, Importer, Kind
from webapp.imports.reading import read
from webapp.imports.report import Problem, Report, problem_of, say_remarks
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, PaydeskError
from webapp.kernel.ids import digest
from webapp.people.models import Organisation

log = structlog.get_logger()

CHUNK = 500
# What waits for the commit: of this, events and effects are rows that a savepoint does not know of.
_ROWS = ("audit", "outbox")
_COLLECTED = (*_ROWS, "after_commit", "rung")
REPEAT, REFUSED = "repeat", "refused"
_BROKE = "Something went wrong on our side; nothing of this row was stored."


class _Undo(Exception):
    """Ends the transaction of a dry run without a trace."""


def audit_tag(kind: Kind) -> str:
    """What the trail calls a list of a kind that a command brought in."""
    return f"{kind.program or 'imports'}:{kind.code}:imported"


def template(kind: Kind) -> str:
    """A CSV file with the columns of a kind and one row as an example."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    columns, rows = template_rows(kind)
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def template_rows(kind: Kind) -> tuple[list[str], list[list[str]]]:
    """The same for a workbook: the columns, and the rows below."""
    return [field.name for field in kind.template], [[field.example for field in kind.template]]


@contextmanager
def without_echo() -> Iterator[None]:
    """What is undone in the block leaves neither audit events nor effects nor rings of queues behind."""
    session = db.session()
    kept = {name: session.info[name] for name in _COLLECTED if name in session.info}
    copies = {name: type(value)(value) for name, value in kept.items()}
    try:
        yield
    finally:
        for name in _COLLECTED:
            session.info.pop(name, None)
        session.info.update(copies)


def apply_row(
    importer: Importer, row: Row, columns: Mapping[str, str], *, goes_on: bool = False
) -> tuple[str, list[Problem]]:
    """Store a row: created, updated, unchanged, REPEAT or REFUSED, and what is wrong with it.

    With `goes_on` an error of ours is logged and costs the row alone. OperationalError always passes: the
    database is away, and the row is not at fault.
    """
    if not row.problems and importer.is_repeat(row):
        return REPEAT, []
    known = {name: len(db.session.info.get(name) or []) for name in _ROWS}
    try:
        with db.session.begin_nested():
            if row.problems:
                raise BadCells(errors_in(importer, row))
            return importer.apply(row), []
    except PaydeskError as error:
        problems = problems_of(error, row, columns)
    except OperationalError:
        raise
    except Exception as error:
        if not goes_on:
            raise
        log.error("import.row_broke", line=row.line, exc_info=error)
        problems = [*row.problems, Problem(row.line, "", "", _BROKE)]
    # The savepoint took the row back; its events and effects must not stay.
    for name, count in known.items():
        del (db.session.info.get(name) or [])[count:]
    return REFUSED, problems


def finish(importer: Importer) -> None:
    """The end of a chunk: what is stored together is stored now."""
    if isinstance(importer, FinishesChunks):
        importer.finish()


def errors_in(importer: Importer, row: Row) -> tuple[Invalid, ...]:
    """What an importer has against the cells of a row that could be read; nothing is stored."""
    # A row with too few or too many cells has none that is surely in its column.
    is_whole = not row.problems or bool(row.unread)
    return tuple(importer.check(row)) if is_whole and isinstance(importer, ChecksCells) else ()


def problems_of(error: PaydeskError, row: Row, columns: Mapping[str, str]) -> list[Problem]:
    """A refused row as problems in the order of our fields; those of the whole row come first."""
    errors = error.errors if isinstance(error, BadCells) else (error,)
    found = [*row.problems, *(problem_of(each, row.line, columns, row.cells) for each in errors)]
    order = {name: at for at, name in enumerate(columns.values())}
    return sorted(found, key=lambda problem: order.get(problem.column, -1))


def run(
    *,
    kind: Kind,
    data: bytes,
    organisation: Organisation,
    actor: Actor,
    now: datetime,
    audit_tag: str,
    is_dry_run: bool = False,
    mapping: Mapping[str, str] | None = None,
) -> Report:
    """Store the good rows within the caller's transaction and report the others.

    Raises Invalid when the file as a whole cannot be read (not a CSV file, a needed column is missing).
    """
    table = read(data)
    mapped = map_columns(kind, table, mapping)
    report = Report(kind.code, is_dry_run, notes=[*table.notes, *mapped.notes()])
    importer = kind.importer(organisation, mapped, actor, now)
    for start in range(0, len(mapped), CHUNK):
        rows = list(mapped.rows(start, start + CHUNK))
        importer.prepare(rows)
        for row in rows:
            _count(report, *apply_row(importer, row, mapped.columns))
        finish(importer)
    report.notes += say_remarks(importer.remarks)
    if report.created or report.updated:
        audit.record(
            tag=audit_tag,
            actor=actor,
            now=now,
            organisation_id=organisation.id,
            subject_type="import",
            subject_label=f"{kind.code} from a file",
            note=report.summary,
            changes={"created": report.created, "updated": report.updated, "file": digest(data.hex())},
        )
    return report


def _count(report: Report, outcome: str, problems: list[Problem]) -> None:
    if outcome == REPEAT:
        return
    report.rows += 1
    if outcome == REFUSED:
        report.refused += 1
        report.problems.extend(problems)
    else:
        report.count(outcome)


def perform(*, is_dry_run: bool = False, **values: Any) -> Report:
    """`run` in a transaction of its own; a dry run does everything and takes it all back. Raises Invalid."""
    report: Report | None = None
    try:
        with transaction():
            report = run(is_dry_run=is_dry_run, **values)
            if is_dry_run:
                raise _Undo
    except _Undo:
        pass
    assert report is not None  # noqa: S101 - set before _Undo, and every other error leaves this function
    return report
