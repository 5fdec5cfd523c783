"""Appointments of a clinic: when, for whom, and whose part of it is how large."""

from __future__ import annotations

from webapp.api import clinic_queries, paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.clinic_words import appointment_of
from webapp.api.schemas.clinic import (
    AppointmentCancel,
    AppointmentChange,
    AppointmentCreate,
    AppointmentOut,
    AppointmentPage,
    AppointmentQuery,
    AppointmentValues,
)
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import customers, queries
from webapp.programs.clinic.drafts import AppointmentDraft, Share
from webapp.programs.clinic.models import Appointment

resource = Resource(
    "appointments",
    "/appointments",
    title="Appointments",
    about="What practitioners are paid for. A practitioner's token sees its own, with the customer's initials.",
)
_read, _write = {"scope": Scope.CLINIC_READ}, {"scope": Scope.CLINIC_WRITE, "answers": AppointmentOut}


@resource.get("", summary="List appointments", query=AppointmentQuery, answers=AppointmentPage, **_read)
def index(who: Caller, query: AppointmentQuery) -> AppointmentPage:
    """The appointments that match, the newest first."""
    found = clinic_queries.appointments(who.viewer, query)
    rows, following = paging.page(found, Appointment.id, limit=query.limit, cursor=query.cursor)
    return AppointmentPage(items=[appointment_of(row, who) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get an appointment", answers=AppointmentOut, **_read)
def show(who: Caller, reference: str) -> AppointmentOut:
    """One appointment."""
    return appointment_of(clinic_queries.appointment(who.viewer, reference), who)


def _draft(who: Caller, body: AppointmentValues, external_ref: str | None = None) -> AppointmentDraft:
    customer = queries.find_customer(who.organisation_id, body.customer)
    if customer is None:
        raise Invalid("customer", f"{body.customer} is not a customer of this organisation.", "CU-0001")
    named = [share.practitioner for share in body.practitioners]
    ids = clinic_queries.practitioner_ids(who.organisation_id, named, "practitioners")
    shares = tuple(Share(ids[s.practitioner], s.weight, s.is_primary) for s in body.practitioners)
    return AppointmentDraft(customer.id, body.starts_at, shares, body.category, external_ref)


@resource.post("", summary="Add an appointment", body=AppointmentCreate, status=201,
               location="/appointments/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: AppointmentCreate) -> AppointmentOut:
    """A new appointment. Who names the practitioners does not approve what they are paid."""
    made = customers.create_appointment(
        organisation_id=who.organisation_id,
        draft=_draft(who, body, body.external_ref),
        actor=who.actor,
        now=utc_now(),
    )
    return appointment_of(made, who)


@resource.put("/<reference>", summary="Change an appointment", body=AppointmentChange, **_write)
def update(who: Caller, reference: str, body: AppointmentChange) -> AppointmentOut:
    """As the body says; 409 once somebody is paid for it."""
    changed = customers.change_appointment(
        reference=clinic_queries.appointment(who.viewer, reference).reference,
        draft=_draft(who, body),
        **act_of(who, body.version),
    )
    return appointment_of(changed, who)


@resource.post("/<reference>/cancel", summary="Cancel an appointment", body=AppointmentCancel, **_write)
def cancel(who: Caller, reference: str, body: AppointmentCancel) -> AppointmentOut:
    """It does not take place; its invoices stay as they are. 409 once somebody is paid for it."""
    done = customers.cancel_appointment(
        reference=reference,
        **act_of(who, body.version),
    )
    return appointment_of(done, who)
