"""Leases: who rents which unit, from when, for how much."""

from __future__ import annotations

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.amounts import minor_in
from webapp.api.schemas.common import Amount
from webapp.api.schemas.rentals import (
    LeaseCreate,
    LeaseEnd,
    LeaseOut,
    LeasePage,
    LeaseQuery,
    TenantOut,
    UnitOut,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.rentals import letting, queries
from webapp.programs.rentals.drafts import LeaseDraft, TenantDraft
from webapp.programs.rentals.models import Lease

resource = Resource(
    "leases",
    "/leases",
    title="Leases",
    about="Each month of an active lease becomes a rent that is asked for. A unit has one active lease.",
)
_AS_IT_IS = ("reference", "external_ref", "state", "due_day", "start_on", "end_on", "version", "created_at")
_read, _write = {"scope": Scope.RENTALS_READ}, {"scope": Scope.RENTALS_WRITE}


def tenants_of(row: Lease) -> list[TenantOut]:
    """Who rents, as it is answered."""
    people = [link.tenant for link in row.tenants]
    return [TenantOut(reference=one.reference, name=one.name, email=one.email) for one in people]


def _out(row: Lease) -> LeaseOut:
    return LeaseOut.model_validate(
        {
            **{name: getattr(row, name) for name in _AS_IT_IS},
            "property": row.unit.property.reference,
            "unit": UnitOut(reference=row.unit.reference, name=row.unit.name),
            "tenants": tenants_of(row),
            "rent": Amount.of(row.rent_minor, row.currency),
            "deposit": Amount.of(row.deposit_minor, row.currency),
        }
    )


@resource.get("", summary="List leases", query=LeaseQuery, answers=LeasePage, **_read)
def index(who: Caller, query: LeaseQuery) -> LeasePage:
    """The leases that match, the newest first."""
    chosen = queries.LeaseFilter(text=query.search or "", state=query.state or "")
    found = queries.list_leases(who.organisation_id, chosen)
    rows, following = paging.page(found, Lease.id, limit=query.limit, cursor=query.cursor)
    return LeasePage(items=[_out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a lease", answers=LeaseOut, **_read)
def show(who: Caller, reference: str) -> LeaseOut:
    """One lease with its tenants."""
    return _out(queries.get_lease(who.organisation_id, reference))


@resource.post("", summary="Add a lease", body=LeaseCreate, answers=LeaseOut, status=201,
               location="/leases/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: LeaseCreate) -> LeaseOut:
    """A new lease with new tenants; the unit must be free (409 names the lease that it has)."""
    common = {"organisation_id": who.organisation_id, "actor": who.actor, "now": utc_now()}
    unit = queries.get_unit(who.organisation_id, body.unit)
    currency = unit.property.currency
    tenants = [
        letting.create_tenant(
            draft=TenantDraft(one.name, one.email, one.phone, one.external_ref),
            **common,  # type: ignore[arg-type]
        )
        for one in body.tenants
    ]
    draft = LeaseDraft(
        unit_id=unit.id,
        currency=currency,
        rent_minor=minor_in(body.rent, currency, "rent"),
        deposit_minor=minor_in(body.deposit, currency, "deposit"),
        start_on=body.start_on,
        end_on=body.end_on,
        due_day=body.due_day,
        external_ref=body.external_ref,
        tenant_ids=tuple(one.id for one in tenants),
    )
    made = letting.create_lease(draft=draft, **common)  # type: ignore[arg-type]
    return _out(queries.get_lease(who.organisation_id, made.reference))


@resource.post("/<reference>/end", summary="End a lease", body=LeaseEnd, answers=LeaseOut, **_write)
def end(who: Caller, reference: str, body: LeaseEnd) -> LeaseOut:
    """Its last day; rent is asked for up to the month of that day."""
    letting.end_lease(
        organisation_id=who.organisation_id,
        reference=reference,
        end_on=body.end_on,
        actor=who.actor,
        now=utc_now(),
    )
    return _out(queries.get_lease(who.organisation_id, reference))
