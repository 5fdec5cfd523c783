"""Invoices of a clinic: lists, one with all that happened to its money, making one."""

from __future__ import annotations

from decimal import Decimal

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.clinic_words import invoice_detail, invoice_of
from webapp.api.schemas.clinic import (
    InvoiceCreate,
    InvoiceDetail,
    InvoiceLineIn,
    InvoicePage,
    InvoiceQuery,
)
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import invoicing, queries
from webapp.programs.clinic.drafts import InvoiceDraft, LineDraft
from webapp.programs.clinic.models import Invoice

resource = Resource(
    "invoices",
    "/invoices",
    title="Invoices",
    about="What customers owe a clinic. A practitioner's token sees those of its appointments: number, initials and "
    "money, never who the customer is or what was done.",
)
_read = {"scope": Scope.CLINIC_READ}


@resource.get("", summary="List invoices", query=InvoiceQuery, answers=InvoicePage, **_read)
def index(who: Caller, query: InvoiceQuery) -> InvoicePage:
    """The invoices that match, the newest first."""
    found = clinic_queries.invoices(who.viewer, query)
    rows, following = paging.page(found, Invoice.id, limit=query.limit, cursor=query.cursor)
    paid = clinic_queries.payouts_of(who.viewer, [row.id for row in rows])
    items = [invoice_of(row, who, paid.get(row.id, [])) for row in rows]
    return InvoicePage(items=items, next_cursor=following)


@resource.get("/<number>", summary="Get an invoice", answers=InvoiceDetail, **_read)
def show(who: Caller, number: str) -> InvoiceDetail:
    """One invoice with its lines, transactions and payouts."""
    return invoice_detail(clinic_queries.invoice(who.viewer, number), who)


def _line(line: InvoiceLineIn, currency: str) -> LineDraft:
    return LineDraft(
        line.description,
        minor_in(line.unit_price, currency, "unit_price"),
        line.quantity if line.quantity is not None else Decimal(1),
        minor_in(line.discount, currency, "discount"),
        line.tax_percent if line.tax_percent is not None else Decimal(0),
    )


def _draft(who: Caller, body: InvoiceCreate) -> InvoiceDraft:
    customer = queries.find_customer(who.organisation_id, body.customer)
    if customer is None:
        raise Invalid("customer", f"{body.customer} is not a customer of this organisation.", "CU-0001")
    appointment = None
    if body.appointment is not None:
        appointment = queries.find_appointment(who.organisation_id, body.appointment)
        if appointment is None:
            raise Invalid(
                "appointment", f"{body.appointment} is not an appointment of this organisation.", "AP-0001"
            )
    currency = body.currency or who.currency
    return InvoiceDraft(
        customer_id=customer.id,
        lines=tuple(_line(line, currency) for line in body.lines),
        issued_on=body.issued_on or local_date(utc_now(), who.timezone),
        about=body.about,
        appointment_id=appointment.id if appointment else None,
        order_reference=body.order_reference,
        due_on=body.due_on,
        currency=currency,
        note=body.note,
        external_ref=body.external_ref,
    )


@resource.post("", summary="Create an invoice", body=InvoiceCreate, answers=InvoiceDetail, status=201,
               location="/invoices/{number}", scope=Scope.CLINIC_WRITE)  # fmt: skip
def create(who: Caller, body: InvoiceCreate) -> InvoiceDetail:
    """A new invoice. Who makes it does not approve what practitioners are paid for it."""
    made = invoicing.create_invoice(
        organisation_id=who.organisation_id, draft=_draft(who, body), actor=who.actor, now=utc_now()
    )
    return invoice_detail(clinic_queries.invoice(who.viewer, made.number), who)
