"""What tenants paid beyond a month's rent: their credit, which pays the next months of the lease by itself."""

from __future__ import annotations

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


def use(*, lease_id: int, actor: Actor, now: datetime) -> list[RentPayment]:
    """Pay what is open of a lease's months from its credit, oldest first. Raises NotFound."""
    lease = lock_row(Lease, Lease.id == lease_id)
    left = balance_of(lease)
    made: list[RentPayment] = []
    if left <= 0:
        return made
    on = local_date(now, db.session.get_one(Organisation, lease.organisation_id).timezone)
    for charge_id in db.session.scalars(
        select(RentCharge.id)
        .where(
            RentCharge.lease_id == lease_id,
            RentCharge.state.in_((ChargeState.OPEN.value, ChargeState.PART.value)),
        )
        .order_by(RentCharge.period_start)
    ).all():
        charge = lock_row(RentCharge, RentCharge.id == charge_id)
        part = min(left, charge.amount_minor - charge.paid_minor)
        if part <= 0:
            continue
        payment = payments.new(charge, PaymentSource.CREDIT, part, now, received_on=on)
        payments.complete(payment, actor, now)
        made.append(payment)
        left -= part
    return made


def use_all(*, organisation_id: int, actor: Actor, now: datetime) -> list[RentPayment]:
    """The same for every lease of an organisation that has a credit."""
    prefix = entries.credit("").code
    codes = db.session.scalars(
        select(Account.code).where(
            Account.organisation_id == organisation_id,
            Account.code.startswith(prefix, autoescape=True),
            Account.balance_minor > 0,
        )
    ).all()
    leases = db.session.scalars(
        select(Lease.id)
        .where(
            Lease.organisation_id == organisation_id,
            Lease.reference.in_([code.removeprefix(prefix) for code in codes]),
        )
        .order_by(Lease.id)
    ).all()
    return [payment for lease_id in leases for payment in use(lease_id=lease_id, actor=actor, now=now)]
