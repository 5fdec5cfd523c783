"""What a file of a clinic names, found among what is stored."""

from __future__ import annotations

from sqlalchemy import select

from webapp.imports import naming
from webapp.imports.naming import Names, by_name
from webapp.people.models import Role
from webapp.programs.clinic.models import Appointment, Customer, Invoice


def practitioners(organisation_id: int) -> Names:
    """The practitioners of an organisation by everything that a file may call them."""
    return naming.payees(organisation_id, Role.PRACTITIONER)


def customers(organisation_id: int) -> Names:
    """The customers, likewise."""
    query = select(Customer.id, Customer.reference, Customer.external_ref, Customer.email, Customer.name)
    query = query.where(Customer.organisation_id == organisation_id)
    return by_name(query)


def appointments(organisation_id: int) -> Names:
    """The appointments, by our reference and that of the other system."""
    query = select(Appointment.id, Appointment.reference, Appointment.external_ref).where(
        Appointment.organisation_id == organisation_id
    )
    return by_name(query)


def invoices(organisation_id: int) -> Names:
    """The invoices, by number and by the reference of the other system."""
    query = select(Invoice.id, Invoice.number, Invoice.external_ref).where(
        Invoice.organisation_id == organisation_id
    )
    return by_name(query)
