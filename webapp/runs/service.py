"""Runs: batches of rows worked through one by one, each in a transaction of its own.

Rooms above register a handler per kind. A run can be stopped between rows and stepped again by any worker: a row
is worked on while it waits, and its outcome is written in the transaction of its effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, or_, select

from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import digest
from webapp.outbox import service as outbox
from webapp.people.numbers import next_number
from webapp.runs import handlers, moves
from webapp.runs.handlers import (
    BatchHandler,
    OutsideHandler,
    OutsideRow,
    RowDraft,
    RowHandler,
    RowResult,
    register_batch,
    register_handler,
    register_outside,
)
from webapp.runs.models import RowOutcome, Run, RunRow, RunState
from webapp.runs.working import step

__all__ = [
    "BatchHandler",
    "OutsideHandler",
    "OutsideRow",
    "RowDraft",
    "RowHandler",
    "RowResult",
    "confirm",
    "create_draft",
    "recover",
    "register_batch",
    "register_handler",
    "register_outside",
    "step",
    "stop",
]

_TITLE_LENGTH = 200


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
    if kind not in handlers.single and kind not in handlers.outside:
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
    moves.queue_step(run, now)
    rows = db.session.execute(
        select(RunRow.subject_type, RunRow.subject_id)
        .where(RunRow.run_id == run.id)
        .order_by(RunRow.position)
    ).all()
    changes = {"rows": [None, run.total], "digest of the rows": [None, digest([list(r) for r in rows])]}
    moves.record(run, "confirmed", actor, now, changes)
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
    moves.record(run, "stopped", actor, now)
    if run.lease_until is None or run.lease_until < now:
        moves.end(run, RunState.STOPPED, now)
    return run


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
                moves.queue_step(run, now, suffix=f":{now:%Y%m%d%H%M%S}")
                count += 1
    return count
