"""What became of the rows of a run: every row gets its outcome once, in the transaction of its effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Select, bindparam, select, update

from webapp.database import db
from webapp.kernel.errors import Conflict, PaydeskError
from webapp.runs.handlers import RowResult
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.moves import LEASE

log = structlog.get_logger()


class RowTaken(Exception):
    """Another worker gave the row its outcome first."""


def waiting(run_id: int) -> Select[Any]:
    """The rows that have no outcome yet, in their order."""
    return (
        select(RunRow)
        .where(RunRow.run_id == run_id, RunRow.outcome == RowOutcome.WAITING.value)
        .order_by(RunRow.position)
    )


def result_of(error: Exception, run_id: int, row_id: int) -> RowResult:
    """A conflict is a row to skip, other refusals are failures; the unforeseen is logged and said plainly."""
    if isinstance(error, Conflict):
        return RowResult(RowOutcome.SKIPPED, error.message)
    if isinstance(error, PaydeskError):
        return RowResult(RowOutcome.FAILED, error.message)
    log.error("run.row_broke", run_id=run_id, row_id=row_id, exc_info=error)
    return RowResult(RowOutcome.FAILED, "Something went wrong on our side; nothing was changed for this row.")


def keep(run_id: int, row_id: int, result: RowResult, now: datetime) -> None:
    """Write a row's outcome once, count it, and prolong the lease."""
    written: Any = db.session.execute(
        update(RunRow)
        .where(RunRow.id == row_id, RunRow.outcome == RowOutcome.WAITING.value)
        .values(outcome=result.outcome.value, message=result.message[:2000], finished_at=now)
        .execution_options(synchronize_session=False)
    )
    if written.rowcount != 1:
        # Another worker finished the row first; raising undoes what was done twice.
        raise RowTaken
    column = getattr(Run, result.outcome.value)
    db.session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values({result.outcome.value: column + 1, "lease_until": now + LEASE})
        .execution_options(synchronize_session=False)
    )


def keep_all(run_id: int, results: Mapping[int, RowResult], now: datetime) -> None:
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
        raise RowTaken
    counts = Counter(result.outcome.value for result in results.values())
    values: dict[str, Any] = {name: getattr(Run, name) + n for name, n in counts.items()}
    db.session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(**values, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
