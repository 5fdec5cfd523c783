"""What a file names, found among what is stored: by reference, e-mail address or name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from sqlalchemy import select

from webapp.database import db
from webapp.imports.payees import key_of_name
from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.people.models import Payee, Role
from webapp.programs.rentals.models import Lease, Property, Tenant, Unit

Names = Mapping[str, set[int]]


def _by_name(rows: Iterable[tuple[int, Iterable[str | None]]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for ident, names in rows:
        for name in names:
            if name:
                found.setdefault(key_of_name(name), set()).add(ident)
    return found


def properties(organisation_id: int) -> Names:
    """The properties of an organisation by everything that a file may call them."""
    query = select(Property.id, Property.reference, Property.external_ref, Property.name).where(
        Property.organisation_id == organisation_id
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def owners(organisation_id: int) -> Names:
    """The owners, likewise."""
    query = select(Payee.id, Payee.reference, Payee.external_ref, Payee.email, Payee.name).where(
        Payee.organisation_id == organisation_id, Payee.kind == Role.OWNER.value
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def tenants(organisation_id: int) -> Names:
    """The tenants, likewise."""
    query = select(Tenant.id, Tenant.reference, Tenant.external_ref, Tenant.email, Tenant.name).where(
        Tenant.organisation_id == organisation_id
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def leases(organisation_id: int) -> Names:
    """The leases, by our reference and that of the other system."""
    query = select(Lease.id, Lease.reference, Lease.external_ref).where(
        Lease.organisation_id == organisation_id
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


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


def one(names: Names, field: str, said: str, noun: str, example: str) -> int:
    """The id of the one that is meant. Raises Invalid when there is none, or several."""
    if not said:
        raise Invalid(field, f"There is no {noun}.", example)
    found = names.get(key_of_name(said), set())
    if not found:
        raise Invalid(
            field,
            f"There is no {noun} {said[:80]!r}. Bring the {noun}s in first.".replace("ys in", "ies in"),
            example,
        )
    if len(found) > 1:
        raise Invalid(field, f"{said[:80]!r} fits several; give the reference.", example)
    return next(iter(found))


def several(names: Names, field: str, said: str, noun: str, example: str) -> list[int]:
    """The ids of those that are named, with semicolons between them. Raises Invalid."""
    parts = [part.strip() for part in said.split(";") if part.strip()]
    if not parts:
        raise Invalid(field, f"There is no {noun}.", example)
    return [one(names, field, part, noun, example) for part in parts]


def amount(field: str, text: str, currency: str, example: str, least: int = 0) -> int:
    """An amount in minor units. Raises Invalid at the field."""
    try:
        minor = parse_money(text, currency).amount
    except Invalid as error:
        raise Invalid(field, error.reason, example) from None
    if minor < least:
        raise Invalid(field, "Enter an amount of more than zero." if least else "It is below zero.", example)
    return minor


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)
