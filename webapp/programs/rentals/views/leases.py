"""Tenants and leases: lists, one record, adding, ending, another rent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.audit.views.files import table_file
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import charging, letting, lists, queries
from webapp.programs.rentals.filters import LeaseFilterForm
from webapp.programs.rentals.forms import EndLeaseForm, LeaseForm, RentForm
from webapp.programs.rentals.models import ChargeState, Lease, LeaseState, Tenant
from webapp.programs.rentals.views import common
from webapp.web import filters
from webapp.web.htmx import see_other

EXPORT_HEADERS = (
    "Reference", "Your reference", "Property", "Unit", "Tenants", "Currency", "Rent", "Deposit", "Due day",
    "First day", "Last day", "State",
)  # fmt: skip


def index() -> ResponseReturnValue:
    """The list."""
    form = LeaseFilterForm(request.args)
    page, today = common.NO_PAGE, common.today()
    if is_valid := form.validate():
        query = queries.list_leases(g.organisation.id, form.chosen(), today)
        page = common.page_of(query, Lease.id, "lease")
    return common.list_page(
        "leases", form, is_valid=is_valid, page=page, rows=[row(lease) for lease in page.items],
        export="admin.rentals.leases_export",
    )  # fmt: skip


def row(lease: Lease) -> dict[str, Any]:
    """What a list shows of a lease."""
    return {
        "lease": lease,
        "home": common.home_of(lease),
        "tenants": common.tenants_of(lease),
        "rent": common.money(charging.rent_on(lease, common.today()), lease.currency),
        "state": LeaseState(lease.state),
    }


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = LeaseFilterForm(request.args)
    if not form.validate():
        return index()
    query = queries.list_leases(g.organisation.id, form.chosen(), common.today())
    return table_file("rentals:leases:exported", "lease", "leases", format, EXPORT_HEADERS, _cells(query))


def _cells(query: Any) -> Iterator[tuple[Any, ...]]:
    for lease in lists.every(query, Lease.id):
        found = row(lease)
        yield (
            lease.reference, lease.external_ref, lease.unit.property.name, lease.unit.name, found["tenants"],
            lease.currency, found["rent"], common.money(lease.deposit_minor, lease.currency), lease.due_day,
            lease.start_on, lease.end_on, found["state"].label,
        )  # fmt: skip


def show(reference: str) -> ResponseReturnValue:
    """One lease with its months."""
    lease = queries.get_lease(g.organisation.id, reference)
    return render_template(
        "rentals/lease.html",
        **row(lease),
        deposit=common.money(lease.deposit_minor, lease.currency),
        first_rent=common.money(lease.rent_minor, lease.currency),
        rents=[(change, common.money(change.rent_minor, lease.currency)) for change in lease.rents],
        charges=[
            {
                "charge": charge,
                "state": ChargeState(charge.state),
                "amount": common.money(charge.amount_minor, charge.currency),
                "left": common.money(charge.amount_minor - charge.paid_minor, charge.currency),
            }
            for charge in lists.charges_of(lease)
        ],
        tab="leases",
        may_change=may_change(),
    )


def _form() -> LeaseForm:
    units = [
        (unit.reference, f"{unit.property.name}, {unit.name} ({unit.reference})")
        for unit in queries.free_units(g.organisation.id)
    ]
    form: LeaseForm = common.form_of(LeaseForm, units=units)
    return form


def create() -> ResponseReturnValue:
    """Let a unit that is free."""
    require_change()
    form = _form()
    if request.method == "GET":
        form.unit.data = request.args.get("unit", "")
        form.tenant.data = request.args.get("tenant", "")
        return _page(form, 200)
    if not form.validate():
        return _page(form, 422)
    try:
        lease_reference = _create(form)
    except Invalid as error:
        attach(form, _at_field(error))
        return _page(form, 422)
    except Conflict as error:
        return _page(form, 409, error.message)
    flash(f"{lease_reference} is added. Rent is asked for by itself, some days before it is due.", "success")
    return see_other(url_for(".lease", reference=lease_reference))


def _at_field(error: Invalid) -> Invalid:
    """The form's own field for what the service calls otherwise."""
    names = {"tenants": "tenant", "unit_id": "unit"}
    return Invalid(names[error.field], error.reason, error.example) if error.field in names else error


def _create(form: LeaseForm) -> str:
    unit = queries.get_unit(g.organisation.id, form.unit.data)
    wanted = form.tenant_references
    known: dict[str, int] = dict(
        db.session.execute(
            select(Tenant.reference, Tenant.id).where(
                Tenant.organisation_id == g.organisation.id, Tenant.reference.in_(wanted)
            )
        ).all()
    )
    if missing := next((reference for reference in wanted if reference not in known), None):
        raise Invalid("tenants", f"There is no tenant {missing}.", "TN-0001")
    draft = form.draft(unit.id, unit.property.currency, [known[reference] for reference in wanted])
    with transaction():
        lease = letting.create_lease(
            organisation_id=g.organisation.id, draft=draft, actor=actor(), now=utc_now()
        )
        return lease.reference


def _page(form: LeaseForm, code: int, conflict: str = "") -> ResponseReturnValue:
    return (
        render_template("rentals/lease_form.html", form=form, conflict=conflict, has_errors=code == 422),
        code,
    )


def _act(lease: Lease, form: Any, **more: Any) -> ResponseReturnValue:
    back = url_for(".lease", reference=lease.reference)
    return common.act_page(
        form,
        back=(back, lease.reference),
        crumbs=[(url_for(".leases"), "Leases"), (back, lease.reference)],
        **more,
    )


def end(reference: str) -> ResponseReturnValue:
    """End a lease on a day."""
    require_change()
    lease = queries.get_lease(g.organisation.id, reference)
    form = common.form_of(EndLeaseForm)
    facts = [("Unit", common.home_of(lease)), ("Tenants", common.tenants_of(lease))]

    def call() -> str:
        row = letting.end_lease(
            organisation_id=g.organisation.id,
            reference=reference,
            end_on=form.end_on.data or common.today(),
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} ends on {filters.day(row.end_on)}. The unit can be let again."

    return _act(
        lease, form, title=f"End {reference}", button="End the lease", tone="danger", call=call, facts=facts,
        explains="Months that are asked for already stay as they are. Waive what is too much.",
        fill=lambda: form.fill(lease, common.today()),
    )  # fmt: skip


def change_rent(reference: str) -> ResponseReturnValue:
    """Another rent from a month on."""
    require_change()
    lease = queries.get_lease(g.organisation.id, reference)
    form = common.form_of(RentForm, lease.currency)
    rent = common.money(charging.rent_on(lease, common.today()), lease.currency)

    def call() -> str:
        change = letting.change_rent(
            organisation_id=g.organisation.id,
            reference=reference,
            rent_minor=form.rent.minor or 0,
            valid_from=form.valid_from.data or common.today(),
            actor=actor(),
            now=utc_now(),
        )
        said = filters.money(common.money(change.rent_minor, lease.currency))
        return f"The rent is {said} from {filters.month(change.valid_from)} on."

    return _act(
        lease, form, title=f"Change the rent of {reference}", button="Save the rent", call=call,
        facts=[("Rent now", filters.money(rent)), ("Tenants", common.tenants_of(lease))],
    )  # fmt: skip
