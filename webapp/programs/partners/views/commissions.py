"""Commissions: the list, one commission with how it was worked out, and what becomes of a rejected one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import program_lists as pages
from webapp.payouts.views.program_pages import act_page, form_of, list_page, money, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.partners import calculating, money_files, money_lists
from webapp.programs.partners.models import Commission, CommissionDispute
from webapp.programs.partners.money_forms import CommissionFilterForm, DecideForm
from webapp.programs.partners.standing import Standing, standing
from webapp.programs.partners.states import CommissionKind, DisputeState
from webapp.programs.partners.views import money_file
from webapp.programs.partners.views.area import AREA
from webapp.programs.partners.views.links import href_of, percent

SUMS = money_files.SUMS[money_files.COMMISSIONS]


def _filter() -> CommissionFilterForm:
    form: CommissionFilterForm = form_of(CommissionFilterForm, formdata=request.args, today=today())
    return form


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form = _filter()
    is_valid = form.validate()
    found = money_lists.commissions(g.organisation.id, form.chosen()) if is_valid else None
    context = pages.list_context(
        AREA, found, "commissions", "commission", files=money_file.links("commissions")
    )
    day = today()
    return list_page(
        AREA, "partners/commissions.html", form, "commissions", is_valid=is_valid,
        rows=[row_of(row, day) for row in context["page"].items], **context,
    )  # fmt: skip


def row_of(row: Any, day: date) -> dict[str, Any]:
    """One commission of a list."""
    return {
        "row": row,
        "kind": CommissionKind(row.kind),
        "standing": standing(
            state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=day
        ),
        "amount": money(row.amount_minor, row.currency),
        "base": money(row.base_minor, row.currency),
        "rate": percent(row.rate_bp),
        "deal_href": href_of("deal", reference=row.deal_reference) if row.deal_reference else None,
        "partner_href": href_of("partner", reference=row.partner_reference),
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form = _filter()
    found = money_lists.commissions(g.organisation.id, form.chosen()) if form.validate() else None
    return pages.totals_page(AREA, found, form, "commissions", SUMS, "Commissions")


def show(reference: str) -> ResponseReturnValue:
    """How it was worked out, in which payout it is, why it waits, until when it can be taken back."""
    row, day = _commission(reference), today()
    stands = standing(
        state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=day
    )
    payout = db.session.get(Payout, row.payout_id) if row.payout_id else None
    return render_template(
        "partners/commission.html",
        area=AREA,
        tab="commissions",
        row=row,
        kind=CommissionKind(row.kind),
        standing=stands,
        why=_why(row, stands),
        facts=_facts(row),
        amount=money(row.amount_minor, row.currency),
        payout=payout,
        payout_state=PayoutState(payout.state) if payout else None,
        others=_others(row, day),
        final_on=_final_on(row),
        is_blocked=stands is Standing.REJECTED,
        deal_href=href_of("deal", reference=row.deal.reference) if row.deal else None,
        partner_href=href_of("partner", reference=row.payee.reference),
        disputes=_disputes(row),
        may_change=may_change(),
        now=utc_now(),
    )


def _commission(reference: str) -> Commission:
    """A commission of the organisation. Raises NotFound."""
    row = db.session.scalar(
        select(Commission)
        .where(Commission.organisation_id == g.organisation.id, Commission.reference == reference)
        .options(joinedload(Commission.payee), joinedload(Commission.deal), joinedload(Commission.program))
    )
    if row is None:
        raise NotFound("There is no such commission.")
    return row


def _facts(row: Commission) -> list[tuple[str, Any]]:
    """The calculation, line by line."""
    base, amount = Money(row.base_minor, row.currency), Money(row.amount_minor, row.currency)
    found: list[tuple[str, Any]] = [("Kind", CommissionKind(row.kind).label)]
    if row.deal is not None:
        found += [
            ("Their part of the deal", base),
            ("Rate", percent(row.rate_bp)),
            ("By", row.rule_label or "the partner's own rate"),
        ]
    else:
        found += [("Period", row.period), ("By", row.rule_label)]
    return [*found, ("Commission", amount)]


def _why(row: Commission, stands: Standing) -> str:
    """Why it waits, as a sentence."""
    if stands is Standing.HOLDING:
        return (
            f"The deal closed on {row.earned_on.isoformat()}; its program holds commissions for "
            f"{row.program.holding_days} days."
        )
    if stands in (Standing.REJECTED, Standing.DISMISSED):
        return row.offer_reason
    return stands.sentence


def _final_on(row: Commission) -> date | None:
    """The last day on which what was paid can be taken back; None of what is not paid."""
    if row.paid_at is None:
        return None
    return local_date(row.paid_at, g.organisation.timezone) + timedelta(days=row.program.final_days)


def _others(row: Commission, day: date) -> list[dict[str, Any]]:
    """The other commissions of the partner and the deal: what was corrected and taken back."""
    if row.deal is None:
        return []
    chosen = money_lists.CommissionFilter(today=day, deal=row.deal.reference)
    found = money_lists.commissions(g.organisation.id, chosen, payee_id=row.payee_id)
    rows = db.session.execute(found.query.order_by(Commission.id).limit(50)).all()
    return [row_of(each, day) for each in rows if each.id != row.id]


def _disputes(row: Commission) -> list[tuple[CommissionDispute, DisputeState]]:
    rows = db.session.scalars(
        select(CommissionDispute)
        .where(CommissionDispute.commission_id == row.id)
        .order_by(CommissionDispute.id.desc())
        .limit(20)
    )
    return [(each, DisputeState(each.state)) for each in rows]


@needs_fresh_sign_in
def offer(reference: str) -> ResponseReturnValue:
    """The next calculation takes it again."""
    return _decide(reference, is_offered=True)


@needs_fresh_sign_in
def dismiss(reference: str) -> ResponseReturnValue:
    """It is not paid."""
    return _decide(reference, is_offered=False)


def _decide(reference: str, *, is_offered: bool) -> ResponseReturnValue:
    require_change()
    row = _commission(reference)

    def call() -> str:
        calculating.decide_offer(
            organisation_id=g.organisation.id,
            reference=reference,
            is_offered=is_offered,
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} is offered again." if is_offered else f"{reference} is dismissed."

    form: DecideForm = form_of(DecideForm)
    return act_page(
        AREA,
        form,
        title=f"Offer {reference} again?" if is_offered else f"Dismiss {reference}?",
        button="Offer it again" if is_offered else "Dismiss it",
        tone="primary" if is_offered else "danger",
        back=(url_for(".commission", reference=reference), reference),
        call=call,
        facts=[
            ("Partner", row.payee.name),
            ("Commission", Money(row.amount_minor, row.currency).format()),
            ("Why it waits", row.offer_reason or "–"),
        ],
        crumbs=[(url_for(".commissions"), "Commissions"),
                (url_for(".commission", reference=reference), reference)],
        explains="The next calculation takes it into a payout." if is_offered
        else "It stays in the list, and no calculation takes it.",
    )  # fmt: skip
