"""Weekly runs: those there were, one run with its progress and what it could not do, and the button that starts it."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.payouts.views.program_pages import form_of, in_dialog, keyset, page_of, today
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import lists, week_runs
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun
from webapp.programs.repairs.money_forms import CheckForm
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters, listing
from webapp.web.htmx import see_other

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
    here, wanted = g.organisation.id, request.values.get("week", "")
    day = _day(wanted) if wanted else week_runs.next_week(here, utc_now())
    form: CheckForm = form_of(CheckForm)
    if request.method != "POST":
        return _check_page(form, day, 200)
    if not form.validate():
        return _check_page(form, day, 422)
    try:
        with transaction():
            is_new = week_runs.ask_for_run(organisation_id=here, day=day, actor=actor(), now=utc_now())
    except Invalid as error:
        attach(form, error)
        return _check_page(form, day, 422)
    except Conflict as error:
        return _check_page(form, day, 409, error.message)
    said = "The run is started." if is_new else "A worker is at this run already. Nothing was started twice."
    flash(said, "success" if is_new else "info")
    return see_other(url_for(".weekly_run", day=day.isoformat()))


def _check_page(form: CheckForm, day: date, code: int, conflict: str = "") -> ResponseReturnValue:
    due, before = _due(), Week(day).following(-1)
    facts = [
        ("Instalments that are due", f"{sum(total.count for total in due):,}"),
        ("They come to", " and ".join(filters.money(total.sums["amount"]) for total in due) or "–"),
        ("Receipts are made for", filters.days((before.start, before.end))),
    ]
    return (
        render_template(
            "repairs/weekly_check.html", area=AREA, form=form, week=day, facts=facts, conflict=conflict,
            back_href=url_for(".weekly"), in_dialog=in_dialog(), has_errors=code == 422,
        ),
        code,
    )  # fmt: skip


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
        _count(found.posted, "instalment charged", "instalments charged", "ok"),
        _count(found.receipts, "receipt issued", "receipts issued", "ok"),
        _count(found.payouts, "payout made", "payouts made", "ok"),
        _count(found.problems, "problem", "problems", "failed" if found.problems else "cancelled"),
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


def _count(n: int, one: str, many: str, tone: str) -> dict[str, str]:
    return {"label": one if n == 1 else many, "n": f"{n:,}", "tone": tone}
