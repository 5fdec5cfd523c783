"""What the pages of runs show: the list, one run, its rows by outcome. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, select

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.runs.models import RowOutcome, Run, RunRow, RunState

ACTIVE = (RunState.QUEUED.value, RunState.RUNNING.value)
EXPORT_BATCH = 500


def runs(*, organisation_id: int, state: str = "", kind: str = "") -> Select[Any]:
    """The runs of an organisation. Drafts that nobody confirmed are no runs yet and are left out."""
    query = select(Run).where(Run.organisation_id == organisation_id, Run.state != RunState.DRAFT.value)
    if state:
        query = query.where(Run.state == state)
    if kind:
        query = query.where(Run.kind == kind)
    return query


def kinds_of(organisation_id: int) -> list[str]:
    """Kinds of work that the organisation has had runs of, for the filter."""
    query = select(Run.kind).where(Run.organisation_id == organisation_id, Run.state != RunState.DRAFT.value)
    return sorted(db.session.scalars(query.distinct()))


def active(organisation_id: int, limit: int = 5) -> Sequence[Run]:
    """Runs at work or waiting for a worker, newest first."""
    query = select(Run).where(Run.organisation_id == organisation_id, Run.state.in_(ACTIVE))
    return db.session.scalars(query.order_by(Run.id.desc()).limit(limit)).all()


def get_run(*, organisation_id: int, reference: str, kind: str = "") -> Run:
    """One run, of a kind where one is given. Raises NotFound when it is not there or another organisation's."""
    query = select(Run).where(Run.organisation_id == organisation_id, Run.reference == reference)
    run = db.session.scalar(query.execution_options(populate_existing=True))
    if run is None or (kind and run.kind != kind):
        raise NotFound
    return run


def rows(run_id: int, outcome: str = "") -> Select[Any]:
    """The rows of a run, all or of one outcome, without order or limit."""
    query = select(RunRow).where(RunRow.run_id == run_id)
    return query.where(RunRow.outcome == outcome) if outcome else query


def failed_rows(run_id: int) -> Sequence[RunRow]:
    """The rows that failed, in their order."""
    return db.session.scalars(rows(run_id, RowOutcome.FAILED.value).order_by(RunRow.position)).all()


def all_rows(run_id: int) -> Sequence[RunRow]:
    """Every row, in its order: for a draft, whose size the check step has limited."""
    return db.session.scalars(rows(run_id).order_by(RunRow.position)).all()


def export_rows(run_id: int, outcome: str = "") -> Iterator[RunRow]:
    """Every row in its order, read in batches."""
    ordered = rows(run_id, outcome).order_by(RunRow.position).limit(EXPORT_BATCH)
    last = -1
    while True:
        batch = db.session.scalars(ordered.where(RunRow.position > last)).all()
        yield from batch
        if len(batch) < EXPORT_BATCH:
            return
        last = batch[-1].position
