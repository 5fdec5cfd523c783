"""One import from bytes to report: each row in a savepoint of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, PaydeskError
from webapp.kernel.ids import digest
from webapp.people.models import Organisation
from webapp.programs.installations.importing.columns import EXAMPLES, TEMPLATES, Mapped, Row, map_columns
from webapp.programs.installations.importing.installations import InstallationImport
from webapp.programs.installations.importing.rates import RateImport
from webapp.programs.installations.importing.reading import read
from webapp.programs.installations.importing.report import Problem, Report, problem_of
from webapp.programs.installations.importing.technicians import TechnicianImport

KINDS = ("technicians", "rates", "installations")


class Importer(Protocol):
    """What stores the rows of one kind."""

    def is_repeat(self, row: Row) -> bool:
        """Whether a row only repeats an earlier one and is not counted."""

    def apply(self, row: Row) -> str:
        """Store one row; answers created, updated or unchanged."""

    def notes(self) -> list[str]:
        """What to say about the file after its rows."""


_IMPORTERS: dict[str, Callable[[Organisation, Mapped, Actor, datetime], Importer]] = {
    "technicians": TechnicianImport,
    "rates": RateImport,
    "installations": InstallationImport,
}


class _Undo(Exception):
    """Ends the transaction of a dry run without a trace."""


def template(kind: str) -> str:
    """A CSV file with the columns of a kind and one row as an example."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(TEMPLATES[kind])
    writer.writerow(EXAMPLES[kind])
    return buffer.getvalue()


def run(
    *,
    kind: str,
    data: bytes,
    organisation: Organisation,
    actor: Actor,
    now: datetime,
    is_dry_run: bool = False,
    mapping: Mapping[str, str] | None = None,
) -> Report:
    """Store the good rows within the caller's transaction and report the others.

    Raises Invalid when the file as a whole cannot be read (not a CSV file, a needed column is missing).
    """
    if kind not in KINDS:
        raise Invalid("kind", f"{kind!r} cannot be imported.", ", ".join(KINDS))
    table = read(data)
    mapped = map_columns(kind, table, mapping)
    report = Report(kind, is_dry_run, notes=[*table.notes, *_notes(mapped)])
    importer = _IMPORTERS[kind](organisation, mapped, actor, now)
    for line, count in mapped.wrong_width:
        report.rows += 1
        reason = f"It has {count} cells where the header has {mapped.width}."
        report.problems.append(
            Problem(line, "", "", reason, "text with the delimiter in it stands in quotes")
        )
    for row in mapped.rows:
        _apply(importer, row, mapped, report)
    report.notes += importer.notes()
    report.problems.sort(key=lambda problem: problem.line)
    if report.created or report.updated:
        _record(report, data, organisation, actor, now)
    return report


def _apply(importer: Importer, row: Row, mapped: Mapped, report: Report) -> None:
    if importer.is_repeat(row):
        return
    report.rows += 1
    try:
        with db.session.begin_nested():
            outcome = importer.apply(row)
    except PaydeskError as error:
        report.problems.append(problem_of(error, row.line, dict(mapped.columns), dict(row.cells)))
        return
    report.count(outcome)


def _notes(mapped: Mapped) -> list[str]:
    notes = []
    if mapped.origin is not None:
        notes.append(f"Read as {mapped.origin.name}.")
    if mapped.ignored:
        notes.append(f"Columns not used: {', '.join(mapped.ignored)}.")
    return notes


def _record(report: Report, data: bytes, organisation: Organisation, actor: Actor, now: datetime) -> None:
    """One event for the whole file, with a digest of what it held."""
    audit.record(
        tag=f"installations:{report.kind}:imported",
        actor=actor,
        now=now,
        organisation_id=organisation.id,
        subject_type="import",
        subject_label=f"{report.kind} from a file",
        note=report.summary,
        changes={"created": report.created, "updated": report.updated, "file": digest(data.hex())},
    )


def perform(
    *,
    kind: str,
    data: bytes,
    organisation: Organisation,
    actor: Actor,
    now: datetime,
    is_dry_run: bool = False,
    mapping: Mapping[str, str] | None = None,
) -> Report:
    """`run` in a transaction of its own; a dry run does everything and takes it all back. Raises Invalid."""
    report: Report | None = None
    try:
        with transaction():
            report = run(
                kind=kind,
                data=data,
                organisation=organisation,
                actor=actor,
                now=now,
                is_dry_run=is_dry_run,
                mapping=mapping,
            )
            if is_dry_run:
                raise _Undo
    except _Undo:
        pass
    assert report is not None  # noqa: S101 - set before _Undo, and every other error leaves this function
    return report
