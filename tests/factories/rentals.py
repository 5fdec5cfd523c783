"""Properties, leases and rents for tests, made through the services and committed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import count

from tests.factories import people
from tests.factories.people import FACTORY, stored
from webapp.people.models import Organisation, Payee
from webapp.programs.rentals import charging, letting, service
from webapp.programs.rentals.drafts import LeaseDraft, OwnerShare, PropertyDraft, TenantDraft, TermsDraft
from webapp.programs.rentals.models import Lease, Property, RentCharge
from webapp.programs.rentals.rules import Band

_numbers = count(1)
WHEN = datetime.fromisoformat("2026-11-20T06:00:00+00:00")
START = date(2026, 11, 1)


def griha(**values: object) -> Organisation:
    """An organisation in India with a fee of 8 %, a tax on it of 18 %, and the usual gateway bands."""
    with stored():
        organisation = people.organisation(
            currency="INR", timezone="Asia/Kolkata", country="IN", programs=["rentals"], **values
        )
        terms = TermsDraft(date(2026, 1, 1), Decimal(8), Decimal(18))
        service.set_terms(organisation_id=organisation.id, draft=terms, actor=FACTORY, now=WHEN)
        service.set_bands(
            organisation_id=organisation.id,
            valid_from=date(2026, 1, 1),
            bands=[Band(10_000_00, Decimal(2)), Band(None, Decimal("2.5"))],
            actor=FACTORY,
            now=WHEN,
        )
        return organisation


def owner(organisation: Organisation, **values: object) -> Payee:
    """An owner without payment details."""
    return people.payee(organisation, kind="owner", **values)


def property_of(
    organisation: Organisation, owners: Sequence[tuple[Payee, int]], **values: object
) -> Property:
    """A property with its owners and their weights."""
    with stored():
        draft = PropertyDraft(
            name=f"House {next(_numbers)}",
            currency=organisation.currency,
            owners=tuple(OwnerShare(payee.id, weight) for payee, weight in owners),
            **values,  # type: ignore[arg-type]
        )
        return service.create_property(organisation_id=organisation.id, draft=draft, actor=FACTORY, now=WHEN)


def lease(place: Property, rent_minor: int = 10_000_00, **values: object) -> Lease:
    """A lease of a new unit to a new tenant, from the beginning of the month."""
    n = next(_numbers)
    with stored():
        common = {"organisation_id": place.organisation_id, "actor": FACTORY, "now": WHEN}
        unit = service.create_unit(property_reference=place.reference, name=f"Flat {n}", **common)  # type: ignore[arg-type]
        tenant = letting.create_tenant(
            draft=TenantDraft(f"Tenant {n}", f"tenant{n}@example.com"),
            **common,  # type: ignore[arg-type]
        )
        draft = LeaseDraft(
            **{  # type: ignore[arg-type]
                "unit_id": unit.id,
                "currency": place.currency,
                "rent_minor": rent_minor,
                "start_on": START,
                "tenant_ids": (tenant.id,),
                **values,
            }
        )
        return letting.create_lease(draft=draft, **common)  # type: ignore[arg-type]


def charge(place: Property, rent_minor: int = 10_000_00, today: date = START) -> RentCharge:
    """The month's charge of a new lease."""
    let = lease(place, rent_minor)
    with stored():
        made = charging.make_charges(
            organisation_id=place.organisation_id, today=today, actor=FACTORY, now=WHEN
        )
        return next(c for c in made if c.lease_id == let.id)
