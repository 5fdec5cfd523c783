"""Weekly runs: how far each is, and for whom something could not be done."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import PageQuery, PayeeRef
from webapp.api.schemas.weekly import WeeklyProblemOut, WeeklyRunDetail, WeeklyRunOut, WeeklyRunPage
from webapp.kernel.errors import NotFound
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import queries
from webapp.programs.repairs.books import WeeklyRun

resource = Resource(
    "weekly_runs",
    "/weekly-runs",
    title="Weekly runs",
    about="Each charges the instalments of the week that begins and issues the receipts of the week before. The "
    "scheduler does it; whoever does it again does only what is left.",
)
_read = {"scope": Scope.RUNS_READ}


def _fields(row: WeeklyRun) -> dict[str, Any]:
    names = ("week_start", "posted", "receipts", "payouts", "problems", "started_at", "finished_at")
    return {
        **{name: getattr(row, name) for name in names},
        "receipts_of": row.week_start - timedelta(days=7),
        "state": "finished" if row.finished_at else "running",
    }


@resource.get("", summary="List weekly runs", query=PageQuery, answers=WeeklyRunPage, **_read)
def index(who: Caller, query: PageQuery) -> WeeklyRunPage:
    """The runs, the newest first."""
    found = repairs_queries.weekly_runs(who.organisation_id)
    rows, following = paging.page(found, WeeklyRun.id, limit=query.limit, cursor=query.cursor)
    return WeeklyRunPage(items=[WeeklyRunOut(**_fields(row)) for row in rows], next_cursor=following)


@resource.get("/<week>", summary="Get a weekly run", answers=WeeklyRunDetail, **_read)
def show(who: Caller, week: str) -> WeeklyRunDetail:
    """The run of the week that begins on a day (YYYY-MM-DD), with what it could not do."""
    try:
        row = queries.find_run(who.organisation_id, date.fromisoformat(week))
    except ValueError:
        row = None
    if row is None:
        raise NotFound
    problems = [
        WeeklyProblemOut.model_validate(
            {
                "driver": PayeeRef.of(each.payee),
                "step": each.step,
                "message": each.message,
                "happened_at": each.happened_at,
            }
        )
        for each in queries.problems_of(row.id)
    ]
    return WeeklyRunDetail(**_fields(row), problem_list=problems)
