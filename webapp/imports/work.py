"""What a worker does with an import: check it or store it, a chunk of rows in a transaction each.

A chunk is written with the count of rows done, under the lock of the import: a worker that dies leaves whole chunks
behind, and another goes on after the last of them. Importing this module plans the sweep for dead workers.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import or_, select, update

from webapp.database import db, transaction
from webapp.imports import queries, service
from webapp.imports.columns import Mapped, Reading, Row, map_exactly
from webapp.imports.kinds import Importer, find_kind
from webapp.imports.models import ImportFile, ImportState, Phase
from webapp.imports.perform import REFUSED, REPEAT, apply_row, finish, without_echo
from webapp.imports.reading import read
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.outbox import service as outbox
from webapp.people.changes.queries import is_active_admin
from webapp.people.models import Organisation
from webapp.providers import storage
from webapp.runs import tasks

log = structlog.get_logger()

CHUNK = 200
# Longer than any chunk takes; renewed with every chunk.
LEASE = timedelta(seconds=90)
# A turn ends after so long and queues the next one: others wait for the same worker.
TURN_SECONDS = 30.0


@dataclass
class Turn:
    """One worker's work on one import, from its taking to its release."""

    import_id: int
    state: ImportState
    version: int
    done: int
    actor: Actor
    mapped: Mapped
    importer: Importer

    @property
    def phase(self) -> Phase:
        """Whether rows are checked or stored."""
        return Phase.RUN if self.state is ImportState.RUNNING else Phase.CHECK


def step(
    *, import_id: int, clock: Callable[[], datetime] = utc_now, chunk: int = CHUNK, chunks: int | None = None
) -> bool:
    """Work on the next chunks (at most `chunks`), then queue the next step; True when the import's work is over.

    Opens its own transactions. Does nothing while another worker works on the same import.
    """
    taken = _take(import_id, clock())
    if taken is None:
        return False
    try:
        turn = _open(taken, clock())
        if turn is None:
            return True
        until, count = time.monotonic() + TURN_SECONDS, 0
        while time.monotonic() < until and (chunks is None or count < chunks):
            is_over = _next_chunk(turn, clock(), chunk)
            if is_over is not None:
                return is_over
            count += 1
    except Exception:
        db.session.rollback()
        _release(taken, clock(), is_queued=False)
        raise
    _release(taken, clock(), is_queued=True)
    return False


def _take(import_id: int, now: datetime) -> ImportFile | None:
    """Become the one worker of an import; None when there is another, or nothing to do. The row is detached."""
    with transaction() as session:
        taken: Any = session.execute(
            update(ImportFile)
            .where(
                ImportFile.id == import_id,
                ImportFile.state.in_(queries.WORKING),
                or_(ImportFile.lease_until.is_(None), ImportFile.lease_until < now),
            )
            .values(lease_until=now + LEASE)
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:
            return None
        row = session.get_one(ImportFile, import_id, populate_existing=True)
        if row.created_by_id is not None and not is_active_admin(row.organisation_id, row.created_by_id):
            # Whoever loses their rights stores nothing more through a file that waited.
            row.is_stop_requested = True
            row.error = f"{row.created_by_label} is not an active admin of this organisation any more."[:500]
            session.flush()
        session.expunge(row)
        return row


def _release(taken: ImportFile, now: datetime, *, is_queued: bool) -> None:
    """Let the next worker take it at once."""
    with transaction() as session:
        row = session.get_one(ImportFile, taken.id, with_for_update=True, populate_existing=True)
        if row.state != taken.state or row.version != taken.version:
            return
        row.lease_until = None
        if is_queued:
            service.queue_step(row, now)


def _open(taken: ImportFile, now: datetime) -> Turn | None:
    """The file under the chosen columns, and the importer with what it knows; None when the import failed."""
    actor = Actor(taken.created_by_id, taken.created_by_label)
    kind = find_kind(taken.kind)
    try:
        data = storage.read(taken.storage_key)
        if kind is None or hashlib.sha256(data).hexdigest() != taken.sha256:
            raise Invalid("file", "The stored file is not the one that was uploaded. Upload it again.")
        reading = Reading(taken.reading.get("dates", ""), taken.reading.get("decimal", ""))
        table = read(data, taken.reading.get("encoding", ""), taken.reading.get("sheet", ""))
        mapped = map_exactly(kind, table, taken.mapping, reading)
    except (Invalid, NotFound) as error:
        with transaction() as session:
            row = session.get_one(ImportFile, taken.id, with_for_update=True, populate_existing=True)
            service.end(row, ImportState.FAILED, actor, now, error.message)
        return None
    state = ImportState(taken.state)
    with transaction() as session:
        organisation = session.get_one(Organisation, taken.organisation_id)
        importer = kind.importer(organisation, mapped, actor, now)
        turn = Turn(taken.id, state, taken.version, taken.done, actor, mapped, importer)
        if taken.done:
            _catch_up(turn)
    return turn


def _catch_up(turn: Turn) -> None:
    """Tell the importer of the rows that earlier turns took, so that a repeated reference is refused all the same."""
    refused = queries.refused_lines(turn.import_id, turn.phase)
    for row in turn.mapped.rows(0, turn.done):
        if row.line not in refused:
            turn.importer.remember(row)


def _next_chunk(turn: Turn, now: datetime, size: int) -> bool | None:
    """Work on one chunk; True/False when the work is over or not ours any more, None to go on."""
    with transaction() as session:
        row = session.get_one(ImportFile, turn.import_id, with_for_update=True, populate_existing=True)
        if (row.state, row.version, row.done) != (turn.state.value, turn.version, turn.done):
            return row.state not in queries.WORKING
        if row.is_stop_requested:
            service.end(row, ImportState.STOPPED, turn.actor, now)
            return True
        rows = list(turn.mapped.rows(turn.done, turn.done + size))
        if not rows:
            over = ImportState.DONE if turn.phase is Phase.RUN else ImportState.CHECKED
            service.end(row, over, turn.actor, now)
            return True
        outcomes, problems = _store(turn, rows) if turn.phase is Phase.RUN else _rehearse(turn, rows)
        remarks = [list(remark) for remark in turn.importer.remarks]
        service.keep_chunk(
            row=row, phase=turn.phase, problems=problems, remarks=remarks, outcomes=outcomes, n=len(rows),
            lease_until=now + LEASE,
        )  # fmt: skip
    turn.importer.remarks.clear()
    turn.done += len(rows)
    return None


def _rehearse(turn: Turn, rows: list[Row]) -> tuple[Counter[str], list[list[Any]]]:
    """What `_store` would do, taken back."""
    with without_echo():
        savepoint = db.session.begin_nested()
        try:
            return _store(turn, rows)
        finally:
            savepoint.rollback()


def _store(turn: Turn, rows: list[Row]) -> tuple[Counter[str], list[list[Any]]]:
    """Every row in a savepoint of its own; how many became what, and what is wrong with the others."""
    outcomes: Counter[str] = Counter()
    kept: list[list[Any]] = []
    turn.importer.prepare(rows)
    for row in rows:
        outcome, problems = apply_row(turn.importer, row, turn.mapped.columns, goes_on=True)
        outcomes["refused" if outcome == REFUSED else outcome] += 1
        kept.extend(problem.to_list() for problem in problems)
    finish(turn.importer)
    del outcomes[REPEAT]
    return outcomes, kept


def recover(*, clock: Callable[[], datetime] = utc_now) -> int:
    """Imports whose worker is gone are queued again; returns how many.

    One that failed every time waits for a person.
    """
    now = clock()
    with transaction() as session:
        stranded = session.scalars(
            select(ImportFile).where(
                ImportFile.state.in_(queries.WORKING),
                or_(ImportFile.lease_until.is_(None), ImportFile.lease_until < now),
            )
        ).all()
        count = 0
        for row in stranded:
            if not outbox.is_unfinished(kind=service.STEP, reference_id=row.id):
                service.queue_step(row, now, suffix=f":{now:%Y%m%d%H%M%S}")
                count += 1
    return count


def _sweep(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: imports that nobody works on are queued again."""
    recover()


tasks.register_task("imports.recover", _sweep, every=60)
