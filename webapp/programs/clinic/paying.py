"""From a paid invoice to the practitioner's wallet: five guards, then one payout, whoever presses how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from webapp.programs.clinic import planning, trail, wallets
from webapp.programs.clinic.commission_rules import load_rules
from webapp.programs.clinic.drafts import INVOICE_SOURCE, PROGRAM
from webapp.programs.clinic.invoicing import lock_invoice
from webapp.programs.clinic.models import (
    Appointment,
    ClinicPayout,
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
    plan = planning.plan(invoice, due, live, settings, load_rules(organisation_id), is_locking=False)
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
    plan = planning.plan(invoice, due, live, settings, load_rules(organisation_id), is_locking=True)
    planning.check_wallet(plan)
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
    return Made(found, True, f"{invoice.number} has its payout already: {names}. Nothing was changed.")


def _told(payout: Payout) -> str:
    amount = Money(payout.amount_minor, payout.currency).format()
    if payout.state == "paid":
        return f"{payout.reference}: {amount} is in the wallet of {payout.payee.name}."
    return f"{payout.reference}: {amount} for {payout.payee.name} waits for approval."


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
        exclusions=exclusions_of(invoice, appointment, part.rule),
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


def exclusions_of(invoice: Invoice, appointment: Appointment, rule: Rule) -> list[ExclusionDraft]:
    """Who decided what is paid may not approve it: who made the invoice, named the practitioners, changed the rule."""
    found = (
        (invoice.created_by_id, f"made {invoice.number}"),
        (appointment.edited_by_id, f"changed who works at {appointment.reference}"),
        (rule.edited_by_id, f"changed the commission rule {rule.label}"),
    )
    return [ExclusionDraft(user_id, reason) for user_id, reason in found if user_id is not None]


def _keep(plan: PayoutPlan, part: Part, actor: Actor, now: datetime, payout: Payout) -> None:
    """This program's own record of a new payout, and the movement as people see it."""
    invoice = plan.invoice
    assert invoice.appointment is not None  # noqa: S101 - the guard has looked
    db.session.add(
        ClinicPayout(
            organisation_id=invoice.organisation_id,
            invoice_id=invoice.id,
            payee_id=part.payee.id,
            payout_id=payout.id,
            part=part.number,
            rule_version_id=part.rule.version_id,
            rule_label=part.rule.label[:200],
            currency=invoice.currency,
            base_minor=part.cut.base.amount,
            percent=part.percent,
            commission_minor=part.cut.commission.amount,
            amount_minor=part.cut.amount.amount,
            weight=part.weight,
            held_on=invoice.appointment.held_on,
            created_at=now,
        )
    )
    wallets.new_transaction(
        organisation_id=invoice.organisation_id,
        kind=TransactionKind.PAYOUT,
        method=Method.INTERNAL.value,
        state=TransactionState.PENDING,
        currency=invoice.currency,
        amount_minor=part.cut.amount.amount,
        happened_on=trail.today(invoice.organisation_id, now),
        invoice=invoice,
        payee_id=part.payee.id,
        payout_id=payout.id,
        from_wallet=wallets.CLINIC,
        to_wallet=wallets.code_of(part.payee),
        actor=actor,
        now=now,
    )
