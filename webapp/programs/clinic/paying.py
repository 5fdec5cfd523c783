"""From a paid invoice to the practitioner's wallet: five guards, then one payout, whoever presses how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.money import Money
from webapp.payouts import service as payouts
from webapp.payouts.drafts import ExclusionDraft, LineDraft
from webapp.payouts.models import Payout
from webapp.payouts.policy import WALLET
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.people.numbers import next_number
from webapp.programs.clinic import deductions, planning, trail, wallets
from webapp.programs.clinic.commission_rules import load_rules
from webapp.programs.clinic.drafts import INVOICE_SOURCE, PROGRAM
from webapp.programs.clinic.invoicing import lock_invoice
from webapp.programs.clinic.models import (
    Appointment,
    ClinicPayout,
    ClinicTransaction,
    Invoice,
)
from webapp.programs.clinic.planning import Part, PayoutPlan
from webapp.programs.clinic.rules import Rule
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import (
    Method,
    TransactionKind,
    TransactionState,
)


@dataclass(frozen=True)
class Made:
    """The payouts of an invoice. `is_repeat`: they were there; nothing was made now."""

    payouts: tuple[Payout, ...]
    is_repeat: bool
    message: str


def plan_payout(*, organisation_id: int, number: str) -> PayoutPlan | Made:
    """What *Create payout* would do, for the check step; Made when it has been done. Raises the guards' errors."""
    invoice = db.session.scalar(
        select(Invoice).where(Invoice.organisation_id == organisation_id, Invoice.number == number)
    )
    if invoice is None:
        invoice = lock_invoice(organisation_id, number)
    settings = settings_of(organisation_id)
    planning.check_paid(invoice, settings)
    live = planning.live_payouts(invoice.id)
    due = planning.due(invoice, live, settings)
    if due is None:
        return _made_before(invoice, live)
    plan = planning.plan(invoice, due, live, settings, load_rules(organisation_id))
    planning.check_wallet(plan)
    return plan


def create_payout(
    *, organisation_id: int, number: str, actor: Actor, now: datetime, run_id: int | None = None
) -> Made:
    """Pay the practitioners of an invoice; where there is a payout already, that one is the answer.

    Raises NotFound, NotPaid, NotAnAppointment, NoPractitioner, NothingLeft, WalletTooLow.
    """
    invoice = lock_invoice(organisation_id, number)
    settings = settings_of(organisation_id)
    planning.check_paid(invoice, settings)
    live = planning.live_payouts(invoice.id)
    due = planning.due(invoice, live, settings)
    if due is None:
        return _made_before(invoice, live)
    rules = load_rules(organisation_id)
    if invoice.appointment is not None and any(rule.commission.tiers for rule in rules):
        planning.lock_payees({each.payee_id for each in invoice.appointment.practitioners})
    plan = planning.plan(invoice, due, live, settings, rules)
    planning.check_wallet(plan)
    if len(plan.parts) > 1:
        deductions.lock_debts(part.payee.id for part in plan.parts)
    if invoice.offer != "open":
        invoice.offer, invoice.offer_reason = "open", ""
    made = tuple(_create(plan, part, actor, now, run_id) for part in plan.parts)
    db.session.flush()
    return Made(made, False, " ".join(_told(payout) for payout in made))


def _made_before(invoice: Invoice, live: Sequence[ClinicPayout]) -> Made:
    found = tuple(
        db.session.scalars(
            select(Payout)
            .where(Payout.id.in_([row.payout_id for row in live]))
            .options(selectinload(Payout.payee))
            .order_by(Payout.id)
        )
    )
    names = ", ".join(payout.reference for payout in found)
    return Made(found, True, has_payout(invoice.number, names))


def has_payout(number: str, names: str) -> str:
    """The answer to who asks again."""
    return f"{number} has its payout already: {names}. Nothing was changed."


def _told(payout: Payout) -> str:
    amount = Money(payout.amount_minor, payout.currency)
    if payout.state == PayoutState.PAID:
        return is_in_wallet(payout.reference, amount, payout.payee)
    return f"{payout.reference}: {amount.format()} for {payout.payee.name} waits for approval."


def is_in_wallet(reference: str, amount: Money, payee: Payee) -> str:
    """What a payout led to."""
    return f"{reference}: {amount.format()} is in the wallet of {payee.name}."


def _create(plan: PayoutPlan, part: Part, actor: Actor, now: datetime, run_id: int | None) -> Payout:
    invoice, appointment = plan.invoice, plan.invoice.appointment
    assert appointment is not None  # noqa: S101 - the guard has looked
    return payouts.create(
        organisation_id=invoice.organisation_id,
        program=PROGRAM,
        payee_id=part.payee.id,
        currency=invoice.currency,
        lines=lines_of(invoice, appointment, part),
        sources=[part.source],
        period_start=appointment.held_on,
        period_end=appointment.held_on,
        cost_account=wallets.CLINIC,
        exclusions=exclusions_of(
            invoice, appointment, part.rule, recorders_of([invoice.id]).get(invoice.id, ())
        ),
        is_automatic=True,
        rail=WALLET,
        before_approval=partial(_keep, plan, part, actor, now),
        run_id=run_id,
        actor=actor,
        now=now,
    )


def lines_of(invoice: Invoice, appointment: Appointment, part: Part) -> list[LineDraft]:
    """Base and commission; the customer is not named, because practitioners see these lines."""
    cut, percent = part.cut, f"{part.percent.normalize():f}"
    details = {"rule_version_id": part.rule.version_id, "rule": part.rule.label, "percent": percent}
    common: dict[str, Any] = {
        "occurred_on": appointment.held_on,
        "source_type": INVOICE_SOURCE,
        "source_id": invoice.id,
        "source_label": invoice.number,
        "details": details,
    }
    lines = [
        LineDraft(
            "earning", f"Appointment {appointment.reference}, invoice {invoice.number}", cut.base.amount, **common
        ),
        LineDraft(
            "deduction", "Commission of the clinic", -cut.commission.amount, rate=part.percent,
            formula=f"{percent} % of {cut.base.plain} ({part.rule.label})"[:300], **common,
        ),
    ]  # fmt: skip
    return [line for line in lines if line.amount_minor]


def recorders_of(invoice_ids: Sequence[int]) -> dict[int, list[int]]:
    """Invoice id → the people who recorded its payments."""
    found: dict[int, list[int]] = {}
    rows = db.session.execute(
        select(ClinicTransaction.invoice_id, ClinicTransaction.created_by_id)
        .where(
            ClinicTransaction.invoice_id.in_(invoice_ids),
            ClinicTransaction.kind == TransactionKind.PAYMENT.value,
            ClinicTransaction.created_by_id.is_not(None),
        )
        .distinct()
    )
    for invoice_id, user_id in rows:
        if invoice_id is not None and user_id is not None:
            found.setdefault(invoice_id, []).append(user_id)
    return found


def exclusions_of(
    invoice: Invoice, appointment: Appointment, rule: Rule, recorders: Sequence[int] = ()
) -> list[ExclusionDraft]:
    """Who decided what is paid may not approve it.

    That is who made the invoice, recorded its payments, named the practitioners, or changed the rule.
    """
    found = (
        (invoice.created_by_id, f"made {invoice.number}"),
        (appointment.edited_by_id, f"changed who works at {appointment.reference}"),
        (rule.edited_by_id, f"changed the commission rule {rule.label}"),
        *((user_id, f"recorded a payment of {invoice.number}") for user_id in recorders),
    )
    return [ExclusionDraft(user_id, reason) for user_id, reason in found if user_id is not None]


def _keep(plan: PayoutPlan, part: Part, actor: Actor, now: datetime, payout: Payout) -> None:
    """This program's own record of a new payout, and the movement as people see it."""
    invoice = plan.invoice
    on = trail.today(invoice.organisation_id, now)
    values = movement_values(plan, part, payout.id, on, actor, now)
    values |= {
        "reference": next_number(invoice.organisation_id, "TX", 6),
        "state": TransactionState.PENDING.value,
    }
    db.session.add_all(
        [ClinicPayout(**record_values(plan, part, payout.id, now)), ClinicTransaction(**values)]
    )
    db.session.flush()


def record_values(plan: PayoutPlan, part: Part, payout_id: int, now: datetime) -> dict[str, Any]:
    """A row of ClinicPayout: what is paid for the invoice, and by which rule."""
    return {
        "organisation_id": plan.invoice.organisation_id,
        "invoice_id": plan.invoice.id,
        "payee_id": part.payee.id,
        "payout_id": payout_id,
        "part": part.number,
        "rule_version_id": part.rule.version_id,
        "rule_label": part.rule.label[:200],
        "currency": plan.invoice.currency,
        "base_minor": part.cut.base.amount,
        "percent": part.percent,
        "commission_minor": part.cut.commission.amount,
        "amount_minor": part.cut.amount.amount,
        "weight": part.weight,
        "taken_base_minor": 0,
        "taken_commission_minor": 0,
        "held_on": plan.held_on,
        "created_at": now,
    }


def movement_values(
    plan: PayoutPlan, part: Part, payout_id: int, on: date, actor: Actor, now: datetime
) -> dict[str, Any]:
    """A row of ClinicTransaction, done, and without its number: the payout as a movement between wallets."""
    return {
        "organisation_id": plan.invoice.organisation_id,
        "kind": TransactionKind.PAYOUT.value,
        "method": Method.INTERNAL.value,
        "state": TransactionState.COMPLETED.value,
        "currency": plan.invoice.currency,
        "amount_minor": part.cut.amount.amount,
        "fee_minor": 0,
        "invoice_id": plan.invoice.id,
        "payee_id": part.payee.id,
        "payout_id": payout_id,
        "from_wallet": wallets.CLINIC,
        "to_wallet": wallets.code_of(part.payee),
        "provider_reference": "",
        "proof_name": "",
        "note": "",
        "happened_on": on,
        "created_by_id": actor.user_id,
        "created_by_label": actor.label,
        "created_at": now,
    }
