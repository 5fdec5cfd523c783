"""Properties: the list, one property with owners, units, terms and bills; adding and changing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import table_file
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.rentals import charging, lists, queries, reroutes, service
from webapp.programs.rentals.filters import PropertyFilterForm
from webapp.programs.rentals.forms import (
    BillForm,
    OwnerRow,
    PropertyForm,
    ReasonForm,
    TermsForm,
    UnitForm,
    owners_of,
)
from webapp.programs.rentals.models import Lease, Property
from webapp.programs.rentals.terms import terms_row
from webapp.programs.rentals.views import common
from webapp.web import filters
from webapp.web.htmx import see_other

BLANK_ROWS = 2
MAXIMUM_ROWS = 50
EXPORT_HEADERS = (
    "Reference", "Your reference", "Name", "Address", "Currency", "Owners", "Shares", "Reserve to keep", "Units",
    "Let",
)  # fmt: skip


def index() -> ResponseReturnValue:
    """The list."""
    form = PropertyFilterForm(request.args)
    page, counts = common.NO_PAGE, {}
    if is_valid := form.validate():
        query = queries.list_properties(g.organisation.id, form.chosen())
        page = common.page_of(query, Property.id, "property", "properties")
        counts = queries.unit_counts([place.id for place in page.items])
    rows = [
        {"place": place, "owners": common.owners_words(place), "counts": counts.get(place.id, (0, 0))}
        for place in page.items
    ]
    return common.list_page(
        "properties", form, is_valid=is_valid, page=page, rows=rows,
        export="admin.rentals.properties_export",
    )  # fmt: skip


def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    form = PropertyFilterForm(request.args)
    if not form.validate():
        return index()
    rows = _cells(queries.list_properties(g.organisation.id, form.chosen()))
    return table_file("rentals:properties:exported", "property", "properties", format, EXPORT_HEADERS, rows)


def _cells(query: Any) -> Iterator[tuple[Any, ...]]:
    for place in lists.every(query, Property.id):
        owners = common.owners_words(place)
        units, let = queries.unit_counts([place.id]).get(place.id, (0, 0))
        yield (
            place.reference, place.external_ref, place.name, place.address, place.currency,
            "; ".join(name for name, _ in owners), "; ".join(share for _, share in owners),
            common.money(place.reserve_target_minor, place.currency), units, let,
        )  # fmt: skip


def show(reference: str) -> ResponseReturnValue:
    """One property."""
    place = queries.get_property(g.organisation.id, reference)
    in_force = terms_row(g.organisation.id, place.id, common.today())
    return render_template(
        "rentals/property.html",
        place=place,
        owners=[
            (share.payee, common.share_words(share.weight, sum(s.weight for s in place.shares)))
            for share in place.shares
        ],
        units=[
            {
                "unit": unit,
                "lease": lease,
                "tenants": common.tenants_of(lease) if lease else "",
                "rent": _rent_today(lease) if lease else None,
            }
            for unit, lease in queries.units_of(place)
        ],
        terms=[terms_words(row) for row in queries.terms_of(g.organisation.id, place.id)],
        in_force=terms_words(in_force) if in_force else None,
        is_own=in_force is not None and in_force.property_id is not None,
        bills=[
            {
                "bill": bill,
                "amount": common.money(bill.amount_minor, bill.currency),
                "taken": common.money(bill.taken_minor, bill.currency),
            }
            for bill in queries.bills_of(place)
        ],
        reserve=common.money(queries.reserve_of(place), place.currency),
        reserve_target=common.money(place.reserve_target_minor, place.currency),
        watched_until=reroutes.waits_until(place) if reroutes.is_waiting(place, utc_now()) else None,
        changes=[
            {
                "change": change,
                "payee": payee,
                "before": _part(change.weight_before, change.total_before),
                "after": _part(change.weight_after, change.total_after),
            }
            for change, payee in queries.share_changes_of(place)
        ],
        tab="properties",
        may_change=may_change(),
    )


def _rent_today(lease: Lease) -> Money:
    """The monthly rent in force today."""
    return common.money(charging.rent_on(lease, common.today()), lease.currency)


def _part(weight: int, total: int) -> str:
    return common.share_words(weight, total) if weight else "Nothing"


def terms_words(row: Any) -> dict[str, Any]:
    """Management terms as a table shows them."""
    flat = common.money(row.fee_flat_minor, g.organisation.currency)
    fee = common.percent_words(row.fee_percent)
    if row.fee_flat_minor:
        fee = f"{fee} and {filters.money(flat)}"
    return {"row": row, "fee": fee, "tax": common.percent_words(row.fee_tax_percent)}


def _rows_sent() -> list[OwnerRow]:
    names = request.form.getlist("owner")[:MAXIMUM_ROWS]
    shares = request.form.getlist("share")[:MAXIMUM_ROWS]
    shares += [""] * (len(names) - len(shares))
    return [OwnerRow(name.strip(), share.strip()) for name, share in zip(names, shares, strict=False)]


def _rows_of(place: Property) -> list[OwnerRow]:
    weights = {share.weight for share in place.shares}
    is_equal = len(weights) == 1
    return [OwnerRow(s.payee.reference, "" if is_equal else str(s.weight)) for s in place.shares]


def _known(place: Property | None = None) -> dict[str, tuple[int, str]]:
    """Reference → (id, name) of everybody who may own; who owns already stays choosable."""
    people = {p.reference: (p.id, p.name) for p in queries.owners_of(g.organisation.id)}
    if place is not None:
        people |= {s.payee.reference: (s.payee_id, s.payee.name) for s in place.shares}
    return people


def _page(
    form: PropertyForm, rows: list[OwnerRow], place: Property | None, code: int, conflict: str = ""
) -> ResponseReturnValue:
    blank = BLANK_ROWS if not rows or request.form.get("more") else max(1, BLANK_ROWS - len(rows))
    return (
        render_template(
            "rentals/property_form.html",
            form=form,
            place=place,
            owner_rows=[*(r for r in rows if r.owner or r.share), *[OwnerRow()] * blank],
            known=_known(place),
            conflict=conflict,
            has_errors=code == 422,
        ),
        code,
    )


def create() -> ResponseReturnValue:
    """Add a property."""
    require_change()
    form, rows = common.form_of(PropertyForm), _rows_sent()
    if request.method == "GET" or request.form.get("more"):
        return _page(form, rows, None, 200)
    if form.validate():
        ids = {reference: ident for reference, (ident, _) in _known().items()}
        try:
            with transaction():
                place = service.create_property(
                    organisation_id=g.organisation.id,
                    draft=form.draft(owners_of(rows, ids)),
                    actor=actor(),
                    now=utc_now(),
                )
                reference = place.reference
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{reference} is added. Add its units next.", "success")
            return see_other(url_for(".property", reference=reference))
    return _page(form, rows, None, 422)


@needs_fresh_sign_in
def edit(reference: str) -> ResponseReturnValue:
    """Change a property and its owners; 409 keeps the text when somebody else was faster."""
    require_change()
    place = queries.get_property(g.organisation.id, reference)
    form = common.form_of(PropertyForm, place.currency)
    del form.external_ref
    if request.method == "GET":
        form.fill(place)
        return _page(form, _rows_of(place), place, 200)
    rows = _rows_sent()
    if request.form.get("more"):
        return _page(form, rows, place, 200)
    if form.validate():
        ids = {ref: ident for ref, (ident, _) in _known(place).items()}
        try:
            _save(reference, form, rows, ids)
        except Invalid as error:
            attach(form, error)
        except Conflict as error:
            place = queries.get_property(g.organisation.id, reference)
            form.version.data = str(place.version)
            return _page(form, rows, place, 409, error.message)
        else:
            flash("The changes are saved. Rents that are shared out already stay as they are.", "success")
            return see_other(url_for(".property", reference=reference))
    return _page(form, rows, place, 422)


def _save(reference: str, form: PropertyForm, rows: list[OwnerRow], ids: dict[str, int]) -> None:
    draft = form.draft(owners_of(rows, ids))
    with transaction():
        service.change_property(
            organisation_id=g.organisation.id,
            reference=reference,
            name=draft.name,
            address=draft.address,
            reserve_target_minor=draft.reserve_target_minor,
            owners=draft.owners,
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )


def _act(place: Property, form: Any, **more: Any) -> ResponseReturnValue:
    """A small form about a property."""
    back = url_for(".property", reference=place.reference)
    return common.act_page(
        form,
        back=(back, place.reference),
        crumbs=[(url_for(".properties"), "Properties"), (back, place.reference)],
        **more,
    )


def add_unit(reference: str) -> ResponseReturnValue:
    """A further unit of a property."""
    require_change()
    place = queries.get_property(g.organisation.id, reference)
    form = common.form_of(UnitForm)

    def call() -> str:
        unit = service.create_unit(
            organisation_id=g.organisation.id,
            property_reference=reference,
            name=form.name.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return f"{unit.reference} {unit.name} is added. It can be let now."

    return _act(place, form, title=f"Add a unit to {place.name}", button="Add the unit", call=call)


def add_bill(reference: str) -> ResponseReturnValue:
    """Something to be paid from the next rents."""
    require_change()
    place = queries.get_property(g.organisation.id, reference)
    form = common.form_of(BillForm, place.currency)

    def call() -> str:
        bill = service.add_bill(
            organisation_id=g.organisation.id, draft=form.draft(place.id), actor=actor(), now=utc_now()
        )
        return f"{bill.reference} is added. It is taken from the next rents, oldest bill first."

    return _act(
        place,
        form,
        title=f"Add a bill of {place.name}",
        button="Add the bill",
        call=call,
        explains="It is taken from the rent before the owners get their shares.",
        fill=lambda: setattr(form.billed_on, "data", common.today()),
    )


def cancel_bill(reference: str) -> ResponseReturnValue:
    """Take the open rest of a bill back."""
    require_change()
    bill, place = queries.get_bill(g.organisation.id, reference)
    form = common.form_of(ReasonForm)

    def call() -> str:
        service.cancel_bill(
            organisation_id=g.organisation.id,
            reference=reference,
            reason=form.reason.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} is cancelled. What was taken for it already stays taken."

    left = common.money(bill.amount_minor - bill.taken_minor, bill.currency)
    return _act(
        place,
        form,
        title=f"Cancel {reference}?",
        button="Cancel the bill",
        tone="danger",
        call=call,
        facts=[("For", bill.description), ("Still to be taken", filters.money(left))],
    )


@needs_fresh_sign_in
def set_terms(reference: str) -> ResponseReturnValue:
    """Terms of this property alone, from a day on."""
    require_change()
    place = queries.get_property(g.organisation.id, reference)
    form = common.form_of(TermsForm, place.currency)

    def call() -> str:
        row = service.set_terms(
            organisation_id=g.organisation.id, draft=form.draft(place.id), actor=actor(), now=utc_now()
        )
        return f"The terms of {place.name} count from {filters.day(row.valid_from)}."

    return _act(
        place,
        form,
        title=f"New terms of {place.name}",
        button="Save the terms",
        call=call,
        explains="Terms are never edited: these replace the present ones from their day on. For a while another person "
        "approves this property's payouts.",
        fill=lambda: setattr(form.valid_from, "data", common.today()),
    )
