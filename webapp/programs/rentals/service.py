"""Changes to properties, their owners and terms, units and bills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.audit.changes import check_version
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.models import Payee, Role
from webapp.people.numbers import next_number
from webapp.programs.rentals import reroutes
from webapp.programs.rentals.drafts import (
    BillDraft,
    OwnerShare,
    PropertyDraft,
    TermsDraft,
    WithholdingDraft,
    check_owners,
)
from webapp.programs.rentals.models import (
    REMINDER_DAYS,
    GatewayBand,
    ManagementTerms,
    Property,
    PropertyBill,
    PropertyShare,
    RentalSettings,
    Unit,
    WithholdingRule,
)
from webapp.programs.rentals.rules import Band, check_bands


def record(
    subject: str,
    action: str,
    row: Any,
    label: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any],
    note: str = "",
) -> None:
    """Write what was done to a record of this program into the trail."""
    audit.record(
        tag=f"rentals:{subject}:{action}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type=subject,
        subject_id=row.id,
        subject_label=label,
        changes=changes,
        note=note,
    )


def add_new(row: Any, field: str, message: str) -> None:
    """Store a row whose outside name must be new. Raises Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        raise Invalid(field, message) from error


def settings_of(organisation_id: int) -> RentalSettings:
    """How the organisation runs this program; the defaults where it has said nothing."""
    found = db.session.get(RentalSettings, organisation_id)
    return found or RentalSettings(
        organisation_id=organisation_id,
        charge_days_before=5,
        is_automatic=True,
        reminder_days=REMINDER_DAYS,
    )


def change_settings(
    *,
    organisation_id: int,
    charge_days_before: int,
    is_automatic: bool,
    reminder_days: str | None = None,
    actor: Actor,
    now: datetime,
) -> RentalSettings:
    """Set when rent is asked for and reminded of, and whether owners' payouts are made by themselves. Raises Invalid.

    `reminder_days`: days from the due day such as "-2 3 10"; None leaves them as they are.
    """
    if not 0 <= charge_days_before <= 28:
        raise Invalid("charge_days_before", "Enter a whole number of days from 0 to 28.", "5")
    row = db.session.merge(settings_of(organisation_id))
    changes: dict[str, Any] = {
        "days before": [row.charge_days_before, charge_days_before],
        "automatic": [row.is_automatic, is_automatic],
    }
    if reminder_days is not None:
        changes["reminders"] = [row.reminder_days, reminder_days]
        row.reminder_days = reminder_days
    row.charge_days_before, row.is_automatic = charge_days_before, is_automatic
    db.session.flush()
    audit.record(
        tag="rentals:settings:changed",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="rental_settings",
        subject_label="Rentals",
        changes=changes,
    )
    return row


def create_property(*, organisation_id: int, draft: PropertyDraft, actor: Actor, now: datetime) -> Property:
    """A new property, numbered PR-0001 and on. Raises Invalid."""
    draft.check()
    _check_payees(organisation_id, draft.owners)
    row = Property(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "PR"),
        external_ref=draft.external_ref,
        name=" ".join(draft.name.split()),
        address=draft.address.strip(),
        currency=draft.currency,
        reserve_target_minor=draft.reserve_target_minor,
        edited_by_id=actor.user_id,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        shares=[PropertyShare(payee_id=o.payee_id, weight=o.weight) for o in draft.owners],
    )
    add_new(row, "external_ref", f"There is a property {draft.external_ref!r} already.")
    record("property", "created", row, row.reference, actor, now, {"name": [None, row.name]})
    return row


def _check_payees(organisation_id: int, owners: Sequence[OwnerShare]) -> None:
    wanted = {owner.payee_id for owner in owners}
    known = db.session.scalars(
        select(Payee.id).where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.OWNER.value,
            Payee.id.in_(wanted),
        )
    )
    if wanted - set(known):
        raise Invalid("owners", "An owner is not one of this organisation.")


def lock_property(organisation_id: int, reference: str, expected_version: int | None = None) -> Property:
    """The property's row, locked. Raises NotFound, StaleVersion."""
    row = lock_row(Property, Property.organisation_id == organisation_id, Property.reference == reference)
    check_version(row, reference, expected_version)
    return row


def change_property(
    *,
    organisation_id: int,
    reference: str,
    name: str,
    address: str,
    reserve_target_minor: int,
    owners: tuple[OwnerShare, ...],
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Property:
    """Change a property and its owners; rents that are shared out already stay as they are. Raises Invalid.

    Other owners or shares are told to all of them, and payouts of the property need a person for a while.
    """
    row = lock_property(organisation_id, reference, expected_version)
    PropertyDraft(name, row.currency, address, reserve_target_minor, owners=owners).check()
    check_owners(owners)
    if row.shares and not owners:
        # Without owners in between, nobody could say whose part went to whom.
        raise Invalid("owners", "Name at least one owner. Owners are replaced, not removed.", "PY-0001")
    _check_payees(organisation_id, owners)
    before = {share.payee_id: share.weight for share in row.shares}
    after = {owner.payee_id: owner.weight for owner in owners}
    changes: dict[str, Any] = {}
    for field, value in (
        ("name", " ".join(name.split())),
        ("address", address.strip()),
        ("reserve_target_minor", reserve_target_minor),
    ):
        if getattr(row, field) != value:
            changes[field] = [getattr(row, field), value]
            setattr(row, field, value)
    if before != after:
        changes["owners"] = [_owners_said(before), _owners_said(after)]
        kept = {share.payee_id: share for share in row.shares}
        for payee_id, weight in after.items():
            if payee_id in kept:
                kept[payee_id].weight = weight
        row.shares = [
            kept.get(o.payee_id) or PropertyShare(payee_id=o.payee_id, weight=o.weight) for o in owners
        ]
        reroutes.record_shares(row, before, after, actor, now)
    if changes:
        row.version += 1
        row.edited_by_id = actor.user_id
        record("property", "changed", row, row.reference, actor, now, changes)
    db.session.flush()
    return row


def _owners_said(weights: dict[int, int]) -> str:
    names = dict(db.session.execute(select(Payee.id, Payee.reference).where(Payee.id.in_(weights))).all())
    return ", ".join(
        f"{names.get(payee_id, payee_id)} {weight}" for payee_id, weight in sorted(weights.items())
    )


def unit_name(name: str) -> str:
    """The name of a unit on one line. Raises Invalid."""
    said = " ".join(name.split())
    if not said or len(said) > 120:
        raise Invalid("name", "Enter the name of the unit, up to 120 characters.", "Flat 4B")
    return said


def create_unit(
    *, organisation_id: int, property_reference: str, name: str, actor: Actor, now: datetime
) -> Unit:
    """A new unit of a property, numbered UN-0001 and on. Raises Invalid, NotFound."""
    place = lock_property(organisation_id, property_reference)
    said = unit_name(name)
    row = Unit(
        organisation_id=organisation_id,
        property_id=place.id,
        reference=next_number(organisation_id, "UN"),
        name=said,
        created_at=now,
    )
    add_new(row, "name", f"{place.name} has a unit {said!r} already.")
    record(
        "unit", "created", row, f"{row.reference} {place.name}, {said}", actor, now, {"name": [None, said]}
    )
    return row


def set_terms(*, organisation_id: int, draft: TermsDraft, actor: Actor, now: datetime) -> ManagementTerms:
    """Management terms from a day on; terms are never edited, later ones replace them. Raises Invalid, NotFound."""
    draft.check()
    place = None
    if draft.property_id is not None:
        place = lock_row(
            Property, Property.organisation_id == organisation_id, Property.id == draft.property_id
        )
        place.edited_by_id = actor.user_id
        reroutes.mark(place, actor, now)
    row = ManagementTerms(
        organisation_id=organisation_id,
        property_id=draft.property_id,
        valid_from=draft.valid_from,
        fee_percent=draft.fee_percent,
        fee_flat_minor=draft.fee_flat_minor,
        fee_tax_percent=draft.fee_tax_percent,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    add_new(row, "valid_from", f"There are terms from {draft.valid_from} already. Choose another day.")
    changes = {
        "from": [None, str(draft.valid_from)],
        "fee": [None, f"{draft.fee_percent} % + {draft.fee_flat_minor}"],
        "tax on the fee": [None, f"{draft.fee_tax_percent} %"],
    }
    label = place.reference if place else "All properties"
    record("management_terms", "set", row, label, actor, now, changes)
    return row


def set_withholding(
    *, organisation_id: int, draft: WithholdingDraft, actor: Actor, now: datetime
) -> WithholdingRule:
    """A rule of tax to keep back, from a day on. Raises Invalid."""
    draft.check()
    row = WithholdingRule(
        organisation_id=organisation_id,
        section=" ".join(draft.section.split()),
        rate_percent=draft.rate_percent,
        threshold_minor=draft.threshold_minor,
        threshold_per=draft.threshold_per,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    add_new(row, "valid_from", f"{row.section} has a rule from {draft.valid_from} already.")
    changes = {"rate": [None, f"{draft.rate_percent} %"], "from": [None, str(draft.valid_from)]}
    record("withholding_rule", "set", row, row.section, actor, now, changes)
    return row


def set_bands(
    *, organisation_id: int, valid_from: date, bands: Sequence[Band], actor: Actor, now: datetime
) -> list[GatewayBand]:
    """The bands of the gateway's charge from a day on; later ones replace them. Raises Invalid."""
    check_bands(bands)
    if not bands:
        raise Invalid("bands", "Enter at least one band.", "10,000.00 2.00 %")
    if db.session.scalar(
        select(GatewayBand.id)
        .where(GatewayBand.organisation_id == organisation_id, GatewayBand.valid_from == valid_from)
        .limit(1)
    ):
        raise Invalid("valid_from", f"There are bands from {valid_from} already. Choose another day.")
    rows = [
        GatewayBand(
            organisation_id=organisation_id,
            valid_from=valid_from,
            up_to_minor=band.up_to_minor,
            rate_percent=band.rate_percent,
            created_by_id=actor.user_id,
            created_by_label=actor.label,
            created_at=now,
        )
        for band in bands
    ]
    db.session.add_all(rows)
    db.session.flush()
    said = "; ".join(f"up to {b.up_to_minor or 'any'}: {b.rate_percent} %" for b in bands)
    record("gateway_bands", "set", rows[0], str(valid_from), actor, now, {"bands": [None, said]})
    return rows


def add_bill(*, organisation_id: int, draft: BillDraft, actor: Actor, now: datetime) -> PropertyBill:
    """Something to be paid from a property's next rents, numbered BL-0001 and on. Raises Invalid, NotFound."""
    draft.check()
    place = lock_row(Property, Property.organisation_id == organisation_id, Property.id == draft.property_id)
    row = PropertyBill(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "BL"),
        property_id=place.id,
        description=" ".join(draft.description.split()),
        billed_on=draft.billed_on,
        currency=place.currency,
        amount_minor=draft.amount_minor,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    place.edited_by_id = actor.user_id
    record("property_bill", "added", row, row.reference, actor, now, {"amount": [None, draft.amount_minor]})
    return row


def cancel_bill(
    *, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime
) -> PropertyBill:
    """Take the open rest of a bill back. Raises Invalid without a reason, NotFound, Conflict."""
    row = lock_row(
        PropertyBill, PropertyBill.organisation_id == organisation_id, PropertyBill.reference == reference
    )
    if row.state != "open":
        raise Conflict(f"{reference} is {row.state} already.")
    reason = need_reason(reason, "Entered twice.", "bill")
    row.state = "cancelled"
    record("property_bill", "cancelled", row, reference, actor, now, {}, reason)
    db.session.flush()
    return row
