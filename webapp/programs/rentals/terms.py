"""Which dated terms count on a day: management fee, withheld taxes, gateway bands; what is open of a property."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import or_, select

from webapp.database import db
from webapp.kernel.clock import month_bounds
from webapp.ledger.models import Account
from webapp.programs.rentals.models import (
    Distribution,
    GatewayBand,
    ManagementTerms,
    Property,
    PropertyBill,
    RentCharge,
    RentPayment,
    WithholdingRule,
)
from webapp.programs.rentals.rules import Band, OpenBill, Terms, Withholding, tax_year_of


def bands_on(organisation_id: int, on: date) -> list[Band]:
    """The newest bands of the gateway's charge that count on a day; none where none were ever set."""
    newest = (
        select(GatewayBand.valid_from)
        .where(GatewayBand.organisation_id == organisation_id, GatewayBand.valid_from <= on)
        .order_by(GatewayBand.valid_from.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.session.scalars(
        select(GatewayBand).where(
            GatewayBand.organisation_id == organisation_id, GatewayBand.valid_from == newest
        )
    )
    return [Band(row.up_to_minor, row.rate_percent) for row in rows]


def terms_row(organisation_id: int, property_id: int | None, on: date) -> ManagementTerms | None:
    """The property's own newest terms that have begun; else the organisation's; None where there are none."""
    general = ManagementTerms.property_id.is_(None)
    mine = general if property_id is None else or_(general, ManagementTerms.property_id == property_id)
    return db.session.scalar(
        select(ManagementTerms)
        .where(ManagementTerms.organisation_id == organisation_id, mine, ManagementTerms.valid_from <= on)
        # The property's own come before the organisation's, whichever is newer.
        .order_by(ManagementTerms.property_id.is_(None), ManagementTerms.valid_from.desc())
        .limit(1)
    )


def terms_on(organisation_id: int, property_id: int | None, on: date) -> Terms:
    """What is charged for managing on a day; nothing where nothing was agreed."""
    row = terms_row(organisation_id, property_id, on)
    return Terms(row.fee_percent, row.fee_flat_minor, row.fee_tax_percent) if row else Terms()


def rules_on(organisation_id: int, on: date) -> Sequence[WithholdingRule]:
    """The rules of withheld tax that count on a day, in the order of their sections."""
    return db.session.scalars(
        select(WithholdingRule)
        .where(
            WithholdingRule.organisation_id == organisation_id,
            WithholdingRule.valid_from <= on,
            or_(WithholdingRule.valid_to.is_(None), WithholdingRule.valid_to >= on),
        )
        .order_by(WithholdingRule.section, WithholdingRule.valid_from.desc())
    ).all()


def withholdings_on(organisation_id: int, lease_id: int | None, on: date) -> tuple[Withholding, ...]:
    """The taxes to keep back from a rent of a lease, with the rent of their span so far."""
    newest: dict[str, WithholdingRule] = {}
    for rule in rules_on(organisation_id, on):
        newest.setdefault(rule.section, rule)
    return tuple(_with_rent_so_far(rule, lease_id, on) for rule in newest.values())


def _with_rent_so_far(rule: WithholdingRule, lease_id: int | None, on: date) -> Withholding:
    before = untaxed = 0
    if rule.threshold_per != "payment" and lease_id is not None:
        start, end = month_bounds(on) if rule.threshold_per == "month" else tax_year_of(on)
        for distribution in _of_lease(lease_id, start, end):
            before += distribution.rent_minor
            if rule.section not in distribution.details.get("withheld", {}):
                untaxed += distribution.rent_minor
    return Withholding(rule.section, rule.rate_percent, rule.threshold_minor, before, untaxed)


def _of_lease(lease_id: int, start: date, end: date) -> Sequence[Distribution]:
    return db.session.scalars(
        select(Distribution)
        .join(RentPayment, RentPayment.id == Distribution.payment_id)
        .join(RentCharge, RentCharge.id == RentPayment.charge_id)
        .where(RentCharge.lease_id == lease_id, RentPayment.received_on.between(start, end))
    ).all()


def open_bills(property_id: int) -> tuple[OpenBill, ...]:
    """What is still to be paid from a property's rent, oldest first."""
    rows = db.session.scalars(
        select(PropertyBill)
        .where(PropertyBill.property_id == property_id, PropertyBill.state == "open")
        .order_by(PropertyBill.id)
    )
    return tuple(OpenBill(row.id, row.description, row.amount_minor - row.taken_minor) for row in rows)


def reserve_missing(place: Property) -> int:
    """How much a property's reserve lacks of its target, in minor units."""
    if not place.reserve_target_minor:
        return 0
    balance = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == place.organisation_id,
            Account.code == f"reserve:{place.reference}",
            Account.currency == place.currency,
        )
    )
    return max(0, place.reserve_target_minor - int(balance or 0))
