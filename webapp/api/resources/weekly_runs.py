"""Weekly runs: asking a worker for one, how far each is, and for whom something could not be done."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.schemas.common import PageQuery, PayeeRef
from webapp.api.schemas.weekly import (
    WeeklyProblemOut,
    WeeklyProblemPage,
    WeeklyRunAsked,
    WeeklyRunDetail,
    WeeklyRunOut,
    WeeklyRunPage,
    WeeklyRunStart,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import week_runs
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun

resource = Resource(
    "weekly_runs",
    "/weekly-runs",
    title="Weekly runs",
    about="Each charges the instalments of the week that begins and issues the receipts of the week before. The "
    "scheduler does it; whoever asks for it again has done what is left.",
)
_read = {"scope": Scope.RUNS_READ}


def _fields(row: Any) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in ("week_start", "started_at", "finished_at")},
        "receipts_of": row.week_start - timedelta(days=7),
    }


_COUNTED = ("posted", "receipts", "payouts", "problems")


@resource.get("", summary="List weekly runs", query=PageQuery, answers=WeeklyRunPage, **_read)
def index(who: Caller, query: PageQuery) -> WeeklyRunPage:
    """The runs, the newest first."""
    rows, following = paging.page(
        week_runs.list_runs(who.organisation_id), WeeklyRun.id, limit=query.limit, cursor=query.cursor, as_rows=True
    )  # fmt: skip
    items = [WeeklyRunOut(**_fields(row), **{name: getattr(row, name) for name in _COUNTED}) for row in rows]
    return WeeklyRunPage(items=items, next_cursor=following)


def _run(who: Caller, week: str) -> WeeklyRun:
    """Raises NotFound, also for what is no day."""
    try:
        day = date.fromisoformat(week)
    except ValueError:
        raise NotFound from None
    return week_runs.get_run(who.organisation_id, day)


def _detail(row: WeeklyRun) -> dict[str, Any]:
    now = week_runs.progress_of(row)
    names = (*_COUNTED, "is_working", "is_finished", "expected")
    return {**_fields(row), **{name: getattr(now, name) for name in names}}


@resource.get("/<week>", summary="Get a weekly run", answers=WeeklyRunDetail, **_read)
def show(who: Caller, week: str) -> WeeklyRunDetail:
    """The run of the week that begins on a day (YYYY-MM-DD), and how far it is."""
    return WeeklyRunDetail(**_detail(_run(who, week)))


@resource.get("/<week>/problems", summary="List the problems of a weekly run", query=PageQuery,
              answers=WeeklyProblemPage, **_read)  # fmt: skip
def problems(who: Caller, week: str, query: PageQuery) -> WeeklyProblemPage:
    """For whom something could not be done, and why; the others went on."""
    rows, following = paging.page(
        week_runs.list_problems(_run(who, week).id), WeeklyProblem.id, limit=query.limit, cursor=query.cursor,
        newest_first=False, as_rows=True,
    )  # fmt: skip
    items = [
        WeeklyProblemOut(
            driver=PayeeRef(reference=row.reference, name=row.name, kind="driver"),
            step=row.step,
            message=row.message,
            happened_at=row.happened_at,
        )
        for row in rows
    ]
    return WeeklyProblemPage(items=items, next_cursor=following)


@resource.post("", summary="Ask for a weekly run", body=WeeklyRunStart, answers=WeeklyRunAsked, status=201,
               location="/weekly-runs/{week_start}", repeats=True, scope=Scope.REPAIRS_POST)  # fmt: skip
def start(who: Caller, body: WeeklyRunStart) -> WeeklyRunAsked:
    """A worker does it within seconds. While one is at it: 200 with that one, and `is_repeat` says so.

    A day on which no week begins, or that has not come: 422; while an earlier week has no run: 409 that names it.
    """
    is_new = week_runs.ask_for_run(
        organisation_id=who.organisation_id, day=body.week, actor=who.actor, now=utc_now()
    )
    row = week_runs.get_run(who.organisation_id, body.week)
    return WeeklyRunAsked(**_detail(row), is_repeat=not is_new)
