"""A driver leaves: the lease ends, what is left of repairs and loans is charged, the deposit is given back."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import or_, select, update

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.programs.repairs import crediting, fleet, instalments, trail
from webapp.programs.repairs.models import DriverLease, Instalment, Repair
from webapp.programs.repairs.states import InstalmentState, RepairState


def driver_leaves(
    *, organisation_id: int, payee_id: int, last_day: date, reason: str, actor: Actor, now: datetime
) -> DriverLease:
    """The driver's lease ends on a day; what is left of open repairs and of loans is charged now, at once.

    A deposit comes off it. The final receipt is that of the last day's week; what it leaves open stays the driver's
    debt. Repairs on hold stay on hold, drafts stay drafts. Raises NotFound, Invalid, or Conflict when the driver has
    no lease.
    """
    payee = trail.lock_drivers(organisation_id, [payee_id])[payee_id]
    lease = fleet.lease_on(payee_id, min(last_day, trail.today(organisation_id, now)))
    if lease is None:
        raise Conflict(f"{payee.name} has no lease then.")
    if lease.ends_on is None or lease.ends_on > last_day:
        lease = fleet.end_lease(
            organisation_id=organisation_id,
            lease_id=lease.id,
            last_day=last_day,
            reason=reason,
            actor=actor,
            now=now,
        )
    week = trail.this_week(organisation_id, now)
    rows = db.session.execute(
        select(Instalment.id, Instalment.reference, Instalment.week_start)
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.payee_id == payee_id,
            Instalment.state == InstalmentState.SCHEDULED.value,
            or_(Instalment.loan_id.is_not(None), Repair.state == RepairState.OPEN.value),
        )
        .order_by(Instalment.id)
    ).all()
    later = [row.id for row in rows if row.week_start > week.start]
    if later:
        db.session.execute(
            update(Instalment)
            .where(Instalment.id.in_(later))
            .values(week_start=week.start, due_on=week.end)
            .execution_options(synchronize_session="fetch")
        )
    instalments.post_chosen(
        organisation_id=organisation_id, references=[row.reference for row in rows], actor=actor, now=now
    )
    deposit = crediting.deposit_of(payee)
    if deposit.amount > 0:
        crediting.return_deposit(
            organisation_id=organisation_id,
            payee_id=payee_id,
            amount_minor=deposit.amount,
            actor=actor,
            now=now,
        )
    changes = {"instalments charged": [None, len(rows)], "deposit": [None, deposit.plain]}
    trail.record("lease", "left", lease, f"{lease.reference} {payee.name}", actor, now, changes, reason)
    return lease
