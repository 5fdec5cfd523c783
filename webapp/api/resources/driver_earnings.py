"""What drivers earned: many with one call, and reading it."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.driver_words import earnings_by_id, earnings_of
from webapp.api.schemas.drivers import EarningPage, EarningQuery, EarningsCreate, EarningsMade
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import charging
from webapp.programs.repairs.books import Earning
from webapp.programs.repairs.drafts import EarningDraft

resource = Resource(
    "driver_earnings",
    "/driver-earnings",
    title="Earnings of drivers",
    about="By source; the weekly receipt covers debts by them and pays out the rest. A driver's token sees its own.",
)


@resource.get("", summary="List earnings", query=EarningQuery, answers=EarningPage, scope=Scope.REPAIRS_READ)
def index(who: Caller, query: EarningQuery) -> EarningPage:
    """The earnings that match, the newest first."""
    found = repairs_queries.of_driver(repairs_queries.earnings(who.viewer), Earning, who.viewer, query.driver)
    if query.source:
        found = found.where(Earning.source == query.source)
    if query.earned_from:
        found = found.where(Earning.earned_on >= query.earned_from)
    if query.earned_to:
        found = found.where(Earning.earned_on <= query.earned_to)
    rows, following = paging.page_of_rows(found, Earning.id, limit=query.limit, cursor=query.cursor)
    return EarningPage(items=earnings_of(rows), next_cursor=following)


@resource.post(
    "", summary="Record earnings", body=EarningsCreate, answers=EarningsMade, scope=Scope.DRIVERS_WRITE
)
def create(who: Caller, body: EarningsCreate) -> EarningsMade:
    """All or none. A name of the same source counts once; with another amount or driver: 409."""
    ids = repairs_queries.driver_ids(who.organisation_id, {each.driver for each in body.earnings})
    drafts = [
        EarningDraft(
            payee_id=ids[each.driver],
            source=each.source,
            external_ref=each.external_ref,
            amount_minor=minor_in(each.amount, who.currency, "amount"),
            earned_on=each.earned_on,
            description=each.description,
        )
        for each in body.earnings
    ]
    made = charging.record_earnings(
        organisation_id=who.organisation_id, drafts=drafts, actor=who.actor, now=utc_now()
    )
    items = earnings_by_id([row.id for row in made], who)
    return EarningsMade(items=items, known=len(drafts) - len(items))
