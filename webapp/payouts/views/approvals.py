"""The approvals queue and its check step."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.payouts import approval_queue, lists
from webapp.payouts.approval_queue import Approver
from webapp.payouts.forms import QueueFilterForm
from webapp.payouts.models import Payout
from webapp.payouts.views import bulk, listing, words
from webapp.payouts.views.admin import filter_form as payouts_filter
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor
from webapp.web.htmx import is_fragment, see_other
from webapp.web.pagination import Page, keyset

blueprint = Blueprint("approvals", __name__, url_prefix="/approvals")
MORE = ("program", "payee", "period_from", "period_to", "amount_from", "amount_to", "age")
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


def _tabs(view: str, counts: approval_queue.Views) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "n": getattr(counts, name),
            "href": listing.address("admin.approvals.index", view=name),
            "is_current": name == view,
        }
        for name, label in VIEWS.items()
    ]


def _rows(page: Page[Payout], who: Approver) -> list[dict[str, Any]]:
    flags = lists.flags_of([payout.id for payout in page.items])
    return [words.row(p, flags=flags[p.id], reasons=approval_queue.reasons(who, p)) for p in page.items]


@blueprint.get("")
def index() -> ResponseReturnValue:
    """What waits for approval, oldest first: ready for this person, blocked for them, flagged."""
    form, view, now = _form(), _view(), utc_now()
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=now)
    page: Page[Payout] = Page([], None, None)
    totals: list[lists.Total] = []
    counts = approval_queue.Views()
    if is_valid := form.validate():
        query = approval_queue.in_view(who, form.chosen(), view)
        page = keyset(lists.with_approval_facts(query), Payout.id, newest_first=False)
        totals, counts = lists.totals(query), approval_queue.views(who=who, filters=form.chosen())
    n = listing.count_of(totals)
    label = "1 payout" if n == 1 else f"{n:,} payouts"
    context = {
        "form": form,
        "view": view,
        "views": _tabs(view, counts),
        "page": Page(
            page.items, page.previous_href, page.next_href, f"{label}, {listing.said_totals(totals)}"
        ),
        "rows": _rows(page, who),
        "count": n,
        "total_said": listing.said_totals(totals),
        "expected": bulk.expectation(totals),
        "n_blocked": counts.blocked,
        "blocked_href": listing.address("admin.approvals.index", view="blocked"),
        "drawer_href": partial(listing.drawer_address, "admin.approvals.index"),
        "chips": listing.chips(form, "admin.approvals.index"),
        "clear_href": url_for("admin.approvals.index", view=view),
        "filter_values": listing.filter_values(form),
        "check_href": url_for("admin.approvals.check"),
        "more_filters": form.uses(*MORE),
        "can_select": "admin" in g.roles,
        "now": now,
        "has_errors": not is_valid,
    }
    template = "approvals/_results.html" if is_fragment() and is_valid else "approvals/index.html"
    return render_template(template, **context), 200 if is_valid else 422


@blueprint.post("/check")
@needs_fresh_sign_in
def check() -> ResponseReturnValue:
    """Make the draft of a bulk approval, rejection or payment from what was ticked, and show its check step."""
    now = utc_now()
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=now)
    act = request.form.get("act", "")
    if act not in bulk.ACTS:
        return bulk.problem("Choose what to do", "Press Approve or Reject.", 422)
    choice = bulk.choice(who, act, payouts_filter() if act == "pay" else _form(), _view())
    if isinstance(choice, bulk.Problem):
        return bulk.problem(choice.heading, choice.message, choice.code, act=act, again=choice.again)
    eligible, left_out = bulk.split(who, act, choice.payouts)
    if not eligible:
        return bulk.problem(
            f"Nothing to {act}", f"You cannot {act} any of these.", 422, act=act, left_out=left_out
        )
    with transaction():
        reference = bulk.make_draft(who, act, eligible, left_out, actor()).reference
    if bulk.in_dialog():
        return bulk.check_page(bulk.own_draft(reference), request.form.get("reason"))
    return see_other(url_for("admin.approvals.draft", reference=reference))


@blueprint.get("/check/<reference>")
def draft(reference: str) -> ResponseReturnValue:
    """The check step of a draft: what would be done, to how much money, what is left out."""
    run = bulk.own_draft(reference)
    if run.state != "draft":
        return redirect(url_for("admin.runs.show", reference=reference), 303)
    return bulk.check_page(run)


@blueprint.post("/check/<reference>")
@needs_fresh_sign_in
def confirm(reference: str) -> ResponseReturnValue:
    """Start the draft as a run. 409 when a payout changed since it was checked: check again."""
    run = bulk.own_draft(reference)
    if run.state != "draft":
        return see_other(url_for("admin.runs.show", reference=reference))
    form = bulk.reason_form(run)
    if form is not None and not form.validate():
        return bulk.check_page(run, form=form, code=422)
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=utc_now())
    if conflict := bulk.changed_since(run, who):
        return bulk.check_page(run, form=form, conflict=conflict, code=409)
    with transaction():
        bulk.start(run, form.reason.data if form is not None else "", actor(), utc_now())
    return see_other(url_for("admin.runs.show", reference=reference))
