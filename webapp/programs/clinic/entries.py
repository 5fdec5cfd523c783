"""The ledger templates of a clinic: paid in, gone back, moved. The only file of this program that posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.service import AccountKey, EntryDraft, Leg
from webapp.payouts.wallet import COMMISSION, wallet_of
from webapp.people.models import Payee
from webapp.programs.clinic.models import ClinicTransaction, DebtSetOff, DeductionCharge
from webapp.programs.clinic.states import Method

CLINIC = AccountKey("wallet:clinic")
COLLECTIONS, BANK = AccountKey("collections"), AccountKey("bank")
GATEWAY_FEE = AccountKey("expense:gateway_fee")
FACILITY_FEE = AccountKey("income:facility_fee")

__all__ = ["CLINIC", "COMMISSION", "wallet_of"]


def place_of(method: str) -> AccountKey:
    """Where a customer's money lies: at the gateway or the card terminal's acquirer, or in the bank."""
    return COLLECTIONS if method in (Method.GATEWAY, Method.POS) else BANK


def held(payee: Payee) -> AccountKey:
    """What a practitioner has asked to have in the bank: no longer in the wallet, and nobody else's."""
    return AccountKey(f"held:{payee.reference}", payee.id)


def owed_by(payee: Payee) -> AccountKey:
    """What a practitioner owes the clinic."""
    return AccountKey(f"receivable:{payee.reference}", payee.id)


def _post(
    transaction: ClinicTransaction,
    kind: str,
    legs: Iterable[tuple[AccountKey, int]],
    words: str,
    actor: Actor,
    now: datetime,
    on: date | None = None,
) -> None:
    ledger.post(
        organisation_id=transaction.organisation_id,
        kind=f"clinic.{kind}",
        currency=transaction.currency,
        effective_on=on or transaction.happened_on,
        description=f"{transaction.reference}: {words}",
        source_type="clinic_transaction",
        source_id=transaction.id,
        idempotency_key=f"clinic:{transaction.id}:{kind}",
        legs=_merged(legs),
        actor=actor,
        now=now,
    )


def _merged(legs: Iterable[tuple[AccountKey, int]]) -> list[Leg]:
    """One leg for each account, without those that come to nothing."""
    sums: dict[AccountKey, int] = {}
    for account, amount in legs:
        sums[account] = sums.get(account, 0) + amount
    return [Leg(account, amount) for account, amount in sums.items() if amount]


def paid_in(row: ClinicTransaction, number: str, actor: Actor, now: datetime) -> None:
    """A customer's money is there: all of it in the clinic's wallet, what the gateway kept is the clinic's expense."""
    legs = [
        (place_of(row.method), row.amount_minor - row.fee_minor),
        (GATEWAY_FEE, row.fee_minor),
        (CLINIC, -row.amount_minor),
    ]
    _post(row, "paid_in", legs, f"{number} paid", actor, now)


def went_back(
    row: ClinicTransaction,
    number: str,
    *,
    commission_minor: int,
    taken: Sequence[tuple[Payee, int]],
    carried: Sequence[tuple[Payee, int]],
    fee_borne_minor: int,
    fee_kept_minor: int,
    actor: Actor,
    now: datetime,
) -> None:
    """Money goes back to a customer: what was paid out of it comes from the practitioners and from the commission.

    The rest is still in the clinic's wallet. `fee_borne_minor` is what practitioners bear of the gateway's fee (it is
    in what is taken and carried), `fee_kept_minor` what the customer does not get back.
    """
    from_them = sum(amount for _, amount in (*taken, *carried))
    from_clinic = row.amount_minor - commission_minor - (from_them - fee_borne_minor)
    legs = [
        *((wallet_of(payee), amount) for payee, amount in taken),
        *((owed_by(payee), amount) for payee, amount in carried),
        (COMMISSION, commission_minor),
        (CLINIC, from_clinic),
        (GATEWAY_FEE, -fee_borne_minor - fee_kept_minor),
        (place_of(row.method), -(row.amount_minor - fee_kept_minor)),
    ]
    _post(row, "refunded", legs, f"{number} refunded", actor, now)


def asked_for(row: ClinicTransaction, payee: Payee, actor: Actor, now: datetime) -> None:
    """Asked to be sent to the bank: it leaves the wallet at once, so that it cannot be spent twice."""
    legs = [(wallet_of(payee), row.amount_minor), (held(payee), -row.amount_minor)]
    _post(row, "withdrawal", legs, f"withdrawal of {payee.name}", actor, now)


def given_back(row: ClinicTransaction, payee: Payee, on: date, actor: Actor, now: datetime) -> None:
    """A withdrawal will not be paid: the money is in the wallet again."""
    legs = [(held(payee), row.amount_minor), (wallet_of(payee), -row.amount_minor)]
    _post(row, "given_back", legs, f"withdrawal of {payee.name} not made", actor, now, on)


def moved(
    row: ClinicTransaction, debit: AccountKey, credit: AccountKey, words: str, actor: Actor, now: datetime
) -> None:
    """An adjustment between two accounts that a person ordered, with a reason."""
    _post(row, "adjusted", [(debit, row.amount_minor), (credit, -row.amount_minor)], words, actor, now)


def charged(charge: DeductionCharge, payee: Payee, name: str, on: date, actor: Actor, now: datetime) -> None:
    """A recurring deduction: from the wallet as far as it holds money, the rest is owed."""
    legs = [
        (wallet_of(payee), charge.taken_minor),
        (owed_by(payee), charge.carried_minor),
        (FACILITY_FEE, -charge.amount_minor),
    ]
    ledger.post(
        organisation_id=charge.organisation_id,
        kind="clinic.deducted",
        currency=charge.currency,
        effective_on=on,
        description=f"{payee.name}: {name}, {charge.period_start.isoformat()}",
        source_type="clinic_deduction_charge",
        source_id=charge.id,
        idempotency_key=f"clinic:charge:{charge.id}",
        legs=_merged(legs),
        actor=actor,
        now=now,
    )


def set_off(row: DebtSetOff, payee: Payee, description: str, payout_reference: str, on: date) -> EntryDraft:
    """What a practitioner owes is taken from the wallet, right after a payout came in."""
    return EntryDraft(
        kind="clinic.set_off",
        currency=row.currency,
        effective_on=on,
        description=f"{payout_reference} {payee.name}: set off against {description}",
        source_type="clinic_debt",
        source_id=row.debt_id,
        idempotency_key=f"clinic:set_off:{row.debt_id}:{row.payout_id}",
        legs=(Leg(wallet_of(payee), row.amount_minor), Leg(owed_by(payee), -row.amount_minor)),
    )
