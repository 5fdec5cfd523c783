"""Tenants: the list, one tenant with their leases, adding and changing them."""

from __future__ import annotations

from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.forms import attach
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import letting, queries
from webapp.programs.rentals.filters import TenantFilterForm
from webapp.programs.rentals.forms import TenantForm
from webapp.programs.rentals.models import Tenant
from webapp.programs.rentals.views import common, leases
from webapp.web.htmx import see_other


def index() -> ResponseReturnValue:
    """The list."""
    form = TenantFilterForm(request.args)
    page, homes = common.NO_PAGE, {}
    if is_valid := form.validate():
        query = queries.list_tenants(g.organisation.id, form.q.data or "")
        page = common.page_of(query, Tenant.id, "tenant")
        homes = queries.homes_of([tenant.id for tenant in page.items])
    rows = [
        {"tenant": t, "homes": [(lease, common.home_of(lease)) for lease in homes.get(t.id, [])]}
        for t in page.items
    ]
    return common.list_page("tenants", form, is_valid=is_valid, page=page, rows=rows)


def show(reference: str) -> ResponseReturnValue:
    """One tenant with every lease."""
    tenant = queries.get_tenant(g.organisation.id, reference)
    return render_template(
        "rentals/tenant.html",
        tenant=tenant,
        rows=[leases.row(lease) for lease in queries.leases_of_tenant(tenant)],
        tab="tenants",
        may_change=may_change(),
    )


def _page(form: TenantForm, tenant: Any, code: int, conflict: str = "") -> ResponseReturnValue:
    return (
        render_template(
            "rentals/tenant_form.html", form=form, tenant=tenant, conflict=conflict, has_errors=code == 422
        ),
        code,
    )


def create() -> ResponseReturnValue:
    """Add a tenant."""
    require_change()
    form = common.form_of(TenantForm)
    if request.method == "GET":
        return _page(form, None, 200)
    if form.validate():
        try:
            with transaction():
                tenant = letting.create_tenant(
                    organisation_id=g.organisation.id, draft=form.draft(), actor=actor(), now=utc_now()
                )
                reference = tenant.reference
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{reference} is added. Let a unit to them next.", "success")
            return see_other(url_for(".tenant", reference=reference))
    return _page(form, None, 422)


def edit(reference: str) -> ResponseReturnValue:
    """Change a tenant; 409 keeps the text when somebody else was faster."""
    require_change()
    tenant = queries.get_tenant(g.organisation.id, reference)
    form = common.form_of(TenantForm)
    del form.external_ref
    if request.method == "GET":
        form.fill(tenant)
        return _page(form, tenant, 200)
    if form.validate():
        try:
            with transaction():
                letting.change_tenant(
                    organisation_id=g.organisation.id,
                    reference=reference,
                    draft=form.draft(),
                    expected_version=form.seen_version,
                    actor=actor(),
                    now=utc_now(),
                )
        except Invalid as error:
            attach(form, error)
        except Conflict as error:
            tenant = queries.get_tenant(g.organisation.id, reference)
            form.version.data = str(tenant.version)
            return _page(form, tenant, 409, error.message)
        else:
            flash("The changes are saved.", "success")
            return see_other(url_for(".tenant", reference=reference))
    return _page(form, tenant, 422)
