"""The stored approval policies and the switches that halt a rail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import ask, db, insert_ignoring_conflict
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.outbox import service as outbox
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.brakes.models import HaltLift
from webapp.payouts.models import ApprovalPolicy, RailSwitch
from webapp.payouts.policy import RAILS, Policy, default_rules, from_rules
from webapp.people.models import Organisation

EVERY_RAIL = alerts.EVERY_RAIL


def stored_policy(organisation_id: int) -> ApprovalPolicy | None:
    """The newest stored version; None while the default template is in force."""
    return db.session.scalar(
        select(ApprovalPolicy)
        .where(ApprovalPolicy.organisation_id == organisation_id)
        .order_by(ApprovalPolicy.version.desc())
        .limit(1)
    )


# Built once: every page of approvals asks this.
_NEWEST = (
    select(ApprovalPolicy.rules, ApprovalPolicy.version)
    .where(ApprovalPolicy.organisation_id == bindparam("organisation_id"))
    .order_by(ApprovalPolicy.version.desc())
    .limit(1)
)


def current_policy(organisation_id: int) -> tuple[Policy, int]:
    """The policy in force and its version (0: the default template, never changed)."""
    stored = ask(_NEWEST, {"organisation_id": organisation_id})
    if stored:
        return from_rules(stored[0].rules), stored[0].version
    organisation = db.session.get_one(Organisation, organisation_id)
    return from_rules(default_rules(organisation.currency)), 0


def change_policy(
    *,
    organisation_id: int,
    rules: dict[str, Any],
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    note: str = "",
) -> ApprovalPolicy:
    """Put a new version in force; old ones stay. Raises Invalid, or StaleVersion when somebody was faster."""
    policy = from_rules(rules)
    organisation = db.session.get_one(Organisation, organisation_id, with_for_update=True)
    if policy.currency != organisation.currency:
        raise Invalid("currency", f"The tiers are in {organisation.currency}, the organisation's currency.")
    before, version = current_policy(organisation_id)
    if expected_version is not None and expected_version != version:
        raise StaleVersion("Somebody else changed the policy since you opened this page. Nothing was saved.")
    row = ApprovalPolicy(
        organisation_id=organisation_id,
        version=version + 1,
        rules=policy.rules,
        created_by_id=actor.user_id,
        created_at=now,
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise StaleVersion("Somebody else has just changed the policy. Nothing was saved.") from error
    old, new = before.rules, policy.rules
    audit.record(
        tag="payouts:policy:changed",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="policy",
        subject_id=row.id,
        subject_label=f"Approval policy, version {row.version}",
        note=note,
        changes={k: [old.get(k), v] for k, v in new.items() if old.get(k) != v},
    )
    return row


def _standing() -> Select[Any]:
    wanted: BindParameter[int] = bindparam("organisation_id")
    newest = select(func.max(ApprovalPolicy.version)).where(ApprovalPolicy.organisation_id == wanted)
    return (
        select(ApprovalPolicy.rules, RailSwitch.rail, RailSwitch.reason)
        .select_from(Organisation)
        .outerjoin(
            ApprovalPolicy,
            and_(
                ApprovalPolicy.organisation_id == Organisation.id,
                ApprovalPolicy.version == newest.scalar_subquery(),
            ),
        )
        .outerjoin(
            RailSwitch, and_(RailSwitch.organisation_id == Organisation.id, RailSwitch.is_halted.is_(True))
        )
        .where(Organisation.id == wanted)
        .order_by(RailSwitch.rail)
    )


# Built once: every page of the admins asks this.
_STANDING = _standing()


def standing(organisation_id: int) -> tuple[bool, list[tuple[str, str]]]:
    """What every page of an organisation says: is one person alone, and which rails are halted and why. One query."""
    rows = ask(_STANDING, {"organisation_id": organisation_id})
    rules = rows[0].rules if rows else None
    is_alone = bool(rules and from_rules(rules).single_operator.is_on)
    return is_alone, [(row.rail, row.reason) for row in rows if row.rail is not None]


def halts(organisation_id: int) -> list[RailSwitch]:
    """The rails that are halted now; rail "*" means all payments."""
    return list(
        db.session.scalars(
            select(RailSwitch)
            .where(RailSwitch.organisation_id == organisation_id, RailSwitch.is_halted.is_(True))
            .order_by(RailSwitch.rail)
        )
    )


def halt_reasons(organisation_id: int, rail: str) -> tuple[str, ...]:
    """Why payments over a rail are halted; empty when they are not."""
    return tuple(s.reason for s in halts(organisation_id) if s.rail in (rail, EVERY_RAIL))


def _switch(organisation_id: int, rail: str) -> RailSwitch | None:
    return db.session.scalar(
        select(RailSwitch)
        .where(RailSwitch.organisation_id == organisation_id, RailSwitch.rail == rail)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def halt(
    *,
    organisation_id: int,
    rail: str,
    reason: str,
    actor: Actor,
    now: datetime,
    kind: AlertKind = AlertKind.HALTED,
    takes_two: bool = False,
) -> bool:
    """Stop sending over a rail ("*": all payments) and tell the admins; False when it is halted already.

    `takes_two`: only two people lift it, also where it was halted before. Raises Invalid.
    """
    _check_rail(rail)
    if not reason.strip():
        raise Invalid("reason", "Say why payments stop.", "The bank reports a wrong balance.")
    # Two workers may be the first to halt it at the same instant.
    first = {
        "organisation_id": organisation_id,
        "rail": rail,
        "is_halted": False,
        "reason": "",
        "changed_at": now,
    }
    insert_ignoring_conflict(db.session(), RailSwitch, first)
    switch = _switch(organisation_id, rail)
    if switch is None or (switch.is_halted and not takes_two):
        return False
    if takes_two:
        # Who asked to lift an earlier halt did not speak of this one.
        _withdraw_lifts(organisation_id, rail, actor, now)
    before = f" Before: {switch.reason}" if switch.is_halted else ""
    reason = f"{reason.strip()}{before}"[:2000]
    switch.is_halted, switch.reason, switch.changed_at = True, reason, now
    switch.takes_two = takes_two
    db.session.flush()
    alerts.raise_alert(organisation_id=organisation_id, kind=kind, rail=rail, reason=reason, now=now)
    _record("halted", organisation_id, rail, reason, actor, now)
    return True


def _withdraw_lifts(organisation_id: int, rail: str, actor: Actor, now: datetime) -> None:
    db.session.execute(
        update(HaltLift)
        .where(
            HaltLift.organisation_id == organisation_id, HaltLift.rail == rail, HaltLift.state == "pending"
        )
        .values(state="withdrawn", decided_by_label=actor.label[:254], decided_at=now)
        .execution_options(synchronize_session=False)
    )


def lift_halt(*, organisation_id: int, rail: str, reason: str, actor: Actor, now: datetime) -> None:
    """Let payments flow again.

    Raises Conflict when the rail is not halted or the halt takes two people, Invalid without a reason.
    """
    switch = halted_switch(organisation_id, rail, reason)
    if switch.takes_two:
        raise Conflict("Two people lift this halt: one asks for it, another one confirms.")
    lift(switch, reason, actor, now)


def halted_switch(organisation_id: int, rail: str, reason: str) -> RailSwitch:
    """The switch of a halted rail, locked. Raises Conflict when it is not halted, Invalid without a reason."""
    _check_rail(rail)
    if not reason.strip():
        raise Invalid("reason", "Say what was found and settled.", "The account is funded again.")
    switch = _switch(organisation_id, rail)
    if switch is None or not switch.is_halted:
        raise Conflict("Payments are not halted; somebody else may have lifted the halt.")
    return switch


def lift(switch: RailSwitch, reason: str, actor: Actor, now: datetime) -> None:
    """Let payments flow again over the rail of a locked switch; whoever calls has seen who may."""
    organisation_id, rail = switch.organisation_id, switch.rail
    switch.is_halted, switch.reason, switch.changed_at, switch.takes_two = False, "", now, False
    alerts.end_alerts(organisation_id=organisation_id, kinds=alerts.HALTS, rail=rail, now=now)
    outbox.hasten(kind="transfer.send", organisation_id=organisation_id, now=now)
    _record("halt_lifted", organisation_id, rail, reason, actor, now)


def _check_rail(rail: str) -> None:
    if rail not in (*RAILS, EVERY_RAIL):
        raise Invalid("rail", f"{rail!r} is not a rail.", "sandbox")


def _record(word: str, organisation_id: int, rail: str, note: str, actor: Actor, now: datetime) -> None:
    audit.record(
        tag=f"payouts:rail:{word}",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="rail",
        subject_label="all payments" if rail == EVERY_RAIL else rail,
        note=note,
    )
