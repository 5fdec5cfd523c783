"""Properties and their units: who owns what, and so who gets which part of a rent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.api import paging
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.api.schemas.rentals import (
    Ownership,
    OwnershipIn,
    PropertyChange,
    PropertyCreate,
    PropertyOut,
    PropertyPage,
    PropertyQuery,
    UnitCreate,
    UnitOut,
)
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.access.tokens import Scope
from webapp.people.models import Payee, Role
from webapp.programs.rentals import queries, service
from webapp.programs.rentals.drafts import OwnerShare, PropertyDraft
from webapp.programs.rentals.models import Property, PropertyShare

resource = Resource(
    "properties",
    "/properties",
    title="Properties",
    about="What is let, and whose it is. Owners are payees; who changes owners does not approve what they are paid.",
)
_read, _write = {"scope": Scope.RENTALS_READ}, {"scope": Scope.RENTALS_WRITE}


def out(row: Property) -> PropertyOut:
    """A property as it is answered."""
    return PropertyOut(
        reference=row.reference,
        external_ref=row.external_ref,
        name=row.name,
        address=row.address,
        currency=row.currency,
        reserve_target=Amount.of(row.reserve_target_minor, row.currency),
        owners=[Ownership(owner=PayeeRef.of(s.payee), weight=s.weight) for s in row.shares],
        units=[UnitOut(reference=unit.reference, name=unit.name) for unit in row.units],
        version=row.version,
        created_at=row.created_at,
    )


@resource.get("", summary="List properties", query=PropertyQuery, answers=PropertyPage, **_read)
def index(who: Caller, query: PropertyQuery) -> PropertyPage:
    """The properties that match, the newest first."""
    chosen = queries.PropertyFilter(text=query.search or "")
    found: Any = queries.list_properties(who.organisation_id, chosen).options(
        selectinload(Property.shares).joinedload(PropertyShare.payee), selectinload(Property.units)
    )
    rows, following = paging.page(found, Property.id, limit=query.limit, cursor=query.cursor)
    return PropertyPage(items=[out(row) for row in rows], next_cursor=following)


@resource.get("/<reference>", summary="Get a property", answers=PropertyOut, **_read)
def show(who: Caller, reference: str) -> PropertyOut:
    """One property with its owners and units."""
    return out(queries.get_property(who.organisation_id, reference))


def _owners(who: Caller, owners: Sequence[OwnershipIn]) -> tuple[OwnerShare, ...]:
    ids = dict(
        db.session.execute(
            select(Payee.reference, Payee.id).where(
                Payee.organisation_id == who.organisation_id,
                Payee.kind == Role.OWNER.value,
                Payee.reference.in_([share.owner for share in owners]),
            )
        ).all()
    )
    for share in owners:
        if share.owner not in ids:
            raise Invalid("owners", f"{share.owner} is not an owner of this organisation.", "PY-0001")
    return tuple(OwnerShare(ids[share.owner], share.weight) for share in owners)


@resource.post("", summary="Add a property", body=PropertyCreate, answers=PropertyOut, status=201,
               location="/properties/{reference}", **_write)  # fmt: skip
def create(who: Caller, body: PropertyCreate) -> PropertyOut:
    """A new property in the organisation's currency, numbered PR-0001 and on."""
    made = service.create_property(
        organisation_id=who.organisation_id,
        draft=PropertyDraft(
            name=body.name,
            currency=who.currency,
            address=body.address,
            reserve_target_minor=minor_in(body.reserve_target, who.currency, "reserve_target"),
            external_ref=body.external_ref,
            owners=_owners(who, body.owners),
        ),
        actor=who.actor,
        now=utc_now(),
    )
    return out(made)


@resource.put("/<reference>", summary="Change a property", body=PropertyChange, answers=PropertyOut, **_write)
def update(who: Caller, reference: str, body: PropertyChange) -> PropertyOut:
    """Name, address, reserve and owners as the body says; later rents are shared out accordingly."""
    row = queries.get_property(who.organisation_id, reference)
    changed = service.change_property(
        reference=reference,
        name=body.name,
        address=body.address,
        reserve_target_minor=minor_in(body.reserve_target, row.currency, "reserve_target"),
        owners=_owners(who, body.owners),
        **act_of(who, body.version),
    )
    return out(changed)


@resource.post("/<reference>/units", summary="Add a unit", body=UnitCreate, answers=PropertyOut, **_write)
def add_unit(who: Caller, reference: str, body: UnitCreate) -> PropertyOut:
    """A part of a property that is let on its own; answers the property with its units."""
    unit = service.create_unit(
        organisation_id=who.organisation_id,
        property_reference=reference,
        name=body.name,
        actor=who.actor,
        now=utc_now(),
    )
    db.session.refresh(unit.property)
    return out(unit.property)
