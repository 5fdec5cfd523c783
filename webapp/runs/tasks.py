"""Periodic work: a due-table in the database. A row is claimed by a conditional UPDATE, so it runs once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from croniter import croniter
from sqlalchemy import or_, select, update

from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.kernel.clock import utc_now
from webapp.people.models import Organisation
from webapp.runs.models import DueTask

log = structlog.get_logger()

LEASE = timedelta(minutes=15)
RETRY_AFTER = timedelta(minutes=5)
# A task is given the organisation (0: all of them), the instant it was due at, and the present instant.
TaskFunction = Callable[[int, datetime, datetime], object]


@dataclass(frozen=True)
class Task:
    """Periodic work: by a cron expression in local time (missed times are caught up one by one), or by seconds."""

    name: str
    function: TaskFunction
    cron: str = ""
    every: int = 0
    per_organisation: bool = False
    # Limits a per-organisation task to organisations that switched this program on.
    program: str = ""


_tasks: dict[str, Task] = {}


def register_task(
    name: str,
    function: TaskFunction,
    *,
    cron: str = "",
    every: int = 0,
    per_organisation: bool = False,
    program: str = "",
) -> None:
    """Have `function` called by the scheduler; exactly one of `cron` ("0 1 * * *") and `every` (seconds).

    The function opens its own transactions. Raises ValueError for a wrong plan.
    """
    if bool(cron) == bool(every):
        raise ValueError(f"{name}: give either cron or every")
    if cron and not croniter.is_valid(cron):
        raise ValueError(f"{name}: {cron!r} is not a cron expression")
    _tasks[name] = Task(name, function, cron, every, per_organisation, program)


def registered() -> list[Task]:
    """Every task, by name."""
    return [_tasks[name] for name in sorted(_tasks)]


def next_due(task: Task, after: datetime, timezone: str) -> datetime:
    """The next instant of a plan after an instant; cron expressions are local time, also over clock changes."""
    if task.every:
        return after + timedelta(seconds=task.every)
    zone = ZoneInfo(timezone)
    # The expression is walked on the wall clock, then placed in the zone: 01:00 stays 01:00 in summer.
    local = after.astimezone(zone).replace(tzinfo=None)
    walker = croniter(task.cron, local)
    while True:
        due: datetime = walker.get_next(datetime).replace(tzinfo=zone).astimezone(after.tzinfo)
        if due > after:
            return due


def plan(*, now: datetime) -> int:
    """Write a row for every task (and organisation) that has none yet. Returns how many were added."""
    added = 0
    organisations = list(db.session.scalars(select(Organisation)))
    known = {(t.name, t.organisation_id) for t in db.session.scalars(select(DueTask))}
    for task in registered():
        for organisation_id, timezone in _scopes(task, organisations):
            if (task.name, organisation_id) in known:
                continue
            due_at = now if task.every else next_due(task, now, timezone)
            values = {
                "name": task.name,
                "organisation_id": organisation_id,
                "due_at": due_at,
                "last_error": "",
            }
            added += insert_ignoring_conflict(db.session(), DueTask, values)
    return added


def _scopes(task: Task, organisations: list[Organisation]) -> list[tuple[int, str]]:
    if not task.per_organisation:
        return [(0, "UTC")]
    return [
        (o.id, o.timezone)
        for o in organisations
        if not task.program or task.program in {p.program for p in o.programs}
    ]


@dataclass(frozen=True)
class ClaimedTask:
    """A task that this scheduler runs now."""

    id: int
    task: Task
    organisation_id: int
    timezone: str
    due_at: datetime


def claim_due(*, now: datetime) -> ClaimedTask | None:
    """Take the task that has waited longest; None when nothing is due. Commit before running it."""
    is_free = or_(DueTask.lease_until.is_(None), DueTask.lease_until < now)
    row = db.session.scalar(
        select(DueTask)
        .where(DueTask.name.in_(list(_tasks)), DueTask.due_at <= now, is_free)
        .order_by(DueTask.due_at, DueTask.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    claimed = ClaimedTask(row.id, _tasks[row.name], row.organisation_id, _timezone(row), row.due_at)
    taken: Any = db.session.execute(
        update(DueTask)
        .where(DueTask.id == row.id, DueTask.due_at == row.due_at, is_free)
        .values(lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return claimed if taken.rowcount == 1 else None


def _timezone(row: DueTask) -> str:
    organisation = db.session.get(Organisation, row.organisation_id) if row.organisation_id else None
    return organisation.timezone if organisation else "UTC"


def _done(claimed: ClaimedTask, now: datetime, error: str = "") -> None:
    values: dict[str, object] = {"last_run_at": now, "last_error": error[:500]}
    if error:
        values["lease_until"] = now + RETRY_AFTER
    else:
        following = next_due(claimed.task, claimed.due_at, claimed.timezone)
        if claimed.task.every:
            following = max(following, now + timedelta(seconds=claimed.task.every))
        values |= {"lease_until": None, "due_at": following}
    db.session.execute(
        update(DueTask)
        .where(DueTask.id == claimed.id, DueTask.due_at == claimed.due_at)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def run_due(*, clock: Callable[[], datetime] = utc_now, limit: int = 50) -> int:
    """Run what is due, each missed time of a cron task by itself. Returns how many were run.

    A task that fails is logged and tried again after some minutes; the others go on.
    """
    with transaction():
        plan(now=clock())
    count = 0
    while count < limit:
        with transaction():
            claimed = claim_due(now=clock())
        if claimed is None:
            return count
        error = ""
        try:
            claimed.task.function(claimed.organisation_id, claimed.due_at, clock())
        except Exception as failure:
            db.session.rollback()
            log.exception("task.failed", task=claimed.task.name, organisation_id=claimed.organisation_id)
            error = f"{type(failure).__name__}: {failure}"
        with transaction():
            _done(claimed, clock(), error)
        count += 1
    return count
