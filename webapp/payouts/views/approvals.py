"""The approvals queue and its check step."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.audit.views import files
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.payouts import approval_queue, arrivals, lists, ordering, queue_rows
from webapp.payouts import export as file
from webapp.payouts.approval_queue import Approver
from webapp.payouts.flags import flags_of
from webapp.payouts.forms import QueueFilterForm
from webapp.payouts.models import Payout
from webapp.payouts.ordering import Sort
from webapp.payouts.queue_rows import WaitingPayout
from webapp.payouts.views import bulk, check_step, lines, listing, selecting
from webapp.payouts.views.admin import filter_form as payouts_filter
from webapp.people.views.fresh import require_fresh
from webapp.people.views.session import actor
from webapp.web.exports import csv_columns, text_response
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, keyset
from webapp.web.row_frames import Rows

blueprint = Blueprint("approvals", __name__, url_prefix="/approvals")
MORE = (
    "program", "payee", "period_from", "period_to", "amount_from", "amount_to", "age", "method", "approver", "run",
)  # fmt: skip
OLDEST_FIRST = Sort(ordering.REFERENCE, is_descending=False)
VIEWS = {
    "ready": "Ready",
    "second": "Second approval",
    "blocked": "Blocked for you",
    "flagged": "Flagged",
    "mine": "Made by you",
}


def _form() -> QueueFilterForm:
    organisation = g.organisation
    return QueueFilterForm(
        request.values,
        programs=lists.programs_of(organisation.id),
        currency=organisation.currency,
        locale=organisation.locale,
    )


def _view() -> str:
    view = request.values.get("view", "ready")
    return view if view in VIEWS else "ready"


def _tabs(view: str, counts: approval_queue.Views | None = None) -> list[dict[str, Any]]:
    """The views of the queue; their counts follow the rows."""
    return [
        {
            "name": name,
            "label": label,
            "n": None if counts is None else counts.said(name),
            "href": listing.address("admin.approvals.index", view=name),
            "is_current": name == view,
        }
        for name, label in VIEWS.items()
    ]


def _rows(form: QueueFilterForm, view: str, page: Page[WaitingPayout], who: Approver, selected: Any) -> Rows:
    return lines.queue_rows(
        page.items,
        flags=flags_of([row.id for row in page.items]),
        reasons=partial(approval_queue.reasons, who),
        has_several_programs=form.has_several_programs,
        chosen=selected.chosen if selected else None,
        says_reasons=view != "ready",
    )


def _approver() -> Approver:
    return approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=utc_now())


def _page(form: QueueFilterForm, view: str, who: Approver, sort: Sort) -> Page[Any]:
    """The page of the queue that the address names, in its order: which payouts, and then what is said of them."""
    load = partial(queue_rows.load, organisation=g.organisation, user_id=who.user_id)
    if sort.key != ordering.REFERENCE:
        # What waits is not much, however long the history is.
        query = approval_queue.in_view(who, form.chosen(), view)
        return listing.sorted_page(query, sort, lambda ids: load(ids=ids), limit=None)
    query, values = approval_queue.keys_in_view(who, form.chosen(), view)
    is_newest_first = sort.is_descending
    found = keyset(query, Payout.id, newest_first=is_newest_first, is_plain=True, values=values)
    rows = load(ids=[row.id for row in found.items])
    return replace(found, items=sorted(rows, key=lambda row: row.id, reverse=is_newest_first))


@blueprint.get("")
def index() -> ResponseReturnValue:
    """What waits for approval, oldest first: ready for this person, blocked for them, flagged."""
    form, view, who = _form(), _view(), _approver()
    sort = ordering.read(request.args.get("sort"), OLDEST_FIRST)
    page: Page[Any] = Page([], None, None)
    is_waiting = False
    if is_valid := form.validate():
        page = _page(form, view, who, sort)
        is_waiting = bool(page.items) or approval_queue.is_any_waiting(who, form.chosen())
    can_select, links = "admin" in g.roles, listing.sort_links("admin.approvals.index", sort)
    selected = selecting.carried(page, "admin.approvals.turn") if can_select else None
    context = {
        "form": form,
        "view": view,
        "views": _tabs(view),
        "page": page,
        "rows": _rows(form, view, page, who, selected),
        "is_waiting": is_waiting,
        "counts_href": listing.address("admin.approvals.counts", view=view),
        "csv_href": listing.address("admin.approvals.export", view=view),
        "blocked_href": listing.address("admin.approvals.index", view="blocked"),
        "chips": listing.chips(form, "admin.approvals.index"),
        "clear_href": url_for("admin.approvals.index", view=view),
        "filter_values": listing.filter_values(form),
        "sort": selecting.sorting(links, "admin.approvals.turn", "queue") if can_select else links,
        "sizes": listing.size_links("admin.approvals.index", page),
        "kept_choices": listing.kept_choices(),
        "check_href": url_for("admin.approvals.check"),
        "more_filters": form.uses(*MORE),
        "can_select": can_select,
        "selected": selected,
        "now": who.now,
        "has_errors": not is_valid,
    }
    template = "approvals/_results.html" if is_fragment() else "approvals/index.html"
    return render_template(template, **context), 200 if is_valid else 422


@blueprint.get("/counts")
def counts() -> ResponseReturnValue:
    """How many each view holds and what all that match come to: asked after the rows, a page without JavaScript."""
    form, view, who = _form(), _view(), _approver()
    if not form.validate():
        return index()
    found = approval_queue.views(who=who, filters=form.chosen())
    totals = lists.totals(approval_queue.in_view(who, form.chosen(), view))
    n = listing.count_of(totals)
    context = {
        "view": view,
        "view_label": VIEWS[view],
        "counts_href": None,
        "views": _tabs(view, found),
        "arrivals_href": listing.address(
            "admin.approvals.arrived", view=view, sort=None, since=arrivals.newest_id(who.organisation_id)
        ),
        "count": n,
        "count_label": "1 payout" if n == 1 else f"{n:,} payouts",
        "total_said": listing.said_totals(totals),
        "expected": bulk.expectation(totals),
        "can_select": "admin" in g.roles,
        "filter_values": listing.filter_values(form),
        "check_href": url_for("admin.approvals.check"),
        "list_href": listing.address("admin.approvals.index"),
    }
    return render_template("approvals/_counts.html" if is_fragment() else "approvals/counts.html", **context)


@blueprint.get("/arrived")
def arrived() -> ResponseReturnValue:
    """How many payouts came into the view since the page was made; 204 while there is nothing else to say."""
    # Asked by the page, not by the person: whoever went away is signed out all the same.
    g.pop("touch_session", None)
    form, view, since = _form(), _view(), request.args.get("since", "")
    if not re.fullmatch(r"[0-9]{1,18}", since) or not form.validate():
        return "", 204
    n = arrivals.count_newer(approval_queue.in_view(_approver(), form.chosen(), view), int(since))
    if n == request.args.get("said", 0, type=int):
        return "", 204
    label = "1 new payout" if n == 1 else f"{n if n <= arrivals.MOST else f'{arrivals.MOST}+'} new payouts"
    newest_first = Sort(ordering.REFERENCE, is_descending=True).text
    show = listing.address("admin.approvals.index", view=view, sort=newest_first, since=None, said=None)
    return render_template("approvals/_arrivals.html", n=n, label=label, show_href=show)


@blueprint.get("/export.csv")
def export() -> ResponseReturnValue:
    """The payouts of exactly this view and filter as a file."""
    form = _form()
    if not form.validate():
        return index()
    query = approval_queue.in_view(_approver(), form.chosen(), _view())
    files.remember("payouts:approvals:exported", "payout")
    return text_response(
        files.file_name("approvals"), csv_columns(listing.EXPORT_HEADERS, file.columns(query))
    )


@blueprint.post("/turn")
def turn() -> ResponseReturnValue:
    """Another page of the queue, with what is ticked carried along."""
    return selecting.turn("admin.approvals.index", ("view", "q", "flag", "sort", *MORE))


@blueprint.post("/check")
def check() -> ResponseReturnValue:
    """Make the draft of an act on many payouts from what was ticked, and show its check step."""
    if request.form.get("act") not in bulk.STOPPING and (question := require_fresh()) is not None:
        return question
    now = utc_now()
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=now)
    act = request.form.get("act", "")
    if act not in bulk.ACTS:
        return check_step.problem("Choose what to do", "Press Approve or Reject.", 422)
    form = _form() if bulk.ACTS[act].list_endpoint == "admin.approvals.index" else payouts_filter()
    choice = bulk.choice(who, act, form, _view())
    if isinstance(choice, bulk.Problem):
        return check_step.problem(choice.heading, choice.message, choice.code, act=act, again=choice.again)
    eligible, left_out = bulk.split(who, act, choice.payouts)
    if not eligible:
        return check_step.problem(
            f"Nothing to {bulk.said(act)}",
            f"You cannot {bulk.said(act)} any of these.",
            422,
            act=act,
            left_out=left_out,
        )
    with transaction():
        reference = bulk.make_draft(who, act, eligible, left_out, actor()).reference
    if bulk.in_dialog():
        return check_step.check_page(bulk.own_draft(reference), request.form.get("reason"))
    return see_other(url_for("admin.approvals.draft", reference=reference))


@blueprint.get("/check/<reference>")
def draft(reference: str) -> ResponseReturnValue:
    """The check step of a draft: what would be done, to how much money, what is left out."""
    run = bulk.own_draft(reference)
    if run.state != "draft":
        return redirect(url_for("admin.runs.show", reference=reference), 303)
    return check_step.check_page(run)


def _is_stopping(reference: str) -> bool:
    """Whether this is the person's own draft of an act for which nobody has to prove who they are."""
    try:
        return bulk.act_of(bulk.own_draft(reference)) in bulk.STOPPING
    except NotFound:
        return False


@blueprint.post("/check/<reference>")
def confirm(reference: str) -> ResponseReturnValue:
    """Start the draft as a run. 409 when a payout changed since it was checked: check again."""
    if not _is_stopping(reference) and (question := require_fresh()) is not None:
        return question
    run = bulk.own_draft(reference)
    if run.state != "draft":
        return see_other(url_for("admin.runs.show", reference=reference))
    form = bulk.reason_form(run)
    if form is not None and not form.validate():
        return check_step.check_page(run, form=form, code=422)
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=utc_now())
    if conflict := bulk.changed_since(run, who):
        return check_step.check_page(run, form=form, conflict=conflict, code=409)
    with transaction():
        bulk.start(run, form.reason.data if form is not None else "", actor(), utc_now())
    return see_other(url_for("admin.runs.show", reference=reference))
