"""The ledger templates of rent: received, shared out, gone back, netted. The only file of this program that posts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.service import AccountKey, Leg
from webapp.people.models import Payee
from webapp.programs.rentals.models import Distribution, RentPayment, RentReturn

COLLECTIONS, BANK = AccountKey("collections"), AccountKey("bank")
RECEIVED = AccountKey("rent_received")
FEE, GATEWAY = AccountKey("income:management_fee"), AccountKey("income:gateway_charge")
FEE_TAX, WITHHELD = AccountKey("tax_on_fees"), AccountKey("tax_withheld")
BILLS = AccountKey("bills_payable")
RETURNED_TWICE = AccountKey("expense:rent_returned_twice")


def held(payee: Payee) -> AccountKey:
    """Rent that belongs to an owner until it is paid out."""
    return AccountKey(f"held:{payee.reference}", payee.id)


def owed_by(payee: Payee) -> AccountKey:
    """What an owner owes because rent went back after it was paid out."""
    return AccountKey(f"receivable:{payee.reference}", payee.id)


def owed_by_tenant(payment: RentPayment) -> AccountKey:
    """What the tenants of a lease owe because more went back to them than had come."""
    return AccountKey(f"receivable:{payment.charge.lease.reference}")


def credit(lease_reference: str) -> AccountKey:
    """What the tenants of a lease paid beyond their rent."""
    return AccountKey(f"tenant_credit:{lease_reference}")


def reserve(property_reference: str) -> AccountKey:
    """What is kept back for a property."""
    return AccountKey(f"reserve:{property_reference}")


def _post(
    payment: RentPayment,
    kind: str,
    key: str,
    legs: Sequence[tuple[AccountKey, int]],
    on: date,
    actor: Actor,
    now: datetime,
    words: str,
) -> None:
    ledger.post(
        organisation_id=payment.organisation_id,
        kind=f"rent.{kind}",
        currency=payment.currency,
        effective_on=on,
        description=f"{payment.reference}: {words}",
        source_type="rent_payment",
        source_id=payment.id,
        idempotency_key=key,
        legs=[Leg(account, amount) for account, amount in legs if amount],
        actor=actor,
        now=now,
    )


def received(payment: RentPayment, on: date, actor: Actor, now: datetime) -> None:
    """The tenant's money is there: at the gateway with its charge on top, in the bank, or as their credit."""
    own = credit(payment.charge.lease.reference)
    place = {"phonepe": COLLECTIONS, "credit": own}.get(payment.source, BANK)
    total = payment.amount_minor + payment.gateway_charge_minor + payment.credit_minor
    legs = [
        (place, total),
        (RECEIVED, -payment.amount_minor),
        (GATEWAY, -payment.gateway_charge_minor),
        (own, -payment.credit_minor),
    ]
    _post(payment, "received", f"rent:{payment.id}:received", legs, on, actor, now, "rent received")


def shared_out(
    distribution: Distribution, property_reference: str, on: date, actor: Actor, now: datetime
) -> None:
    """Each deduction to where it belongs, the rest to what is held for the owners."""
    legs = [
        (RECEIVED, distribution.rent_minor),
        (FEE, -distribution.fee_minor),
        (FEE_TAX, -distribution.fee_tax_minor),
        (WITHHELD, -distribution.withheld_minor),
        (BILLS, -distribution.bills_minor),
        (reserve(property_reference), -distribution.reserve_minor),
        *((held(share.payee), -share.amount_minor) for share in distribution.shares),
    ]
    payment = distribution.payment
    _post(payment, "shared_out", f"rent:{payment.id}:shared_out", legs, on, actor, now, "shared out")


def netted(
    payment: RentPayment, payee: Payee, amount_minor: int, key: str, on: date, actor: Actor, now: datetime
) -> None:
    """What an owner owes is taken from what is held for them."""
    legs = [(held(payee), amount_minor), (owed_by(payee), -amount_minor)]
    _post(
        payment,
        "netted",
        f"rent:netted:{key}",
        legs,
        on,
        actor,
        now,
        f"netted with returned rent of {payee.name}",
    )


def went_back(
    returned: RentReturn,
    payment: RentPayment,
    *,
    fee_minor: int,
    fee_tax_minor: int,
    withheld_minor: int,
    debts: Sequence[tuple[Payee, int]],
    on: date,
    actor: Actor,
    now: datetime,
) -> None:
    """Rent goes back to the tenant: the fee, its tax and what was withheld in proportion, the rest from the owners.

    What is more than the payment had left is owed by the tenant, or lost, as a person chose.
    """
    legs = [
        (_left_from(returned, payment), -returned.amount_minor),
        (FEE, fee_minor),
        (FEE_TAX, fee_tax_minor),
        (WITHHELD, withheld_minor),
        *((owed_by(payee), amount) for payee, amount in debts),
        (_excess_of(returned, payment), returned.excess_minor),
    ]
    words = "charged back" if returned.kind == "chargeback" else "refunded"
    _post(payment, words.replace(" ", "_"), f"rent:return:{returned.id}", legs, on, actor, now, words)


def went_back_unshared(
    returned: RentReturn, payment: RentPayment, on: date, actor: Actor, now: datetime
) -> None:
    """Rent goes back before it was shared out."""
    legs = [
        (_left_from(returned, payment), -returned.amount_minor),
        (RECEIVED, returned.amount_minor - returned.excess_minor),
        (_excess_of(returned, payment), returned.excess_minor),
    ]
    _post(payment, "returned", f"rent:return:{returned.id}", legs, on, actor, now, "went back unshared")


def _left_from(returned: RentReturn, payment: RentPayment) -> AccountKey:
    """Where the money went back from: the gateway, or the bank where people gave it back by hand."""
    return COLLECTIONS if payment.source == "phonepe" and not returned.hand_reference else BANK


def _excess_of(returned: RentReturn, payment: RentPayment) -> AccountKey:
    return owed_by_tenant(payment) if returned.excess_to == "tenant" else RETURNED_TWICE
