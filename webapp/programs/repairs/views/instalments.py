"""Instalments: the list of what is not charged yet (and of all), and charging chosen ones or all that are due."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import form_of, list_page, money, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import charging_runs, lists
from webapp.programs.repairs.filters import InstalmentFilterForm
from webapp.programs.repairs.states import InstalmentState, RepairState
from webapp.programs.repairs.views import files
from webapp.programs.repairs.views.area import AREA
from webapp.runs import lists as run_lists
from webapp.runs.views.pages import start_draft
from webapp.web.htmx import see_other

SUMS = (("interest", "of it interest"), ("amount", "Amount"))
#: No more are ticked by hand.
MOST = 1_000
SHOWN = 50


def _filter() -> InstalmentFilterForm:
    """The filter; an address that says nothing about the state means what is not charged yet."""
    given = MultiDict(request.args)
    given.setdefault("state", lists.UNPOSTED)
    form: InstalmentFilterForm = form_of(InstalmentFilterForm, formdata=given, today=today())
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order; those that can be charged today can be ticked."""
    form = _filter()
    is_valid = form.validate()
    found = lists.instalments(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(AREA, found, "instalments", "instalment", files=files.links("instalments"))
    # The state is named: without one the page means what is not charged, and a file all there is.
    context["file_links"] = files.links("instalments", state=form.state.data or "")
    day = today()
    return list_page(
        AREA, "repairs/instalments.html", form, "instalments", is_valid=is_valid,
        rows=[row_of(row, day) for row in context["page"].items], **context,
    )  # fmt: skip


def row_of(row: Any, day: date) -> dict[str, Any]:
    """One instalment of the list; `can_post` says that it can be charged on a day."""
    state = InstalmentState(row.state)
    is_open = row.loan_reference is not None or row.repair_state == RepairState.OPEN
    is_due = state == InstalmentState.SCHEDULED and row.week_start <= day
    return {
        "row": row,
        "state": state,
        "is_due": is_due,
        "can_post": is_due and is_open,
        "amount": money(row.amount_minor, row.currency),
        "left": money(row.balance_after_minor, row.currency),
        "stands": ""
        if is_open or state != InstalmentState.SCHEDULED
        else RepairState(row.repair_state).label,
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = lists.instalments(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "instalments", SUMS, "Instalments")


@needs_fresh_sign_in
def post() -> ResponseReturnValue:
    """Keep what was ticked, or all that is due, for the check step of a run."""
    require_change()
    here, now = g.organisation.id, utc_now()
    if request.form.get("is_all"):
        ids = charging_runs.due_instalments(here, now)
        words = "Nothing is due: every open plan is charged up to this week."
    else:
        ids = charging_runs.named(here, [text for text in request.form.getlist("ids") if text][:MOST])
        words = "No instalment was chosen. Nothing was charged."
    if not ids:
        flash(words, "info")
        return see_other(url_for(".instalments"))
    with transaction():
        reference = charging_runs.draft_run(
            organisation_id=here, instalment_ids=ids, actor=actor(), now=now
        ).reference
    return see_other(url_for(".check_posting", reference=reference))


def check(reference: str) -> ResponseReturnValue:
    """The check step: what would be charged, and what not, with why."""
    run = run_lists.get_run(organisation_id=g.organisation.id, reference=reference, kind=charging_runs.KIND)
    if run.state != "draft":
        return redirect(url_for("admin.runs.show", reference=reference), 303)
    found = charging_runs.preview(run, utc_now(), SHOWN)
    rows = [
        {"row": each, "payee": each.payee, "amount": money(each.amount_minor, each.currency)}
        for each in found.rows
    ]
    return render_template(
        "repairs/instalments_check.html", area=AREA, tab="instalments", reference=reference, found=found,
        rows=rows, count=sum(n for n, _ in found.sums), shown=SHOWN, may_change=may_change(),
        is_own=run.created_by_id == actor().user_id,
    )  # fmt: skip


@needs_fresh_sign_in
def confirm(reference: str) -> ResponseReturnValue:
    """Start the run; each instalment gets its own answer there."""
    require_change()
    return start_draft(charging_runs.KIND, reference)
