"""Payments of rent: list, one payment, by hand with its proof that a second person verifies, money that goes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.audit.views.files import table_file
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import collecting, lists, payments, return_lists, settling
from webapp.programs.rentals.filters import PaymentFilterForm
from webapp.programs.rentals.forms import PaymentForm, ReasonForm, VerifyForm
from webapp.programs.rentals.models import (
    DistributionShare,
    PaymentSource,
    PaymentState,
    RentPayment,
)
from webapp.programs.rentals.views import charges, common
from webapp.programs.rentals.views import settling as settling_views
from webapp.programs.rentals.views.returning import return_row
from webapp.providers import keeping, storage
from webapp.web import filters, uploads
from webapp.web.htmx import see_other

LIST = "admin.rentals.payments"
EXPORT_HEADERS = (
    "Reference", "Rent", "Month", "Property", "Unit", "Tenants", "Way", "State", "Currency", "Amount",
    "Gateway charge", "Returned", "Received on", "Order", "Gateway reference", "Method", "UTR", "Proof", "Entered by",
    "Verified by", "Begun at",
)  # fmt: skip
#: Order of the sums above the list.
SUMS = (
    PaymentState.COMPLETED,
    PaymentState.TO_VERIFY,
    PaymentState.PENDING,
    PaymentState.GOING_BACK,
    PaymentState.FAILED,
)


def row(payment: RentPayment) -> dict[str, Any]:
    """What a list shows of a payment."""
    lease = payment.charge.lease
    return {
        "payment": payment,
        "home": common.home_of(lease),
        "tenants": common.tenants_of(lease),
        "state": PaymentState(payment.state),
        "source": PaymentSource(payment.source),
        "amount": common.money(payment.amount_minor, payment.currency),
        "differs": payment.error_code == payments.AMOUNT_DIFFERS,
    }


def index() -> ResponseReturnValue:
    """The list, with counts and sums of all payments above it."""
    form = PaymentFilterForm(request.args)
    page = common.NO_PAGE
    if is_valid := form.validate():
        query = lists.list_payments(g.organisation.id, form.chosen(g.organisation.timezone))
        page = common.page_of(query, RentPayment.id, "payment")
    return common.list_page(
        "payments", form, is_valid=is_valid, page=page, rows=[row(each) for each in page.items],
        sums=sums(), export="admin.rentals.payments_export",
    )  # fmt: skip


def sums() -> list[dict[str, Any]]:
    totals = lists.payment_totals(g.organisation.id)
    found = []
    for state in SUMS:
        mine = [total for total in totals if total.state == state.value]
        if mine:
            found.append(
                {
                    "label": state.label,
                    "value": f"{sum(total.count for total in mine):,}",
                    "note": common.sums_words([total.amount for total in mine]),
                    "href": url_for(LIST, state=state.value),
                }
            )
    return found


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = PaymentFilterForm(request.args)
    if not form.validate():
        return index()
    query = lists.list_payments(g.organisation.id, form.chosen(g.organisation.timezone))
    return table_file(
        "rentals:payments:exported", "rent_payment", "rent-payments", format, EXPORT_HEADERS, _cells(query)
    )


def _cells(query: Any) -> Iterator[tuple[Any, ...]]:
    for p in lists.every(query, RentPayment.id):
        found, unit = row(p), p.charge.lease.unit
        yield (
            p.reference, p.charge.reference, f"{p.charge.period_start:%Y-%m}", unit.property.name, unit.name,
            found["tenants"], found["source"].label, found["state"].label, p.currency, found["amount"],
            common.money(p.gateway_charge_minor, p.currency), common.money(p.returned_minor, p.currency),
            p.received_on, p.merchant_order_id, p.gateway_reference, p.gateway_method, p.utr, p.proof_reference,
            p.entered_by_label, p.verified_by_label, p.created_at,
        )  # fmt: skip


_RECEIVED = (PaymentState.COMPLETED, PaymentState.GOING_BACK, PaymentState.REFUNDED)


def show(reference: str) -> ResponseReturnValue:
    """One payment: what was received, how it was shared out, what went back."""
    payment = lists.get_payment(g.organisation.id, reference)
    distribution, shares = lists.shares_of(payment)
    found = return_lists.returns_of(payment)
    debts = return_lists.debts_of([each.id for each in found])
    left = (
        payment.amount_minor
        - payment.returned_minor
        - sum(each.amount_minor for each in found if each.state == "pending")
    )
    return render_template(
        "rentals/payment.html",
        **row(payment),
        gateway_charge=common.money(payment.gateway_charge_minor, payment.currency),
        returned=common.money(payment.returned_minor, payment.currency),
        distribution=distribution,
        parts=_distribution_rows(distribution) if distribution else [],
        shares=_share_rows(shares),
        returns=[return_row(each, payment, debts.get(each.id, [])) for each in found],
        can_return=payment.state in (PaymentState.COMPLETED, PaymentState.GOING_BACK) and left > 0,
        can_charge_back=payment.source == PaymentSource.PHONEPE and payment.state in _RECEIVED,
        is_differing=settling.is_differing(payment),
        differing=settling_views.differing_facts(payment) if settling.is_differing(payment) else [],
        decisions=settling_views.decision_rows(payment),
        is_decided_on=settling.open_decision(payment.id) is not None,
        credit=common.money(payment.credit_minor, payment.currency),
        not_verify=payments.why_not_verify(payment, current_user.id),
        tab="payments",
        may_change=may_change(),
    )


def _distribution_rows(d: Any) -> list[tuple[str, Money]]:
    """From the rent to what the owners get, deductions negative; what is nothing is left out."""
    parts = [
        ("Management fee", -d.fee_minor),
        ("Tax on the fee", -d.fee_tax_minor),
        *((f"Tax withheld, {section}", -minor) for section, minor in d.details.get("withheld", {}).items()),
        ("Bills of the property", -d.bills_minor),
        ("Kept for the reserve", -d.reserve_minor),
    ]
    shown = [(label, minor) for label, minor in parts if minor]
    return [
        (label, common.money(minor, d.currency))
        for label, minor in (("Rent", d.rent_minor), *shown, ("For the owners", d.distributable_minor))
    ]


def _share_rows(shares: Any) -> list[dict[str, Any]]:
    ids = [share.payout_id for share in shares if share.payout_id]
    found = (
        {payout.id: payout for payout in db.session.query(Payout).filter(Payout.id.in_(ids))} if ids else {}
    )
    total = sum(share.weight for share in shares)
    return [
        {
            "share": share,
            "words": common.share_words(share.weight, total),
            "amount": Money(share.amount_minor, share.distribution.currency),
            "netted": Money(share.netted_minor, share.distribution.currency),
            "payout": found.get(share.payout_id),
            "state": PayoutState(found[share.payout_id].state) if share.payout_id in found else None,
            "why": _why(share),
        }
        for share in shares
    ]


def _why(share: DistributionShare) -> str:
    """Why a share has no payout, in words."""
    if share.payout_id is not None:
        return ""
    if share.offer == "dismissed":
        return f"Not paid: {share.waits_for}"
    if share.amount_minor == share.netted_minor:
        return "All of it went against rent that had gone back."
    return share.waits_for or "Its payout is made within minutes."


def proof(reference: str) -> Response:
    """The proof of a payment made by hand, always as a download: a browser never runs it on our address."""
    payment = lists.get_payment(g.organisation.id, reference)
    key, name = payment.proof_key, payment.proof_name
    if not key:
        raise NotFound
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    data = storage.read(key)
    response = Response(data, mimetype=uploads.kind_of(data) or "application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name or "proof")
    return response


def enter(reference: str) -> ResponseReturnValue:
    """Rent that came outside the gateway, with its proof."""
    require_change()
    charge = lists.get_charge(g.organisation.id, reference)
    form: PaymentForm = common.form_of(PaymentForm, charge.currency)
    about = charges.facts(charge)
    left = max(0, charge.amount_minor - charge.paid_minor)

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        context = {"form": form, "reference": reference, "facts": about, "conflict": conflict}
        return render_template("rentals/payment_form.html", **context, has_errors=code == 422), code

    if request.method == "GET":
        form.amount.data = common.money(left, form.currency).plain
        form.received_on.data = common.today()
        return page(200)
    if not form.validate():
        return page(422)
    try:
        made = _enter(reference, form)
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        return page(409, error.message)
    flash(f"{made} is entered. It counts when another person has compared it with the proof.", "success")
    return see_other(url_for(".payment", reference=made))


def _enter(reference: str, form: PaymentForm) -> str:
    upload = uploads.check(request.files.get("file"))
    # Bytes first: no transaction waits for the storage.
    with keeping.kept("rentals", organisation_id=g.organisation.id, upload=upload) as kept, transaction():
        payment = payments.enter_by_hand(
            organisation_id=g.organisation.id,
            charge_reference=reference,
            amount_minor=form.amount.minor or 0,
            received_on=form.received_on.data or common.today(),
            proof_reference=form.proof_reference.data or "",
            proof_key=kept.key,
            proof_name=kept.name,
            actor=actor(),
            now=utc_now(),
        )
        kept.is_used = True
        return payment.reference


def act(payment: RentPayment, form: Any, **more: Any) -> ResponseReturnValue:
    """A small form about a payment, with what it is above it."""
    back = url_for(".payment", reference=payment.reference)
    found = row(payment)
    facts = [
        ("Rent of", f"{found['home']}, {filters.month(payment.charge.period_start)}"),
        ("Tenants", found["tenants"]),
        ("Amount", filters.money(found["amount"])),
    ]
    if payment.source == PaymentSource.MANUAL:
        facts += [
            ("Received on", filters.day(payment.received_on)),
            ("Proof", payment.proof_reference or "–"),
            ("Entered by", payment.entered_by_label),
        ]
    if request.method != "POST":
        form.version.data = str(payment.version)
    return common.act_page(
        form,
        back=(back, payment.reference),
        crumbs=[(url_for(".payments"), "Payments"), (back, payment.reference)],
        facts=facts,
        **more,
    )


@needs_fresh_sign_in
def verify(reference: str) -> ResponseReturnValue:
    """A second person has compared it with its proof: it counts, and the owners are paid."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    form = common.form_of(VerifyForm)

    def call() -> str:
        payments.verify(
            organisation_id=g.organisation.id,
            reference=reference,
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} is verified. The owners' shares are made within seconds."

    return act(
        payment, form, title=f"Verify {reference}?", button="Verify it", call=call,
        explains="Open the proof first, and look at the bank's own record.",
    )  # fmt: skip


def cancel(reference: str) -> ResponseReturnValue:
    """Take back what was entered by hand and is not verified."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    form = common.form_of(ReasonForm)

    def call() -> str:
        payments.cancel(
            organisation_id=g.organisation.id,
            reference=reference,
            reason=form.reason.data or "",
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} is cancelled. It does not count."

    return act(payment, form, title=f"Cancel {reference}?", button="Cancel it", tone="danger", call=call)


def check(reference: str) -> ResponseReturnValue:
    """Ask the gateway what became of an order."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    payment_id, has_order = payment.id, payment.merchant_order_id is not None
    # The gateway is asked without a transaction of ours open.
    db.session.rollback()
    state = collecting.check(payment_id=payment_id) if has_order else None
    if state is None:
        flash(f"{reference} did not come through the gateway; there is nothing to ask.", "info")
    else:
        flash(f"The gateway was asked. {reference} is {state.label.lower()}.", "info")
    return see_other(url_for(".payment", reference=reference))
