"""Runs: batches of rows worked through one by one, each in a transaction of its own.

Rooms above register a handler per kind. A run can be stopped between rows and stepped again by any worker: a row
is worked on while it waits, and its outcome is written in the transaction of its effect.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import OperationalError

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, PaydeskError
from webapp.kernel.ids import digest
from webapp.outbox import service as outbox
from webapp.people.changes.queries import is_active_admin
from webapp.people.numbers import next_number
from webapp.runs.models import RowOutcome, Run, RunRow, RunState

log = structlog.get_logger()

# One step does so many rows, or works so long: a step may be a job of the queue, which costs as much as some rows.
# It must not be much longer either: other runs wait for it.
CHUNK = 1_000
STEP_SECONDS = 20.0
# Longer than any single row takes; renewed with every row.
LEASE = timedelta(seconds=60)
_TITLE_LENGTH = 200
# A run of more rows, or that took longer, is told by mail when it has finished.
TOLD_ABOVE_ROWS = 20
TOLD_AFTER = timedelta(minutes=1)


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


_handlers: dict[str, RowHandler] = {}
_batches: dict[str, BatchHandler] = {}
_outside: dict[str, OutsideHandler] = {}


def register_handler(kind: str, handler: RowHandler) -> None:
    """Say who works on the rows of a kind of run; once, at start-up."""
    _handlers[kind] = handler


def register_batch(kind: str, handler: BatchHandler) -> None:
    """Have rows of a kind of run, which has its handler of single rows, worked on together; once, at start-up."""
    _batches[kind] = handler


def register_outside(kind: str, handler: OutsideHandler) -> None:
    """Say who works on the rows of a kind of run with no transaction open; once, at start-up."""
    _outside[kind] = handler


def create_draft(
    *,
    organisation_id: int,
    kind: str,
    title: str,
    rows: Sequence[RowDraft],
    actor: Actor,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
) -> Run:
    """Keep what a person chose, for the check step; nothing is done before `confirm`. Raises Invalid."""
    if kind not in _handlers and kind not in _outside:
        raise ValueError(f"nobody handles runs of the kind {kind!r}")
    if not rows:
        raise Invalid("rows", "Nothing is selected. Select at least one row.")
    run = Run(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "BA", 4),
        kind=kind,
        title=title[:_TITLE_LENGTH],
        parameters=dict(parameters or {}),
        total=len(rows),
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(run)
    db.session.flush()
    db.session.execute(
        insert(RunRow),
        [
            {
                "run_id": run.id,
                "position": position,
                "subject_type": row.subject_type,
                "subject_id": row.subject_id,
                "subject_label": row.subject_label[:200],
                "subject_version": row.subject_version,
                "data": dict(row.data),
                "outcome": RowOutcome.WAITING.value,
                "message": "",
            }
            for position, row in enumerate(rows, start=1)
        ],
    )
    return run


def _lock(organisation_id: int, reference: str) -> Run:
    return lock_row(Run, Run.organisation_id == organisation_id, Run.reference == reference)


def _record(run: Run, word: str, actor: Actor, now: datetime, changes: dict[str, Any] | None = None) -> None:
    audit.record(
        tag=f"runs:run:{word}",
        actor=actor,
        now=now,
        organisation_id=run.organisation_id,
        subject_type="run",
        subject_id=run.id,
        subject_label=f"{run.reference} {run.title}",
        changes=changes,
    )


def _queue_step(run: Run, now: datetime, suffix: str = "") -> None:
    worked = run.done + run.skipped + run.failed
    outbox.add(
        kind="run.step",
        reference_id=run.id,
        dedupe_key=f"run.step:{run.id}:{worked}{suffix}",
        to_queue=queue.BULK,
        organisation_id=run.organisation_id,
        now=now,
    )


def confirm(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
) -> Run:
    """Queue a draft; a worker starts within seconds. Confirming again changes nothing.

    `parameters` are added to those of the draft (a reason, a rail). Raises Conflict when it was stopped before,
    or when another person made the draft.
    """
    run = _lock(organisation_id, reference)
    if run.created_by_id != actor.user_id:
        raise Conflict(f"{run.created_by_label} prepared {reference}; only they can confirm it.")
    if run.state == RunState.STOPPED:
        raise Conflict(f"{reference} was stopped. Start a new one for the rows that are left.")
    if run.state != RunState.DRAFT:
        return run
    run.state, run.confirmed_at = RunState.QUEUED.value, now
    run.parameters = {**run.parameters, **(parameters or {})}
    db.session.flush()
    _queue_step(run, now)
    rows = db.session.execute(
        select(RunRow.subject_type, RunRow.subject_id)
        .where(RunRow.run_id == run.id)
        .order_by(RunRow.position)
    ).all()
    changes = {"rows": [None, run.total], "digest of the rows": [None, digest([list(r) for r in rows])]}
    _record(run, "confirmed", actor, now, changes)
    return run


def stop(*, organisation_id: int, reference: str, actor: Actor, now: datetime, reason: str = "") -> Run:
    """Stop before the next row; what is done stays done. Stopping again changes nothing.

    Raises Conflict when it has finished.
    """
    run = _lock(organisation_id, reference)
    if run.state == RunState.FINISHED:
        raise Conflict(f"{reference} has finished already; every row has its outcome.")
    if run.state == RunState.STOPPED or run.is_stop_requested:
        return run
    run.is_stop_requested = True
    run.stop_reason = reason[:2000] or f"{actor.label} stopped it."
    _record(run, "stopped", actor, now)
    if run.lease_until is None or run.lease_until < now:
        _end(run, RunState.STOPPED, now)
    return run


def _end(run: Run, state: RunState, now: datetime) -> None:
    run.state, run.finished_at, run.lease_until = state.value, now, None


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
        _queue_step(run, now)
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
            result = _outside[kind](work, actor, clock())
        except OperationalError:
            raise  # the database is away: the row is not at fault, the step is tried again
        except Exception as error:
            result = _result_of(error, run_id, work.row_id)
        try:
            with transaction():
                _keep(run_id, work.row_id, result, clock())
        except _RowTaken:
            return
        if time.monotonic() >= until:
            return


def _next_outside(run_id: int) -> tuple[str, OutsideRow] | None:
    with transaction():
        run = db.session.get_one(Run, run_id, populate_existing=True)
        if run.kind not in _outside or run.state != RunState.RUNNING or run.is_stop_requested:
            return None
        row = db.session.scalar(_waiting(run_id).limit(1))
        if row is None:
            return None
        return run.kind, OutsideRow(run.id, row.id, run.organisation_id, dict(row.data))


def _work_together(run_id: int, actor: Actor, now: datetime, chunk: int) -> list[int] | None:
    """Work on the next rows at once, where somebody can; the ids of those left, None where nobody can."""
    try:
        with transaction():
            run = db.session.get_one(Run, run_id, populate_existing=True)
            if run.kind not in _batches or run.state != RunState.RUNNING or run.is_stop_requested:
                return None
            rows = db.session.scalars(_waiting(run_id).limit(chunk)).all()
            results = _batches[run.kind](run, rows, actor, now) if rows else {}
            _keep_all(run_id, results, now)
            left = [row.id for row in rows if row.id not in results]
    except (PaydeskError, _RowTaken):
        return None
    return left


def _keep_all(run_id: int, results: Mapping[int, RowResult], now: datetime) -> None:
    """Write the outcomes of many rows and count them; another worker's outcome of any of them undoes it all."""
    if not results:
        return
    statement = (
        update(RunRow)
        .where(RunRow.id == bindparam("row_id"), RunRow.outcome == RowOutcome.WAITING.value)
        .values(outcome=bindparam("row_outcome"), message=bindparam("row_message"), finished_at=now)
    )
    rows = [
        {"row_id": row_id, "row_outcome": result.outcome.value, "row_message": result.message[:2000]}
        for row_id, result in results.items()
    ]
    written: Any = db.session.connection().execute(statement, rows)
    if written.rowcount != len(rows):
        raise _RowTaken
    counts = Counter(result.outcome.value for result in results.values())
    values: dict[str, Any] = {name: getattr(Run, name) + n for name, n in counts.items()}
    db.session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(**values, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )


def _work_next(run_id: int, actor: Actor, now: datetime) -> bool | None:
    """Work on the next row; True/False when the run is over or not ours any more, None to go on."""
    row_id = 0
    try:
        with transaction():
            run = db.session.get_one(Run, run_id, populate_existing=True)
            if run.state != RunState.RUNNING:
                return run.state in (RunState.FINISHED, RunState.STOPPED)
            if run.is_stop_requested:
                _end(run, RunState.STOPPED, now)
                return True
            row = db.session.scalar(_waiting(run_id).limit(1))
            if row is None:
                _end(run, RunState.FINISHED, now)
                _record(run, "finished", actor, now, _counts(run))
                _tell_result(run, now)
                return True
            row_id = row.id
            result = _handlers[run.kind](run, row, actor, now)
            _keep(run_id, row_id, result, now)
    except _RowTaken:
        return False
    except OperationalError:
        raise  # the database is away: the row is not at fault, the step is tried again
    except Exception as error:
        if not row_id:
            raise
        with transaction():
            try:
                _keep(run_id, row_id, _result_of(error, run_id, row_id), now)
            except _RowTaken:
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


class _RowTaken(Exception):
    """Another worker gave the row its outcome first."""


def _waiting(run_id: int) -> Any:
    return (
        select(RunRow)
        .where(RunRow.run_id == run_id, RunRow.outcome == RowOutcome.WAITING.value)
        .order_by(RunRow.position)
    )


def _result_of(error: Exception, run_id: int, row_id: int) -> RowResult:
    """A conflict is a row to skip, other refusals are failures; the unforeseen is logged and said plainly."""
    if isinstance(error, Conflict):
        return RowResult(RowOutcome.SKIPPED, error.message)
    if isinstance(error, PaydeskError):
        return RowResult(RowOutcome.FAILED, error.message)
    log.error("run.row_broke", run_id=run_id, row_id=row_id, exc_info=error)
    return RowResult(RowOutcome.FAILED, "Something went wrong on our side; nothing was changed for this row.")


def _keep(run_id: int, row_id: int, result: RowResult, now: datetime) -> None:
    """Write a row's outcome once, count it, and prolong the lease."""
    written: Any = db.session.execute(
        update(RunRow)
        .where(RunRow.id == row_id, RunRow.outcome == RowOutcome.WAITING.value)
        .values(outcome=result.outcome.value, message=result.message[:2000], finished_at=now)
        .execution_options(synchronize_session=False)
    )
    if written.rowcount != 1:
        # Another worker finished the row first; raising undoes what was done twice.
        raise _RowTaken
    column = getattr(Run, result.outcome.value)
    db.session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values({result.outcome.value: column + 1, "lease_until": now + LEASE})
        .execution_options(synchronize_session=False)
    )


def _counts(run: Run) -> dict[str, Any]:
    return {"done": [None, run.done], "skipped": [None, run.skipped], "failed": [None, run.failed]}


def recover(*, clock: Callable[[], datetime] = utc_now) -> int:
    """Runs whose worker is gone are queued again; one that failed every time waits for a person. Returns how many."""
    now = clock()
    with transaction():
        stranded = db.session.scalars(
            select(Run).where(
                or_(
                    Run.state == RunState.QUEUED.value,
                    and_(
                        Run.state == RunState.RUNNING.value,
                        or_(Run.lease_until.is_(None), Run.lease_until < now),
                    ),
                )
            )
        ).all()
        count = 0
        for run in stranded:
            if not outbox.is_unfinished(kind="run.step", reference_id=run.id):
                _queue_step(run, now, suffix=f":{now:%Y%m%d%H%M%S}")
                count += 1
    return count
