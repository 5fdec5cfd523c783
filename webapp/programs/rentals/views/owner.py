"""An owner's own pages: properties with their units, the own part of every rent. Never a co-owner's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.payouts.views import listing
from webapp.payouts.views import words as payout_words
from webapp.people.models import Role
from webapp.people.views.session import payee_id_for
from webapp.programs.rentals import owner_queries as queries
from webapp.programs.rentals.models import DistributionShare, Property
from webapp.programs.rentals.owner_forms import OwnRentFilterForm
from webapp.programs.rentals.owner_queries import OwnRent, RentFilter
from webapp.programs.rentals.views import owner_words as words
from webapp.web.exports import csv_response, xlsx_response
from webapp.web.htmx import is_fragment
from webapp.web.i18n import N_, counted, translated
from webapp.web.pagination import Page, capped_count, keyset

properties = Blueprint("properties", __name__, url_prefix="/properties")
rents = Blueprint("rents", __name__, url_prefix="/rents")
RENT_HEADERS = [
    N_("Month"), N_("Unit"), N_("Received"), {"label": N_("Your part"), "numeric": True},
    {"label": N_("Deductions"), "numeric": True}, {"label": N_("For you"), "numeric": True}, N_("Status"),
]  # fmt: skip
EXPORT_HEADERS = (
    "Rent", "Property", "Unit", "Month", "Received on", "Currency", "Your part", "Management fee", "Tax on the fee",
    "Tax withheld", "Bills", "Reserve", "Set off", "To pay", "Payout", "Payout status", "Paid on", "Payment reference",
)  # fmt: skip
# The rents that a property's page shows; the rest are a link away.
NEWEST = 6


def _payee_id() -> int:
    payee_id = payee_id_for(Role.OWNER.value)
    if payee_id is None:
        raise NotFound("Your account is not linked to an owner yet. Ask an admin to link it.")
    return payee_id


def _today() -> date:
    return local_date(utc_now(), g.organisation.timezone)


@properties.get("")
def index() -> ResponseReturnValue:
    """Own properties with what they brought this year."""
    payee_id = payee_id_for(Role.OWNER.value)
    page: Page[Property] = Page([], None, None)
    if payee_id is not None:
        query = queries.properties(g.organisation.id, payee_id)
        found = keyset(query, Property.id, newest_first=False)
        count = counted(capped_count(query, Property.id), N_("1 property"), N_("%(count)s properties"))
        page = Page(found.items, found.previous_href, found.next_href, count)
    rows = queries.listed(page.items, payee_id or 0, _today())
    payer = g.organisation.name
    shown = [
        {
            "own": own,
            "share": words.own_share(own.place, payee_id or 0),
            "status": payout_words.payee_status(own.last, payer) if own.last else None,
        }
        for own in rows
    ]
    return render_template("rentals/owner/properties.html", page=page, rows=shown, year=_today().year)


@properties.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One own property: its units, what they are let for, the newest rents."""
    payee_id, today = _payee_id(), _today()
    place = queries.get_property(g.organisation.id, payee_id, reference)
    mine, _ = queries.weight_of(place, payee_id)
    units = queries.units_of(place, today) if mine else []
    query = queries.rents(g.organisation.id, payee_id, RentFilter(place.reference))
    newest = keyset(query, DistributionShare.id, key_of=lambda row: int(row[0].id))
    return render_template(
        "rentals/owner/property.html",
        place=place,
        share=words.own_share(place, payee_id),
        reserve=Money(place.reserve_target_minor, place.currency) if place.reserve_target_minor else None,
        units=[_unit(found) for found in units],
        is_owner=bool(mine),
        rows=[_row(queries.rent_of(row)) for row in newest.items[:NEWEST]],
        headers=RENT_HEADERS,
        month=today,
    )


def _unit(found: queries.LetUnit) -> dict[str, Any]:
    lease = found.lease
    return {
        "unit": found.unit,
        "lease": lease,
        "rent": Money(lease.rent_minor, lease.currency) if lease else None,
        "state": words.charge_state(lease, found.charge),
        "due_on": found.charge.due_on if found.charge else None,
    }


def _row(rent: OwnRent) -> dict[str, Any]:
    return {
        "rent": rent,
        "unit": f"{rent.place.name}, {rent.unit.name}",
        "gross": rent.money("gross"),
        "taken": rent.money("taken"),
        "net": words.to_pay(rent),
        "status": words.status(rent),
    }


def _form(payee_id: int | None) -> OwnRentFilterForm:
    known = queries.choices(g.organisation.id, payee_id) if payee_id is not None else []
    return OwnRentFilterForm(request.args, properties=known)


@rents.get("", endpoint="index")
def rents_index() -> ResponseReturnValue:
    """The own part of every rent, newest first."""
    payee_id = payee_id_for(Role.OWNER.value)
    form = _form(payee_id)
    is_valid = form.validate()
    page: Page[Any] = Page([], None, None)
    if is_valid and payee_id is not None:
        query = queries.rents(g.organisation.id, payee_id, form.chosen())
        page = keyset(query, DistributionShare.id, key_of=lambda row: int(row[0].id))
        count = counted(capped_count(query, DistributionShare.id), N_("1 rent"), N_("%(count)s rents"))
        page = Page(page.items, page.previous_href, page.next_href, count)
    context = {
        "form": form,
        "page": page,
        "rows": [_row(queries.rent_of(row)) for row in page.items],
        "headers": RENT_HEADERS,
        "chips": listing.chips(form, "owner.rents.index"),
        "csv_href": listing.address("owner.rents.export", format="csv"),
        "xlsx_href": listing.address("owner.rents.export", format="xlsx"),
        "has_errors": not is_valid,
    }
    template = "_rents.html" if is_fragment() else "rents.html"
    return render_template(f"rentals/owner/{template}", **context), 200 if is_valid else 422


@rents.get("/export.<any(csv,xlsx):format>")
def export(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file."""
    payee_id = payee_id_for(Role.OWNER.value)
    form = _form(payee_id)
    if not form.validate():
        return rents_index()
    make = csv_response if format == "csv" else xlsx_response
    return make(f"rents.{format}", EXPORT_HEADERS, _cells(payee_id, form) if payee_id else ())


def _cells(payee_id: int, form: OwnRentFilterForm) -> Iterator[tuple[Any, ...]]:
    query = queries.rents(g.organisation.id, payee_id, form.chosen())
    for batch in queries.every_rent(query):
        for rent in batch:
            payout = rent.payout
            yield (
                rent.payment.reference, rent.place.name, rent.unit.name, f"{rent.charge.period_start:%Y-%m}",
                rent.payment.received_on, rent.payment.currency, rent.money("gross"),
                *(-rent.money(name) for name in queries.DEDUCTIONS),
                Money(-rent.share.netted_minor, rent.payment.currency), words.to_pay(rent),
                payout.reference if payout else "", PayoutState(payout.state).label if payout else "",
                payout.paid_on if payout else None, (payout.payment_reference or "") if payout else "",
            )  # fmt: skip


@rents.get("/<reference>", endpoint="show")
def rent(reference: str) -> ResponseReturnValue:
    """The own part of one rent: how it was worked out, what happened, where the money is."""
    payee_id = _payee_id()
    found = queries.get_rent(g.organisation.id, payee_id, reference)
    return render_template(
        "rentals/owner/rent.html",
        rent=found,
        unit=f"{found.place.name}, {found.unit.name}",
        lines=words.calculation(found),
        net=words.to_pay(found),
        status=words.status(found),
        events=words.story(found),
        share=words.share_of(found),
    )


def home_section(organisation_id: int, payee_id: int, today: date) -> dict[str, Any]:
    """What the home page of an owner says beside the payouts: what came in, what is on its way, what is owed back."""
    found = queries.standings(organisation_id, payee_id, today)
    return {
        "stats": [stat for standing in found for stat in _stats(standing)],
        "debts": [Money(s.owed_minor, s.currency) for s in found if s.owed_minor],
    }


def _stats(standing: queries.Standing) -> list[dict[str, Any]]:
    return [
        {
            "label": translated(N_("Rent received for you this month")),
            "value": Money(standing.received_minor, standing.currency),
            "href": url_for("owner.rents.index"),
        },
        {
            "label": translated(N_("On its way to you")),
            "value": Money(standing.on_its_way_minor, standing.currency),
            "href": url_for("owner.payouts.index"),
        },
    ]
