"""Reading properties, units, tenants, leases and terms for admins. Every query names the organisation. Never writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import db, get_row, like
from webapp.kernel.errors import NotFound
from webapp.ledger.models import Account
from webapp.people.models import Payee, Role
from webapp.people.queries import payees_named
from webapp.programs.rentals.lists import of_home
from webapp.programs.rentals.models import (
    GatewayBand,
    Lease,
    LeaseState,
    LeaseTenant,
    ManagementTerms,
    Property,
    PropertyBill,
    PropertyShare,
    ShareChange,
    Tenant,
    Unit,
    WithholdingRule,
)

#: Rows of a detail page's own tables; the lists have the rest.
SHOWN = 100


@dataclass(frozen=True)
class PropertyFilter:
    """What the list of properties is narrowed to; empty fields narrow nothing."""

    text: str = ""
    owner: str = ""


@dataclass(frozen=True)
class LeaseFilter:
    """What the list of leases is narrowed to; `state` is a LeaseState, or "ending" for those with a last day ahead."""

    text: str = ""
    state: str = ""
    property_reference: str = ""


def owners_of(organisation_id: int) -> Sequence[Payee]:
    """The active owners by name."""
    return db.session.scalars(
        select(Payee)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.OWNER.value,
            Payee.is_active.is_(True),
        )
        .order_by(Payee.name, Payee.id)
    ).all()


def list_properties(organisation_id: int, chosen: PropertyFilter | None = None) -> Select[Any]:
    """Properties with their owners; a text finds reference, name, address or the organisation's own number."""
    chosen = chosen or PropertyFilter()
    query = (
        select(Property)
        .where(Property.organisation_id == organisation_id)
        .options(selectinload(Property.shares).joinedload(PropertyShare.payee))
    )
    if text := chosen.text.strip():
        columns = (Property.reference, Property.name, Property.address, Property.external_ref)
        query = query.where(or_(*(like(column, text) for column in columns)))
    if owner := chosen.owner.strip():
        owners = payees_named(organisation_id, owner)
        query = query.where(Property.shares.any(PropertyShare.payee_id.in_(owners)))
    return query


def get_property(organisation_id: int, reference: str) -> Property:
    """One property with its owners. Raises NotFound."""
    query = list_properties(organisation_id).where(Property.reference == reference)
    row: Property = get_row(query)
    return row


def unit_counts(property_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Property id → (units, units that are let)."""
    is_let = exists().where(Lease.unit_id == Unit.id, Lease.state == LeaseState.ACTIVE.value)
    rows = db.session.execute(
        select(Unit.property_id, func.count(), func.count().filter(is_let))
        .where(Unit.property_id.in_(list(property_ids)))
        .group_by(Unit.property_id)
    )
    return {property_id: (units, let) for property_id, units, let in rows}


def units_of(place: Property) -> list[tuple[Unit, Lease | None]]:
    """The units of a property by name, each with the lease that runs."""
    rows = db.session.execute(
        select(Unit, Lease)
        .outerjoin(Lease, (Lease.unit_id == Unit.id) & (Lease.state == LeaseState.ACTIVE.value))
        .where(Unit.property_id == place.id)
        .options(selectinload(Lease.tenants).joinedload(LeaseTenant.tenant))
        .order_by(Unit.name, Unit.id)
    )
    return [(unit, lease) for unit, lease in rows]


def get_unit(organisation_id: int, reference: str) -> Unit:
    """A unit with its property. Raises NotFound."""
    query = (
        select(Unit)
        .where(Unit.organisation_id == organisation_id, Unit.reference == reference)
        .options(joinedload(Unit.property))
    )
    return get_row(query)


def free_units(organisation_id: int) -> Sequence[Unit]:
    """The units that are not let, by property and name."""
    is_let = exists().where(Lease.unit_id == Unit.id, Lease.state == LeaseState.ACTIVE.value)
    return db.session.scalars(
        select(Unit)
        .join(Property, Property.id == Unit.property_id)
        .where(
            Unit.organisation_id == organisation_id,
            Unit.is_active.is_(True),
            Property.is_active.is_(True),
            ~is_let,
        )
        .options(joinedload(Unit.property))
        .order_by(Property.name, Unit.name, Unit.id)
    ).all()


def share_changes_of(place: Property) -> Sequence[tuple[ShareChange, Payee]]:
    """How the owners' parts of a property changed, the newest first."""
    rows = db.session.execute(
        select(ShareChange, Payee)
        .join(Payee, Payee.id == ShareChange.payee_id)
        .where(ShareChange.property_id == place.id)
        .order_by(ShareChange.id.desc())
        .limit(SHOWN)
    )
    return [(change, payee) for change, payee in rows]


def bills_of(place: Property) -> Sequence[PropertyBill]:
    """The newest bills of a property."""
    return db.session.scalars(
        select(PropertyBill)
        .where(PropertyBill.property_id == place.id)
        .order_by(PropertyBill.id.desc())
        .limit(SHOWN)
    ).all()


def get_bill(organisation_id: int, reference: str) -> tuple[PropertyBill, Property]:
    """A bill and its property. Raises NotFound."""
    row = db.session.execute(
        select(PropertyBill, Property)
        .join(Property, Property.id == PropertyBill.property_id)
        .where(PropertyBill.organisation_id == organisation_id, PropertyBill.reference == reference)
    ).one_or_none()
    if row is None:
        raise NotFound
    bill, place = row
    return bill, place


def reserve_of(place: Property) -> int:
    """What a property's reserve holds, in minor units."""
    balance = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == place.organisation_id,
            Account.code == f"reserve:{place.reference}",
            Account.currency == place.currency,
        )
    )
    return int(balance or 0)


def terms_of(organisation_id: int, property_id: int | None) -> Sequence[ManagementTerms]:
    """Every set of management terms of a property (None: of all properties), the newest first."""
    return db.session.scalars(
        select(ManagementTerms)
        .where(
            ManagementTerms.organisation_id == organisation_id,
            ManagementTerms.property_id.is_(None)
            if property_id is None
            else ManagementTerms.property_id == property_id,
        )
        .order_by(ManagementTerms.valid_from.desc())
    ).all()


def withholding_rules(organisation_id: int) -> Sequence[WithholdingRule]:
    """Every rule of tax to keep back, by section, the newest first."""
    return db.session.scalars(
        select(WithholdingRule)
        .where(WithholdingRule.organisation_id == organisation_id)
        .order_by(WithholdingRule.section, WithholdingRule.valid_from.desc())
    ).all()


def gateway_bands(organisation_id: int) -> Sequence[GatewayBand]:
    """Every band of the gateway's charge, the newest set first, each set from the lowest band up."""
    rows = db.session.scalars(
        select(GatewayBand).where(GatewayBand.organisation_id == organisation_id).order_by(GatewayBand.id)
    ).all()
    top = 10**18
    return sorted(rows, key=lambda b: (-b.valid_from.toordinal(), b.up_to_minor or top))


def list_tenants(organisation_id: int, text: str = "") -> Select[Any]:
    """Tenants; a text finds reference, name, e-mail address, phone or the organisation's own number."""
    query = select(Tenant).where(Tenant.organisation_id == organisation_id)
    if text := text.strip():
        columns = (Tenant.reference, Tenant.name, Tenant.email, Tenant.phone, Tenant.external_ref)
        query = query.where(or_(*(like(column, text) for column in columns)))
    return query


def get_tenant(organisation_id: int, reference: str) -> Tenant:
    """One tenant. Raises NotFound."""
    row: Tenant = get_row(list_tenants(organisation_id).where(Tenant.reference == reference))
    return row


def homes_of(tenant_ids: Iterable[int]) -> dict[int, list[Lease]]:
    """Tenant id → the leases that run, each with unit and property."""
    rows = db.session.execute(
        select(LeaseTenant.tenant_id, Lease)
        .join(Lease, Lease.id == LeaseTenant.lease_id)
        .where(LeaseTenant.tenant_id.in_(list(tenant_ids)), Lease.state == LeaseState.ACTIVE.value)
        .options(joinedload(Lease.unit).joinedload(Unit.property))
        .order_by(Lease.id)
    )
    found: dict[int, list[Lease]] = {}
    for tenant_id, lease in rows:
        found.setdefault(tenant_id, []).append(lease)
    return found


def _with_people(query: Select[Any]) -> Select[Any]:
    return query.options(
        joinedload(Lease.unit, innerjoin=True).joinedload(Unit.property, innerjoin=True),
        selectinload(Lease.tenants).joinedload(LeaseTenant.tenant),
    )


def list_leases(
    organisation_id: int, chosen: LeaseFilter | None = None, today: date | None = None
) -> Select[Any]:
    """Leases with unit, property and tenants; a text finds references and the names of all three."""
    chosen = chosen or LeaseFilter()
    query = _with_people(select(Lease).where(Lease.organisation_id == organisation_id))
    if text := chosen.text.strip():
        query = query.where(or_(like(Lease.external_ref, text), of_home(text)))
    if chosen.property_reference:
        wanted = Unit.property.has(Property.reference == chosen.property_reference.strip().upper())
        query = query.where(Lease.unit.has(wanted))
    if chosen.state == "ending":
        query = query.where(Lease.state == LeaseState.ACTIVE.value, Lease.end_on >= today)
    elif chosen.state:
        query = query.where(Lease.state == chosen.state)
    return query


def get_lease(organisation_id: int, reference: str) -> Lease:
    """One lease with unit, property and tenants. Raises NotFound."""
    query = list_leases(organisation_id).where(Lease.reference == reference)
    row: Lease = get_row(query)
    return row


def leases_of_tenant(tenant: Tenant) -> Sequence[Lease]:
    """Every lease of a tenant, the newest first."""
    query = _with_people(
        select(Lease).where(
            Lease.organisation_id == tenant.organisation_id,
            Lease.tenants.any(LeaseTenant.tenant_id == tenant.id),
        )
    )
    return db.session.scalars(query.order_by(Lease.id.desc()).limit(SHOWN)).all()


def has_properties(organisation_id: int) -> bool:
    """Whether there is anything to let."""
    return bool(db.session.scalar(select(exists().where(Property.organisation_id == organisation_id))))
