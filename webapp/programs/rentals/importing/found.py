"""What a file names, found among what is stored: by reference, e-mail address or name."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from webapp.database import db
from webapp.imports import naming
from webapp.imports.naming import Names, by_name
from webapp.imports.payees import key_of_name
from webapp.people.models import Role
from webapp.programs.rentals.models import Lease, Property, Tenant, Unit


def properties(organisation_id: int) -> Names:
    """The properties of an organisation by everything that a file may call them."""
    query = select(Property.id, Property.reference, Property.external_ref, Property.name).where(
        Property.organisation_id == organisation_id
    )
    return by_name(query)


def owners(organisation_id: int) -> Names:
    """The owners, likewise."""
    return naming.payees(organisation_id, Role.OWNER)


def tenants(organisation_id: int) -> Names:
    """The tenants, likewise."""
    query = select(Tenant.id, Tenant.reference, Tenant.external_ref, Tenant.email, Tenant.name).where(
        Tenant.organisation_id == organisation_id
    )
    return by_name(query)


def leases(organisation_id: int) -> Names:
    """The leases, by our reference and that of the other system."""
    query = select(Lease.id, Lease.reference, Lease.external_ref).where(
        Lease.organisation_id == organisation_id
    )
    return by_name(query)


def units(organisation_id: int) -> dict[tuple[int, str], int]:
    """The units by property and name, or our reference."""
    query = select(Unit.id, Unit.property_id, Unit.name, Unit.reference).where(
        Unit.organisation_id == organisation_id
    )
    found = {}
    for ident, property_id, name, reference in db.session.execute(query):
        found[property_id, key_of_name(reference)] = ident
        found[property_id, key_of_name(name)] = ident
    return found


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)
