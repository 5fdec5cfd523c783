"""What happens at the demo's clinic again and again: an appointment, its invoice, money of the customer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from webapp.demo.carepoint_people import PRACTITIONERS, SERVICES, Service
from webapp.demo.times import moment
from webapp.kernel.actor import COMMAND, Actor
from webapp.programs.clinic import customers, invoicing, payments
from webapp.programs.clinic.drafts import AppointmentDraft, InvoiceDraft, LineDraft, Share
from webapp.programs.clinic.models import Invoice
from webapp.programs.clinic.states import Method

ZONE = "America/Toronto"
# What the gateway keeps: per cent in thousandths, and cents for each payment.
_FEE_THOUSANDTHS, _FEE_MINOR = 29, 30
_METHODS = (Method.GATEWAY, Method.POS, Method.CASH, Method.MANUAL)
_WEIGHTS = (60, 25, 10, 5)


@dataclass(frozen=True)
class Cast:
    """Who acts; practitioners by their position in `carepoint_people.PRACTITIONERS`, customers in `CUSTOMERS`."""

    organisation_id: int
    admin: Actor
    approver: Actor
    practitioner: Actor
    practitioners: tuple[int, ...]
    customers: tuple[int, ...]


#: An hour of the clinic's day.
at = partial(moment, ZONE)


def visit(
    cast: Cast,
    rng: random.Random,
    who: int,
    day: date,
    *,
    service: Service | None = None,
    shares: Sequence[tuple[int, int]] = (),
    now: datetime | None = None,
) -> Invoice:
    """An appointment with one practitioner, or with several by (position, weight), and its invoice."""
    what = service or SERVICES[PRACTITIONERS[who].service]
    customer = rng.choice(cast.customers)
    held = at(day, rng.randrange(8, 17), rng.choice((0, 30)))
    parts = tuple(
        Share(cast.practitioners[position], weight, position == who) for position, weight in shares
    ) or (Share(cast.practitioners[who], 1, True),)
    appointment = customers.create_appointment(
        organisation_id=cast.organisation_id,
        draft=AppointmentDraft(customer, held, parts, what.category),
        actor=COMMAND,
        now=min(held - timedelta(days=3), now or held),
    )
    return invoicing.create_invoice(
        organisation_id=cast.organisation_id,
        draft=InvoiceDraft(
            customer_id=customer,
            lines=(LineDraft(what.category, what.price_minor, tax_percent=what.tax_percent),),
            issued_on=day,
            appointment_id=appointment.id,
        ),
        actor=cast.admin,
        now=min(held + timedelta(hours=1), now or at(day, 23)),
    )


def pay(
    cast: Cast,
    rng: random.Random,
    invoice: Invoice,
    on: datetime,
    *,
    amount_minor: int | None = None,
    method: Method | None = None,
) -> None:
    """Money of the customer: all that is left, unless told otherwise; mostly through the gateway."""
    minor = invoice.remaining_minor if amount_minor is None else amount_minor
    chosen = method or rng.choices(_METHODS, _WEIGHTS)[0]
    is_gateway = chosen is Method.GATEWAY
    payments.record_payment(
        organisation_id=cast.organisation_id,
        number=invoice.number,
        amount_minor=minor,
        method=chosen.value,
        happened_on=on.astimezone(ZoneInfo(ZONE)).date(),
        fee_minor=(minor * _FEE_THOUSANDTHS + 500) // 1000 + _FEE_MINOR if is_gateway else 0,
        provider_reference=f"ch_{rng.randrange(16**12):012x}" if is_gateway else "",
        actor=COMMAND if is_gateway else cast.admin,
        now=on,
    )
