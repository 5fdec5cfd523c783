"""Customers and appointments: lists, adding, changing, cancelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.payouts.views.program_pages import NO_PAGE, act_page, form_of, list_page, page_of
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.clinic import customers, lists, queries
from webapp.programs.clinic.drafts import AppointmentDraft, Share
from webapp.programs.clinic.filters import AppointmentFilterForm, CustomerFilterForm
from webapp.programs.clinic.forms import AppointmentForm, CheckForm, CustomerForm
from webapp.programs.clinic.models import Appointment, Customer
from webapp.programs.clinic.views.area import AREA, names_of
from webapp.web import filters
from webapp.web.htmx import see_other


def index() -> ResponseReturnValue:
    """The list of customers."""
    form = CustomerFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        page = page_of(lists.list_customers(g.organisation.id, form.q.data or ""), Customer.id, "customer")
    counts = lists.count_by_customer([customer.id for customer in page.items])
    rows = [{"customer": each, "invoices": counts.get(each.id, 0)} for each in page.items]
    return list_page(
        AREA, "clinic/customers.html", form, "customers", is_valid=is_valid, page=page, rows=rows
    )


def _form(
    template: str, form: Any, record: Any, save: Callable[[], str], back: str, reload: Callable[[], Any]
) -> ResponseReturnValue:
    """POST of a form of a record: 422 and 409 keep what was typed; `reload` answers the record as it is now."""

    def page(code: int, conflict: str = "") -> ResponseReturnValue:
        return (
            render_template(
                template,
                area=AREA,
                form=form,
                record=record,
                conflict=conflict,
                back=back,
                has_errors=code == 422,
            ),
            code,
        )

    if request.method == "GET":
        return page(200)
    if not form.validate():
        return page(422)
    try:
        with transaction():
            said = save()
    except Invalid as error:
        attach(form, error)
        return page(422)
    except Conflict as error:
        if record is not None:
            form.version.data = str(reload().version)
        return page(409, error.message)
    flash(said, "success")
    return see_other(back)


def create_customer() -> ResponseReturnValue:
    """Add a customer."""
    require_change()
    form: CustomerForm = form_of(CustomerForm)

    def save() -> str:
        made = customers.create_customer(
            organisation_id=g.organisation.id, draft=form.draft(), actor=actor(), now=utc_now()
        )
        return f"{made.reference} is added. Make an invoice for them next."

    return _form("clinic/customer_form.html", form, None, save, url_for(".customers"), lambda: None)


def edit_customer(reference: str) -> ResponseReturnValue:
    """Change a customer."""
    require_change()
    here = g.organisation.id
    customer = queries.get_customer(here, reference)
    form: CustomerForm = form_of(CustomerForm)
    del form.external_ref
    if request.method == "GET":
        form.fill(customer)

    def save() -> str:
        customers.change_customer(
            organisation_id=here, reference=reference, draft=form.draft(), expected_version=form.seen_version,
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return "The changes are saved."

    return _form(
        "clinic/customer_form.html", form, customer, save, url_for(".customers"),
        lambda: queries.get_customer(here, reference),
    )  # fmt: skip


def appointments() -> ResponseReturnValue:
    """The list of appointments."""
    form = AppointmentFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        query = lists.list_appointments(
            g.organisation.id, form.q.data or "", form.held_from.data, form.held_to.data
        )
        page = page_of(query, Appointment.id, "appointment")
    invoices = lists.invoices_of_appointments([each.id for each in page.items])
    rows = [
        {"appointment": each, "practitioners": names_of(each), "invoices": invoices.get(each.id, [])}
        for each in page.items
    ]
    return list_page(
        AREA, "clinic/appointments.html", form, "appointments", is_valid=is_valid, page=page, rows=rows
    )


def _draft(form: AppointmentForm) -> AppointmentDraft:
    """The form with its references looked up. Raises Invalid."""
    here = g.organisation
    customer = queries.find_customer(here.id, form.customer.data or "")
    if customer is None:
        raise Invalid("customer", "There is no such customer. Add them first.", "CU-0001")
    known = {payee.reference: payee.id for payee in lists.practitioners(here.id)}
    shares = []
    for n, (reference, weight) in enumerate(form.named()):
        if reference not in known:
            raise Invalid("practitioners", f"{reference} is no practitioner of this organisation.", "PY-0003")
        shares.append(Share(known[reference], weight, is_primary=n == 0))
    ref = form.external_ref.data if "external_ref" in form else None
    return AppointmentDraft(
        customer.id, form.instant(here.timezone), tuple(shares), form.category.data or "", ref or None
    )


@needs_fresh_sign_in
def create_appointment() -> ResponseReturnValue:
    """Add an appointment."""
    require_change()
    form: AppointmentForm = form_of(AppointmentForm)
    if request.method == "GET":
        form.customer.data = request.args.get("customer", "")[:20]

    def save() -> str:
        made = customers.create_appointment(
            organisation_id=g.organisation.id, draft=_draft(form), actor=actor(), now=utc_now()
        )
        return f"{made.reference} is added. Make its invoice next."

    return _appointment_form(form, None, save, lambda: None)


def _appointment_form(
    form: AppointmentForm, record: Any, save: Callable[[], str], reload: Callable[[], Any]
) -> ResponseReturnValue:
    form.known = [(payee.reference, payee.name) for payee in lists.practitioners(g.organisation.id)]
    return _form("clinic/appointment_form.html", form, record, save, url_for(".appointments"), reload)


@needs_fresh_sign_in
def edit_appointment(reference: str) -> ResponseReturnValue:
    """Change an appointment that is not paid out."""
    require_change()
    here = g.organisation
    found = queries.get_appointment(here.id, reference)
    form: AppointmentForm = form_of(AppointmentForm)
    del form.external_ref
    if request.method == "GET":
        local = found.starts_at.astimezone(ZoneInfo(here.timezone))
        form.customer.data, form.category.data = found.customer.reference, found.category
        form.held_on.data, form.starts_at.data = found.held_on, local.time()
        people = sorted(found.practitioners, key=lambda each: (not each.is_primary, each.id))
        form.practitioners.data = "\n".join(f"{each.payee.reference} {each.weight}" for each in people)
        form.version.data = str(found.version)

    def save() -> str:
        customers.change_appointment(
            organisation_id=here.id, reference=reference, draft=_draft(form), expected_version=form.seen_version,
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return "The changes are saved."

    return _appointment_form(form, found, save, lambda: queries.get_appointment(here.id, reference))


def cancel_appointment(reference: str) -> ResponseReturnValue:
    """It does not take place."""
    require_change()
    found = queries.get_appointment(g.organisation.id, reference)
    form: CheckForm = form_of(CheckForm)
    if request.method != "POST":
        form.version.data = str(found.version)

    def call() -> str:
        customers.cancel_appointment(
            organisation_id=g.organisation.id, reference=reference, expected_version=form.seen_version, actor=actor(),
            now=utc_now(),
        )  # fmt: skip
        return f"{reference} is cancelled."

    return act_page(
        AREA, form, title=f"Cancel {reference}?", button="Cancel it", tone="danger",
        back=(url_for(".appointments"), reference), call=call,
        facts=[("Customer", found.customer.name), ("Day", filters.day(found.held_on))],
        crumbs=[(url_for(".appointments"), "Appointments")],
    )  # fmt: skip
