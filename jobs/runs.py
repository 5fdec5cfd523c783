"""What workers do for runs: step them, and pick up those whose worker is gone."""

from __future__ import annotations

from datetime import datetime

from webapp.runs import service


def step_run(reference_id: int) -> None:
    """Work on the next rows of run `reference_id`."""
    service.step(run_id=reference_id)


def recover(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: runs that nobody works on are queued again."""
    service.recover()
