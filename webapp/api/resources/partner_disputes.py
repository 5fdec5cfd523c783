"""Objections of partners to single commissions: lists, one, the answer."""

from __future__ import annotations

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.partner_words import dispute_of, staff_filter
from webapp.api.schemas.partner_money import DisputeAnswer, DisputeOut, DisputePage, DisputeQuery
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.partners import disputing
from webapp.programs.partners.models import CommissionDispute

resource = Resource(
    "partner_disputes",
    "/partner-disputes",
    title="Objections of partners",
    about="Each is about one commission, which alone waits. `/commissions/{reference}/dispute` raises one. A partner's "
    "token sees its own.",
)
_read = {"scope": Scope.PARTNERS_READ}
_decide = {"scope": Scope.PARTNERS_WRITE, "body": DisputeAnswer, "answers": DisputeOut}


@resource.get("", summary="List objections", query=DisputeQuery, answers=DisputePage, **_read)
def index(who: Caller, query: DisputeQuery) -> DisputePage:
    """The objections that match, the newest first."""
    staff_filter(who, partner=query.partner)
    found = partners_queries.disputes(
        who.viewer, state=query.state or "", partner=query.partner, commission=query.commission
    )
    rows, following = paging.page(found, CommissionDispute.id, limit=query.limit, cursor=query.cursor)
    return DisputePage(items=[dispute_of(row, who) for row in rows], next_cursor=following)


@resource.get("/<int:dispute_id>", summary="Get an objection", answers=DisputeOut, **_read)
def show(who: Caller, dispute_id: int) -> DisputeOut:
    """One objection with its answer."""
    return dispute_of(partners_queries.dispute(who.viewer, dispute_id), who)


def _answer(who: Caller, dispute_id: int, answer: str, *, is_accepted: bool) -> DisputeOut:
    disputing.decide(
        organisation_id=who.organisation_id,
        dispute_id=dispute_id,
        is_accepted=is_accepted,
        answer=answer,
        actor=who.actor,
        now=utc_now(),
    )
    return show(who, dispute_id)


@resource.post("/<int:dispute_id>/accept", summary="Accept an objection", **_decide)
def accept(who: Caller, dispute_id: int, body: DisputeAnswer) -> DisputeOut:
    """Correct the deal, its touches or the rule first: amounts come from them alone. Whoever objected: 409."""
    return _answer(who, dispute_id, body.answer, is_accepted=True)


@resource.post("/<int:dispute_id>/refuse", summary="Refuse an objection", **_decide)
def refuse(who: Caller, dispute_id: int, body: DisputeAnswer) -> DisputeOut:
    """The commission stays as it is; the answer says why. Whoever objected: 409."""
    return _answer(who, dispute_id, body.answer, is_accepted=False)
