"""Repairs: what a workshop's invoice would become, making a draft, changing it, reading them."""

from __future__ import annotations

from webapp.api import repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources import listed
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import bound, minor_in, minor_of
from webapp.api.resources.repair_words import listed_repair, planned_of, repair_detail, today_of
from webapp.api.schemas.common import Amount
from webapp.api.schemas.repairs import (
    InstalmentQuote,
    RepairChange,
    RepairCreate,
    RepairDetail,
    RepairPage,
    RepairPlan,
    RepairQuery,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import drafting, lists
from webapp.programs.repairs.drafts import RepairDraft
from webapp.programs.repairs.lists import RepairFilter

resource = Resource(
    "repairs",
    "/repairs",
    title="Repairs",
    about="Workshops' invoices that drivers pay back by the week. A driver's token sees its own.",
)
_read, _write = {"scope": Scope.REPAIRS_READ}, {"scope": Scope.REPAIRS_WRITE}


@resource.get("", summary="List repairs", query=RepairQuery, answers=RepairPage, **_read)
def index(who: Caller, query: RepairQuery) -> RepairPage:
    """The repairs that match, in the order that `sort` names."""
    chosen = RepairFilter(
        text=query.search or "",
        driver=query.driver or "",
        lease=query.lease or "",
        vehicle=query.vehicle or "",
        medallion=query.medallion or "",
        state=query.state or "",
        workshop=query.workshop or "",
        date_from=query.invoice_from,
        date_to=query.invoice_to,
        amount_from=bound(query.amount_from, who.currency, is_upper=False),
        amount_to=bound(query.amount_to, who.currency, is_upper=True),
        currency=who.currency,
    )
    found = listed.own(lists.repairs(who.organisation_id, chosen), who.viewer)
    rows, following = listed.page(found, query, query.sort)
    return RepairPage(items=[listed_repair(row) for row in rows], next_cursor=following)


@resource.get("/calculate-installments", summary="See the instalments of an invoice", query=InstalmentQuote,
              answers=RepairPlan, **_read)  # fmt: skip
def calculate(who: Caller, query: InstalmentQuote) -> RepairPlan:
    """The plan that an invoice would become by the payment matrix that counts now. Nothing is stored."""
    day, amount = query.invoice_date or today_of(who), minor_of(query.amount, who.currency, "amount")
    planned = drafting.preview_repair(
        organisation_id=who.organisation_id,
        amount_minor=amount,
        invoice_date=day,
        start=query.start,
        now=utc_now(),
    )
    return RepairPlan(
        amount=Amount.of(amount, who.currency),
        invoice_date=day,
        start=query.start,
        instalments=planned_of(planned, who.currency),
    )


@resource.get("/<reference>", summary="Get a repair", answers=RepairDetail, **_read)
def show(who: Caller, reference: str) -> RepairDetail:
    """One repair with its instalments, and the new plans that were asked for."""
    return repair_detail(reference, who)


def _draft(who: Caller, body: RepairCreate, document: tuple[str | None, str] = (None, "")) -> RepairDraft:
    plate = body.vehicle
    return RepairDraft(
        lease_id=repairs_queries.lease(who.viewer, body.lease).id,
        invoice_number=body.invoice_number,
        invoice_date=body.invoice_date,
        amount_minor=minor_in(body.amount, who.currency, "amount"),
        workshop=body.workshop,
        description=body.description,
        start=body.start,
        vehicle_id=None if plate is None else repairs_queries.vehicle(who.organisation_id, plate).id,
        document_key=document[0],
        document_name=document[1],
    )


@resource.post("", summary="Create a repair", body=RepairCreate, answers=RepairDetail, status=201,
               location="/repairs/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: RepairCreate) -> RepairDetail:
    """A draft with its plan. An invoice that is there already: 409 names the repair that has it."""
    made = drafting.create_repair(
        organisation_id=who.organisation_id, draft=_draft(who, body), actor=who.actor, now=utc_now()
    )
    return repair_detail(made.reference, who)


@resource.put("/<reference>", summary="Change a draft", body=RepairChange, answers=RepairDetail, **_write)
def update(who: Caller, reference: str, body: RepairChange) -> RepairDetail:
    """The invoice as it shall be; the plan is made anew. A repair that is confirmed answers 409."""
    row = repairs_queries.repair(who.viewer, reference)
    drafting.update_repair(
        reference=reference,
        draft=_draft(who, body, (row.document_key, row.document_name)),
        **act_of(who, body.version),
    )
    return repair_detail(reference, who)
