"""Where a month's rent stands for the tenant who pays it: one answer for the pay page and the page after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.programs.rentals import payments, rules, terms
from webapp.programs.rentals.models import (
    ChargeState,
    PaymentSource,
    PaymentState,
    RentCharge,
    RentPayment,
)
from webapp.providers.models import ProviderAccount

# What PhonePe takes: rupees, one at least.
GATEWAY_CURRENCY, GATEWAY_LEAST = "INR", 100


class Stand(StrEnum):
    """What the tenant is told."""

    DUE = "due"  # nothing is under way: pay
    OPEN = "open"  # an order can be paid at the gateway
    CHECKING = "checking"  # the order has run out; its last word is awaited
    DIFFERS = "differs"  # another amount came: a person must look
    FAILED = "failed"  # the last try failed: try again
    RECEIVED = "received"  # paid
    WAIVED = "waived"  # not asked for any more
    ENDED = "ended"  # the lease had ended before this month


PAYABLE = frozenset({Stand.DUE, Stand.OPEN, Stand.FAILED})
UNSETTLED = frozenset({Stand.OPEN, Stand.CHECKING})


@dataclass(frozen=True)
class Standing:
    """A charge as its pay page shows it. `payment` is the one that `stand` speaks of, if any."""

    stand: Stand
    rent: Money
    paid: Money
    left: Money
    gateway_charge: Money
    to_verify: Money
    payment: RentPayment | None
    is_online: bool
    is_late: bool

    @property
    def total(self) -> Money:
        """What leaves the tenant's account: what is left of the rent, and the gateway's charge."""
        return self.left + self.gateway_charge

    @property
    def can_pay(self) -> bool:
        """Whether the button to the gateway is there."""
        return self.stand in PAYABLE and self.is_online


def standing_of(charge: RentCharge, now: datetime) -> Standing:
    """How the charge stands at an instant."""
    organisation = db.session.get_one(Organisation, charge.organisation_id)
    tries = db.session.scalars(
        select(RentPayment).where(RentPayment.charge_id == charge.id).order_by(RentPayment.id.desc())
    ).all()
    currency, today = charge.currency, local_date(now, organisation.timezone)
    left = Money(max(0, charge.amount_minor - charge.paid_minor), currency)
    stand, payment = _stand(charge, tries, now)
    gateway_charge = Money(0, currency)
    if stand in PAYABLE:
        gateway_charge = rules.gateway_charge(left, terms.bands_on(charge.organisation_id, today))
    elif payment is not None:
        gateway_charge = Money(payment.gateway_charge_minor, currency)
    waiting = sum(each.amount_minor for each in tries if each.state == PaymentState.TO_VERIFY)
    return Standing(
        stand,
        Money(charge.amount_minor, currency),
        Money(charge.paid_minor, currency),
        left,
        gateway_charge,
        Money(waiting, currency),
        payment,
        left.amount >= GATEWAY_LEAST and currency == GATEWAY_CURRENCY and _has_gateway(charge),
        charge.due_on < today,
    )


def _stand(
    charge: RentCharge, tries: Sequence[RentPayment], now: datetime
) -> tuple[Stand, RentPayment | None]:
    online = [each for each in tries if each.source == PaymentSource.PHONEPE]
    open_ones = [each for each in online if each.state == PaymentState.PENDING]
    for each in open_ones:
        if each.error_code == payments.AMOUNT_DIFFERS:
            return Stand.DIFFERS, each
    if charge.state == ChargeState.PAID:
        return Stand.RECEIVED, next((p for p in tries if p.state == PaymentState.COMPLETED), None)
    for each in open_ones:
        if each.pay_url and payments.is_running(each, now):
            return Stand.OPEN, each
        if each.pay_url and payments.is_awaited(each, now):
            return Stand.CHECKING, each
    if charge.state == ChargeState.WAIVED:
        return Stand.WAIVED, None
    if charge.lease.end_on is not None and charge.lease.end_on < charge.period_start:
        return Stand.ENDED, None
    if online and online[0].state == PaymentState.FAILED:
        return Stand.FAILED, online[0]
    return Stand.DUE, None


def _has_gateway(charge: RentCharge) -> bool:
    """Whether the organisation collects through the gateway."""
    return bool(
        db.session.scalar(
            select(ProviderAccount.id).where(
                ProviderAccount.organisation_id == charge.organisation_id,
                ProviderAccount.provider == "phonepe",
                ProviderAccount.is_enabled.is_(True),
            )
        )
    )
