"""Rent that goes back: a refund is ordered, a chargeback is recorded."""

from __future__ import annotations

from flask import g
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.rentals import lists, returns
from webapp.programs.rentals.models import PaymentSource, RentPayment
from webapp.programs.rentals.return_forms import ChargebackForm, RefundForm
from webapp.programs.rentals.views import common
from webapp.programs.rentals.views.payments import act


@needs_fresh_sign_in
def refund(reference: str) -> ResponseReturnValue:
    """Give rent back to the tenant."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    form = common.form_of(RefundForm, payment.currency)
    is_online = payment.source == PaymentSource.PHONEPE

    def call() -> str:
        returns.order_refund(
            organisation_id=g.organisation.id,
            reference=reference,
            amount_minor=form.amount.minor or 0,
            reason=form.reason.data or "",
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )
        return (
            "The gateway is asked to refund it; its answer shows here."
            if is_online
            else "The refund is recorded."
        )

    how = (
        "It goes back the way it came, through the gateway."
        if is_online
        else "Pay it back outside Paydesk first."
    )
    return act(
        payment, form, title=f"Refund {reference}", button="Refund it", tone="danger", call=call,
        explains=f"{how} {BORNE}", fill=lambda: _propose(form, payment),
    )  # fmt: skip


BORNE = (
    "Fee, tax on it and withheld tax go back in proportion; the owners bear the rest. A payout that has not left is "
    "taken back and made anew; of one that has left the owner owes their part, and it is taken from their next rents."
)


ALREADY = (
    "A rent that was refunded already can be charged back all the same: that money leaves twice, and the books say so. "
    "A refund that is under way still counts when it ends."
)


def _propose(form: RefundForm, payment: RentPayment) -> None:
    left = payment.amount_minor - payment.returned_minor
    form.amount.data = common.money(left, payment.currency).plain if left else ""


@needs_fresh_sign_in
def chargeback(reference: str) -> ResponseReturnValue:
    """The tenant's bank took rent back."""
    require_change()
    payment = lists.get_payment(g.organisation.id, reference)
    form = common.form_of(ChargebackForm, payment.currency)

    def call() -> str:
        returns.record_chargeback(
            organisation_id=g.organisation.id,
            reference=reference,
            case_number=form.case_number.data or "",
            amount_minor=form.amount.minor or 0,
            reason=form.reason.data or "",
            excess_to=form.excess_to.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return "The chargeback is recorded. Who bears it is below."

    return act(
        payment, form, title=f"Record a chargeback of {reference}", button="Record the chargeback", tone="danger",
        call=call, explains=f"{BORNE} {ALREADY}", fill=lambda: _propose(form, payment),
    )  # fmt: skip
