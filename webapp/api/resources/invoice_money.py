"""What is done with an invoice's money: payments, refunds, write-offs."""

from __future__ import annotations

from sqlalchemy import select

from webapp.api import clinic_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in, minor_of
from webapp.api.resources.clinic_words import (
    invoice_now,
    transaction_detail,
    transaction_of,
)
from webapp.api.schemas.clinic import InvoiceOut, TakenBackOut
from webapp.api.schemas.clinic_money import (
    OfferDecision,
    PaymentDone,
    PaymentRecord,
    RefundCreate,
    RefundDone,
    RefundQuery,
    RefundQuote,
    Refusal,
    WriteOff,
)
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.database import db
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Conflict
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import invoicing, payments, refunding
from webapp.programs.clinic.models import ClinicPayout, Invoice
from webapp.programs.clinic.refunding import GivenBack, RefundPlan
from webapp.programs.clinic.states import InvoiceAction, check_action

resource = Resource(
    "invoice_money",
    "/invoices",
    title="Money of invoices",
    about="Customers' money goes into the clinic's wallet, at most what is left to pay, and back, at most what was "
    "paid. For more the answer is 422 and names the most.",
)


@resource.post("/<number>/payments", summary="Record a payment", body=PaymentRecord, answers=PaymentDone, status=201,
               location="/transactions/{transaction[reference]}", scope=Scope.CLINIC_WRITE)  # fmt: skip
def pay(who: Caller, number: str, body: PaymentRecord) -> PaymentDone:
    """Money of the customer is there: the clinic's wallet grows by it. Above the rest: 422 that names the rest."""
    currency = clinic_queries.invoice(who.viewer, number).currency
    act = act_of(who, body.version)
    done = payments.record_payment(
        number=number,
        amount_minor=minor_in(body.amount, currency, "amount"),
        method=body.method,
        happened_on=body.happened_on or local_date(act["now"], who.timezone),
        provider_reference=body.provider_reference,
        fee_minor=minor_in(body.fee, currency, "fee"),
        note=body.note,
        **act,
    )
    return PaymentDone(
        message=done.message,
        transaction=transaction_of(done.transaction, who),
        invoice=invoice_now(number, who),
    )


@resource.get("/<number>/refund-quote", summary="See what a refund would do", query=RefundQuery, answers=RefundQuote,
              scope=Scope.CLINIC_REFUND)  # fmt: skip
def refund_quote(who: Caller, number: str, query: RefundQuery) -> RefundQuote:
    """Who gives back how much, and from where. Nothing is changed. More than was paid: 422 that names the most."""
    invoice = clinic_queries.invoice(who.viewer, number)
    try:
        check_action(invoice.state, InvoiceAction.REFUND, number)
    except Conflict as error:
        return _no_refund(number, error.message)
    wanted = (
        invoice.stayed_minor if query.amount is None else minor_of(query.amount, invoice.currency, "amount")
    )
    plan = refunding.plan_refund(
        organisation_id=who.organisation_id, number=invoice.number, amount_minor=wanted
    )
    return _quote(plan, invoice)


def _no_refund(number: str, message: str) -> RefundQuote:
    return RefundQuote(
        invoice=number, refusal=Refusal(code="conflict", detail=message), amount=None, to_customer=None,
        fee_kept=None, from_clinic=None, commission=None, from_practitioners=None, parts=[], cancels=[],
    )  # fmt: skip


def _quote(plan: RefundPlan, invoice: Invoice) -> RefundQuote:
    def money(minor: int) -> Amount:
        return Amount.of(minor, invoice.currency)

    known = clinic_queries.payout_references([part.row.payout_id for part in plan.parts])
    return RefundQuote(
        invoice=invoice.number,
        refusal=None,
        amount=money(plan.amount.amount),
        to_customer=money(plan.to_customer.amount),
        fee_kept=money(plan.fee_kept_minor),
        from_clinic=money(plan.from_clinic_minor),
        commission=money(plan.commission_minor),
        from_practitioners=money(plan.from_practitioners_minor),
        parts=[_part(part, known[part.row.payout_id], invoice.currency) for part in plan.parts],
        cancels=_waiting(invoice),
    )


def _part(part: GivenBack, payout: str, currency: str) -> TakenBackOut:
    line = part.line
    return TakenBackOut(
        payout=payout,
        practitioner=PayeeRef.of(part.payee),
        base=Amount.of(line.base_minor, currency),
        commission=Amount.of(line.commission_minor, currency),
        amount=Amount.of(line.amount_minor, currency),
        fee=Amount.of(part.fee_minor, currency),
        from_wallet=Amount.of(part.from_wallet_minor, currency),
        carried=Amount.of(part.carried_minor, currency),
    )


def _waiting(invoice: Invoice) -> list[str]:
    """Payouts that wait for approval; a refund cancels them."""
    rows = db.session.scalars(
        select(Payout.reference)
        .join(ClinicPayout, ClinicPayout.payout_id == Payout.id)
        .where(
            ClinicPayout.invoice_id == invoice.id,
            ClinicPayout.released_at.is_(None),
            Payout.state == PayoutState.PENDING_APPROVAL.value,
        )
        .order_by(Payout.id)
    )
    return list(rows)


@resource.post("/<number>/refunds", summary="Refund an invoice", body=RefundCreate, answers=RefundDone, status=201,
               location="/transactions/{transaction[reference]}", scope=Scope.CLINIC_REFUND)  # fmt: skip
def refund(who: Caller, number: str, body: RefundCreate) -> RefundDone:
    """Money back to the customer; of what was paid out practitioners give back their part at the payout's own rate.

    More than was paid and did not go back yet: 422 that names the most. A payout that waits for approval is cancelled.
    """
    currency = clinic_queries.invoice(who.viewer, number).currency
    act = act_of(who, body.version)
    done = refunding.refund(
        number=number,
        amount_minor=minor_in(body.amount, currency, "amount"),
        reason=body.reason,
        happened_on=body.happened_on or local_date(act["now"], who.timezone),
        method=body.method or "",
        provider_reference=body.provider_reference,
        **act,
    )
    return RefundDone(
        message=done.message,
        transaction=transaction_detail(done.transaction, who),
        invoice=invoice_now(number, who),
    )


@resource.post("/<number>/write-off", summary="Write off the rest of an invoice", body=WriteOff, answers=InvoiceOut,
               scope=Scope.CLINIC_WRITE)  # fmt: skip
def write_off(who: Caller, number: str, body: WriteOff) -> InvoiceOut:
    """What is still to be paid is not asked for any more; what was paid stays."""
    invoicing.write_off(number=number, reason=body.reason, **act_of(who, body.version))
    return invoice_now(number, who)


@resource.post("/<number>/decide", summary="Decide about an invoice whose payout was dropped", body=OfferDecision,
               answers=InvoiceOut, scope=Scope.CLINIC_WRITE)  # fmt: skip
def decide(who: Caller, number: str, body: OfferDecision) -> InvoiceOut:
    """Its payout was rejected or cancelled (`offer` is blocked): offer it to the schedules again, or dismiss it."""
    invoicing.decide_offer(
        organisation_id=who.organisation_id,
        number=number,
        is_offered=body.is_offered,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return invoice_now(number, who)
