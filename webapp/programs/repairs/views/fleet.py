"""Vehicles, medallions and leases: lists, new ones, a lease's end, another vehicle on it."""

from __future__ import annotations

from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.payouts.views.program_pages import NO_PAGE, act_page, form_of, list_page, money, page_of, today
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import fleet, fleet_lists
from webapp.programs.repairs.fleet_filters import LeaseFilterForm, MedallionFilterForm, VehicleFilterForm
from webapp.programs.repairs.fleet_forms import (
    EndLeaseForm,
    LeaseForm,
    MedallionForm,
    SwapForm,
    VehicleForm,
)
from webapp.programs.repairs.models import DriverLease, Medallion, Vehicle
from webapp.programs.repairs.states import Shift
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters

ACT = "programs/act_offering.html"


def vehicles() -> ResponseReturnValue:
    """Every vehicle, with who drives it now."""
    form = VehicleFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        query = fleet_lists.list_vehicles(g.organisation.id, form.q.data or "", form.use.data or "", today())
        page = page_of(query, Vehicle.id, "vehicle", is_plain=True)
    held = fleet_lists.holders_of_vehicles([row.id for row in page.items], today())
    rows = [{"row": row, "held": _held(held.get(row.id, []))} for row in page.items]
    return list_page(AREA, "repairs/vehicles.html", form, "vehicles", is_valid=is_valid, page=page, rows=rows)


def _held(found: list[fleet_lists.Held]) -> list[dict[str, Any]]:
    return [
        {"lease": each.lease, "name": each.name, "shift": Shift(each.shift).label.lower(),
         "is_shared": each.shift != Shift.FULL}
        for each in found
    ]  # fmt: skip


def create_vehicle() -> ResponseReturnValue:
    """A new vehicle."""
    require_change()
    form: VehicleForm = form_of(VehicleForm)

    def call() -> str:
        made = fleet.create_vehicle(
            organisation_id=g.organisation.id, plate=form.plate.data or "", vin=form.vin.data or "",
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{made.plate} is added. Put it on a lease next."

    return act_page(
        AREA, form, title="Add a vehicle", button="Add it", back=(url_for(".vehicles"), "the vehicles"), call=call,
        crumbs=[(url_for(".vehicles"), "Vehicles")],
    )  # fmt: skip


def medallions() -> ResponseReturnValue:
    """Every medallion, with the lease that it is on now."""
    form = MedallionFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        query = fleet_lists.list_medallions(g.organisation.id, form.q.data or "")
        page = page_of(query, Medallion.id, "medallion", is_plain=True)
    held = fleet_lists.holders_of_medallions([row.id for row in page.items], today())
    rows = [{"row": row, "held": _held(held.get(row.id, []))} for row in page.items]
    return list_page(
        AREA, "repairs/medallions.html", form, "medallions", is_valid=is_valid, page=page, rows=rows
    )


def create_medallion() -> ResponseReturnValue:
    """A new medallion."""
    require_change()
    form: MedallionForm = form_of(MedallionForm)

    def call() -> str:
        made = fleet.create_medallion(
            organisation_id=g.organisation.id, number=form.number.data or "", actor=actor(), now=utc_now()
        )
        return f"Medallion {made.number} is added."

    return act_page(
        AREA, form, title="Add a medallion", button="Add it", back=(url_for(".medallions"), "the medallions"),
        call=call, crumbs=[(url_for(".medallions"), "Medallions")],
    )  # fmt: skip


def leases() -> ResponseReturnValue:
    """Every lease."""
    form = LeaseFilterForm(request.args)
    page = NO_PAGE
    if is_valid := form.validate():
        query = fleet_lists.list_leases(g.organisation.id, form.q.data or "", form.state.data or "", today())
        page = page_of(query, DriverLease.id, "lease", is_plain=True)
    plates = fleet_lists.plates_of([row.id for row in page.items])
    rows = [
        {"row": row, "plate": plates.get(row.id, "–"), "shift": Shift(row.shift).label,
         "weekly": money(row.weekly_minor, row.currency), "state": lease_state(row.starts_on, row.ends_on)}
        for row in page.items
    ]  # fmt: skip
    return list_page(AREA, "repairs/leases.html", form, "leases", is_valid=is_valid, page=page, rows=rows)


def lease_state(starts_on: Any, ends_on: Any) -> tuple[str, str]:
    """(tone, word) of how a lease stands today."""
    day = today()
    if starts_on > day:
        return "waiting", "Coming"
    if ends_on is not None and ends_on < day:
        return "cancelled", "Ended"
    return ("progress", "Running") if ends_on is None else ("waiting", "Ends")


def lease(reference: str) -> ResponseReturnValue:
    """One lease: its terms, and which vehicle was on it from when to when."""
    row = fleet_lists.get_lease(g.organisation.id, reference)
    return render_template(
        "repairs/lease.html", area=AREA, tab="leases", lease=row, shift=Shift(row.shift).label,
        weekly=money(row.weekly_minor, row.currency), state=lease_state(row.starts_on, row.ends_on),
        is_over=row.ends_on is not None and row.ends_on < today(), may_change=may_change(),
    )  # fmt: skip


def _offered(*names: str) -> dict[str, Any]:
    here = g.organisation.id
    of = {
        "drivers": fleet_lists.offered_drivers,
        "vehicles": fleet_lists.offered_plates,
        "medallions": fleet_lists.offered_medallions,
    }
    return {"offered": [(name, of[name](here)) for name in names]}


def create_lease() -> ResponseReturnValue:
    """A new lease."""
    require_change()
    here = g.organisation.id
    form: LeaseForm = form_of(LeaseForm)

    def fill() -> None:
        form.driver.data, form.vehicle.data = request.args.get("driver", ""), request.args.get("vehicle", "")
        form.starts_on.data, form.takes_repairs.data = today(), True

    def call() -> str:
        draft = form.draft(
            fleet_lists.typed_driver(here, form.driver.data or ""),
            fleet_lists.typed_vehicle(here, form.vehicle.data or ""),
            fleet_lists.typed_medallion(here, form.medallion.data or ""),
        )
        made = fleet.create_lease(organisation_id=here, draft=draft, actor=actor(), now=utc_now())
        return f"The lease {made.reference} is made. Its weeks are charged with the weekly run."

    return act_page(
        AREA, form, title="New lease", button="Make the lease", back=(url_for(".leases"), "the leases"), call=call,
        fill=fill, crumbs=[(url_for(".leases"), "Leases")], template=ACT,
        **_offered("drivers", "vehicles", "medallions"),
    )  # fmt: skip


def _facts(row: DriverLease) -> list[tuple[str, Any]]:
    return [
        ("Driver", f"{row.payee.name} ({row.payee.reference})"),
        ("Vehicle", row.vehicle.plate),
        ("Lease a week", filters.money(money(row.weekly_minor, row.currency))),
        ("Since", filters.day(row.starts_on)),
    ]


def end_lease(reference: str) -> ResponseReturnValue:
    """A lease's last day."""
    require_change()
    row = fleet_lists.get_lease(g.organisation.id, reference)
    lease_id, form = row.id, form_of(EndLeaseForm)

    def fill() -> None:
        form.last_day.data, form.version.data = today(), str(row.version)

    def call() -> str:
        fleet.end_lease(
            organisation_id=g.organisation.id, lease_id=lease_id, last_day=form.last_day.data,
            reason=form.reason.data or "", expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{reference} ends on {filters.day(form.last_day.data)}."

    return act_page(
        AREA, form, title=f"End {reference}?", button="End the lease", tone="danger", call=call, fill=fill,
        back=(url_for(".lease", reference=reference), reference), facts=_facts(row),
        crumbs=[(url_for(".leases"), "Leases"), (url_for(".lease", reference=reference), reference)],
        explains="The last week is charged by its days, and its receipt is the final one. Repairs and loans go on by "
        "the week; where the driver leaves for good, use “Driver leaves” on the driver's page.",
    )  # fmt: skip


def swap_vehicle(reference: str) -> ResponseReturnValue:
    """Another vehicle on a lease from a day on."""
    require_change()
    here = g.organisation.id
    row = fleet_lists.get_lease(here, reference)
    lease_id, form = row.id, form_of(SwapForm)

    def fill() -> None:
        form.from_on.data, form.version.data = today(), str(row.version)

    def call() -> str:
        plate = (form.vehicle.data or "").upper()
        fleet.swap_vehicle(
            organisation_id=here, lease_id=lease_id, vehicle_id=fleet_lists.typed_vehicle(here, plate),
            from_on=form.from_on.data, expected_version=form.seen_version, actor=actor(), now=utc_now(),
        )  # fmt: skip
        return f"{plate} is on {reference} from {filters.day(form.from_on.data)} on."

    return act_page(
        AREA, form, title=f"Another vehicle on {reference}", button="Swap the vehicle", call=call, fill=fill,
        back=(url_for(".lease", reference=reference), reference), facts=_facts(row), template=ACT,
        crumbs=[(url_for(".leases"), "Leases"), (url_for(".lease", reference=reference), reference)],
        explains="What the driver owes for repairs of the vehicle before stays the driver's debt.",
        **_offered("vehicles"),
    )  # fmt: skip
