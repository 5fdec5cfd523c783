"""Wallets: what they hold, how they are locked, and adjustments that a person orders. A wallet is a ledger account."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import MAXIMUM_MINOR, Money
from webapp.ledger.models import Account
from webapp.people.models import Organisation, Payee, Role
from webapp.people.numbers import next_number
from webapp.people.queries import get_payee_by_id
from webapp.programs.clinic import entries, trail
from webapp.programs.clinic.models import ClinicTransaction, Invoice
from webapp.programs.clinic.states import Method, TransactionKind, TransactionState

OUTSIDE = ""
CLINIC = entries.CLINIC.code


def code_of(payee: Payee) -> str:
    """The code of a practitioner's wallet."""
    return entries.wallet_of(payee).code


def balance(organisation_id: int, code: str, currency: str) -> int:
    """What a wallet holds, in minor units; nothing while it was never used."""
    found = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == organisation_id, Account.code == code, Account.currency == currency
        )
    )
    return int(found or 0)


def lock_balances(organisation_id: int, currency: str, codes: Iterable[str]) -> dict[str, int]:
    """What accounts hold, locked until the transaction ends, in the ledger's own order; 0 for one not opened yet.

    Named must be all that will be posted to: an account locked later could be waited for in a circle.
    """
    wanted = sorted(set(codes))
    rows = db.session.execute(
        select(Account.code, Account.balance_minor)
        .where(
            Account.organisation_id == organisation_id, Account.code.in_(wanted), Account.currency == currency
        )
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    found = {code: int(minor) for code, minor in rows}
    return {code: found.get(code, 0) for code in wanted}


def new_transaction(
    *,
    organisation_id: int,
    kind: TransactionKind,
    method: str,
    currency: str,
    amount_minor: int,
    happened_on: date,
    actor: Actor,
    now: datetime,
    state: TransactionState = TransactionState.COMPLETED,
    invoice: Invoice | None = None,
    payee_id: int | None = None,
    payout_id: int | None = None,
    from_wallet: str = OUTSIDE,
    to_wallet: str = OUTSIDE,
    fee_minor: int = 0,
    provider_reference: str = "",
    note: str = "",
    idempotency_key: str | None = None,
) -> ClinicTransaction:
    """One movement of money as people see it, numbered TX-000001 and on."""
    row = ClinicTransaction(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "TX", 6),
        kind=kind.value,
        method=method,
        state=state.value,
        currency=currency,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        invoice_id=invoice.id if invoice else None,
        payee_id=payee_id,
        payout_id=payout_id,
        from_wallet=from_wallet,
        to_wallet=to_wallet,
        provider_reference=provider_reference,
        note=note[:2000],
        happened_on=happened_on,
        idempotency_key=idempotency_key,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        completed_at=now if state is TransactionState.COMPLETED else None,
    )
    db.session.add(row)
    db.session.flush()
    return row


def get_practitioner(organisation_id: int, payee_id: int) -> Payee:
    """A practitioner of the organisation. Raises NotFound."""
    return get_payee_by_id(organisation_id, payee_id, Role.PRACTITIONER)


def adjust(
    *,
    organisation_id: int,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
    payee_id: int | None = None,
    currency: str = "",
    idempotency_key: str | None = None,
) -> ClinicTransaction:
    """Put money into a wallet (more than zero) or take some out, with a reason.

    The clinic's own wallet is filled from the bank and emptied into it; a practitioner's from and into the clinic's.
    The same key gets the adjustment that is there.
    Raises NotFound, Invalid, and Conflict when the wallet that pays does not hold so much.
    """
    if not 0 < abs(amount_minor) <= MAXIMUM_MINOR:
        raise Invalid("amount", "Enter an amount other than zero.", "25.00")
    reason = need_reason(reason, "Opening balance.", "wallet")
    if idempotency_key is not None and (made := _made_before(organisation_id, idempotency_key)):
        return made
    organisation = db.session.get_one(Organisation, organisation_id)
    payee = get_practitioner(organisation_id, payee_id) if payee_id is not None else None
    wallet = entries.wallet_of(payee) if payee else entries.CLINIC
    other = entries.CLINIC if payee else entries.BANK
    source, target = (other, wallet) if amount_minor > 0 else (wallet, other)
    currency = currency or organisation.currency
    if source != entries.BANK:
        _need(organisation_id, source.code, abs(amount_minor), currency)
    row = new_transaction(
        organisation_id=organisation_id,
        kind=TransactionKind.ADJUSTMENT,
        method=(Method.INTERNAL if payee else Method.MANUAL).value,
        currency=currency,
        amount_minor=abs(amount_minor),
        happened_on=trail.today(organisation_id, now),
        payee_id=payee_id,
        from_wallet="" if source == entries.BANK else source.code,
        to_wallet="" if target == entries.BANK else target.code,
        note=reason.strip(),
        idempotency_key=idempotency_key,
        actor=actor,
        now=now,
    )
    changes = {"amount": [None, Money(amount_minor, currency).plain], "wallet": [None, wallet.code]}
    trail.record("wallet", "adjusted", row, row.reference, actor, now, changes, row.note)
    # A wallet is taken from by a debit and filled by a credit; for the bank it is the other way, so it fits as well.
    entries.moved(row, source, target, f"adjusted: {row.note}"[:200], actor, now)
    return row


def _made_before(organisation_id: int, key: str) -> ClinicTransaction | None:
    return db.session.scalar(
        select(ClinicTransaction).where(
            ClinicTransaction.organisation_id == organisation_id, ClinicTransaction.idempotency_key == key
        )
    )


def _need(organisation_id: int, code: str, amount_minor: int, currency: str) -> None:
    there = balance(organisation_id, code, currency)
    if there < amount_minor:
        raise Conflict(
            f"The wallet {code} holds {Money(there, currency).format()}, less than "
            f"{Money(amount_minor, currency).format()}. Nothing was moved."
        )
