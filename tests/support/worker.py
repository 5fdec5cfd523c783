"""A worker for tests: it works on a run until that is over, and fails where it never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.runs import service as runs
from webapp.runs.models import Run

#: A step takes many rows: no run of a test has so many that it needs more.
STEPS = 20


def work_off(run_id: int, clock: Callable[[], datetime] = utc_now) -> None:
    """Step after step until the run is over. One that was over already fails, like one that does not end."""
    if any(runs.step(run_id=run_id, clock=clock) for _ in range(STEPS)):
        return
    db.session.rollback()
    run = db.session.get_one(Run, run_id, populate_existing=True)
    pytest.fail(f"{run.reference} is {run.state}: {STEPS} steps of a worker did not bring it to its end")


def work_off_named(reference: str) -> None:
    """The same for the run of a reference."""
    with transaction():
        run_id = db.session.scalars(select(Run.id).where(Run.reference == reference)).one()
    work_off(run_id)
