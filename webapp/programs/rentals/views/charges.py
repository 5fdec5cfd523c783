"""Rents that are asked for, what of them is late, and the link by which a tenant pays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import current_app, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import table_file
from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import arrears_lists, charging, lists, pay_links
from webapp.programs.rentals.filters import ArrearsFilterForm, ChargeFilterForm
from webapp.programs.rentals.forms import ReasonForm
from webapp.programs.rentals.models import ChargeState, PaymentSource, PaymentState, RentCharge
from webapp.programs.rentals.views import common, pictures
from webapp.web import filters
from webapp.web.form_fields import ActForm
from webapp.web.htmx import see_other

LIST, LATE = "admin.rentals.charges", "admin.rentals.arrears"
EXPORT_HEADERS = (
    "Reference", "Month", "Lease", "Property", "Unit", "Tenants", "Due on", "Currency", "Rent", "Paid", "Left", "State",
)  # fmt: skip
ARREARS_HEADERS = (
    "Lease", "Property", "Unit", "Tenants", "E-mail", "Phone", "Months", "Oldest due on", "Days", "Currency", "Owed",
)  # fmt: skip


def row(charge: RentCharge) -> dict[str, Any]:
    """What a list shows of a month's rent."""
    left = 0 if charge.state == ChargeState.WAIVED else max(0, charge.amount_minor - charge.paid_minor)
    return {
        "charge": charge,
        "home": common.home_of(charge.lease),
        "tenants": common.tenants_of(charge.lease),
        "state": ChargeState(charge.state),
        "amount": common.money(charge.amount_minor, charge.currency),
        "left": common.money(left, charge.currency),
        "days_late": (common.today() - charge.due_on).days if left else 0,
    }


def index() -> ResponseReturnValue:
    """The list."""
    form = ChargeFilterForm(request.args)
    page = common.NO_PAGE
    if is_valid := form.validate():
        query = lists.list_charges(g.organisation.id, common.today(), form.chosen())
        page = common.page_of(query, RentCharge.id, "rent")
    return common.list_page(
        "charges", form, is_valid=is_valid, page=page, rows=[row(each) for each in page.items],
        export="admin.rentals.charges_export",
    )  # fmt: skip


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = ChargeFilterForm(request.args)
    if not form.validate():
        return index()
    query = lists.list_charges(g.organisation.id, common.today(), form.chosen())
    return table_file("rentals:rents:exported", "rent_charge", "rents", format, EXPORT_HEADERS, _cells(query))


def _cells(query: Any) -> Iterator[tuple[Any, ...]]:
    for charge in lists.every(query, RentCharge.id):
        found, unit = row(charge), charge.lease.unit
        yield (
            charge.reference, f"{charge.period_start:%Y-%m}", charge.lease.reference, unit.property.name, unit.name,
            found["tenants"], charge.due_on, charge.currency, found["amount"],
            common.money(charge.paid_minor, charge.currency), found["left"], found["state"].label,
        )  # fmt: skip


def make() -> ResponseReturnValue:
    """Ask for the rents that are due to be asked for, without waiting for the night."""
    require_change()
    with transaction():
        made = charging.make_charges(
            organisation_id=g.organisation.id, today=common.today(), actor=actor(), now=utc_now()
        )
        n = len(made)
    if n:
        flash(f"{n:,} {'rent is' if n == 1 else 'rents are'} asked for now.", "success")
    else:
        flash("Every rent that is due to be asked for is there. Nothing was done.", "info")
    return see_other(url_for(".charges"))


def show(reference: str) -> ResponseReturnValue:
    """One month's rent with its payments and the tenant's pay link."""
    charge = lists.get_charge(g.organisation.id, reference)
    is_open = charge.state in lists.OPEN_CHARGES
    settings: Settings = current_app.config["SETTINGS"]
    return render_template(
        "rentals/charge.html",
        **row(charge),
        paid=common.money(charge.paid_minor, charge.currency),
        payments=[
            {
                "payment": payment,
                "state": PaymentState(payment.state),
                "source": PaymentSource(payment.source),
                "amount": common.money(payment.amount_minor, payment.currency),
            }
            for payment in lists.payments_of(charge)
        ],
        pay_link=pay_links.url_of(charge, settings.public_url, utc_now()) if is_open and may_change() else "",
        is_open=is_open,
        tab="charges",
        may_change=may_change(),
    )


def _act(charge: RentCharge, form: ActForm, **more: Any) -> ResponseReturnValue:
    back = url_for(".charge", reference=charge.reference)
    return common.act_page(
        form,
        back=(back, charge.reference),
        crumbs=[(url_for(".charges"), "Rents"), (back, charge.reference)],
        facts=facts(charge),
        **more,
    )


def facts(charge: RentCharge) -> list[tuple[str, Any]]:
    """What a person must see of a rent before they act on it."""
    found = row(charge)
    return [
        ("Rent of", f"{found['home']}, {filters.month(charge.period_start)}"),
        ("Tenants", found["tenants"]),
        ("Asked for", filters.money(found["amount"])),
        ("Left to pay", filters.money(found["left"])),
    ]


def waive(reference: str) -> ResponseReturnValue:
    """Ask for a month's rent no more."""
    require_change()
    charge = lists.get_charge(g.organisation.id, reference)
    form = common.form_of(ReasonForm)

    def call() -> str:
        charging.waive(
            organisation_id=g.organisation.id,
            reference=reference,
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} is waived. The tenant is not asked for it any more."

    return _act(charge, form, title=f"Waive {reference}?", button="Waive it", tone="danger", call=call)


def revoke_link(reference: str) -> ResponseReturnValue:
    """Make the pay links that were sent worthless."""
    require_change()
    charge = lists.get_charge(g.organisation.id, reference)
    form = common.form_of(ActForm)

    def call() -> str:
        pay_links.revoke(organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now())
        return "The links that were sent open nothing any more. The new one is below."

    return _act(
        charge, form, title="Make a new pay link?", button="Make a new link", call=call,
        explains="Do this when a link reached the wrong person. Every link sent so far stops working.",
    )  # fmt: skip


def arrears() -> ResponseReturnValue:
    """Leases with rent that is due and not paid, and how old it is."""
    form = ArrearsFilterForm(request.args)
    page, rows, today = common.NO_PAGE, [], common.today()
    if is_valid := form.validate():
        query = arrears_lists.list_arrears(g.organisation.id, today, form.q.data or "", form.age.data or "")
        page = common.page_of(
            query, RentCharge.lease_id, "lease in arrears", "leases in arrears", key_of=lambda r: r.lease_id
        )
        rows = _late_rows(page.items)
    ages = arrears_lists.arrears_by_age(g.organisation.id, today)
    return common.list_page(
        "arrears", form, is_valid=is_valid, page=page, rows=rows,
        figures=[pictures.arrears(code, found) for code, found in sorted(ages.items())],
        export="admin.rentals.arrears_export",
    )  # fmt: skip


def _late_rows(items: Any) -> list[dict[str, Any]]:
    return [
        {"late": late, "home": common.home_of(late.lease), "tenants": common.tenants_of(late.lease)}
        for late in arrears_lists.in_arrears(g.organisation.id, items, common.today())
    ]


def arrears_export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = ArrearsFilterForm(request.args)
    if not form.validate():
        return arrears()
    query = arrears_lists.list_arrears(
        g.organisation.id, common.today(), form.q.data or "", form.age.data or ""
    )
    return table_file(
        "rentals:arrears:exported", "lease", "arrears", format, ARREARS_HEADERS, _late_cells(query)
    )


def _late_cells(query: Any) -> Iterator[tuple[Any, ...]]:
    for late in arrears_lists.every_late(g.organisation.id, query, common.today()):
        lease, unit = late.lease, late.lease.unit
        first = lease.tenants[0].tenant if lease.tenants else None
        yield (
            lease.reference, unit.property.name, unit.name, common.tenants_of(lease), first.email if first else "",
            first.phone if first else "", late.months, late.oldest_due, late.days, late.owed.currency, late.owed,
        )  # fmt: skip
