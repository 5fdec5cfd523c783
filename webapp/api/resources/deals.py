"""Deals: lists, one with who earned what of it and why, entering, changing, winning and losing them."""

from __future__ import annotations

from datetime import datetime

from webapp.api import partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import bound
from webapp.api.resources.partner_words import deal_detail, deal_of, staff_filter, touch_detail, touch_of
from webapp.api.schemas.common import PageQuery
from webapp.api.schemas.partner_deals import (
    DealChange,
    DealCreate,
    DealDetail,
    DealLose,
    DealPage,
    DealQuery,
    DealSeen,
    DealValues,
    DealWin,
    TouchCreate,
    TouchOut,
    TouchPage,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.partners import deal_lists, events, touch_lists
from webapp.programs.partners import deals as records
from webapp.programs.partners.deal_lists import DealFilter
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Deal, Touchpoint

resource = Resource(
    "deals",
    "/deals",
    title="Deals of partners",
    about="Sales that partners took part in. What is earned follows from their touches, the amount and the rules. A "
    "partner's token sees those in which it took part, and its own part of them.",
)
_read = {"scope": Scope.PARTNERS_READ}
_write = {"scope": Scope.DEALS_WRITE, "answers": DealDetail}


@resource.get("", summary="List deals", query=DealQuery, answers=DealPage, **_read)
def index(who: Caller, query: DealQuery) -> DealPage:
    """The deals that match, by default the newest first."""
    staff_filter(who, partner=query.partner)
    currency = query.currency or who.currency
    chosen = DealFilter(
        text=query.search or "",
        state=query.state or "",
        program=query.program or "",
        partner=query.partner or "",
        product=query.product or "",
        closed_from=query.closed_from,
        closed_to=query.closed_to,
        currency=query.currency or "",
        amount_from=bound(query.amount_from, currency, is_upper=False),
        amount_to=bound(query.amount_to, currency, is_upper=True),
        amount_currency=currency,
    )
    found = deal_lists.deals(who.organisation_id, chosen, payee_id=partners_queries.own_id(who.viewer))
    if query.external_ref:
        found = listed.where(found, Deal.external_ref == query.external_ref)
    rows, following = listed.page(found, query, query.sort)
    deals = partners_queries.deals_by_id(who.viewer, [row.id for row in rows])
    return DealPage(items=[deal_of(row, who) for row in deals], next_cursor=following)


@resource.get("/<reference>", summary="Get a deal", answers=DealDetail, **_read)
def show(who: Caller, reference: str) -> DealDetail:
    """One deal: which touch earned what and why, and its commissions. A partner is told of no other partner."""
    return deal_detail(reference, who)


def _draft(
    who: Caller,
    body: DealValues,
    opened_at: datetime,
    program_id: int | None,
    external_ref: str | None = None,
) -> DealDraft:
    """Raises Invalid for a program or a partner that there is not."""
    organisation_id = who.organisation_id
    if body.program:
        program_id = events.find_program(organisation_id, body.program)
    registrar = None
    if body.registered_by:
        registrar = events.find_partner(organisation_id, body.registered_by, "registered_by")
    return DealDraft(
        program_id=program_id or events.only_program(organisation_id),
        name=body.name,
        currency=body.amount.currency,
        amount_minor=body.amount.minor,
        opened_at=opened_at,
        customer=body.customer,
        product=body.product,
        registered_by_id=registrar,
        external_ref=external_ref,
    )


@resource.post(
    "", summary="Enter a deal", body=DealCreate, status=201, location="/deals/{reference}", **_write
)
def create(who: Caller, body: DealCreate) -> DealDetail:
    """A new deal, open. An `external_ref` that is there already: 422. Who enters it approves none of its payouts."""
    now = utc_now()
    made = records.create_deal(
        organisation_id=who.organisation_id,
        draft=_draft(who, body, body.opened_at or now, None, body.external_ref),
        actor=who.actor,
        now=now,
    )
    return deal_detail(made.reference, who)


@resource.put("/<reference>", summary="Change a deal", body=DealChange, **_write)
def update(who: Caller, reference: str, body: DealChange) -> DealDetail:
    """The deal as it shall be. Of a won one it needs a reason, and what was paid for it is corrected."""
    row = partners_queries.deal(who.viewer, reference)
    draft = _draft(who, body, body.opened_at or row.opened_at, row.program_id)
    records.change_deal(reference=reference, draft=draft, reason=body.reason, **act_of(who, body.version))
    return deal_detail(reference, who)


@resource.post("/<reference>/win", summary="Win a deal", body=DealWin, **_write)
def win(who: Caller, reference: str, body: DealWin) -> DealDetail:
    """Its commissions are earned and become due after the holding period. Again with the same day: nothing changes."""
    act = act_of(who, body.version)
    records.win_deal(reference=reference, closed_at=body.closed_at or act["now"], **act)
    return deal_detail(reference, who)


@resource.post("/<reference>/lose", summary="Lose a deal", body=DealLose, **_write)
def lose(who: Caller, reference: str, body: DealLose) -> DealDetail:
    """What it earned is cancelled; what was paid is taken back off the next payout. Again: nothing changes."""
    records.lose_deal(
        reference=reference, reason=body.reason, closed_at=body.closed_at, **act_of(who, body.version)
    )
    return deal_detail(reference, who)


@resource.post("/<reference>/reopen", summary="Open a lost deal again", body=DealSeen, **_write)
def reopen(who: Caller, reference: str, body: DealSeen) -> DealDetail:
    """A lost deal is open again."""
    records.reopen_deal(reference=reference, **act_of(who, body.version))
    return deal_detail(reference, who)


@resource.get("/<reference>/touchpoints", summary="List the touches of a deal", query=PageQuery, answers=TouchPage,
              **_read)  # fmt: skip
def touchpoints(who: Caller, reference: str, query: PageQuery) -> TouchPage:
    """What partners did for it, what happened first at the top. A partner sees what they did."""
    row = partners_queries.deal(who.viewer, reference)
    own = partners_queries.own_id(who.viewer)
    found = listed.where(touch_lists.touches(who.organisation_id, payee_id=own), Touchpoint.deal_id == row.id)
    rows, following = listed.page(found, query, "date")
    return TouchPage(items=[touch_of(each, who) for each in rows], next_cursor=following)


@resource.post("/<reference>/touchpoints", summary="Say what a partner did for a deal", body=TouchCreate,
               answers=TouchOut, status=201, location="/touchpoints/{id}", scope=Scope.DEALS_WRITE)  # fmt: skip
def add_touch(who: Caller, reference: str, body: TouchCreate) -> TouchOut:
    """The shares of the deal follow. The same `external_ref` again is the touch that is there.

    Where a payout has frozen the shares of the deal: 409.
    """
    now = utc_now()
    partners_queries.deal(who.viewer, reference)
    draft = TouchDraft(
        events.find_partner(who.organisation_id, body.partner), body.type, body.happened_at or now, body.weight,
        body.external_ref,
    )  # fmt: skip
    made = records.add_touch(
        organisation_id=who.organisation_id, reference=reference, draft=draft, actor=who.actor, now=now
    )
    return touch_detail(made.id, who)
