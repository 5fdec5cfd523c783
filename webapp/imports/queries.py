"""What the pages of imports show: the list, one import, its problems, what was chosen before. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, exists, select

from webapp.database import db
from webapp.imports.models import ImportChunk, ImportFile, ImportMapping, ImportState, Phase
from webapp.imports.report import Problem, say_remarks
from webapp.kernel.errors import NotFound

WORKING = (ImportState.CHECKING.value, ImportState.RUNNING.value)


def imports(*, organisation_id: int) -> Select[Any]:
    """The imports of an organisation, without order or limit."""
    return select(ImportFile).where(ImportFile.organisation_id == organisation_id)


def get_import(*, organisation_id: int, reference: str) -> ImportFile:
    """One import. Raises NotFound when it is not there or another organisation's."""
    query = imports(organisation_id=organisation_id).where(ImportFile.reference == reference)
    row: ImportFile | None = db.session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFound
    return row


def phase_of(row: ImportFile) -> Phase:
    """Whether the counts of an import are of its check or of its run."""
    if row.state in (ImportState.RUNNING.value, ImportState.DONE.value):
        return Phase.RUN
    if row.state in (ImportState.STOPPED.value, ImportState.FAILED.value) and _has_run(row.id):
        return Phase.RUN
    return Phase.CHECK


def _has_run(import_id: int) -> bool:
    query = select(exists().where(ImportChunk.import_id == import_id, ImportChunk.phase == Phase.RUN.value))
    return bool(db.session.scalar(query))


def problems(import_id: int, phase: Phase) -> Iterator[Problem]:
    """Every problem in the order of the lines, read chunk by chunk."""
    query = (
        select(ImportChunk.position, ImportChunk.problems)
        .where(ImportChunk.import_id == import_id, ImportChunk.phase == phase.value, ImportChunk.refused > 0)
        .order_by(ImportChunk.position)
        .limit(20)
    )
    last = -1
    while True:
        found = db.session.execute(query.where(ImportChunk.position > last)).all()
        for position, kept in found:
            last = position
            yield from (Problem(*values) for values in kept)
        if len(found) < 20:
            return


def remarks(import_id: int, phase: Phase) -> list[str]:
    """Sentences about rows that were taken, such as that a size was rounded."""
    kept = db.session.scalars(
        select(ImportChunk.remarks)
        .where(
            ImportChunk.import_id == import_id,
            ImportChunk.phase == phase.value,
        )
        .order_by(ImportChunk.position)
    )
    return say_remarks((str(sentence), int(line)) for chunk in kept for sentence, line in chunk)


def refused_lines(import_id: int, phase: Phase) -> set[int]:
    """Lines that were refused so far."""
    return {problem.line for problem in problems(import_id, phase)}


def find_mapping(*, organisation_id: int, kind: str, header_digest: str) -> ImportMapping | None:
    """What was chosen last for files with these columns."""
    return db.session.scalar(
        select(ImportMapping).where(
            ImportMapping.organisation_id == organisation_id,
            ImportMapping.kind == kind,
            ImportMapping.header_digest == header_digest,
        )
    )


def same_file(*, organisation_id: int, kind: str, sha256: str, before_id: int) -> ImportFile | None:
    """The last import of exactly these bytes that stored something, for a word of warning."""
    row: ImportFile | None = db.session.scalar(
        imports(organisation_id=organisation_id)
        .where(
            ImportFile.kind == kind,
            ImportFile.sha256 == sha256,
            ImportFile.id < before_id,
            ImportFile.state == ImportState.DONE.value,
        )
        .order_by(ImportFile.id.desc())
        .limit(1)
    )
    return row
