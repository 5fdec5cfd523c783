"""Money that goes back to customers, and what practitioners then give back, at the rate of what they were paid.

What a practitioner's wallet does not hold is carried as a debt and set off against the next payout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_length, need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.payouts import records
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.programs.clinic import entries, payments, planning, trail, wallets
from webapp.programs.clinic.invoicing import lock_invoice, settle_state
from webapp.programs.clinic.models import (
    Clawback,
    ClinicPayout,
    ClinicSettings,
    ClinicTransaction,
    FeeBearer,
    Invoice,
    PractitionerDebt,
)
from webapp.programs.clinic.payments import Recorded
from webapp.programs.clinic.rules import TakenBack, fee_part, take_back
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import (
    PAYMENT_METHODS,
    InvoiceAction,
    Method,
    TransactionKind,
    check_action,
)


@dataclass(frozen=True)
class GivenBack:
    """What one payout gives back, and whether its practitioner's wallet holds it; amounts in minor units."""

    row: ClinicPayout
    line: TakenBack
    fee_minor: int
    from_wallet_minor: int

    @property
    def payee(self) -> Payee:
        """Who gives it back."""
        return self.row.payee

    @property
    def owed_minor(self) -> int:
        """What the practitioner bears: their part, and of the gateway's fee what the settings say."""
        return self.line.amount_minor + self.fee_minor

    @property
    def carried_minor(self) -> int:
        """What the wallet does not hold; set off against the next payout."""
        return self.owed_minor - self.from_wallet_minor


@dataclass(frozen=True)
class RefundPlan:
    """What a refund would do; amounts in minor units of the invoice's currency."""

    invoice: Invoice
    amount: Money
    parts: tuple[GivenBack, ...] = ()
    # What the customer does not get back, because they bear the gateway's fee.
    fee_kept_minor: int = 0

    @property
    def commission_minor(self) -> int:
        """What goes back of the commission."""
        return sum(part.line.commission_minor for part in self.parts)

    @property
    def from_practitioners_minor(self) -> int:
        """What practitioners give back, without the fee."""
        return sum(part.line.amount_minor for part in self.parts)

    @property
    def from_clinic_minor(self) -> int:
        """What comes from the clinic's wallet: what was not paid out."""
        return self.amount.amount - self.commission_minor - self.from_practitioners_minor

    @property
    def to_customer(self) -> Money:
        """What the customer gets."""
        return Money(self.amount.amount - self.fee_kept_minor, self.amount.currency)


def plan_refund(*, organisation_id: int, number: str, amount_minor: int) -> RefundPlan:
    """What a refund would do, for the check step. Raises as `refund` does."""
    invoice = db.session.scalar(
        select(Invoice).where(Invoice.organisation_id == organisation_id, Invoice.number == number)
    )
    invoice = invoice or lock_invoice(organisation_id, number)
    _check(invoice, amount_minor)
    rows = _paid_rows(invoice)
    there = {
        row.payee_id: wallets.balance(organisation_id, wallets.code_of(row.payee), invoice.currency)
        for row in rows
    }
    return _plan(invoice, amount_minor, rows, there, settings_of(organisation_id))


def refund(
    *,
    organisation_id: int,
    number: str,
    amount_minor: int,
    reason: str,
    happened_on: date,
    actor: Actor,
    now: datetime,
    method: str = "",
    provider_reference: str = "",
    idempotency_key: str | None = None,
    expected_version: int | None = None,
) -> Recorded:
    """Give money of an invoice back to its customer, at most what was paid and did not go back yet.

    A payout that waits for approval is cancelled: what it is made of gets smaller. Raises NotFound, Invalid,
    IllegalTransition, StaleVersion, Conflict when the clinic's wallet does not hold its part.
    """
    waiting = _lock_waiting(organisation_id, number)
    invoice = lock_invoice(organisation_id, number)
    if found := payments.find_repeat(invoice, TransactionKind.REFUND, amount_minor, idempotency_key):
        return Recorded(found, True, f"{found.reference} was recorded before, with the same key.")
    check_action(invoice.state, InvoiceAction.REFUND, number)
    trail.check_version(invoice, number, expected_version)
    _check(invoice, amount_minor)
    reason = need_reason(reason, "The appointment was cancelled.", "refund")
    payments.check_day(organisation_id, happened_on, now)
    check_length("provider_reference", provider_reference, 120)
    reference = provider_reference.strip()
    payments.refuse_known_reference(organisation_id, TransactionKind.REFUND, reference)
    _cancel_waiting(invoice, waiting, actor, now)
    row = wallets.new_transaction(
        organisation_id=organisation_id,
        kind=TransactionKind.REFUND,
        method=_method(invoice, method),
        currency=invoice.currency,
        amount_minor=amount_minor,
        happened_on=happened_on,
        invoice=invoice,
        from_wallet=wallets.CLINIC,
        provider_reference=reference,
        note=reason.strip(),
        idempotency_key=idempotency_key,
        actor=actor,
        now=now,
    )
    plan = _take(invoice, row, actor, now)
    left = Money(invoice.stayed_minor, invoice.currency)
    gone = f"{plan.to_customer.format()} of {number} goes back to the customer."
    return Recorded(row, False, f"{gone} {_told(plan)} {left.format()} stays.".replace("  ", " "))


def _told(plan: RefundPlan) -> str:
    return " ".join(
        f"{Money(part.owed_minor, plan.amount.currency).format()} is taken back from {part.payee.name}."
        for part in plan.parts
        if part.owed_minor
    )


def _check(invoice: Invoice, amount_minor: int) -> None:
    check_action(invoice.state, InvoiceAction.REFUND, invoice.number)
    most = Money(invoice.stayed_minor, invoice.currency)
    if not 0 < amount_minor <= most.amount:
        raise Invalid("amount", f"At most {most.format()} of {invoice.number} can go back.", most.plain)


def _method(invoice: Invoice, method: str) -> str:
    """How it goes back: as the last payment came, where nothing else is said. Raises Invalid."""
    if method:
        if method not in PAYMENT_METHODS:
            raise Invalid("method", "Choose how the money goes back.", Method.GATEWAY.value)
        return method
    return str(
        db.session.scalars(
            select(ClinicTransaction.method)
            .where(
                ClinicTransaction.invoice_id == invoice.id,
                ClinicTransaction.kind == TransactionKind.PAYMENT.value,
            )
            .order_by(ClinicTransaction.id.desc())
            .limit(1)
        ).one()
    )


def _waiting(organisation_id: int, number: str) -> Sequence[int]:
    return db.session.scalars(
        select(Payout.id)
        .join(ClinicPayout, ClinicPayout.payout_id == Payout.id)
        .join(Invoice, Invoice.id == ClinicPayout.invoice_id)
        .where(
            Invoice.organisation_id == organisation_id,
            Invoice.number == number,
            ClinicPayout.released_at.is_(None),
            Payout.state == PayoutState.PENDING_APPROVAL.value,
        )
        .order_by(Payout.id)
    ).all()


def _lock_waiting(organisation_id: int, number: str) -> list[Payout]:
    """Payouts of the invoice that wait for approval, locked before it: who decides about one holds it already."""
    return [records.lock_by_id(payout_id) for payout_id in _waiting(organisation_id, number)]


def _cancel_waiting(invoice: Invoice, locked: list[Payout], actor: Actor, now: datetime) -> None:
    known = {payout.id for payout in locked}
    if set(_waiting(invoice.organisation_id, invoice.number)) - known:
        raise Conflict(f"A payout of {invoice.number} has just been made. Look at it, then try again.")
    for payout in locked:
        if payout.state != PayoutState.PENDING_APPROVAL:
            continue
        payouts.cancel(
            organisation_id=invoice.organisation_id,
            reference=payout.reference,
            reason=f"A part of {invoice.number} went back to the customer; make the payout again.",
            actor=actor,
            now=now,
        )
        # Nobody has said no to it: schedules may make it again.
        invoice.offer, invoice.offer_reason = "open", ""


def _paid_rows(invoice: Invoice) -> list[ClinicPayout]:
    """The payouts of an invoice whose money has moved."""
    return list(
        db.session.scalars(
            select(ClinicPayout)
            .join(Payout, Payout.id == ClinicPayout.payout_id)
            .where(
                ClinicPayout.invoice_id == invoice.id,
                ClinicPayout.released_at.is_(None),
                Payout.state == PayoutState.PAID.value,
            )
            .order_by(ClinicPayout.id)
        )
    )


def _plan(
    invoice: Invoice,
    amount_minor: int,
    rows: Sequence[ClinicPayout],
    there: dict[int, int],
    settings: ClinicSettings,
) -> RefundPlan:
    """Work the refund out; `there` is what the practitioners' wallets hold."""
    amount = Money(amount_minor, invoice.currency)
    lines = [planning.paid_of(row) for row in rows]
    standing = sum(line.net_base_minor for line in lines)
    left = planning.base_now(invoice, settings, also_refunded_minor=amount_minor)
    # However the settings changed since: a refund takes back no more than goes to the customer.
    left = max(left, Money(standing - amount_minor, invoice.currency), key=lambda money: money.amount)
    taken = take_back(lines, base_left=left)
    # Up to here less up to before: the parts of many refunds come to the fee.
    whole = Money(invoice.gateway_fee_minor, invoice.currency)
    before, until = (
        fee_part(whole, refund_minor=refunded, received_minor=invoice.received_minor)
        for refunded in (invoice.refunded_minor, invoice.refunded_minor + amount_minor)
    )
    fee = until - before
    if settings.fee_bearer == FeeBearer.CUSTOMER:
        return RefundPlan(
            invoice, amount, _parts(rows, taken, [0] * len(taken), there), min(fee.amount, amount_minor)
        )
    if settings.fee_bearer == FeeBearer.PRACTITIONER and taken:
        fees = [part.amount for part in fee.allocate([line.base_minor for line in taken])]
    else:
        fees = [0] * len(taken)
    return RefundPlan(invoice, amount, _parts(rows, taken, fees, there))


def _parts(
    rows: Sequence[ClinicPayout], taken: Sequence[TakenBack], fees: Sequence[int], there: dict[int, int]
) -> tuple[GivenBack, ...]:
    by_id, rest = {row.id: row for row in rows}, dict(there)
    parts = []
    for line, fee in zip(taken, fees, strict=True):
        row = by_id[line.key]
        from_wallet = min(rest.get(row.payee_id, 0), line.amount_minor + fee)
        rest[row.payee_id] = rest.get(row.payee_id, 0) - from_wallet
        parts.append(GivenBack(row, line, fee, from_wallet))
    return tuple(parts)


def _take(invoice: Invoice, row: ClinicTransaction, actor: Actor, now: datetime) -> RefundPlan:
    """Do it: the invoice's figures, what each payout gives back, and the one entry."""
    settings = settings_of(invoice.organisation_id)
    rows = _paid_rows(invoice)
    payees = {each.payee_id: each.payee for each in rows}
    there = _lock_wallets(invoice, row, list(payees.values()))
    plan = _plan(invoice, row.amount_minor, rows, there, settings)
    before = invoice.state
    invoice.refunded_minor += row.amount_minor
    row.fee_minor = plan.fee_kept_minor + sum(part.fee_minor for part in plan.parts)
    settle_state(invoice, now)
    for part in plan.parts:
        _keep(part, row, now)
    db.session.flush()
    changes = {"refund": [None, plan.amount.plain], "state": [before, invoice.state]}
    trail.record("invoice", "refunded", invoice, invoice.number, actor, now, changes, row.note)
    entries.went_back(
        row,
        invoice.number,
        commission_minor=plan.commission_minor,
        taken=[(part.payee, part.from_wallet_minor) for part in plan.parts],
        carried=[(part.payee, part.carried_minor) for part in plan.parts],
        fee_borne_minor=sum(part.fee_minor for part in plan.parts),
        fee_kept_minor=plan.fee_kept_minor,
        actor=actor,
        now=now,
    )
    return plan


def _lock_wallets(invoice: Invoice, row: ClinicTransaction, payees: Sequence[Payee]) -> dict[int, int]:
    """What the practitioners' wallets hold; every account that the refund touches stays locked until it is done."""
    codes = [
        wallets.CLINIC, entries.COMMISSION.code, entries.GATEWAY_FEE.code, entries.place_of(row.method).code,
        *(entries.owed_by(payee).code for payee in payees), *(wallets.code_of(payee) for payee in payees),
    ]  # fmt: skip
    found = wallets.lock_balances(invoice.organisation_id, invoice.currency, codes)
    return {payee.id: found[wallets.code_of(payee)] for payee in payees}


def _keep(part: GivenBack, row: ClinicTransaction, now: datetime) -> None:
    part.row.taken_base_minor += part.line.base_minor
    part.row.taken_commission_minor += part.line.commission_minor
    clawback = Clawback(
        organisation_id=row.organisation_id,
        refund_id=row.id,
        clinic_payout_id=part.row.id,
        payee_id=part.row.payee_id,
        currency=row.currency,
        base_minor=part.line.base_minor,
        commission_minor=part.line.commission_minor,
        amount_minor=part.line.amount_minor,
        fee_minor=part.fee_minor,
        taken_minor=part.from_wallet_minor,
        carried_minor=part.carried_minor,
        happened_on=row.happened_on,
        created_at=now,
    )
    db.session.add(clawback)
    db.session.flush()
    if part.carried_minor:
        db.session.add(
            PractitionerDebt(
                organisation_id=row.organisation_id,
                payee_id=part.row.payee_id,
                clawback_id=clawback.id,
                description=f"refund {row.reference} of {part.row.invoice.number}",
                currency=row.currency,
                amount_minor=part.carried_minor,
                created_at=now,
            )
        )
