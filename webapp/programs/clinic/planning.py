"""What *Create payout* would do: five guards in their order, who is paid, by which rule, how much. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import exists, func, select

from webapp.database import db, lock_row
from webapp.kernel.clock import month_bounds
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.payouts.drafts import SourceDraft
from webapp.payouts.models import SourceClaim
from webapp.people.models import Payee
from webapp.programs.clinic import wallets
from webapp.programs.clinic.drafts import INVOICE_SOURCE, PAYMENT_SOURCE
from webapp.programs.clinic.models import (
    AppointmentPractitioner,
    BaseMode,
    ClinicPayout,
    ClinicSettings,
    ClinicTransaction,
    Invoice,
    PartMode,
    SplitMode,
)
from webapp.programs.clinic.rules import Cut, Paid, Rule, base_of, find_rule, next_cut, split
from webapp.programs.clinic.states import (
    PAID_STATES,
    About,
    InvoiceState,
    TransactionKind,
)


class NotPaid(Conflict):
    """First guard: the invoice is not paid, or not in full."""


class NotAnAppointment(Conflict):
    """Third guard: nobody worked for it at an appointment."""


class NoPractitioner(Conflict):
    """Fourth guard: nobody to pay, or somebody who is switched off."""


class NothingLeft(Conflict):
    """Nothing of what came in is the practitioner's."""


class WalletTooLow(Conflict):
    """Fifth guard: the clinic's wallet does not hold what is to be paid."""


@dataclass(frozen=True)
class Part:
    """What one practitioner gets for an invoice, and by which rule."""

    payee: Payee
    weight: int
    rule: Rule
    cut: Cut
    number: int
    source: SourceDraft

    @property
    def percent(self) -> Decimal:
        """The per cent that counted."""
        return self.cut.percent


@dataclass(frozen=True)
class PayoutPlan:
    """What *Create payout* would do now."""

    invoice: Invoice
    parts: tuple[Part, ...]

    @property
    def base(self) -> Money:
        """What leaves the clinic's wallet."""
        return Money(sum(part.cut.base.amount for part in self.parts), self.invoice.currency)

    @property
    def held_on(self) -> date:
        """The day of the appointment."""
        assert self.invoice.appointment is not None  # noqa: S101 - the guard has looked
        return self.invoice.appointment.held_on

    @property
    def sentence(self) -> str:
        """The question of the check step, with the real numbers."""
        return " ".join(
            f"Pay {part.cut.amount.plain} to {part.payee.name} and keep {part.cut.commission.plain} "
            f"({part.percent.normalize():f} %)?"
            for part in self.parts
        )


def live_payouts(invoice_id: int) -> Sequence[ClinicPayout]:
    """What pays, or will pay, for an invoice: payouts that were neither rejected nor cancelled."""
    return db.session.scalars(
        select(ClinicPayout)
        .where(ClinicPayout.invoice_id == invoice_id, ClinicPayout.released_at.is_(None))
        .order_by(ClinicPayout.id)
    ).all()


def paid_of(row: ClinicPayout) -> Paid:
    """A stored payout as the pure rules take it."""
    return Paid(
        row.id, row.base_minor, row.commission_minor, row.taken_base_minor, row.taken_commission_minor
    )


def base_now(invoice: Invoice, settings: ClinicSettings, *, also_refunded_minor: int = 0) -> Money:
    """What commission and payouts of an invoice are counted from now, or once so much more went back."""
    return base_of(
        total=Money(invoice.total_minor, invoice.currency),
        tax_minor=invoice.tax_minor,
        received_minor=invoice.received_minor,
        refunded_minor=invoice.refunded_minor + also_refunded_minor,
        is_gross=settings.base_mode == BaseMode.GROSS,
    )


def check_paid(invoice: Invoice, settings: ClinicSettings) -> None:
    """The first guard. Raises NotPaid."""
    state = InvoiceState(invoice.state)
    if state in PAID_STATES:
        return
    if settings.part_mode == PartMode.PRO_RATA and state is InvoiceState.PARTIAL:
        return
    label = state.label.lower()
    if state in (InvoiceState.REFUNDED, InvoiceState.WRITTEN_OFF):
        raise NotPaid(f"{invoice.number} is {label}; there is nothing to pay out.")
    rest = Money(invoice.remaining_minor, invoice.currency).format()
    raise NotPaid(f"{invoice.number} is {label}; {rest} is still to be paid by the customer.")


def due(invoice: Invoice, live: Sequence[ClinicPayout], settings: ClinicSettings) -> Money | None:
    """What is still to be paid out; None when a payout exists and nothing came in since."""
    base = base_now(invoice, settings)
    if not live:
        return base
    standing = sum(paid_of(row).net_base_minor for row in live)
    # Another setting alone pays nothing again: money of the customer must have come in since.
    if base.amount <= standing or not _came_in_since(invoice):
        return None
    return Money(base.amount - standing, base.currency)


def _came_in_since(invoice: Invoice) -> bool:
    """Whether the customer paid something after the newest payout of the invoice was made."""
    newest = (
        select(func.max(ClinicTransaction.id))
        .where(ClinicTransaction.invoice_id == invoice.id)
        .group_by(ClinicTransaction.kind)
    )
    payment, payout = (
        db.session.scalar(newest.where(ClinicTransaction.kind == kind.value)) or 0
        for kind in (TransactionKind.PAYMENT, TransactionKind.PAYOUT)
    )
    return int(payment) > int(payout)


def _bases(
    due: Money, live: Sequence[ClinicPayout], recipients: Sequence[AppointmentPractitioner]
) -> list[Money]:
    """What of the money that is due each recipient's part is counted from: their share of all, less what they had."""
    weights = [each.weight for each in recipients]
    if not live:
        return split(due, weights)
    had = {each.payee_id: 0 for each in recipients}
    standing = 0
    for row in live:
        net = paid_of(row).net_base_minor
        standing += net
        if row.payee_id in had:
            had[row.payee_id] += net
    whole = split(Money(due.amount + standing, due.currency), weights)
    wanted = [
        max(0, share.amount - had[each.payee_id]) for share, each in zip(whole, recipients, strict=True)
    ]
    if sum(wanted) <= due.amount:
        return [Money(minor, due.currency) for minor in wanted]
    return split(due, wanted)


def _recipients(invoice: Invoice, settings: ClinicSettings) -> list[AppointmentPractitioner]:
    """Third and fourth guard: who is paid. Raises NotAnAppointment, NoPractitioner."""
    appointment = invoice.appointment
    if invoice.about != About.APPOINTMENT or appointment is None:
        raise NotAnAppointment(
            f"{invoice.number} is not about an appointment; no practitioner is paid for it."
        )
    if settings.split_mode == SplitMode.SHARE:
        found = list(appointment.practitioners)
    else:
        found = [appointment.primary] if appointment.primary else []
    if not found:
        raise NoPractitioner(
            f"{appointment.reference} has no primary practitioner. Name one on the appointment's page first."
        )
    for each in found:
        if not each.payee.is_active:
            raise NoPractitioner(f"{each.payee.name} is switched off as a payee. Switch them on first.")
    return found


def volume_before(payee_id: int, currency: str, on: date) -> int:
    """What a practitioner's appointments of a month have brought so far: the bases of their payouts."""
    first, last = month_bounds(on)
    total = db.session.scalar(
        select(func.coalesce(func.sum(ClinicPayout.base_minor - ClinicPayout.taken_base_minor), 0)).where(
            ClinicPayout.payee_id == payee_id,
            ClinicPayout.currency == currency,
            ClinicPayout.held_on.between(first, last),
            ClinicPayout.released_at.is_(None),
        )
    )
    return int(total or 0)


def lock_payees(payee_ids: Iterable[int]) -> None:
    """Let only one at a time count the months of these practitioners: two would leave each other out."""
    for payee_id in sorted(payee_ids):
        lock_row(Payee, Payee.id == payee_id, key_share=True)


def plan(
    invoice: Invoice,
    due: Money,
    live: Sequence[ClinicPayout],
    settings: ClinicSettings,
    rules: Sequence[Rule],
    *,
    volume: Callable[[int, str, date], int] = volume_before,
) -> PayoutPlan:
    """Who gets how much of what is due, by which rule. Raises the third and fourth guards' errors, NothingLeft."""
    recipients = _recipients(invoice, settings)
    appointment = invoice.appointment
    assert appointment is not None  # noqa: S101 - the guard has looked
    parts = []
    for each, base in zip(recipients, _bases(due, live, recipients), strict=True):
        if not base:
            continue
        rule = find_rule(rules, payee_id=each.payee_id, category=appointment.category, on=appointment.held_on)
        so_far = 0
        if rule.commission.tiers:
            so_far = volume(each.payee_id, invoice.currency, appointment.held_on)
        mine = [row for row in live if row.payee_id == each.payee_id]
        same = [paid_of(row) for row in mine if row.rule_version_id == rule.version_id]
        cut = next_cut(
            base,
            rule.commission,
            base_before=sum(paid.net_base_minor for paid in same),
            commission_before=sum(paid.net_commission_minor for paid in same),
            volume_minor=so_far,
        )
        if cut.amount:
            number = _free_part(mine)
            parts.append(
                Part(each.payee, each.weight, rule, cut, number, _source(invoice, each.payee_id, number))
            )
    if not parts:
        raise NothingLeft(
            f"Nothing of {invoice.number} is the practitioner's: tax or commission is all of it."
        )
    return PayoutPlan(invoice, tuple(parts))


def _free_part(mine: Sequence[ClinicPayout]) -> int:
    taken = {row.part for row in mine}
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


def _source(invoice: Invoice, payee_id: int, number: int) -> SourceDraft:
    """What the payout claims: the invoice itself, or for a later part the newest payment that none claims."""
    if number == 1:
        return SourceDraft(INVOICE_SOURCE, invoice.id)
    claimed = exists().where(
        SourceClaim.organisation_id == invoice.organisation_id,
        SourceClaim.source_type == PAYMENT_SOURCE,
        SourceClaim.source_id == ClinicTransaction.id,
        SourceClaim.payee_id == payee_id,
        SourceClaim.released_at.is_(None),
    )
    found = db.session.scalar(
        select(ClinicTransaction.id)
        .where(
            ClinicTransaction.invoice_id == invoice.id,
            ClinicTransaction.kind == TransactionKind.PAYMENT.value,
            ~claimed,
        )
        .order_by(ClinicTransaction.id.desc())
        .limit(1)
    )
    if found is None:
        raise NothingLeft(f"Every payment of {invoice.number} is in a payout already.")
    return SourceDraft(PAYMENT_SOURCE, found)


def check_wallet(plan: PayoutPlan, there: Money | None = None) -> None:
    """The fifth guard, before anything is written; the ledger itself refuses what comes in between.

    `there` is what the clinic's wallet holds, where it is known already. Raises WalletTooLow.
    """
    invoice = plan.invoice
    if there is None:
        balance = wallets.balance(invoice.organisation_id, wallets.CLINIC, invoice.currency)
        there = Money(balance, invoice.currency)
    if there < plan.base:
        raise WalletTooLow(
            f"The clinic's wallet holds {there.format()}, less than the "
            f"{plan.base.format()} that {invoice.number} needs. Put money into the wallet first."
        )
