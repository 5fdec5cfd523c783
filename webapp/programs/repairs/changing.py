"""A repair that is open: held and released, an instalment moved, settled early, cancelled, planned anew by two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount, check_known, need_reason
from webapp.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.programs.repairs import crediting, instalments, plans, trail
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.drafting import begin, change
from webapp.programs.repairs.models import Instalment, Repair, Replan
from webapp.programs.repairs.rules import Week, current_week, weeks_late
from webapp.programs.repairs.states import (
    InstalmentState,
    Posted,
    RepairAction,
    RepairState,
    ReplanState,
    next_state,
)


def hold_repair(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Repair:
    """Charge nothing more until it is released. Raises NotFound, Invalid without a reason, IllegalTransition."""
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.HOLD, reference)
    repair.reason = need_reason(reason, "The invoice is disputed.", "repair")
    change(repair, RepairAction.HOLD, "held", actor, now, note=repair.reason)
    return repair


def release_repair(
    *, organisation_id: int, reference: str, actor: Actor, now: datetime, expected_version: int | None = None
) -> Repair:
    """Go on charging: what was missed meanwhile moves to the end, so the plan begins again with the coming week.

    Raises NotFound, StaleVersion, IllegalTransition.
    """
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.RELEASE, reference)
    left = plans.unposted(repair)
    weeks = 0
    if left:
        day = trail.today(organisation_id, now)
        coming = current_week(day, trail.organisation(organisation_id).week_start)
        weeks = weeks_late(Week(left[0].week_start), coming)
        for each in left:
            plans.move(each, Week(each.week_start).following(weeks))
    repair.reason = ""
    change(repair, RepairAction.RELEASE, "released", actor, now, {"weeks later": [None, weeks]})
    return repair


def skip_instalment(
    *, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime
) -> Instalment:
    """Move one instalment to the week after the last: it stays as skipped, and another one stands for it.

    Returns the new one. Raises NotFound, Invalid, IllegalTransition, Conflict when it is not to be charged any more.
    """
    found = db.session.execute(
        select(Repair.reference)
        .join(Instalment, Instalment.repair_id == Repair.id)
        .where(Instalment.organisation_id == organisation_id, Instalment.reference == reference)
    ).first()
    if found is None:
        raise NotFound("There is no such instalment of a repair.")
    repair = begin(organisation_id, found[0], None)
    next_state(repair.state, RepairAction.SKIP, repair.reference)
    said = need_reason(reason, "The driver was ill this week.", "repair")
    row = next(each for each in repair.instalments if each.reference == reference)
    if row.state != plans.SCHEDULED:
        raise Conflict(f"{reference} is {InstalmentState(row.state).label.lower()} already.")
    last = max(each.week_start for each in plans.unposted(repair))
    row.state = InstalmentState.SKIPPED.value
    new = plans.add(repair, [row.amount_minor], Week(last).following())[0]
    plans.balances(repair)
    changes: dict[str, object] = {"skipped": [None, reference], "instead": [None, new.reference]}
    change(repair, RepairAction.SKIP, "instalment_moved", actor, now, changes, said)
    return new


def charges_of(repair: Repair) -> Sequence[Charge]:
    """What was charged of a repair, in the order of its instalments."""
    return db.session.scalars(
        select(Charge)
        .join(Instalment, Instalment.id == Charge.instalment_id)
        .where(Instalment.repair_id == repair.id)
        .order_by(Instalment.number)
        .execution_options(populate_existing=True)
    ).all()


def cancel_repair(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    posted: str = Posted.KEEP.value,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Repair:
    """Charge nothing more of it; what was charged stays owed, is taken back with what was paid, or is written off.

    Raises NotFound, StaleVersion, Invalid, IllegalTransition.
    """
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.CANCEL, reference)
    check_known("posted", posted, Posted)
    repair.reason = need_reason(reason, "Entered twice.", "repair")
    left = plans.unposted(repair)
    for each in left:
        each.state = InstalmentState.CANCELLED.value
    changes: dict[str, object] = {"instalments cancelled": [None, len(left)], "charged ones": [None, posted]}
    if posted != Posted.KEEP:
        made = crediting.take_back(
            repair.payee, charges_of(repair), repair.reason, actor, now, is_reversed=posted == Posted.REVERSE
        )
        changes["taken back"] = [None, sum(row.amount_minor for row in made)]
    # What is not charged any more is not outstanding.
    repair.credited_minor += sum(each.amount_minor for each in left)
    # Taking back what was charged may have closed it.
    if repair.state == RepairState.CLOSED:
        repair.state = RepairState.OPEN.value
    change(repair, RepairAction.CANCEL, "cancelled", actor, now, changes, repair.reason)
    return repair


def settlement_of(organisation_id: int, reference: str) -> Money:
    """What settles a repair today: all that is not paid of it, charged or not. Raises NotFound."""
    repair = begin(organisation_id, reference, None)
    return _rest(repair)


def _rest(repair: Repair) -> Money:
    charged = sum(charge.open_minor for charge in charges_of(repair))
    return Money(charged + sum(each.amount_minor for each in plans.unposted(repair)), repair.currency)


def settle_repair(
    *,
    organisation_id: int,
    reference: str,
    amount_minor: int,
    method: str,
    received_on: date,
    note: str = "",
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Repair:
    """The driver pays all that is left at once: it is charged today as one instalment, and paid; the repair is closed.

    Raises NotFound, StaleVersion, IllegalTransition; Invalid when the amount is not exactly what is left.
    """
    repair = begin(organisation_id, reference, expected_version)
    next_state(repair.state, RepairAction.SETTLE, reference)
    check_amount("amount", amount_minor)
    rest = _rest(repair)
    if amount_minor != rest.amount:
        raise Invalid("amount", f"To settle {reference}, {rest.format()} is paid.", rest.plain)
    today = trail.today(organisation_id, now)
    if received_on != today and any(received_on < c.charged_on for c in charges_of(repair) if c.open_minor):
        raise Invalid("received_on", "The payment is earlier than a charge it is for.", today.isoformat())
    left = plans.unposted(repair)
    if left:
        total = sum(each.amount_minor for each in left)
        for each in left:
            each.state = InstalmentState.CANCELLED.value
        week = trail.this_week(organisation_id, now)
        new = plans.add(repair, [total], week)[0]
        instalments.post_instalment(
            organisation_id=organisation_id, reference=new.reference, actor=actor, now=now
        )
        received_on = today
    crediting.record_payment(
        organisation_id=organisation_id,
        payee_id=repair.payee_id,
        amount_minor=amount_minor,
        method=method,
        received_on=received_on,
        charges=[(charge.id, charge.open_minor) for charge in charges_of(repair) if charge.open_minor],
        note=note or f"{reference} settled",
        actor=actor,
        now=now,
    )
    db.session.refresh(repair)
    trail.record("repair", "settled", repair, reference, actor, now, {"amount": [None, rest.plain]})
    return repair


def propose_replan(
    *, organisation_id: int, reference: str, weekly_minor: int, reason: str, actor: Actor, now: datetime
) -> Replan:
    """Ask for another weekly amount for what is not charged yet; it counts once somebody else accepts it.

    Raises NotFound, Invalid, IllegalTransition, Forbidden (no person asks), Conflict when one is asked for already.
    """
    repair = begin(organisation_id, reference, None)
    next_state(repair.state, RepairAction.REPLAN, reference)
    if actor.user_id is None:
        raise Forbidden("A new plan is proposed by a person.")
    check_amount("weekly", weekly_minor, "100.00")
    said = need_reason(reason, "The driver works less this month.", "repair")
    left = sum(each.amount_minor for each in plans.unposted(repair))
    if not left:
        raise Conflict(f"Nothing of {reference} is left to be planned.")
    plans.amounts_by(left, weekly_minor)
    waiting = select(Replan.id).where(
        Replan.repair_id == repair.id, Replan.state == ReplanState.PROPOSED.value
    )
    if db.session.scalar(waiting) is not None:
        raise Conflict(f"A new plan of {reference} waits for a decision already.")
    row = Replan(
        organisation_id=organisation_id,
        repair_id=repair.id,
        weekly_minor=weekly_minor,
        reason=said,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    changes = {"weekly": [repair.weekly_minor, weekly_minor]}
    trail.record("replan", "proposed", row, reference, actor, now, changes, said)
    return row


def decide_replan(
    *, organisation_id: int, replan_id: int, is_accepted: bool, actor: Actor, now: datetime, note: str = ""
) -> Replan:
    """A second person accepts or refuses a new plan; accepted, the rest is charged by it from its next week on.

    Raises NotFound, Forbidden for who proposed it, Conflict when it is decided or nothing is left.
    """
    found = db.session.execute(
        select(Repair.reference)
        .join(Replan, Replan.repair_id == Repair.id)
        .where(Replan.organisation_id == organisation_id, Replan.id == replan_id)
    ).first()
    if found is None:
        raise NotFound("There is no such plan.")
    repair = begin(organisation_id, found[0], None)
    row = lock_row(Replan, Replan.id == replan_id)
    if row.state != ReplanState.PROPOSED:
        raise Conflict(
            f"This plan is {ReplanState(row.state).label.lower()} already, by {row.decided_by_label}."
        )
    if actor.user_id is None or actor.user_id == row.created_by_id:
        raise Forbidden(f"{row.created_by_label} proposed this plan; another person decides.")
    row.state = (ReplanState.ACCEPTED if is_accepted else ReplanState.REFUSED).value
    row.decided_by_id, row.decided_by_label, row.decided_at = actor.user_id, actor.label, now
    row.decision_note = note.strip()[:2000]
    changes: dict[str, object] = {}
    if is_accepted:
        changes = _replan(repair, row.weekly_minor)
        change(repair, RepairAction.REPLAN, "replanned", actor, now, changes, row.reason)
    db.session.flush()
    trail.record("replan", row.state, row, repair.reference, actor, now, changes, row.decision_note)
    return row


def _replan(repair: Repair, weekly_minor: int) -> dict[str, object]:
    left = plans.unposted(repair)
    if not left:
        raise Conflict(f"Nothing of {repair.reference} is left to be planned.")
    first, total = Week(left[0].week_start), sum(each.amount_minor for each in left)
    for each in left:
        each.state = InstalmentState.CANCELLED.value
    made = plans.add(repair, plans.amounts_by(total, weekly_minor), first)
    before, repair.weekly_minor = repair.weekly_minor, weekly_minor
    return {"weekly": [before, weekly_minor], "instalments": [len(left), len(made)]}
