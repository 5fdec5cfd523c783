"""Customers' payments: into the clinic's wallet, at most what is still asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount, check_length
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.programs.clinic import entries, trail, wallets
from webapp.programs.clinic.invoicing import lock_invoice, settle_state
from webapp.programs.clinic.models import ClinicTransaction, Invoice
from webapp.programs.clinic.states import (
    BY_HAND,
    PAYMENT_METHODS,
    InvoiceAction,
    Method,
    TransactionKind,
    check_action,
)
from webapp.providers.keeping import Kept


@dataclass(frozen=True)
class Recorded:
    """What was recorded. `is_repeat`: it had been before, under the same key; nothing was changed now."""

    transaction: ClinicTransaction
    is_repeat: bool
    message: str


def record_payment(
    *,
    organisation_id: int,
    number: str,
    amount_minor: int,
    method: str,
    happened_on: date,
    actor: Actor,
    now: datetime,
    provider_reference: str = "",
    fee_minor: int = 0,
    proof: Kept | None = None,
    note: str = "",
    idempotency_key: str | None = None,
    expected_version: int | None = None,
) -> Recorded:
    """Money of a customer is there: the clinic's wallet grows by it, and the invoice moves on.

    `fee_minor` is what the gateway keeps of it. The same key gets the payment that is there. Raises NotFound, Invalid
    (the rest is named), IllegalTransition, Conflict when the provider's reference is recorded already, StaleVersion.
    """
    invoice = lock_invoice(organisation_id, number)
    if found := find_repeat(invoice, TransactionKind.PAYMENT, amount_minor, idempotency_key):
        return Recorded(found, True, f"{found.reference} was recorded before, with the same key.")
    check_action(invoice.state, InvoiceAction.PAY, number)
    trail.check_version(invoice, number, expected_version)
    _check(invoice, amount_minor, method, fee_minor, provider_reference, note)
    check_day(invoice.organisation_id, happened_on, now)
    reference = provider_reference.strip()
    refuse_known_reference(organisation_id, TransactionKind.PAYMENT, reference)
    before = invoice.state
    invoice.received_minor += amount_minor
    invoice.gateway_fee_minor += fee_minor
    invoice.is_by_hand = invoice.is_by_hand or method in BY_HAND
    settle_state(invoice, now)
    row = _store(
        invoice, amount_minor, method, happened_on, fee_minor, reference, note, idempotency_key, actor, now
    )
    if proof is not None:
        row.proof_key, row.proof_name = proof.key, proof.name[:200]
        proof.is_used = True
    db.session.flush()
    amount = Money(amount_minor, invoice.currency)
    changes = {"payment": [None, amount.plain], "method": [None, method], "state": [before, invoice.state]}
    trail.record("invoice", "paid_in", invoice, number, actor, now, changes, row.reference)
    entries.paid_in(row, number, actor, now)
    rest = Money(invoice.remaining_minor, invoice.currency)
    following = f"{rest.format()} is left to pay." if rest else "It is paid in full."
    return Recorded(row, False, f"{amount.format()} of {number} is recorded. {following}")


def _check(
    invoice: Invoice, amount_minor: int, method: str, fee_minor: int, reference: str, note: str
) -> None:
    if method not in PAYMENT_METHODS:
        raise Invalid("method", "Choose how the customer paid.", Method.GATEWAY.value)
    rest = Money(invoice.remaining_minor, invoice.currency)
    check_amount("amount", amount_minor, rest.plain)
    if amount_minor > rest.amount:
        raise Invalid("amount", f"{rest.format()} of {invoice.number} is left to pay; not more.", rest.plain)
    if not 0 <= fee_minor <= amount_minor or (fee_minor and method not in (Method.GATEWAY, Method.POS)):
        raise Invalid("fee", "The fee is what the gateway keeps of the payment, at most all of it.", "2.90")
    check_length("provider_reference", reference, 120)
    check_length("note", note, 2000)


def check_day(organisation_id: int, happened_on: date, now: datetime) -> None:
    """Money does not move tomorrow. Raises Invalid."""
    today = trail.today(organisation_id, now)
    if happened_on > today:
        raise Invalid("happened_on", "The day is in the future.", today.isoformat())


def find_repeat(
    invoice: Invoice, kind: TransactionKind, amount_minor: int, key: str | None
) -> ClinicTransaction | None:
    """The transaction that was made with the key. Raises Conflict when it was for something else."""
    if key is None:
        return None
    found = db.session.scalar(
        select(ClinicTransaction).where(
            ClinicTransaction.organisation_id == invoice.organisation_id,
            ClinicTransaction.idempotency_key == key,
        )
    )
    if found is None:
        return None
    if (found.kind, found.invoice_id, found.amount_minor) != (kind.value, invoice.id, amount_minor):
        raise Conflict(f"{found.reference} was made with the same key for something else. Nothing was done.")
    return found


def refuse_known_reference(organisation_id: int, kind: TransactionKind, reference: str) -> None:
    """A provider's reference belongs to one movement. Raises Conflict that names it."""
    if not reference:
        return
    found = db.session.scalar(
        select(ClinicTransaction.reference).where(
            ClinicTransaction.organisation_id == organisation_id,
            ClinicTransaction.kind == kind.value,
            ClinicTransaction.provider_reference == reference,
        )
    )
    if found is not None:
        raise Conflict(f"{reference} is recorded already, as {found}. Nothing was done.")


def _store(
    invoice: Invoice,
    amount_minor: int,
    method: str,
    happened_on: date,
    fee_minor: int,
    reference: str,
    note: str,
    key: str | None,
    actor: Actor,
    now: datetime,
) -> ClinicTransaction:
    try:
        return wallets.new_transaction(
            organisation_id=invoice.organisation_id,
            kind=TransactionKind.PAYMENT,
            method=method,
            currency=invoice.currency,
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            happened_on=happened_on,
            invoice=invoice,
            to_wallet=wallets.CLINIC,
            provider_reference=reference,
            note=note.strip(),
            idempotency_key=key,
            actor=actor,
            now=now,
        )
    except IntegrityError as error:
        # Another invoice was paid with the same reference or key at this moment.
        raise Conflict(
            "The same payment has just been recorded by somebody else. Nothing was done."
        ) from error
