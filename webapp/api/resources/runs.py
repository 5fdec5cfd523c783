"""Runs: how far a batch of work is, and what became of every row."""

from __future__ import annotations

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.runs import RunOut, RunPage, RunQuery, RunRowOut, RunRowPage, RunRowQuery
from webapp.people.access.tokens import Scope
from webapp.runs import lists
from webapp.runs.models import Run, RunRow

resource = Resource(
    "runs",
    "/runs",
    title="Runs",
    about="Batches of work: bulk actions, imports, schedules. Every row has its outcome and a sentence.",
)
_read = {"scope": Scope.RUNS_READ}
_AS_IT_IS = (
    "reference", "kind", "title", "state", "total", "done", "skipped", "failed", "stop_reason", "created_at",
    "started_at", "finished_at",
)  # fmt: skip


def _out(row: Run) -> RunOut:
    return RunOut(**{name: getattr(row, name) for name in _AS_IT_IS}, created_by=row.created_by_label)


@resource.get("", summary="List runs", query=RunQuery, answers=RunPage, **_read)
def index(who: Caller, query: RunQuery) -> RunPage:
    """The runs that match, the newest first; drafts are none yet."""
    found = lists.runs(organisation_id=who.organisation_id, state=query.state or "", kind=query.kind or "")
    rows, following = paging.page(found, Run.id, limit=query.limit, cursor=query.cursor)
    return RunPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a run", answers=RunOut, **_read)
def show(who: Caller, reference: str) -> RunOut:
    """One run, and how far it is."""
    return _out(lists.get_run(organisation_id=who.organisation_id, reference=reference))


@resource.get(
    "/<reference>/rows", summary="List the rows of a run", query=RunRowQuery, answers=RunRowPage, **_read
)
def rows(who: Caller, reference: str, query: RunRowQuery) -> RunRowPage:
    """What became of each row, in their order."""
    run = lists.get_run(organisation_id=who.organisation_id, reference=reference)
    found, following = paging.page(
        lists.rows(run.id, query.outcome or ""),
        RunRow.position,
        limit=query.limit,
        cursor=query.cursor,
        newest_first=False,
        key_of_row=lambda row: int(row.position),
    )
    items = [
        RunRowOut(
            position=row.position, subject=row.subject_label, outcome=row.outcome, message=row.message,
            finished_at=row.finished_at,
        )
        for row in found
    ]  # fmt: skip
    return RunRowPage(items=items, next_cursor=following)
