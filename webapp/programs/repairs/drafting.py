"""A repair from the workshop's invoice to its plan: previewed, created, changed while it is a draft, confirmed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount, need
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.people.numbers import next_number
from webapp.programs.repairs import fleet, plans, settings, trail
from webapp.programs.repairs.drafts import RepairDraft, check_start
from webapp.programs.repairs.models import DriverLease, Repair
from webapp.programs.repairs.rules import Planned, why_not_charged
from webapp.programs.repairs.states import RepairAction, RepairState, next_state


class DuplicateInvoice(Conflict):
    """The invoice is charged already; `reference` names the repair that has it."""

    def __init__(self, reference: str, draft: RepairDraft) -> None:
        super().__init__(
            f"{reference} has this invoice already: {draft.invoice_number} of {draft.invoice_date.isoformat()} "
            "for this vehicle. Nothing was stored."
        )
        self.reference = reference


def preview_repair(
    *, organisation_id: int, amount_minor: int, invoice_date: date, start: str, now: datetime
) -> list[Planned]:
    """The instalments that an invoice would become; nothing is stored. Raises Invalid."""
    check_amount("amount", amount_minor)
    check_start(start)
    trail.check_day("invoice_date", invoice_date, organisation_id, now)
    week_start = trail.organisation(organisation_id).week_start
    return plans.preview(organisation_id, amount_minor, invoice_date, start, week_start)


def may_be_charged(*, organisation_id: int, lease_id: int, vehicle_id: int, invoice_date: date) -> str:
    """Why a repair may not be charged to the driver under a lease; empty when it may. Raises NotFound."""
    lease = fleet.get_lease(organisation_id, lease_id)
    return why_not_charged(fleet.facts_of(lease, vehicle_id), invoice_date)


def vehicle_on(lease: DriverLease, day: date) -> int:
    """The id of the vehicle that was on a lease on a day; the last one where there was none."""
    for each in lease.vehicles:
        if each.from_on <= day and (each.until_on is None or day <= each.until_on):
            return each.vehicle_id
    return lease.vehicles[-1].vehicle_id


def _vehicle_of(lease: DriverLease, draft: RepairDraft) -> int:
    """The vehicle repaired: the one given, or the one that was on the lease then. Raises Invalid."""
    vehicle_id = draft.vehicle_id or vehicle_on(lease, draft.invoice_date)
    if why := why_not_charged(fleet.facts_of(lease, vehicle_id), draft.invoice_date):
        raise Invalid("lease", why)
    return vehicle_id


def _refuse_duplicate(organisation_id: int, vehicle_id: int, draft: RepairDraft, but_for: int | None) -> None:
    query = select(Repair.reference).where(
        Repair.organisation_id == organisation_id,
        Repair.vehicle_id == vehicle_id,
        Repair.invoice_number == " ".join(draft.invoice_number.split()),
        Repair.invoice_date == draft.invoice_date,
        Repair.state != RepairState.CANCELLED.value,
    )
    if but_for is not None:
        query = query.where(Repair.id != but_for)
    if (found := db.session.scalar(query.limit(1))) is not None:
        raise DuplicateInvoice(found, draft)


def _fields(repair: Repair, lease: DriverLease, draft: RepairDraft) -> dict[str, object]:
    matrix = settings.matrix_version(repair.organisation_id)
    parts = plans.amounts(repair.organisation_id, draft.amount_minor)
    return {
        "payee_id": lease.payee_id,
        "lease_id": lease.id,
        "vehicle_id": _vehicle_of(lease, draft),
        "medallion_id": lease.medallion_id,
        "invoice_number": need("invoice_number", draft.invoice_number, 120, "the invoice number", "W-1042"),
        "invoice_date": draft.invoice_date,
        "workshop": draft.workshop,
        "description": draft.description.strip(),
        "amount_minor": draft.amount_minor,
        "starts": draft.start,
        "weekly_minor": parts[0],
        "matrix_version_id": matrix.id if matrix else None,
        "document_key": draft.document_key,
        "document_name": draft.document_name,
    }


def create_repair(*, organisation_id: int, draft: RepairDraft, actor: Actor, now: datetime) -> Repair:
    """A repair as a draft, with its plan; nothing is charged before it is confirmed.

    Raises NotFound, Invalid with the field, or DuplicateInvoice that names the repair which has it.
    """
    draft.check()
    trail.check_day("invoice_date", draft.invoice_date, organisation_id, now)
    lease = fleet.get_lease(organisation_id, draft.lease_id)
    trail.lock_drivers(organisation_id, [lease.payee_id])
    organisation = trail.organisation(organisation_id)
    repair = Repair(
        organisation_id=organisation_id,
        currency=organisation.currency,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    for name, value in _fields(repair, lease, draft).items():
        setattr(repair, name, value)
    _refuse_duplicate(organisation_id, repair.vehicle_id, draft, None)
    year = trail.today(organisation_id, now).year
    repair.reference = next_number(organisation_id, f"RPR-{year}", 3)
    _plan(repair, organisation.week_start)
    _store(repair, organisation_id, draft)
    changes = {
        "amount": [None, Money(repair.amount_minor, repair.currency).plain],
        "invoice": [None, repair.invoice_number],
    }
    trail.record("repair", "created", repair, repair.reference, actor, now, changes)
    return repair


def _plan(repair: Repair, week_start: int) -> None:
    planned = plans.preview(
        repair.organisation_id, repair.amount_minor, repair.invoice_date, repair.starts, week_start
    )
    repair.instalments.extend(plans.rows(repair, planned))


def _store(repair: Repair, organisation_id: int, draft: RepairDraft) -> None:
    vehicle_id, repair_id = repair.vehicle_id, repair.id
    try:
        with db.session.begin_nested():
            db.session.add(repair)
    except IntegrityError:
        # Somebody else stored the same invoice between our look and our write.
        _refuse_duplicate(organisation_id, vehicle_id, draft, repair_id)
        raise


def begin(organisation_id: int, reference: str, expected_version: int | None) -> Repair:
    """The repair, its driver and itself locked. Raises NotFound, StaleVersion."""
    payee_id = db.session.scalar(
        select(Repair.payee_id).where(
            Repair.organisation_id == organisation_id, Repair.reference == reference
        )
    )
    if payee_id is not None:
        trail.lock_drivers(organisation_id, [payee_id])
    repair = lock_row(Repair, Repair.organisation_id == organisation_id, Repair.reference == reference)
    trail.check_version(repair, reference, expected_version)
    db.session.refresh(repair, ["instalments"])
    return repair


def change(
    repair: Repair,
    action: RepairAction,
    word: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, object] | None = None,
    note: str = "",
) -> None:
    """Take an action of the table, count the version up and write the trail. Raises IllegalTransition."""
    state = next_state(repair.state, action, repair.reference)
    said = dict(changes or {})
    if state != repair.state:
        said["state"] = [repair.state, state.value]
    repair.state = state.value
    repair.version += 1
    db.session.flush()
    trail.record("repair", word, repair, repair.reference, actor, now, said, note)


def update_repair(
    *,
    organisation_id: int,
    reference: str,
    draft: RepairDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Repair:
    """Change a draft; its plan is made anew. Raises as `create_repair` does, and IllegalTransition once confirmed."""
    draft.check()
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.UPDATE, reference)
    trail.check_day("invoice_date", draft.invoice_date, organisation_id, now)
    lease = fleet.get_lease(organisation_id, draft.lease_id)
    fields = _fields(repair, lease, draft)
    _refuse_duplicate(organisation_id, int(str(fields["vehicle_id"])), draft, repair.id)
    changes = trail.apply(repair, fields)
    # The old instalments go first: the new ones take their numbers.
    repair.instalments.clear()
    _flush(organisation_id, repair, draft)
    _plan(repair, trail.organisation(organisation_id).week_start)
    change(repair, RepairAction.UPDATE, "updated", actor, now, changes)
    return repair


def _flush(organisation_id: int, repair: Repair, draft: RepairDraft) -> None:
    vehicle_id, repair_id = repair.vehicle_id, repair.id
    try:
        with db.session.begin_nested():
            db.session.flush()
    except IntegrityError:
        _refuse_duplicate(organisation_id, vehicle_id, draft, repair_id)
        raise


def confirm_repair(
    *, organisation_id: int, reference: str, actor: Actor, now: datetime, expected_version: int | None = None
) -> Repair:
    """From now on its instalments are charged; weeks that have begun are caught up one a week.

    Raises NotFound, StaleVersion, IllegalTransition; Invalid when the lease does not allow it any more.
    """
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.CONFIRM, reference)
    facts = fleet.facts_of(repair.lease, repair.vehicle_id)
    if why := why_not_charged(facts, repair.invoice_date):
        raise Invalid("lease", why)
    repair.confirmed_at = now
    change(
        repair,
        RepairAction.CONFIRM,
        "confirmed",
        actor,
        now,
        {"instalments": [None, len(repair.instalments)]},
    )
    return repair
