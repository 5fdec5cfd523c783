"""Partners: lists, one, what they earned; their type, tier and own rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from webapp.api import paging, partners_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.partner_words import amount_of, basis_points, percent_of, sums_of, today_of
from webapp.api.schemas.common import PayeeRef
from webapp.api.schemas.partners import (
    PartnerOut,
    PartnerPage,
    PartnerQuery,
    PartnerSummary,
    PartnerSums,
    ProfileChange,
    StateSum,
)
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee
from webapp.programs.partners import partners as records
from webapp.programs.partners import record_lists
from webapp.programs.partners.drafts import ProfileDraft
from webapp.programs.partners.models import Commission
from webapp.programs.partners.record_lists import Sums

resource = Resource(
    "partners",
    "/partners",
    title="Partners",
    about="Payees who bring deals; `/payees` adds them and changes who they are. A partner's token sees itself.",
)
_read = {"scope": Scope.PARTNERS_READ}


def _out(payee: Payee, sums: Sequence[Sums]) -> PartnerOut:
    profile = records.profile_of(payee)
    names = ("reference", "external_ref", "name", "email", "is_active")
    return PartnerOut.model_validate(
        {
            **{name: getattr(payee, name) for name in names},
            "type": profile.type,
            "tier": profile.tier,
            "percent": percent_of(profile.rate_bp),
            "sums": [
                PartnerSums(
                    earned=amount_of(each.earned), paid=amount_of(each.paid), owed=amount_of(each.owed)
                )
                for each in sums
            ],
            "version": profile.version,
        }
    )


def _one(who: Caller, payee: Payee) -> PartnerOut:
    return _out(payee, record_lists.sums_of(who.organisation_id, [payee.id])[payee.id])


@resource.get("", summary="List partners", query=PartnerQuery, answers=PartnerPage, **_read)
def index(who: Caller, query: PartnerQuery) -> PartnerPage:
    """The partners that match, the newest first, with what they earned."""
    found = partners_queries.narrowed_partners(
        partners_queries.partners(who.viewer), search=query.search or "", type_=query.type, tier=query.tier,
        is_active=query.is_active,
    )  # fmt: skip
    rows, following = paging.page_of_rows(found, Payee.id, limit=query.limit, cursor=query.cursor)
    sums = record_lists.sums_of(who.organisation_id, [payee.id for payee, _ in rows])
    return PartnerPage(items=[_out(payee, sums[payee.id]) for payee, _ in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a partner", answers=PartnerOut, **_read)
def show(who: Caller, reference: str) -> PartnerOut:
    """One partner with what they earned."""
    return _one(who, partners_queries.partner(who.viewer, reference))


@resource.get("/<reference>/summary", summary="See what a partner earned", answers=PartnerSummary, **_read)
def summary(who: Caller, reference: str) -> PartnerSummary:
    """Commissions by state, lifetime, pending and since 1 January; deals and registrations that are there."""
    payee = partners_queries.partner(who.viewer, reference)
    today = today_of(who)
    mine = (Commission.organisation_id == who.organisation_id, Commission.payee_id == payee.id)

    def earned(*conditions: Any) -> list[Any]:
        return [amount_of(money) for money in partners_queries.earned(payee, *conditions)]

    deals = partners_queries.deal_counts(payee)
    return PartnerSummary(
        partner=PayeeRef.of(payee),
        items=[StateSum(**each) for each in sums_of(partners_queries.standing_sums(mine, today))],
        lifetime=earned(),
        pending=earned(partners_queries.IS_UNPAID),
        year_to_date=earned(partners_queries.earned_since(today.replace(month=1, day=1))),
        taken_back=earned(partners_queries.IS_TAKEN_BACK),
        open_deals=deals["open"],
        won_deals=deals["won"],
        lost_deals=deals["lost"],
        pending_registrations=partners_queries.pending_registrations(payee),
    )


@resource.put("/<reference>/profile", summary="Say what kind of partner somebody is", body=ProfileChange,
              answers=PartnerOut, scope=Scope.PARTNERS_WRITE)  # fmt: skip
def change_profile(who: Caller, reference: str, body: ProfileChange) -> PartnerOut:
    """Type, tier and own rate. Who sets a rate does not approve what it makes; deals closed before stay as they are."""
    payee = partners_queries.partner(who.viewer, reference)
    records.change_profile(
        payee_id=payee.id,
        draft=ProfileDraft(body.type, body.tier, basis_points(body.percent)),
        **act_of(who, body.version),
    )
    return _one(who, payee)
