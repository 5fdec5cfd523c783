"""Invoices: the list with its smart actions, one invoice, its transactions, a new one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import table_file
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts.states import PayoutState
from webapp.payouts.views.program_pages import NO_PAGE, form_of, list_page, money, page_of, sums_words, today
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.clinic import invoicing, lists, queries
from webapp.programs.clinic.filters import InvoiceFilterForm
from webapp.programs.clinic.forms import InvoiceForm
from webapp.programs.clinic.models import Invoice
from webapp.programs.clinic.states import (
    About,
    InvoiceAction,
    InvoiceState,
    Method,
    TransactionKind,
    TransactionState,
    allows,
)
from webapp.programs.clinic.views.area import AREA, invoice_row
from webapp.web.htmx import see_other

EXPORT_HEADERS = (
    "Invoice", "Your reference", "Customer", "For", "Appointment", "Practitioners", "Issued on", "Due on", "Currency",
    "Subtotal", "Discount", "Tax", "Total", "Received", "Refunded", "Written off", "State", "Payouts",
)  # fmt: skip
WALLET_WORDS = {"": "Outside", "wallet:clinic": "The clinic's wallet"}


def index() -> ResponseReturnValue:
    """The list, with counts and sums of all invoices above it."""
    form = InvoiceFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        page = page_of(lists.list_invoices(g.organisation.id, form.chosen()), Invoice.id, "invoice")
    paid = lists.payouts_by_invoice([invoice.id for invoice in page.items])
    return list_page(
        AREA, "clinic/invoices.html", form, "invoices", is_valid=is_valid, export="admin.clinic.invoices_export",
        page=page, rows=[invoice_row(invoice, paid.get(invoice.id, [])) for invoice in page.items], sums=_sums(),
    )  # fmt: skip


def _sums() -> list[dict[str, Any]]:
    totals, found = lists.totals(g.organisation.id), []
    for state in (InvoiceState.PENDING, InvoiceState.PARTIAL, InvoiceState.PAID, InvoiceState.PAID_MANUAL):
        if mine := [total for total in totals if total.state == state.value]:
            is_open = state.value in lists.OPEN_STATES
            found.append(
                {
                    "label": state.label,
                    "value": f"{sum(total.count for total in mine):,}",
                    "note": sums_words([total.left if is_open else total.stayed for total in mine]),
                    "href": url_for("admin.clinic.invoices", state=state.value),
                }
            )
    return found


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = InvoiceFilterForm(request.args)
    if not form.validate():
        return index()
    query = lists.list_invoices(g.organisation.id, form.chosen())
    return table_file(
        "clinic:invoices:exported", "invoice", "invoices", format, EXPORT_HEADERS, _cells(query)
    )


def _cells(query: Any) -> Iterator[tuple[Any, ...]]:
    batch: list[Invoice] = []
    for invoice in lists.every(query, Invoice.id):
        batch.append(invoice)
        if len(batch) == lists.BATCH:
            yield from _batch_cells(batch)
            batch = []
    yield from _batch_cells(batch)


def _batch_cells(batch: list[Invoice]) -> Iterator[tuple[Any, ...]]:
    paid = lists.payouts_by_invoice([invoice.id for invoice in batch])
    for i in batch:
        row = invoice_row(i, paid.get(i.id, []))
        amounts = (
            i.subtotal_minor,
            i.discount_minor,
            i.tax_minor,
            i.total_minor,
            i.received_minor,
            i.refunded_minor,
        )
        yield (
            i.number, i.external_ref, i.customer.name, row["about"].label,
            i.appointment.reference if i.appointment else "", row["practitioners"], i.issued_on, i.due_on, i.currency,
            *(money(minor, i.currency) for minor in (*amounts, i.written_off_minor)), row["state"].label,
            ", ".join(payout.reference for _, payout in row["payouts"]),
        )  # fmt: skip


def card(row: Any) -> dict[str, Any]:
    """A transaction as the drawer shows it."""
    return {
        "row": row,
        "kind": TransactionKind(row.kind),
        "state": TransactionState(row.state),
        "method": Method(row.method),
        "amount": money(row.amount_minor, row.currency),
        "fee": money(row.fee_minor, row.currency) if row.fee_minor else None,
        "from": wallet_words(row.from_wallet),
        "to": wallet_words(row.to_wallet),
    }


def wallet_words(code: str) -> str:
    """ "Wallet of PY-0003", for an account's code."""
    return WALLET_WORDS.get(code) or f"Wallet of {code.partition(':')[2]}"


def context(number: str) -> dict[str, Any]:
    """What page and drawer show of one invoice."""
    invoice = queries.get_invoice(g.organisation.id, number)
    payouts = lists.payouts_by_invoice([invoice.id]).get(invoice.id, [])
    row = invoice_row(invoice, payouts)
    commission = sum(each.commission_minor - each.taken_commission_minor for each, _ in payouts)
    paid_out = sum(
        each.amount_minor - (each.taken_base_minor - each.taken_commission_minor) for each, _ in payouts
    )
    return {
        **row,
        "area": AREA,
        "cards": [card(each) for each in queries.transactions_of(invoice.id)],
        "payout_rows": [
            {"row": each, "payout": payout, "state": PayoutState(payout.state),
             "amount": money(each.amount_minor, each.currency),
             "commission": money(each.commission_minor, each.currency), "base": money(each.base_minor, each.currency)}
            for each, payout in payouts
        ],
        "refunded": money(invoice.refunded_minor, invoice.currency),
        "commission": money(commission, invoice.currency),
        "paid_out": money(paid_out, invoice.currency),
        "can_pay": allows(invoice.state, InvoiceAction.PAY),
        "can_refund": allows(invoice.state, InvoiceAction.REFUND) and invoice.stayed_minor > 0,
        "can_write_off": allows(invoice.state, InvoiceAction.WRITE_OFF),
        "tab": "invoices",
        "may_change": may_change(),
    }  # fmt: skip


def show(number: str) -> ResponseReturnValue:
    """One invoice: its lines, its money, its payouts."""
    found = context(number)
    invoice = found["invoice"]
    figures = [
        {"line": line, "price": money(line.unit_price_minor, invoice.currency),
         "discount": money(line.discount_minor, invoice.currency) if line.discount_minor else None,
         "tax": money(line.tax_minor, invoice.currency) if line.tax_minor else None,
         "total": money(line.total_minor, invoice.currency)}
        for line in invoice.lines
    ]  # fmt: skip
    return render_template("clinic/invoice.html", lines=figures, in_dialog=False, **found)


def transactions(number: str) -> ResponseReturnValue:
    """The drawer: a summary card and one card for each transaction; a page of its own without JavaScript."""
    return render_template(
        "clinic/transactions.html", in_dialog=request.headers.get("HX-Target") == "drawer", **context(number)
    )


def create() -> ResponseReturnValue:
    """A new invoice."""
    require_change()
    form: InvoiceForm = form_of(InvoiceForm)

    def page(code: int) -> ResponseReturnValue:
        return render_template(
            "clinic/invoice_form.html", area=AREA, form=form, conflict="", has_errors=code == 422
        ), code

    if request.method == "GET":
        form.issued_on.data = today()
        form.customer.data = request.args.get("customer", "")[:20]
        form.appointment.data = request.args.get("appointment", "")[:20]
        return page(200)
    if not form.validate():
        return page(422)
    try:
        with transaction():
            invoice = invoicing.create_invoice(
                organisation_id=g.organisation.id, draft=_draft(form), actor=actor(), now=utc_now()
            )
            number = invoice.number
    except (Invalid, Conflict) as error:
        attach(form, error if isinstance(error, Invalid) else Invalid("lines", error.message))
        return page(422)
    flash(f"{number} is made. Record its payment when it comes in.", "success")
    return see_other(url_for(".invoice", number=number))


def _draft(form: InvoiceForm) -> Any:
    """The form with its references looked up. Raises Invalid."""
    here, appointment_id = g.organisation.id, None
    customer = queries.find_customer(here, form.customer.data or "")
    if customer is None:
        raise Invalid("customer", "There is no such customer. Add them first.", "CU-0001")
    if form.about.data == About.APPOINTMENT and form.appointment.data:
        appointment = queries.find_appointment(here, form.appointment.data)
        if appointment is None:
            raise Invalid("appointment", "There is no such appointment.", "AP-0001")
        appointment_id = appointment.id
    return form.draft(customer.id, appointment_id)
