"""Received rents for tests: paid by the tenant, shared out, the owners' payouts made; committed."""

from __future__ import annotations

from datetime import date, datetime
from itertools import count

from tests.factories import people, rentals
from tests.factories.people import stored
from tests.factories.rentals import WHEN
from webapp.database import db
from webapp.kernel.actor import WORKER
from webapp.people.accounts import Destination, upi_address
from webapp.people.models import Organisation, Payee
from webapp.programs.rentals import payments, sharing
from webapp.programs.rentals.models import Property, RentCharge, RentPayment

_numbers = count(1)


def upi() -> Destination:
    """A UPI address that nobody else has."""
    return upi_address(vpa=f"owner{next(_numbers)}@okbank", name_at_bank="Meera Iyer")


def received(charge: RentCharge, amount_minor: int | None = None, now: datetime = WHEN) -> RentPayment:
    """The month's rent entered by one person and verified by another; the owners' payouts are made."""
    with stored():
        entered, verified = (people.actor_of(people.user()) for _ in range(2))
        payment = payments.enter_by_hand(
            organisation_id=charge.organisation_id,
            charge_reference=charge.reference,
            amount_minor=amount_minor or charge.amount_minor,
            received_on=now.date(),
            proof_reference=f"UTR N{next(_numbers):06d}",
            proof_key=None,
            proof_name="",
            actor=entered,
            now=now,
        )
        payments.verify(
            organisation_id=charge.organisation_id, reference=payment.reference, actor=verified, now=now
        )
        sharing.share_out(payment_id=payment.id, actor=WORKER, now=now)
        sharing.pay_owners(payment_id=payment.id, actor=WORKER, now=now)
        return db.session.get_one(RentPayment, payment.id)


def rent_of(
    organisation: Organisation,
    owners: list[tuple[Payee, int]],
    rent_minor: int = 10_000_00,
    *,
    place: Property | None = None,
    month: date = rentals.START,
    now: datetime = WHEN,
) -> RentPayment:
    """A received rent of a new unit, in a new property of the owners unless one is given."""
    place = place or rentals.property_of(organisation, owners)
    return received(rentals.charge(place, rent_minor, month), now=now)
