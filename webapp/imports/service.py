"""Imports between their pages: a file kept, mapped, checked, brought in, stopped. The only writer of its tables.

The rows themselves are worked through by `work`, a chunk at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, insert_ignoring_conflict, lock_row
from webapp.imports import queries
from webapp.imports.columns import Reading
from webapp.imports.kinds import find_kind
from webapp.imports.models import ImportChunk, ImportFile, ImportMapping, ImportState, Phase
from webapp.imports.queries import WORKING
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import canonical_json, digest
from webapp.outbox import service as outbox
from webapp.people.numbers import next_number

STEP = "import.step"
COUNTS = ("created", "updated", "unchanged", "refused")


@dataclass(frozen=True)
class Seen:
    """What a person saw of the check when they said "bring it in": nothing else may be stored."""

    version: int
    sha256: str
    created: int
    updated: int
    refused: int


def add_file(
    *,
    organisation_id: int,
    kind: str,
    file_name: str,
    storage_key: str,
    data: bytes,
    rows: int,
    actor: Actor,
    now: datetime,
) -> ImportFile:
    """Keep that a file was uploaded; its bytes are under `storage_key` already. Numbered IM-0001 and on."""
    row = ImportFile(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "IM"),
        kind=kind,
        file_name=file_name,
        storage_key=storage_key,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        mapping={},
        reading={},
        state=ImportState.UPLOADED.value,
        rows=rows,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _lock(organisation_id: int, reference: str) -> ImportFile:
    return lock_row(
        ImportFile, ImportFile.organisation_id == organisation_id, ImportFile.reference == reference
    )


def require_own(row: ImportFile, actor: Actor) -> None:
    """Raises Conflict unless the actor uploaded the file: what comes of it carries their name."""
    if row.created_by_id != actor.user_id:
        raise Conflict(f"{row.created_by_label} uploaded {row.reference}; only they can go on with it.")


def queue_step(row: ImportFile, now: datetime, suffix: str = "") -> None:
    """Let a worker take the next chunks."""
    outbox.add(
        kind=STEP,
        reference_id=row.id,
        dedupe_key=f"{STEP}:{row.id}:{row.version}:{row.state}:{row.done}{suffix}",
        to_queue=queue.BULK,
        organisation_id=row.organisation_id,
        now=now,
    )


def start_check(
    *,
    organisation_id: int,
    reference: str,
    mapping: Mapping[str, str],
    reading: Reading,
    encoding: str,
    header_digest: str,
    actor: Actor,
    now: datetime,
    expected_version: int,
    sheet: str = "",
    rows: int | None = None,
) -> ImportFile:
    """Keep what stands where in the file, remember it for the next such file, and queue the check.

    `sheet` is the chosen one of a workbook, `rows` how many it has.
    Raises Conflict when it is at work or done, or was mapped anew since `expected_version`.
    """
    row = _lock(organisation_id, reference)
    require_own(row, actor)
    if row.state in WORKING:
        raise Conflict(f"{reference} is at work. Wait for it, or stop it, before you change its columns.")
    if row.state == ImportState.DONE.value:
        raise Conflict(f"{reference} is done. Upload the file again to bring it in anew.")
    if row.version != expected_version:
        raise Conflict("The columns were chosen anew since this page was shown. Look at it again.")
    db.session.execute(delete(ImportChunk).where(ImportChunk.import_id == row.id))
    row.mapping, row.reading = dict(mapping), {**asdict(reading), "encoding": encoding, "sheet": sheet}
    row.rows = row.rows if rows is None else rows
    row.version += 1
    _begin(row, ImportState.CHECKING)
    _remember(row, header_digest, now)
    queue_step(row, now)
    return row


def _begin(row: ImportFile, state: ImportState) -> None:
    row.state, row.done, row.is_stop_requested, row.error = state.value, 0, False, ""
    row.created = row.updated = row.unchanged = row.refused = 0
    row.lease_until = row.finished_at = None
    db.session.flush()


def _remember(row: ImportFile, header_digest: str, now: datetime) -> None:
    key: dict[str, Any] = {
        "organisation_id": row.organisation_id,
        "kind": row.kind,
        "header_digest": header_digest,
    }
    values: dict[str, Any] = {"mapping": row.mapping, "reading": row.reading, "used_at": now}
    if insert_ignoring_conflict(db.session(), ImportMapping, {**key, **values}):
        return
    kept = queries.find_mapping(**key)
    assert kept is not None  # noqa: S101 - the insert above met it
    kept.mapping, kept.reading, kept.used_at = row.mapping, row.reading, now


def start_run(*, organisation_id: int, reference: str, seen: Seen, actor: Actor, now: datetime) -> ImportFile:
    """Queue the storing of the rows that the check found good. Starting again changes nothing.

    Raises Conflict when the check is not over, found nothing good, or is not the one that was seen.
    """
    row = _lock(organisation_id, reference)
    require_own(row, actor)
    if row.state in (ImportState.RUNNING.value, ImportState.DONE.value):
        return row
    if row.state != ImportState.CHECKED.value:
        raise Conflict(f"{reference} has to be checked first; nothing was stored.")
    now_there = Seen(row.version, row.sha256, row.created, row.updated, row.refused)
    if seen != now_there:
        raise Conflict("The check was made anew since this page was shown. Look at the counts again.")
    if not row.created + row.updated:
        raise Conflict("No row would change anything. Correct the file and upload it again.")
    _begin(row, ImportState.RUNNING)
    queue_step(row, now)
    return row


def stop(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> ImportFile:
    """Stop after the chunk at hand; what is stored stays. Stopping again changes nothing.

    Raises Conflict when nothing is at work.
    """
    row = _lock(organisation_id, reference)
    if row.state == ImportState.STOPPED.value or row.is_stop_requested:
        return row
    if row.state not in WORKING:
        raise Conflict(f"{reference} is not at work; there is nothing to stop.")
    row.is_stop_requested = True
    row.error = f"{actor.label} stopped it."
    if row.lease_until is None or row.lease_until < now:
        end(row, ImportState.STOPPED, actor, now)
    return row


def end(row: ImportFile, state: ImportState, actor: Actor, now: datetime, error: str = "") -> None:
    """An import's work is over, in CHECKED, DONE, STOPPED or FAILED.

    What a run stored becomes one audit event; a whole run also a notice to the person who asked for it.
    """
    was_run = row.state == ImportState.RUNNING.value
    row.state, row.lease_until = state.value, None
    row.error = (error or row.error)[:500]
    if state is not ImportState.CHECKED:
        row.finished_at = now
    if was_run and (row.done or state is ImportState.DONE):
        _record(row, state, actor, now)
    if was_run and state is ImportState.DONE:
        kind = "notice.import_result"
        outbox.ask_mail(
            kind=kind,
            reference_id=row.id,
            organisation_id=row.organisation_id,
            now=now,
            part=f":{row.version}",
        )


def _record(row: ImportFile, state: ImportState, actor: Actor, now: datetime) -> None:
    kind = find_kind(row.kind)
    counts = {name: [None, getattr(row, name)] for name in COUNTS}
    content = {"sha256": row.sha256, "mapping": row.mapping, "reading": row.reading, "counts": counts}
    audit.record(
        tag=f"imports:import:{'finished' if state is ImportState.DONE else 'stopped'}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type="import",
        subject_id=row.id,
        subject_label=f"{row.reference} {kind.label if kind else row.kind} from {row.file_name}",
        changes={**counts, "file": [None, row.sha256], "digest": [None, digest(canonical_json(content))]},
    )


def keep_chunk(
    *, row: ImportFile, phase: Phase, problems: list[list[Any]], remarks: list[list[Any]], outcomes: Mapping[str, int],
    n: int, lease_until: datetime,
) -> None:  # fmt: skip
    """Count a chunk of `n` rows and keep what was found in it, in the transaction of its effect."""
    db.session.add(
        ImportChunk(
            import_id=row.id,
            phase=phase.value,
            position=row.done,
            refused=outcomes.get("refused", 0),
            problems=problems,
            remarks=remarks,
        )
    )
    for name in COUNTS:
        setattr(row, name, getattr(row, name) + outcomes.get(name, 0))
    row.done += n
    row.lease_until = lease_until
    db.session.flush()
