"""Touches: what partners did for deals; saying it, and taking it back."""

from __future__ import annotations

from webapp.api import partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.partner_words import deal_detail, staff_filter, touch_detail, touch_of
from webapp.api.schemas.partner_deals import DealDetail, TouchOut, TouchPage, TouchQuery
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.partners import deals, touch_lists
from webapp.programs.partners.touch_lists import TouchFilter

resource = Resource(
    "touchpoints",
    "/touchpoints",
    title="Touches",
    about="What partners did for deals, and when; attribution follows from them. `/deals/{reference}/touchpoints` adds "
    "one. A partner's token sees its own.",
)
_read, _write = {"scope": Scope.PARTNERS_READ}, {"scope": Scope.DEALS_WRITE}


@resource.get("", summary="List touches", query=TouchQuery, answers=TouchPage, **_read)
def index(who: Caller, query: TouchQuery) -> TouchPage:
    """The touches that match, by default what happened last. `/deals/{reference}` says what each of them earned."""
    staff_filter(who, partner=query.partner)
    chosen = TouchFilter(
        partner=query.partner or "",
        deal=query.deal or "",
        program=query.program or "",
        kind=query.type or "",
        date_from=query.happened_from,
        date_to=query.happened_to,
    )
    found = touch_lists.touches(who.organisation_id, chosen, payee_id=partners_queries.own_id(who.viewer))
    rows, following = listed.page(found, query, query.sort)
    return TouchPage(items=[touch_of(row, who) for row in rows], next_cursor=following)


@resource.get("/<int:touch_id>", summary="Get a touch", answers=TouchOut, **_read)
def show(who: Caller, touch_id: int) -> TouchOut:
    """One touch."""
    return touch_detail(touch_id, who)


@resource.post("/<int:touch_id>/remove", summary="Take a touch back", answers=DealDetail, **_write)
def remove(who: Caller, touch_id: int) -> DealDetail:
    """The shares of the others follow; the answer is the deal. Where a payout has frozen them: 409."""
    reference = touch_detail(touch_id, who).deal
    deals.remove_touch(
        organisation_id=who.organisation_id,
        reference=reference,
        touch_id=touch_id,
        actor=who.actor,
        now=utc_now(),
    )
    return deal_detail(reference, who)
