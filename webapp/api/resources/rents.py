"""Rents of months: what is asked of tenants, and how much of it is there."""

from __future__ import annotations

from typing import Any

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.leases import tenants_of
from webapp.api.schemas.common import Amount
from webapp.api.schemas.rentals import RentOut, RentPage, RentQuery, UnitOut, Waive
from webapp.kernel.clock import local_date, utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.rentals import charging, lists
from webapp.programs.rentals.models import RentCharge

resource = Resource(
    "rents",
    "/rents",
    title="Rents",
    about="The rent of a month, made when it is time to ask for it; part payments count.",
)
_read, _write = {"scope": Scope.RENTALS_READ}, {"scope": Scope.RENTALS_WRITE}


def _out(row: RentCharge) -> RentOut:
    lease = row.lease
    values: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("reference", "state", "period_start", "period_end", "due_on", "version")
    }
    return RentOut(
        **values,
        lease=lease.reference,
        property=lease.unit.property.reference,
        unit=UnitOut(reference=lease.unit.reference, name=lease.unit.name),
        tenants=tenants_of(lease),
        amount=Amount.of(row.amount_minor, row.currency),
        paid=Amount.of(row.paid_minor, row.currency),
    )


@resource.get("", summary="List rents", query=RentQuery, answers=RentPage, **_read)
def index(who: Caller, query: RentQuery) -> RentPage:
    """The rents that match, the newest first."""
    chosen = lists.ChargeFilter(query.search or "", query.state or "", query.due_from, query.due_to)
    today = local_date(utc_now(), who.timezone)
    found = lists.list_charges(who.organisation_id, today, chosen)
    rows, following = paging.page(found, RentCharge.id, limit=query.limit, cursor=query.cursor)
    return RentPage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a rent", answers=RentOut, **_read)
def show(who: Caller, reference: str) -> RentOut:
    """One month's rent."""
    return _out(lists.get_charge(who.organisation_id, reference))


@resource.post("/<reference>/waive", summary="Waive a rent", body=Waive, answers=RentOut, **_write)
def waive(who: Caller, reference: str, body: Waive) -> RentOut:
    """What is left of it is not asked for any more."""
    charging.waive(
        organisation_id=who.organisation_id,
        reference=reference,
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return _out(lists.get_charge(who.organisation_id, reference))
