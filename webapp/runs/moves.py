"""How a run moves on: its next step is queued, it ends, its changes are kept in the trail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from webapp import queue
from webapp.audit import service as audit
from webapp.kernel.actor import Actor
from webapp.outbox import service as outbox
from webapp.runs.models import Run, RunState

# Longer than any single row takes; renewed with every row.
LEASE = timedelta(seconds=60)


def record(run: Run, word: str, actor: Actor, now: datetime, changes: dict[str, Any] | None = None) -> None:
    """Write what was done to a run into the trail."""
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


def queue_step(run: Run, now: datetime, suffix: str = "") -> None:
    """Have a worker go on with a run, once per row that was reached; a `suffix` asks once more."""
    worked = run.done + run.skipped + run.failed
    outbox.add(
        kind="run.step",
        reference_id=run.id,
        dedupe_key=f"run.step:{run.id}:{worked}{suffix}",
        to_queue=queue.BULK,
        organisation_id=run.organisation_id,
        now=now,
    )


def end(run: Run, state: RunState, now: datetime) -> None:
    """The run is over; no worker has it."""
    run.state, run.finished_at, run.lease_until = state.value, now, None
