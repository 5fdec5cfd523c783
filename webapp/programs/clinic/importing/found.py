"""What a file of a clinic names, found among what is stored; and what every list of this program has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from sqlalchemy import select

from webapp.database import db
from webapp.imports.cells import Cells
from webapp.imports.columns import Row
from webapp.imports.payees import key_of_name
from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.people.models import Payee, Role
from webapp.programs.clinic.models import Appointment, Customer, Invoice

Names = Mapping[str, set[int]]


def _by_name(rows: Iterable[tuple[int, Iterable[str | None]]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for ident, names in rows:
        for name in names:
            if name:
                found.setdefault(key_of_name(name), set()).add(ident)
    return found


def practitioners(organisation_id: int) -> Names:
    """The practitioners of an organisation by everything that a file may call them."""
    query = select(Payee.id, Payee.reference, Payee.external_ref, Payee.email, Payee.name).where(
        Payee.organisation_id == organisation_id, Payee.kind == Role.PRACTITIONER.value
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def customers(organisation_id: int) -> Names:
    """The customers, likewise."""
    query = select(Customer.id, Customer.reference, Customer.external_ref, Customer.email, Customer.name)
    query = query.where(Customer.organisation_id == organisation_id)
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def appointments(organisation_id: int) -> Names:
    """The appointments, by our reference and that of the other system."""
    query = select(Appointment.id, Appointment.reference, Appointment.external_ref).where(
        Appointment.organisation_id == organisation_id
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def invoices(organisation_id: int) -> Names:
    """The invoices, by number and by the reference of the other system."""
    query = select(Invoice.id, Invoice.number, Invoice.external_ref).where(
        Invoice.organisation_id == organisation_id
    )
    return _by_name((row[0], row[1:]) for row in db.session.execute(query))


def one(names: Names, field: str, said: str, noun: str, example: str) -> int:
    """The id of the one that is meant. Raises Invalid when there is none, or several."""
    if not said:
        raise Invalid(field, f"There is no {noun}.", example)
    found = names.get(key_of_name(said), set())
    if not found:
        raise Invalid(field, f"There is no {noun} {said[:80]!r}. Bring the {noun}s in first.", example)
    if len(found) > 1:
        raise Invalid(field, f"{said[:80]!r} fits several; give the reference.", example)
    return next(iter(found))


def parts(text: str) -> list[str]:
    """What stands between semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]


def amount(field: str, text: str, currency: str, example: str, least: int = 0) -> int:
    """An amount in minor units. Raises Invalid at the field."""
    try:
        minor = parse_money(text, currency).amount
    except Invalid as error:
        raise Invalid(field, error.reason, example) from None
    if minor < least:
        raise Invalid(field, "Enter an amount of more than zero." if least else "It is below zero.", example)
    return minor


def number(field: str, text: str, example: str) -> Decimal:
    """A decimal number without a limit. Raises Invalid at the field."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Invalid(field, f"{text[:40]!r} is not a number.", example) from None
    if not value.is_finite():
        raise Invalid(field, f"{text[:40]!r} is not a number.", example)
    return value


def check_reference(cells: Cells, row: Row, seen: Mapping[str, Row], example: str) -> str:
    """The row's own reference; what is wrong with it is kept with the cells."""
    reference = row["external_ref"]
    if not reference:
        reason = "There is no reference; without one a second import cannot find it."
        cells.add(Invalid("external_ref", reason, example))
    elif len(reference) > 120:
        cells.add(Invalid("external_ref", "Write at most 120 characters.", example))
    elif reference in seen:
        reason = f"Line {seen[reference].line} has the same reference."
        cells.add(Invalid("external_ref", reason, "another one for each row"))
    return reference
