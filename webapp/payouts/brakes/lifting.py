"""Lifting a halt that takes two: one person asks, another one confirms; who is alone waits, then confirms.

After a restored back-up nobody knows at first what the bank has done since. One person's look is not enough to let
money go on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Conflict, NotAllowed, NotFound
from webapp.outbox import service as outbox
from webapp.payouts import policies
from webapp.payouts.brakes.models import HaltLift
from webapp.payouts.models import RailSwitch
from webapp.payouts.policy import Policy
from webapp.people.models import Organisation

ASKED = "notice.lift.asked"
_GONE = "Payments are not halted any more; there is nothing to confirm."


def pending(organisation_id: int) -> dict[str, HaltLift]:
    """The wishes that wait for a confirmation, by rail."""
    rows = db.session.scalars(
        select(HaltLift).where(HaltLift.organisation_id == organisation_id, HaltLift.state == "pending")
    )
    return {row.rail: row for row in rows}


def resume(*, organisation_id: int, rail: str, reason: str, actor: Actor, now: datetime) -> HaltLift | None:
    """Let payments flow again over a rail. A halt that takes two is only asked to be lifted: the wish is answered.

    The same person asking again gets the wish that waits. Raises Conflict when it is not halted or another person has
    asked already, Invalid without a reason, NotAllowed for what is no person.
    """
    switch = policies.halted_switch(organisation_id, rail, reason)
    if not switch.takes_two:
        policies.lift(switch, reason, actor, now)
        return None
    if actor.user_id is None:
        raise NotAllowed(["Two people lift this halt; a program is none."])
    known = pending(organisation_id).get(rail)
    if known is not None and known.asked_by_id != actor.user_id:
        raise Conflict(f"{known.asked_by_label} has asked for it already. Confirm that wish, or refuse it.")
    if known is not None:
        return known
    row = HaltLift(
        organisation_id=organisation_id,
        rail=rail,
        reason=reason.strip()[:2000],
        is_alone=policies.current_policy(organisation_id)[0].single_operator.is_on,
        asked_by_id=actor.user_id,
        asked_by_label=actor.label[:254],
        asked_at=now,
    )
    db.session.add(row)
    db.session.flush()
    _record("lift_asked", row, actor, now, row.reason)
    outbox.ask_mail(kind=ASKED, reference_id=row.id, organisation_id=organisation_id, now=now)
    return row


def confirm(*, organisation_id: int, lift_id: int, actor: Actor, now: datetime) -> bool:
    """The second person's yes: payments flow again. False when this person confirmed it before.

    Raises NotFound, NotAllowed (also for who asked, before the delay of a person alone is over), Conflict.
    """
    policy, _ = policies.current_policy(organisation_id)
    row = _lock_after_switch(organisation_id, lift_id)
    if row.state == "confirmed" and row.decided_by_id == actor.user_id:
        return False
    _refuse_decided(row)
    if reason := why_not_confirm(row, policy, actor.user_id, now):
        raise NotAllowed([reason])
    switch = policies.halted_switch(organisation_id, row.rail, row.reason)
    if not switch.takes_two:
        raise Conflict(_GONE)
    # The delay stood in for the second person only where the same one confirms.
    row.is_alone = actor.user_id == row.asked_by_id
    _decide(row, "confirmed", actor, now)
    policies.lift(
        switch, f"{row.reason} Asked by {row.asked_by_label}, confirmed by {actor.label}.", actor, now
    )
    return True


def withdraw(*, organisation_id: int, lift_id: int, actor: Actor, now: datetime) -> None:
    """Take a wish back, one's own or another person's: payments stay halted. Raises NotFound, Conflict."""
    row = _lock(organisation_id, lift_id)
    if row.state == "withdrawn" and row.decided_by_id == actor.user_id:
        return
    _refuse_decided(row)
    _decide(row, "withdrawn", actor, now)
    _record("lift_withdrawn", row, actor, now, "")


def why_not_confirm(row: HaltLift, policy: Policy, user_id: int | None, now: datetime) -> str:
    """Why this person cannot confirm the wish now; empty when they can."""
    if user_id is None:
        return "Two people lift this halt; a program is none."
    if user_id != row.asked_by_id:
        return ""
    if not (row.is_alone and policy.single_operator.is_on):
        return "You asked for it; a different admin must confirm. If there is none, invite one under Users."
    ready_at = alone_from(row, policy)
    if now >= ready_at:
        return ""
    zone = db.session.get_one(Organisation, row.organisation_id).timezone
    return (
        f"One person runs this organisation, so {policy.single_operator.delay_hours} hours stand in for the second "
        f"one. You can confirm from {instant_text(ready_at, zone)}."
    )


def alone_from(row: HaltLift, policy: Policy) -> datetime:
    """From when who asked may confirm alone."""
    return row.asked_at + timedelta(hours=policy.single_operator.delay_hours)


def _lock(organisation_id: int, lift_id: int) -> HaltLift:
    return lock_row(HaltLift, HaltLift.organisation_id == organisation_id, HaltLift.id == lift_id)


def _lock_after_switch(organisation_id: int, lift_id: int) -> HaltLift:
    """The wish, locked after the switch it is about: who halts anew locks the switch, then ends the wishes."""
    rail = db.session.scalar(
        select(HaltLift.rail).where(HaltLift.organisation_id == organisation_id, HaltLift.id == lift_id)
    )
    if rail is None:
        raise NotFound
    lock_row(RailSwitch, RailSwitch.organisation_id == organisation_id, RailSwitch.rail == rail)
    return _lock(organisation_id, lift_id)


def _refuse_decided(row: HaltLift) -> None:
    if row.state != "pending":
        raise Conflict(f"{row.decided_by_label} has {row.state} it already. Nothing was changed now.")


def _decide(row: HaltLift, word: str, actor: Actor, now: datetime) -> None:
    row.state, row.decided_by_id, row.decided_by_label, row.decided_at = (
        word, actor.user_id, actor.label[:254], now,
    )  # fmt: skip
    db.session.flush()


def _record(word: str, row: HaltLift, actor: Actor, now: datetime, note: str) -> None:
    audit.record(
        tag=f"payouts:rail:{word}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type="rail",
        subject_label="all payments" if row.rail == policies.EVERY_RAIL else row.rail,
        note=note,
    )
