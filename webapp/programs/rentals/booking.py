"""What went back to the tenant, booked: who bears it, what owners then owe, what left twice.

The fee, its tax and what was withheld go back in proportion; the owners bear the rest, each their part. What is more
than the payment had left is booked too, because it is true: on what the tenant owes, or on our loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.outbox import service as outbox
from webapp.people.models import Organisation, Payee
from webapp.programs.rentals import charging, entries, holding, rules, sharing
from webapp.programs.rentals.models import (
    Distribution,
    ExcessTo,
    OwnerDebt,
    PaymentState,
    RentCharge,
    RentPayment,
    RentReturn,
    ReturnKind,
)


def excess_of(payment: RentPayment, amount_minor: int) -> int:
    """How much of an amount that goes back is more than the payment has left, in minor units."""
    return max(0, amount_minor - (payment.amount_minor - payment.returned_minor))


def need_bearer(payment: RentPayment, amount_minor: int, excess_to: str) -> str:
    """Who bears what left twice; empty when nothing did. Raises Invalid when that was not chosen."""
    excess = excess_of(payment, amount_minor)
    if not excess:
        return ""
    if excess_to not in {each.value for each in ExcessTo}:
        more = Money(excess, payment.currency).format()
        raise Invalid(
            "excess_to",
            f"{more} more than {payment.reference} has left goes back. Choose who bears it.",
            ExcessTo.TENANT.label,
        )
    return excess_to


def confirm(row: RentReturn, actor: Actor, now: datetime, excess_to: str = "") -> None:
    """The money has gone back: booked, counted, and owed by the owners where it was theirs.

    Raises Invalid when more went back than the payment has left, and nobody chose who bears it.
    """
    payment = lock_row(RentPayment, RentPayment.id == row.payment_id)
    row.excess_to = need_bearer(payment, row.amount_minor, excess_to)
    row.excess_minor = excess_of(payment, row.amount_minor)
    row.state, row.completed_at, row.next_check_at, row.error_message = "completed", now, None, ""
    row.said_minor = None
    before = payment.returned_minor
    payment.returned_minor += row.amount_minor - row.excess_minor
    payment.version += 1
    is_rent = payment.state != PaymentState.GOING_BACK
    if payment.returned_minor == payment.amount_minor:
        payment.state = PaymentState.REFUNDED.value
    if is_rent:
        # As when it is received: the payment first, then its charge.
        charge = lock_row(RentCharge, RentCharge.id == payment.charge_id)
        charging.count_paid(charge, before - payment.returned_minor)
    db.session.flush()
    _tell_tenant(row, now)
    if payment.distribution is None:
        entries.went_back_unshared(row, payment, _today(payment, now), actor, now)
        sharing.ask(payment, now, part=f":return:{row.id}")
    else:
        _take_from_shares(row, payment, payment.distribution, before, actor, now)


def _today(payment: RentPayment, now: datetime) -> date:
    return local_date(now, db.session.get_one(Organisation, payment.organisation_id).timezone)


def _take_from_shares(
    row: RentReturn,
    payment: RentPayment,
    distribution: Distribution,
    before: int,
    actor: Actor,
    now: datetime,
) -> None:
    # Before anything of a share is touched: whoever cancels a payout locks the payout first, then its share.
    why = f"The rent went back to the tenant ({row.kind} of {payment.reference})."
    holding.take_back(payment, why, actor, now)
    fee, fee_tax, withheld, owners = borne(distribution, before, payment.returned_minor)
    debts = _owe(row, owners, now)
    entries.went_back(
        row, payment, fee_minor=fee, fee_tax_minor=fee_tax, withheld_minor=withheld,
        debts=[(debt.payee, debt.amount_minor) for debt in debts], on=_today(payment, now), actor=actor, now=now,
    )  # fmt: skip
    holding.set_off(payment, actor, now)
    for debt in debts:
        outbox.ask_mail(
            kind="notice.owner.rent_went_back",
            reference_id=debt.id,
            organisation_id=payment.organisation_id,
            now=now,
        )
    sharing.ask(payment, now, part=f":return:{row.id}")


def borne(
    distribution: Distribution, before: int, after: int
) -> tuple[int, int, int, list[tuple[Payee, int]]]:
    """Fee, tax on it, withheld tax, and each owner's part of what went back between two sums of a payment's returns.

    Exact over all returns, however they are cut: in the end each part is what it was when the rent was shared out.
    """
    # What went back before the rent was shared out is no part of it.
    unshared = distribution.payment.amount_minor - distribution.rent_minor
    owners = [(share.payee, share.part) for share in distribution.shares]
    weights = [distribution.fee_minor, distribution.fee_tax_minor, distribution.withheld_minor]
    weights += [part["gross"] - part["fee"] - part["fee_tax"] - part["withheld"] for _, part in owners]
    earlier, later = (rules.nested_parts(weights, max(0, minor - unshared)) for minor in (before, after))
    fee, fee_tax, withheld, *theirs = (b - a for a, b in zip(earlier, later, strict=True))
    return fee, fee_tax, withheld, [(payee, n) for (payee, _), n in zip(owners, theirs, strict=True)]


def _owe(row: RentReturn, owners: Sequence[tuple[Payee, int]], now: datetime) -> list[OwnerDebt]:
    debts = [
        OwnerDebt(
            organisation_id=row.organisation_id,
            return_id=row.id,
            payee=payee,
            currency=row.currency,
            amount_minor=minor,
            netted_minor=0,
            unsent_minor=0,
            created_at=now,
        )
        for payee, minor in owners
        if minor
    ]
    db.session.add_all(debts)
    db.session.flush()
    return debts


def _tell_tenant(row: RentReturn, now: datetime) -> None:
    """A refund is told to the tenant; of a chargeback their own bank tells them."""
    if row.kind == ReturnKind.REFUND:
        outbox.ask_mail(
            kind="notice.rent.refunded", reference_id=row.id, organisation_id=row.organisation_id, now=now
        )
