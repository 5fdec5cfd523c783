"""What drivers are charged beside instalments: many with one call, and reading them."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.driver_words import charges_by_id, charges_of
from webapp.api.schemas.drivers import ChargePage, ChargeQuery, ChargesCreate, ChargesMade
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import charging
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.drafts import ChargeDraft

resource = Resource(
    "driver_charges",
    "/driver-charges",
    title="Charges of drivers",
    about="Taxes, tolls, tickets, fees, advances, deposits and the rest; instalments make theirs when they are posted. "
    "A driver's token sees its own.",
)


@resource.get("", summary="List charges", query=ChargeQuery, answers=ChargePage, scope=Scope.REPAIRS_READ)
def index(who: Caller, query: ChargeQuery) -> ChargePage:
    """The charges that match, the newest first."""
    found = repairs_queries.of_driver(repairs_queries.charges(who.viewer), Charge, who.viewer, query.driver)
    if query.category:
        found = found.where(Charge.category == query.category)
    if query.is_open:
        covered = Charge.paid_minor + Charge.credited_minor
        found = found.where(
            covered < Charge.amount_minor if query.is_open == "true" else covered >= Charge.amount_minor
        )
    if query.charged_from:
        found = found.where(Charge.charged_on >= query.charged_from)
    if query.charged_to:
        found = found.where(Charge.charged_on <= query.charged_to)
    rows, following = paging.page_of_rows(found, Charge.id, limit=query.limit, cursor=query.cursor)
    return ChargePage(items=charges_of(rows), next_cursor=following)


@resource.post(
    "", summary="Charge drivers", body=ChargesCreate, answers=ChargesMade, scope=Scope.DRIVERS_WRITE
)
def create(who: Caller, body: ChargesCreate) -> ChargesMade:
    """All or none. One whose `external_ref` is there already counts once; with another amount or driver: 409."""
    ids = repairs_queries.driver_ids(who.organisation_id, {each.driver for each in body.charges})
    drafts = [
        ChargeDraft(
            payee_id=ids[each.driver],
            category=each.category,
            description=each.description,
            amount_minor=minor_in(each.amount, who.currency, "amount"),
            charged_on=each.charged_on,
            idempotency_key=each.external_ref,
        )
        for each in body.charges
    ]
    made = charging.add_charges(
        organisation_id=who.organisation_id, drafts=drafts, actor=who.actor, now=utc_now()
    )
    items = charges_by_id([row.id for row in made], who)
    return ChargesMade(items=items, known=len(drafts) - len(items))
