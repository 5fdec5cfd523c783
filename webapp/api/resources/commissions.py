"""Commissions: lists, sums by state, one; objecting to one; what becomes of those of a rejected payout."""

from __future__ import annotations

from datetime import date
from typing import Any

from webapp.api import partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.amounts import bound
from webapp.api.resources.partner_words import (
    base_of,
    commission_detail,
    commission_of,
    dispute_of,
    staff_filter,
    sums_of,
    today_of,
)
from webapp.api.schemas.partner_money import (
    CommissionNarrow,
    CommissionOffer,
    CommissionOut,
    CommissionPage,
    CommissionQuery,
    CommissionStats,
    DisputeOut,
    DisputeRaise,
)
from webapp.api.schemas.partners import StateSum
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.partners import base_view, calculating, disputing, money_lists
from webapp.programs.partners.models import Commission
from webapp.programs.partners.money_lists import CommissionFilter
from webapp.programs.partners.rules import period
from webapp.programs.partners.standing import Standing
from webapp.web.listing import Listing

resource = Resource(
    "commissions",
    "/commissions",
    title="Commissions",
    about="What partners earn of deals and by the period, and what is taken back. Approvals and payments are those of "
    "payouts. A partner's token sees its own and may object to one.",
)
_read = {"scope": Scope.PARTNERS_READ}
_decide = {"scope": Scope.PARTNERS_WRITE, "body": CommissionOffer, "answers": CommissionOut}
_NOT_COUNTED = (Standing.CANCELLED, Standing.DISMISSED)


def _found(who: Caller, query: CommissionNarrow, today: date) -> Listing:
    """The commissions that match. Raises Invalid for a period that is none."""
    staff_filter(who, partner=query.partner)
    currency = query.currency or who.currency
    chosen = CommissionFilter(
        today,
        text=query.search or "",
        partner=query.partner or "",
        deal=query.deal or "",
        program=query.program or "",
        payout=query.payout or "",
        state=query.state or "",
        kind=query.kind or "",
        period=period(query.period) if query.period else None,
        date_from=query.earned_from,
        date_to=query.earned_to,
        amount_from=bound(query.amount_from, currency, is_upper=False),
        amount_to=bound(query.amount_to, currency, is_upper=True),
        currency=currency,
    )
    return money_lists.commissions(who.organisation_id, chosen, payee_id=partners_queries.own_id(who.viewer))


@resource.get("", summary="List commissions", query=CommissionQuery, answers=CommissionPage, **_read)
def index(who: Caller, query: CommissionQuery) -> CommissionPage:
    """The commissions that match, by default the latest earned first."""
    rows, following = listed.page(_found(who, query, today_of(who)), query, query.sort)
    return CommissionPage(items=[commission_of(row, who) for row in rows], next_cursor=following)


@resource.get(
    "/stats", summary="Count and add up commissions", query=CommissionNarrow, answers=CommissionStats, **_read
)
def stats(who: Caller, query: CommissionNarrow) -> CommissionStats:
    """How many commissions stand in each state, and what they come to, by currency."""
    today = today_of(who)
    found = _found(who, query, today)
    ids = found.query.order_by(None).with_only_columns(Commission.id)
    rows = partners_queries.standing_sums([Commission.id.in_(ids)], today)
    in_base = None
    if who.sees_all:
        counted = [money for state, _, money in rows if state not in _NOT_COUNTED]
        in_base = base_of(base_view.totals(who.organisation_id, counted, today))
    return CommissionStats(
        items=[StateSum(**each) for each in sums_of(rows)], in_base=in_base, next_cursor=None
    )


@resource.get("/<reference>", summary="Get a commission", answers=CommissionOut, **_read)
def show(who: Caller, reference: str) -> CommissionOut:
    """One commission: of what, by which rate, in which payout, and why it waits."""
    return commission_detail(reference, who)


@resource.post("/<reference>/dispute", summary="Object to a commission", body=DisputeRaise, answers=DisputeOut,
               status=201, location="/partner-disputes/{id}", scope=Scope.REGISTRATIONS_CREATE)  # fmt: skip
def dispute(who: Caller, reference: str, body: DisputeRaise) -> DisputeOut:
    """It alone waits until an admin who did not object answers. In a payout, or disputed already: 409."""
    row = partners_queries.commission(who.viewer, reference)
    made = disputing.raise_dispute(
        organisation_id=who.organisation_id,
        payee_id=row.payee_id,
        reference=reference,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return dispute_of(made, who)


def _offer(who: Caller, reference: str, **values: Any) -> CommissionOut:
    calculating.decide_offer(
        organisation_id=who.organisation_id, reference=reference, actor=who.actor, now=utc_now(), **values
    )
    return commission_detail(reference, who)


@resource.post("/<reference>/offer", summary="Offer a commission again", **_decide)
def offer(who: Caller, reference: str, body: CommissionOffer) -> CommissionOut:
    """After its payout was rejected or cancelled: the next calculation takes it. Otherwise 409."""
    return _offer(who, reference, is_offered=True, reason=body.reason)


@resource.post("/<reference>/dismiss", summary="Dismiss a commission", **_decide)
def dismiss(who: Caller, reference: str, body: CommissionOffer) -> CommissionOut:
    """After its payout was rejected or cancelled: it is not paid. Otherwise 409."""
    return _offer(who, reference, is_offered=False, reason=body.reason)
