"""What makes a driver's balance grow beside earnings: payments between the receipts, credits, what came back."""

from __future__ import annotations

from webapp.api import paging, repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.driver_words import adjustment_of, adjustments_of
from webapp.api.resources.repair_words import today_of
from webapp.api.schemas.drivers import (
    AdjustmentOut,
    AdjustmentPage,
    AdjustmentQuery,
    DriverCreditCreate,
    DriverPaymentCreate,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import crediting
from webapp.programs.repairs.books import Adjustment

resource = Resource(
    "driver_adjustments",
    "/driver-adjustments",
    title="Payments and credits of drivers",
    about="Payments by drivers, credits, deposits given back, charges taken back or written off, payouts that were not "
    "made. A driver's token sees its own.",
)
_read = {"scope": Scope.REPAIRS_READ}
_make = {"answers": AdjustmentOut, "status": 201, "location": "/driver-adjustments/{reference}",
         "scope": Scope.DRIVERS_WRITE}  # fmt: skip


@resource.get("", summary="List payments and credits", query=AdjustmentQuery, answers=AdjustmentPage, **_read)
def index(who: Caller, query: AdjustmentQuery) -> AdjustmentPage:
    """Those that match, the newest first."""
    found = repairs_queries.of_driver(
        repairs_queries.adjustments(who.viewer), Adjustment, who.viewer, query.driver
    )
    if query.kind:
        found = found.where(Adjustment.kind == query.kind)
    if query.happened_from:
        found = found.where(Adjustment.happened_on >= query.happened_from)
    if query.happened_to:
        found = found.where(Adjustment.happened_on <= query.happened_to)
    rows, following = paging.page_of_rows(found, Adjustment.id, limit=query.limit, cursor=query.cursor)
    return AdjustmentPage(items=adjustments_of(rows), next_cursor=following)


@resource.get("/<reference>", summary="Get a payment or credit", answers=AdjustmentOut, **_read)
def show(who: Caller, reference: str) -> AdjustmentOut:
    """One of them, with the charges that it covered."""
    return adjustment_of(reference, who)


@resource.post("/payments", summary="Record a driver's payment", body=DriverPaymentCreate, **_make)
def pay(who: Caller, body: DriverPaymentCreate) -> AdjustmentOut:
    """For the debts chosen, never for taxes; what is more goes to the lease or is kept."""
    made = crediting.record_payment(
        organisation_id=who.organisation_id,
        payee_id=repairs_queries.driver(who.viewer, body.driver).id,
        amount_minor=minor_in(body.amount, who.currency, "amount"),
        method=body.method,
        received_on=body.received_on or today_of(who),
        charges=[(each.charge, minor_in(each.amount, who.currency, "charges")) for each in body.charges],
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return adjustment_of(made.reference, who)


@resource.post("/credits", summary="Give a driver a credit", body=DriverCreditCreate, **_make)
def credit(who: Caller, body: DriverCreditCreate) -> AdjustmentOut:
    """On the next weekly receipt. Who gives it does not approve the payout of that receipt."""
    made = crediting.give_credit(
        organisation_id=who.organisation_id,
        payee_id=repairs_queries.driver(who.viewer, body.driver).id,
        amount_minor=minor_in(body.amount, who.currency, "amount"),
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return adjustment_of(made.reference, who)
