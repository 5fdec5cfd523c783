"""Weekly runs: those there were, one run with its progress and what it could not do, and the button that starts it."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.payouts.views.program_pages import act_page, form_of, keyset, page_of, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import listing, lists, week_runs
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun
from webapp.programs.repairs.money_forms import RunForm
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters

DONE = 286


def _day(text: str) -> date:
    """The day of an address. Raises NotFound."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NotFound from None


def index() -> ResponseReturnValue:
    """What is next, and the runs there were."""
    here = g.organisation
    page = page_of(week_runs.list_runs(here.id), WeeklyRun.id, "run", is_plain=True)
    week = week_runs.next_week(here.id, utc_now())
    return render_template(
        "repairs/weekly.html",
        area=AREA,
        tab="weekly",
        page=page,
        week=week,
        is_run=any(row.week_start == week for row in page.items),
        due=_due(),
        may_change=may_change(),
        now=utc_now(),
    )


def _due() -> list[listing.Total]:
    """Count and sum of the instalments that are due and not charged."""
    chosen = lists.InstalmentFilter(state=lists.DUE, today=today())
    return listing.totals(lists.instalments(g.organisation.id, chosen))


@needs_fresh_sign_in
def run() -> ResponseReturnValue:
    """The check step of a week's run, and the button that hands it to a worker."""
    require_change()
    here = g.organisation
    form: RunForm = form_of(RunForm)
    wanted = request.args.get("week", "")
    shown = _day(wanted) if wanted and request.method == "GET" else week_runs.next_week(here.id, utc_now())
    day = form.week.data if request.method == "POST" and form.week.data else shown
    due = _due()

    def call() -> str:
        is_new = week_runs.ask_for_run(organisation_id=here.id, day=day, actor=actor(), now=utc_now())
        return (
            "The run is started." if is_new else "A worker is at this run already. Nothing was started twice."
        )

    before = Week(day).following(-1)
    return act_page(
        AREA, form, title="Start the weekly run", button="Start the run", call=call, fill=lambda: _fill(form, day),
        back=(url_for(".weekly_run", day=day.isoformat()), "the run"), template="repairs/weekly_check.html",
        crumbs=[(url_for(".weekly"), "Weekly run")],
        facts=[
            ("Instalments that are due", f"{sum(total.count for total in due):,}"),
            ("They come to", " and ".join(filters.money(total.sums["amount"]) for total in due) or "–"),
            ("Receipts are made for", filters.days((before.start, before.end))),
        ],
        explains="Instalments of the week that begins are charged, payouts that were not made come back, and the week "
        "before gets its receipts; what they pay out becomes payouts by your approval rules. Doing it again does only "
        "what is left.",
    )  # fmt: skip


def _fill(form: RunForm, day: date) -> None:
    form.week.data = day


def show(day: str) -> ResponseReturnValue:
    """One run: how far it is, what it could not do and why."""
    context = _context(day)
    return render_template("repairs/weekly_run.html", area=AREA, tab="weekly", **context)


def progress(day: str) -> ResponseReturnValue:
    """The progress block for the poll; 286 ends the polling and brings the result with it."""
    context = _context(day)
    code = 200 if context["is_working"] else DONE
    return render_template("repairs/_weekly_progress.html", is_poll=True, **context), code


def _context(day: str) -> dict[str, Any]:
    here = g.organisation
    row = week_runs.get_run(here.id, _day(day))
    found = week_runs.progress_of(row)
    page = keyset(week_runs.list_problems(row.id), WeeklyProblem.id, newest_first=False, is_plain=True)
    week = Week(row.week_start)
    return {
        "run": row,
        "found": found,
        "is_working": found.is_working,
        "progress_data": _progress(row, found),
        "page": page,
        "problems": [(each, week_runs.STEPS.get(each.step, each.step)) for each in page.items],
        "week": week,
        "before": week.following(-1),
        "may_change": may_change(),
    }


def _progress(row: WeeklyRun, found: week_runs.Progress) -> dict[str, Any]:
    if found.is_working:
        sentence = "A worker is at it. You can leave this page."
    elif not found.is_finished:
        sentence = "It is not finished. Run it again; it goes on where it is."
    elif found.problems:
        sentence = "It is done but for the drivers below. Run it again once the reasons are gone."
    else:
        sentence = "It is done."
    counts = [
        {"label": "instalments charged", "n": f"{found.posted:,}", "tone": "ok"},
        {"label": "receipts issued", "n": f"{found.receipts:,}", "tone": "ok"},
        {"label": "payouts made", "n": f"{found.payouts:,}", "tone": "ok"},
        {
            "label": "problems",
            "n": f"{found.problems:,}",
            "tone": "failed" if found.problems else "cancelled",
        },
    ]
    word = "at work" if found.is_working else "finished" if found.is_finished else "stopped"
    return {
        "id": "weekly-progress",
        "label": f"Receipts of the week before: {word}",
        "done": found.receipts,
        "total": found.expected,
        "is_finished": not found.is_working,
        "href": url_for(".weekly_progress", day=row.week_start.isoformat()),
        "sentence": sentence,
        "counts": counts,
    }
