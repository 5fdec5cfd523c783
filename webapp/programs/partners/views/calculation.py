"""Calculating pending commissions: the period, what it would make and who waits, and the button that starts the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.payouts.views.program_pages import form_of, today
from webapp.people.forms import attach
from webapp.people.views.fresh import require_fresh
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import calculation_runs, due
from webapp.programs.partners.calculation_runs import KIND
from webapp.programs.partners.due import Due, Preview
from webapp.programs.partners.money_forms import PeriodForm
from webapp.programs.partners.rules import period_of
from webapp.programs.partners.views.area import AREA
from webapp.runs.models import Run
from webapp.runs.views.pages import KindPages, register_pages
from webapp.web.htmx import see_other

#: Rows of each table of the check step.
SHOWN = 50


def _proposed() -> str:
    """The period that has ended last: what is calculated next, as a rule."""
    ended = today().replace(day=1)
    found = calculation_runs.ended(ended)
    return found.text if found else period_of(ended, "month").text


def calculate() -> ResponseReturnValue:
    """The check step of a calculation, and the button that starts it; 409 when it would not be what was seen."""
    if request.method == "POST":
        require_change()
    if may_change() and (question := require_fresh()) is not None:
        return question
    given = request.form if request.method == "POST" else MultiDict(request.args)
    if request.method != "POST" and "period" not in given:
        given = MultiDict({"period": _proposed()})
    form: PeriodForm = form_of(PeriodForm, formdata=given)
    if not form.validate():
        return _page(form, None, 422)
    try:
        if request.method == "POST":
            return _start(form)
        return _page(form, due.preview(g.organisation.id, form.period.data or "", utc_now()), 200)
    except Invalid as error:
        attach(form, error)
        return _page(form, None, 422)


def _start(form: PeriodForm) -> ResponseReturnValue:
    here, now, until = g.organisation.id, utc_now(), form.period.data or ""
    reference = None
    with transaction():
        found = due.preview(here, until, now)
        is_as_seen = not form.expected.data or form.expected.data == _expected(found.rows)
        if is_as_seen:
            run = calculation_runs.start(organisation_id=here, until=until, actor=actor(), now=now)
            reference = run.reference if run else None
    if not is_as_seen:
        ready = _ready(found.rows)
        words = "1 payout" if len(ready) == 1 else f"{len(ready):,} payouts"
        return _page(form, found, 409, f"Meanwhile this changed: now it would make {words}.")
    if reference is None:
        flash(f"Nothing new is due up to {until}. No payout was made.", "info")
        return see_other(url_for(".calculate", period=until))
    return see_other(url_for("admin.runs.show", reference=reference))


def _ready(found: Sequence[Due]) -> list[Due]:
    return [each for each in found if not each.reason]


def _expected(found: Sequence[Due]) -> str:
    """What the page promises to make: how many payouts of which sum, per currency, as a text to compare."""
    return ";".join(f"{code}:{n}:{amount.amount}" for code, n, amount in _sums(_ready(found)))


def _sums(found: Sequence[Due]) -> list[tuple[str, int, Money]]:
    """Currency, how many, and what they come to."""
    sums: dict[str, tuple[int, int]] = {}
    for each in found:
        n, minor = sums.get(each.amount.currency, (0, 0))
        sums[each.amount.currency] = (n + 1, minor + each.amount.amount)
    return [(code, n, Money(minor, code)) for code, (n, minor) in sorted(sums.items())]


def _page(form: PeriodForm, found: Preview | None, code: int, conflict: str = "") -> ResponseReturnValue:
    here = g.organisation
    rows = found.rows if found else ()
    ready = _ready(rows)
    waiting = [each for each in rows if each.reason]
    context: dict[str, Any] = {
        "is_read": found is not None,
        "ready": ready[:SHOWN],
        "ready_count": len(ready),
        "waiting": waiting[:SHOWN],
        "waiting_count": len(waiting),
        "sums": _sums(ready),
        "retainers": found.retainers if found else 0,
        "notes": found.notes if found else (),
        "shown": SHOWN,
    }
    form.expected.data = _expected(rows)
    return (
        render_template(
            "partners/calculate.html", area=AREA, tab="calculate", form=form, conflict=conflict,
            upcoming=calculation_runs.upcoming(here.id, today()),
            working=calculation_runs.is_working(here.id), may_change=may_change(), has_errors=code == 422,
            now=utc_now(), **context,
        ),
        code,
    )  # fmt: skip


def _again(run: Run, rows: Any, who: Any, now: Any) -> Run:
    """What is due of the same period now. Raises Invalid when nothing is."""
    made = calculation_runs.start(
        organisation_id=run.organisation_id, until=run.parameters["period"], actor=who, now=now
    )
    if made is None:
        raise Invalid("rows", "Nothing new is due. No payout was made.")
    return made


def _after(run: Run) -> tuple[str, dict[str, Any]] | None:
    """What comes next on the page of a run that made payouts."""
    if not run.done:
        return None
    return "partners/_calculated.html", {
        "payouts_href": url_for("admin.partners.payouts", state="pending_approval"),
        "approve_href": url_for("admin.approvals.index", program="partners"),
    }


register_pages(KIND, KindPages(lambda run: url_for("admin.partners.calculate"), _again, _after))
