"""Objections to commissions: the list of those that wait and those that are decided, and the decision."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.payouts.views.program_pages import act_page, form_of, money, page_of
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import disputing, touch_lists
from webapp.programs.partners.deal_forms import ACCEPT, DecideForm
from webapp.programs.partners.models import Commission, CommissionDispute
from webapp.programs.partners.states import DisputeState
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of, percent
from webapp.web import filters

_COMMISSION = joinedload(CommissionDispute.commission, innerjoin=True)
_ALL = (_COMMISSION.joinedload(Commission.payee, innerjoin=True), _COMMISSION.joinedload(Commission.deal))


def index() -> ResponseReturnValue:
    """Those that wait, or all of a state, the newest first."""
    state = request.args.get("state", DisputeState.OPEN.value)
    chosen = state if state in list(DisputeState) else ""
    query = touch_lists.disputes(g.organisation.id, chosen).options(*_ALL)
    page = page_of(query, CommissionDispute.id, "dispute")
    return render_template(
        "partners/disputes.html",
        area=AREA,
        tab="disputes",
        page=page,
        rows=[_row(row) for row in page.items],
        state=chosen,
        states=[(each.value, each.label) for each in DisputeState],
        may_change=may_change(),
        own_id=actor().user_id,
    )


def _row(row: CommissionDispute) -> dict[str, Any]:
    of = row.commission
    return {
        "row": row,
        "state": DisputeState(row.state),
        "amount": money(of.amount_minor, of.currency),
        "commission_href": href_of("commission", reference=of.reference),
        "deal_href": url_for(".deal", reference=of.deal.reference) if of.deal else None,
        "partner_href": href_of("partner", reference=of.payee.reference),
    }


@needs_fresh_sign_in
def decide(dispute_id: int) -> ResponseReturnValue:
    """Accept or refuse one; the partner reads the answer."""
    require_change()
    row = db.session.scalar(
        select(CommissionDispute)
        .where(CommissionDispute.organisation_id == g.organisation.id, CommissionDispute.id == dispute_id)
        .options(*_ALL)
    )
    if row is None:
        raise NotFound("There is no such dispute.")
    of = row.commission
    if request.method == "GET" and row.state != DisputeState.OPEN:
        label = DisputeState(row.state).label.lower()
        raise Conflict(f"The dispute about {of.reference} is {label} already, by {row.decided_by_label}.")
    form: DecideForm = form_of(DecideForm, of.currency)

    def call() -> str:
        is_accepted = form.choice.data == ACCEPT
        disputing.decide(
            organisation_id=g.organisation.id, dispute_id=dispute_id, is_accepted=is_accepted,
            answer=form.answer.data or "", actor=actor(), now=utc_now(),
        )  # fmt: skip
        said = "accepted. Its amount follows the deal and the rules" if is_accepted else "refused"
        return f"The dispute about {of.reference} is {said}. The partner is told your answer."

    return act_page(
        AREA, form, title=f"Decide about {of.reference}", button="Decide", call=call,
        back=(url_for(".disputes"), "Disputes"), crumbs=[(url_for(".disputes"), "Disputes")],
        facts=_facts(row),
        explains="Accepting changes no amount by itself: correct the deal, its touches or the rule first, and the "
        "commission follows. Until you decide, this commission alone waits; the partner's others are paid.",
    )  # fmt: skip


def _facts(row: CommissionDispute) -> list[tuple[str, Any]]:
    of = row.commission
    found: list[tuple[str, Any]] = [("Partner", of.payee.name)]
    if of.deal is not None:
        found += [
            ("Deal", f"{of.deal.reference}, {of.deal.name}"),
            ("Their part of it", filters.money(money(of.base_minor, of.currency))),
            ("Rate", f"{percent(of.rate_bp)} by {of.rule_label or 'the own rate of the partner'}"),
        ]
    return [
        *found,
        ("Commission", filters.money(money(of.amount_minor, of.currency))),
        ("The partner says", row.reason),
        ("Since", filters.instant(row.raised_at)),
    ]
