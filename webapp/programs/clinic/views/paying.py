"""Money of invoices: payments, refunds, write-offs, and the payout into the practitioner's wallet."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import new_uid
from webapp.payouts.views.program_pages import act_page, form_of, in_dialog, money, today
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.clinic import bulk, invoicing, payments, queries, refunding
from webapp.programs.clinic import paying as paying_out
from webapp.programs.clinic.forms import CheckForm, DecideForm, PaymentForm, ReasonForm, RefundForm
from webapp.programs.clinic.models import ClinicTransaction, Invoice
from webapp.programs.clinic.views.area import AREA, invoice_row
from webapp.providers import keeping, storage
from webapp.runs import lists as run_lists
from webapp.runs.views.pages import start_draft
from webapp.web import filters, uploads
from webapp.web.htmx import see_other

#: More invoices than this are chosen by "every invoice that is ready".
MOST = 1_000
SHOWN = 50


def _facts(invoice: Invoice) -> list[tuple[str, Any]]:
    row = invoice_row(invoice, [])
    return [
        ("Customer", invoice.customer.name),
        ("Practitioners", row["practitioners"] or "–"),
        ("Total", filters.money(row["total"])),
        ("Received", filters.money(money(invoice.received_minor, invoice.currency))),
        ("Still to be paid", filters.money(row["left"])),
    ]


def _back(number: str) -> tuple[str, str]:
    return url_for(".invoice", number=number), number


def _crumbs(number: str) -> list[tuple[str, str]]:
    return [(url_for(".invoices"), "Invoices"), _back(number)]


@needs_fresh_sign_in
def record(number: str) -> ResponseReturnValue:
    """Money of the customer, with the rest filled in."""
    require_change()
    invoice = queries.get_invoice(g.organisation.id, number)
    form: PaymentForm = form_of(PaymentForm, invoice.currency)

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                "clinic/payment_form.html", area=AREA, form=form, number=number, facts=_facts(invoice),
                conflict=conflict, has_errors=code == 422,
            ),
            code,
        )  # fmt: skip

    if request.method == "GET":
        form.amount.data = money(invoice.remaining_minor, form.currency).plain
        form.happened_on.data, form.key.data = today(), new_uid()
        form.version.data = str(invoice.version)
        return page(200)
    if not form.validate():
        return page(422)
    try:
        said = _record(number, form)
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    flash(said, "success")
    return see_other(url_for(".invoice", number=number))


def _record(number: str, form: PaymentForm) -> str:
    sent = request.files.get("file")
    values: dict[str, Any] = {
        "organisation_id": g.organisation.id,
        "number": number,
        "amount_minor": form.amount.minor or 0,
        "method": form.method.data,
        "happened_on": form.happened_on.data,
        "provider_reference": form.provider_reference.data or "",
        "fee_minor": form.fee.minor or 0,
        "note": form.note.data or "",
        "idempotency_key": f"page:{form.key.data}" if form.key.data else None,
        "expected_version": form.seen_version,
        "actor": actor(),
        "now": utc_now(),
    }
    if sent is None or not sent.filename:
        with transaction():
            return payments.record_payment(**values).message
    # Bytes first: no transaction waits for the storage.
    with (
        keeping.kept("clinic", organisation_id=g.organisation.id, upload=uploads.check(sent)) as kept,
        transaction(),
    ):
        return payments.record_payment(**values, proof=kept).message


def proof(reference: str) -> Response:
    """The proof of a payment, always as a download: a browser never runs it on our address."""
    row = db.session.scalar(
        select(ClinicTransaction).where(
            ClinicTransaction.organisation_id == g.organisation.id, ClinicTransaction.reference == reference
        )
    )
    if row is None or not row.proof_key:
        raise NotFound
    key, name = row.proof_key, row.proof_name
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    data = storage.read(key)
    response = Response(data, mimetype=uploads.kind_of(data) or "application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name or "proof")
    return response


@needs_fresh_sign_in
def refund(number: str) -> ResponseReturnValue:
    """Money back to the customer; the practitioner gives back their part at the rate they were paid by."""
    require_change()
    invoice = queries.get_invoice(g.organisation.id, number)
    form: RefundForm = form_of(RefundForm, invoice.currency)

    def fill() -> None:
        form.amount.data = money(invoice.stayed_minor, invoice.currency).plain
        form.happened_on.data, form.key.data, form.version.data = today(), new_uid(), str(invoice.version)

    def call() -> str:
        return refunding.refund(
            organisation_id=g.organisation.id,
            number=number,
            amount_minor=form.amount.minor or 0,
            reason=form.reason.data or "",
            happened_on=form.happened_on.data or today(),
            method=form.method.data,
            provider_reference=form.provider_reference.data or "",
            idempotency_key=f"page:{form.key.data}" if form.key.data else None,
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        ).message

    return act_page(
        AREA, form, title=f"Refund {number}", button="Refund it", tone="danger", back=_back(number),
        call=call, fill=fill,
        facts=_facts(invoice), crumbs=_crumbs(number),
        explains="Of what was paid out, the practitioner gives back their part at the rate of the payout: from their "
        "wallet as far as there is money, the rest from their next payouts. The clinic's commission goes back in "
        "proportion.",
    )  # fmt: skip


def write_off(number: str) -> ResponseReturnValue:
    """What is still to be paid is not asked for any more."""
    require_change()
    invoice = queries.get_invoice(g.organisation.id, number)
    form: ReasonForm = form_of(ReasonForm)
    if request.method != "POST":
        form.version.data = str(invoice.version)

    def call() -> str:
        invoicing.write_off(
            organisation_id=g.organisation.id,
            number=number,
            reason=form.reason.data or "",
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )
        return f"The rest of {number} is written off."

    return act_page(
        AREA, form, title=f"Write off the rest of {number}?", button="Write it off", tone="danger",
        back=_back(number), call=call, facts=_facts(invoice), crumbs=_crumbs(number),
        explains="The customer is not asked for it any more. What was paid stays.",
    )  # fmt: skip


@needs_fresh_sign_in
def create_payout(number: str) -> ResponseReturnValue:
    """The check step with the real numbers, and the one button that pays. 409 says which guard stands in the way."""
    require_change()
    form: CheckForm = form_of(CheckForm)
    here = g.organisation.id
    invoice = queries.get_invoice(here, number)
    conflict, plan, made = "", None, None
    if request.method == "POST" and form.validate():
        try:
            with transaction():
                made = paying_out.create_payout(
                    organisation_id=here, number=number, actor=actor(), now=utc_now()
                )
                said, is_repeat = made.message, made.is_repeat
        except Conflict as error:
            conflict = error.message
        else:
            flash(said, "info" if is_repeat else "success")
            return see_other(url_for(".invoice", number=number))
    else:
        try:
            plan = paying_out.plan_payout(organisation_id=here, number=number)
        except Conflict as error:
            conflict = error.message
    if isinstance(plan, paying_out.Made):
        flash(plan.message, "info")
        return see_other(url_for(".invoice", number=number))
    parts = [
        {"name": part.payee.name, "base": part.cut.base, "commission": part.cut.commission,
         "amount": part.cut.amount, "percent": f"{part.percent.normalize():f} %", "rule": part.rule.label}
        for part in (plan.parts if plan else ())
    ]  # fmt: skip
    return (
        render_template(
            "clinic/payout_check.html", area=AREA, form=form, invoice=invoice, plan=plan, parts=parts,
            conflict=conflict, facts=_facts(invoice), in_dialog=in_dialog(), crumbs=_crumbs(number),
        ),
        409 if conflict else 200,
    )  # fmt: skip


@needs_fresh_sign_in
def pay_many() -> ResponseReturnValue:
    """Keep what was ticked, or every invoice that is ready, for the check step of a run."""
    require_change()
    here = g.organisation.id
    if request.form.get("is_all"):
        ids = bulk.due_invoices(here)
    else:
        numbers = [number for number in request.form.getlist("ids") if number][:MOST]
        ids = list(
            db.session.scalars(
                select(Invoice.id).where(Invoice.organisation_id == here, Invoice.number.in_(numbers))
            )
        )
    if not ids:
        flash("No invoice was chosen, or none is ready. Nothing was made.", "info")
        return see_other(url_for(".invoices"))
    with transaction():
        reference = bulk.draft_run(
            organisation_id=here, invoice_ids=ids, actor=actor(), now=utc_now()
        ).reference
    return see_other(url_for(".check_many", reference=reference))


def check_many(reference: str) -> ResponseReturnValue:
    """The check step of many: what would be paid, and what would not, with why."""
    run = run_lists.get_run(organisation_id=g.organisation.id, reference=reference, kind=bulk.KIND)
    if run.state != "draft":
        return redirect(url_for("admin.runs.show", reference=reference), 303)
    found = bulk.preview(run)
    parts = [
        {"number": plan.invoice.number, "payee": part.payee.name, "cut": part.cut}
        for plan in found.ready
        for part in plan.parts
    ]
    return render_template(
        "clinic/payouts_check.html", area=AREA, reference=reference, ready=parts, skipped=found.skipped,
        sums=found.sums(), tab="invoices", may_change=may_change(), shown=SHOWN,
    )  # fmt: skip


@needs_fresh_sign_in
def confirm_many(reference: str) -> ResponseReturnValue:
    """Start the run; what a guard refuses is left out and says why."""
    require_change()
    return start_draft(bulk.KIND, reference)


def decide(number: str) -> ResponseReturnValue:
    """An invoice whose payout was rejected or cancelled: offer it again, or dismiss it."""
    require_change()
    invoice = queries.get_invoice(g.organisation.id, number)
    form: DecideForm = form_of(DecideForm)

    def call() -> str:
        is_offered = form.choice.data == "offer"
        invoicing.decide_offer(
            organisation_id=g.organisation.id,
            number=number,
            is_offered=is_offered,
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return (
            f"{number} is offered again." if is_offered else f"{number} is dismissed; nothing is paid for it."
        )

    return act_page(
        AREA, form, title=f"What becomes of {number}?", button="Save the decision", back=_back(number), call=call,
        facts=[*_facts(invoice), ("Why it waits", invoice.offer_reason or "–")], crumbs=_crumbs(number),
    )  # fmt: skip
