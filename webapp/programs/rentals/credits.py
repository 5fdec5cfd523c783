"""What tenants paid beyond a month's rent: their credit, which pays the next months of the lease by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.ledger.models import Account
from webapp.people.models import Organisation
from webapp.programs.rentals import entries, payments
from webapp.programs.rentals.models import (
    ChargeState,
    Lease,
    PaymentSource,
    RentCharge,
    RentPayment,
)


def balance_of(lease: Lease) -> int:
    """The credit of a lease in minor units."""
    found = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == lease.organisation_id,
            Account.code == entries.credit(lease.reference).code,
            Account.currency == lease.currency,
        )
    )
    return int(found or 0)


def lock_open(lease_id: int) -> Sequence[RentCharge]:
    """The months of a lease that are not paid, oldest first, locked after their lease. Raises NotFound.

    Whoever pays several months locks all of them before the first payment takes a number or is booked: others hold
    one month and wait for those.
    """
    lock_row(Lease, Lease.id == lease_id)
    return db.session.scalars(
        select(RentCharge)
        .where(
            RentCharge.lease_id == lease_id,
            RentCharge.state.in_((ChargeState.OPEN.value, ChargeState.PART.value)),
        )
        .order_by(RentCharge.period_start)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def use(*, lease_id: int, actor: Actor, now: datetime) -> list[RentPayment]:
    """Pay what is open of a lease's months from its credit, oldest first. Raises NotFound."""
    charges = lock_open(lease_id)
    lease = db.session.get_one(Lease, lease_id)
    left = balance_of(lease)
    made: list[RentPayment] = []
    if left <= 0:
        return made
    on = local_date(now, db.session.get_one(Organisation, lease.organisation_id).timezone)
    for charge in charges:
        part = min(left, charge.amount_minor - charge.paid_minor)
        if part <= 0:
            continue
        payment = payments.new(charge, PaymentSource.CREDIT, part, now, received_on=on)
        payments.complete(payment, actor, now)
        made.append(payment)
        left -= part
    return made


def leases_with(*, organisation_id: int) -> Sequence[int]:
    """Ids of an organisation's leases that have a credit; each is used in a transaction of its own."""
    prefix = entries.credit("").code
    codes = db.session.scalars(
        select(Account.code).where(
            Account.organisation_id == organisation_id,
            Account.code.startswith(prefix, autoescape=True),
            Account.balance_minor > 0,
        )
    ).all()
    return db.session.scalars(
        select(Lease.id)
        .where(
            Lease.organisation_id == organisation_id,
            Lease.reference.in_([code.removeprefix(prefix) for code in codes]),
        )
        .order_by(Lease.id)
    ).all()
