"""A worker steps a run: it takes the run for itself, works on rows, and queues the next step."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, update
from sqlalchemy.exc import OperationalError

from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.outbox import service as outbox
from webapp.people.changes.queries import is_active_admin
from webapp.runs import handlers, moves, results
from webapp.runs.handlers import OutsideRow
from webapp.runs.models import Run, RunState
from webapp.runs.moves import LEASE
from webapp.runs.results import RowTaken

# One step does so many rows, or works so long: a step may be a job of the queue, which costs as much as some rows.
# It must not be much longer either: other runs wait for it.
CHUNK = 1_000
STEP_SECONDS = 20.0
# A run of more rows, or that took longer, is told by mail when it has finished.
TOLD_ABOVE_ROWS = 20
TOLD_AFTER = timedelta(minutes=1)


def step(*, run_id: int, clock: Callable[[], datetime] = utc_now, chunk: int = CHUNK) -> bool:
    """Work on up to `chunk` rows for STEP_SECONDS, then queue the next step; True when the run is over.

    Opens its own transactions, one per row. Does nothing while another worker steps the same run.
    """
    actor = _take(run_id, clock())
    if actor is None:
        return False
    until = time.monotonic() + STEP_SECONDS
    _work_outside(run_id, actor, clock, until)
    alone = _work_together(run_id, actor, clock(), chunk)
    # One more than is left: it finds out that the run is over.
    for _ in range(chunk if alone is None else len(alone) + 1):
        is_over = _work_next(run_id, actor, clock())
        if is_over is not None:
            return is_over
        if time.monotonic() >= until:
            break
    now = clock()
    with transaction():
        run = db.session.get_one(Run, run_id, with_for_update=True, populate_existing=True)
        run.lease_until = None
        moves.queue_step(run, now)
    return False


def _take(run_id: int, now: datetime) -> Actor | None:
    """Become the one worker of a run; None when there is another, or nothing to do."""
    with transaction():
        taken: Any = db.session.execute(
            update(Run)
            .where(
                Run.id == run_id,
                Run.state.in_([RunState.QUEUED.value, RunState.RUNNING.value]),
                or_(Run.lease_until.is_(None), Run.lease_until < now),
            )
            .values(
                state=RunState.RUNNING.value,
                lease_until=now + LEASE,
                started_at=func.coalesce(Run.started_at, now),
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:
            return None
        run = db.session.get_one(Run, run_id, populate_existing=True)
        if run.created_by_id is not None and not is_active_admin(run.organisation_id, run.created_by_id):
            # Whoever loses their rights must not go on approving and paying through a run that waited.
            run.is_stop_requested = True
            run.stop_reason = f"{run.created_by_label} is not an active admin of this organisation any more."
        return Actor(run.created_by_id, run.created_by_label)


def _work_outside(run_id: int, actor: Actor, clock: Callable[[], datetime], until: float) -> None:
    """Work on rows one by one with no transaction open, where the kind of run has somebody for that."""
    while (row := _next_outside(run_id)) is not None:
        kind, work = row
        try:
            result = handlers.outside[kind](work, actor, clock())
        except OperationalError:
            raise  # the database is away: the row is not at fault, the step is tried again
        except Exception as error:
            result = results.result_of(error, run_id, work.row_id)
        try:
            with transaction():
                results.keep(run_id, work.row_id, result, clock())
        except RowTaken:
            return
        if time.monotonic() >= until:
            return


def _next_outside(run_id: int) -> tuple[str, OutsideRow] | None:
    with transaction():
        run = db.session.get_one(Run, run_id, populate_existing=True)
        if run.kind not in handlers.outside or run.state != RunState.RUNNING or run.is_stop_requested:
            return None
        row = db.session.scalar(results.waiting(run_id).limit(1))
        if row is None:
            return None
        return run.kind, OutsideRow(run.id, row.id, run.organisation_id, dict(row.data))


def _work_together(run_id: int, actor: Actor, now: datetime, chunk: int) -> list[int] | None:
    """Work on the next rows at once, where somebody can; the ids of those left, None where nobody can."""
    try:
        with transaction():
            run = db.session.get_one(Run, run_id, populate_existing=True)
            if run.kind not in handlers.together or run.state != RunState.RUNNING or run.is_stop_requested:
                return None
            rows = db.session.scalars(results.waiting(run_id).limit(chunk)).all()
            found = handlers.together[run.kind](run, rows, actor, now) if rows else {}
            results.keep_all(run_id, found, now)
            left = [row.id for row in rows if row.id not in found]
    except (PaydeskError, RowTaken):
        return None
    return left


def _work_next(run_id: int, actor: Actor, now: datetime) -> bool | None:
    """Work on the next row; True/False when the run is over or not ours any more, None to go on."""
    row_id = 0
    try:
        with transaction():
            run = db.session.get_one(Run, run_id, populate_existing=True)
            if run.state != RunState.RUNNING:
                return run.state in (RunState.FINISHED, RunState.STOPPED)
            if run.is_stop_requested:
                moves.end(run, RunState.STOPPED, now)
                return True
            row = db.session.scalar(results.waiting(run_id).limit(1))
            if row is None:
                moves.end(run, RunState.FINISHED, now)
                moves.record(run, "finished", actor, now, _counts(run))
                _tell_result(run, now)
                return True
            row_id = row.id
            result = handlers.single[run.kind](run, row, actor, now)
            results.keep(run_id, row_id, result, now)
    except RowTaken:
        return False
    except OperationalError:
        raise  # the database is away: the row is not at fault, the step is tried again
    except Exception as error:
        if not row_id:
            raise
        with transaction():
            try:
                results.keep(run_id, row_id, results.result_of(error, run_id, row_id), now)
            except RowTaken:
                return False
    return None


def _tell_result(run: Run, now: datetime) -> None:
    """A run that its person has probably not waited for is told by mail; scheduled ones have nobody to tell."""
    began = run.confirmed_at or run.started_at or run.created_at
    if run.created_by_id is None or (run.total <= TOLD_ABOVE_ROWS and now - began <= TOLD_AFTER):
        return
    outbox.ask_mail(
        kind="notice.bulk_result", reference_id=run.id, organisation_id=run.organisation_id, now=now
    )


def _counts(run: Run) -> dict[str, Any]:
    return {"done": [None, run.done], "skipped": [None, run.skipped], "failed": [None, run.failed]}
