"""A driver leaves: the lease ends, what is left of repairs and loans is charged, the deposit is given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select, update

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, StaleVersion
from webapp.kernel.money import Money
from webapp.programs.repairs import crediting, fleet, instalments, trail
from webapp.programs.repairs.models import DriverLease, Instalment, Repair
from webapp.programs.repairs.states import InstalmentState, RepairState


@dataclass(frozen=True)
class Leaving:
    """What is charged at once when a driver leaves, and what comes off it."""

    # The lease that runs today; None: the driver has none to leave.
    lease: DriverLease | None
    # Instalments that are not charged yet: id, reference, week_start, amount_minor, currency.
    instalments: Sequence[Any]
    deposit: Money

    @property
    def charged(self) -> Money:
        """All of them."""
        return Money(sum(row.amount_minor for row in self.instalments), self.deposit.currency)


def plan_leaving(*, organisation_id: int, payee_id: int, now: datetime) -> Leaving:
    """What would be charged if a driver left now; nothing is stored. Raises NotFound."""
    payee = trail.get_driver(organisation_id, payee_id)
    lease = fleet.lease_on(payee_id, trail.today(organisation_id, now))
    return Leaving(lease, _left(organisation_id, payee_id), crediting.deposit_of(payee))


def _left(organisation_id: int, payee_id: int) -> Sequence[Any]:
    """Instalments of open repairs and of loans that are not charged yet."""
    return db.session.execute(
        select(
            Instalment.id,
            Instalment.reference,
            Instalment.week_start,
            Instalment.amount_minor,
            Instalment.currency,
        )
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.payee_id == payee_id,
            Instalment.state == InstalmentState.SCHEDULED.value,
            or_(Instalment.loan_id.is_not(None), Repair.state == RepairState.OPEN.value),
        )
        .order_by(Instalment.id)
    ).all()


def driver_leaves(
    *,
    organisation_id: int,
    payee_id: int,
    last_day: date,
    reason: str,
    actor: Actor,
    now: datetime,
    seen_minor: int | None = None,
) -> DriverLease:
    """The driver's lease ends on a day; what is left of open repairs and of loans is charged now, at once.

    A deposit comes off it. The final receipt is that of the last day's week; what it leaves open stays the driver's
    debt. Repairs on hold stay on hold, drafts stay drafts. Raises NotFound, Invalid, or Conflict when the driver has
    no lease, or when what would be charged is not what the person saw (`seen_minor`, None: nobody looked).
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
    rows = _left(organisation_id, payee_id)
    if seen_minor is not None and seen_minor != sum(row.amount_minor for row in rows):
        raise StaleVersion("What is left to be charged changed since you opened this page. Look at it again.")
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
