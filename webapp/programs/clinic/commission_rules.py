"""Changes to commission rules. A version is never edited: a change makes the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.audit.changes import plain
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.people import members
from webapp.people.models import Payee, Role
from webapp.programs.clinic import trail
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.models import CommissionRule, CommissionRuleVersion, RuleState
from webapp.programs.clinic.rules import Commission, Rule, Tier

_FIELDS = (
    "name", "payee_id", "category", "percent", "flat_minor", "floor_minor", "cap_minor", "tiers", "priority",
    "valid_from", "is_active",
)  # fmt: skip


def load_rules(organisation_id: int) -> list[Rule]:
    """Every version that counts or counted, as the pure rules take them."""
    rows = db.session.scalars(
        select(CommissionRuleVersion).where(
            CommissionRuleVersion.organisation_id == organisation_id,
            CommissionRuleVersion.state == RuleState.IN_FORCE.value,
        )
    )
    return [rule_of(row) for row in rows]


def rule_of(row: CommissionRuleVersion) -> Rule:
    """A stored version as the pure rules take it."""
    return Rule(
        rule_id=row.rule_id,
        version=row.version,
        label=f"{row.name} (version {row.version})",
        commission=Commission(
            row.percent, row.flat_minor, row.floor_minor, row.cap_minor, _tiers_of(row.tiers)
        ),
        priority=row.priority,
        payee_id=row.payee_id,
        category=row.category,
        valid_from=row.valid_from,
        is_active=row.is_active,
        version_id=row.id,
        edited_by_id=row.created_by_id,
    )


def draft_rule(draft: RuleDraft, rule_id: int, version: int) -> Rule:
    """A draft as the pure rules take it, before it is stored."""
    tiers = tuple(Tier(below, percent) for below, percent in draft.tiers)
    return Rule(
        rule_id=rule_id,
        version=version,
        label=draft.name,
        commission=Commission(draft.percent, draft.flat_minor, draft.floor_minor, draft.cap_minor, tiers),
        priority=draft.priority,
        payee_id=draft.payee_id,
        category=draft.category,
        valid_from=draft.valid_from,
        is_active=draft.is_active,
    )


def draft_of(row: CommissionRuleVersion) -> RuleDraft:
    """A stored version as a draft, to begin a change with."""
    values = {name: getattr(row, name) for name in _FIELDS if name != "tiers"}
    tiers = tuple((tier.below_minor, tier.percent) for tier in _tiers_of(row.tiers))
    return RuleDraft(**values, tiers=tiers, note=row.note)


def _tiers_of(stored: list[Any]) -> tuple[Tier, ...]:
    return tuple(Tier(below, Decimal(percent)) for below, percent in stored)


def get_rule(organisation_id: int, rule_id: int) -> CommissionRule:
    """A rule with all its versions, newest first. Raises NotFound."""
    row = db.session.scalar(
        select(CommissionRule)
        .where(CommissionRule.organisation_id == organisation_id, CommissionRule.id == rule_id)
        .options(selectinload(CommissionRule.versions).selectinload(CommissionRuleVersion.payee))
    )
    if row is None:
        raise NotFound
    return row


def list_rules(organisation_id: int) -> list[CommissionRule]:
    """Every rule with its versions; the highest priority of the newest version first."""
    rows = db.session.scalars(
        select(CommissionRule)
        .where(CommissionRule.organisation_id == organisation_id)
        .options(selectinload(CommissionRule.versions).selectinload(CommissionRuleVersion.payee))
    ).all()
    return sorted(rows, key=lambda r: (not r.versions[0].is_active, -r.versions[0].priority, r.id))


def current(rule: CommissionRule) -> CommissionRuleVersion | None:
    """The newest version that counts or will; None while the first one waits or was refused."""
    return next((v for v in rule.versions if v.state == RuleState.IN_FORCE), None)


def proposed(rule: CommissionRule) -> CommissionRuleVersion | None:
    """The version that waits for a second admin."""
    return next((v for v in rule.versions if v.state == RuleState.PROPOSED), None)


def create_rule(
    *,
    organisation_id: int,
    draft: RuleDraft,
    actor: Actor,
    now: datetime,
    external_ref: str | None = None,
) -> CommissionRuleVersion:
    """A new rule with its first version. Raises Invalid."""
    _check(organisation_id, draft)
    rule = CommissionRule(organisation_id=organisation_id, external_ref=external_ref or None, created_at=now)
    trail.store_new(rule, external_ref, "a commission rule")
    return _add_version(rule, 1, draft, actor, now, {"percent": [None, str(draft.percent)]})


def revise_rule(
    *,
    organisation_id: int,
    rule_id: int,
    draft: RuleDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> CommissionRuleVersion:
    """The next version; from its first day on it replaces those before it. One that changes nothing is not made.

    Raises NotFound, Invalid, Conflict while another version waits, StaleVersion.
    """
    _check(organisation_id, draft)
    rule = _lock(organisation_id, rule_id)
    if expected_version is not None and rule.current_version != expected_version:
        raise StaleVersion(
            "Somebody saved another version of this rule meanwhile. Look at it, then try again."
        )
    if proposed(rule) is not None:
        raise Conflict("A version of this rule waits for a second admin already. Decide that one first.")
    before = current(rule)
    values = _stored(draft)
    changes = {
        name: [plain(getattr(before, name, None)), plain(value)]
        for name, value in values.items()
        if before is None or getattr(before, name) != value
    }
    if before is not None and not changes:
        return before
    return _add_version(rule, rule.current_version + 1, draft, actor, now, changes)


def end_rule(
    *, organisation_id: int, rule_id: int, last_day: date, actor: Actor, now: datetime
) -> CommissionRuleVersion:
    """Let a rule end with a day, by a next version that says so. Raises NotFound, Conflict, Invalid."""
    rule = get_rule(organisation_id, rule_id)
    version = current(rule)
    if version is None or not version.is_active:
        raise Conflict("This rule does not count; there is nothing to end.")
    draft = replace(draft_of(version), valid_from=last_day + timedelta(days=1), is_active=False)
    return revise_rule(
        organisation_id=organisation_id,
        rule_id=rule_id,
        draft=draft,
        expected_version=rule.current_version,
        actor=actor,
        now=now,
    )


def accept(
    *, organisation_id: int, rule_id: int, actor: Actor, now: datetime, note: str = ""
) -> CommissionRuleVersion:
    """A second admin's yes: the version counts from its first day. Raises NotFound, Conflict, NotAllowed."""
    version = _waiting(organisation_id, rule_id)
    if actor.user_id is None or actor.user_id == version.created_by_id:
        raise NotAllowed(["You asked for this change; another admin must accept it."])
    return _decide(version, RuleState.IN_FORCE, "accepted", note, actor, now)


def refuse(
    *, organisation_id: int, rule_id: int, reason: str, actor: Actor, now: datetime
) -> CommissionRuleVersion:
    """A second admin's no. Raises NotFound, Conflict, NotAllowed, Invalid without a reason."""
    version = _waiting(organisation_id, rule_id)
    if actor.user_id is None or actor.user_id == version.created_by_id:
        raise NotAllowed(["You asked for this change. Withdraw it, if it is not to be made."])
    reason = need_reason(reason, "We agreed on 12 %.", "rule")
    return _decide(version, RuleState.REFUSED, "refused", reason, actor, now)


def withdraw(*, organisation_id: int, rule_id: int, actor: Actor, now: datetime) -> CommissionRuleVersion:
    """Take an asked-for change back; who asked for it does. Raises NotFound, Conflict, NotAllowed."""
    version = _waiting(organisation_id, rule_id)
    if actor.user_id != version.created_by_id:
        raise NotAllowed(
            [f"{version.created_by_label} asked for this change; refuse it with a reason instead."]
        )
    return _decide(version, RuleState.WITHDRAWN, "withdrawn", "", actor, now)


def _decide(
    version: CommissionRuleVersion, state: RuleState, word: str, note: str, actor: Actor, now: datetime
) -> CommissionRuleVersion:
    before = version.state
    version.state = state.value
    version.decided_by_id, version.decided_by_label, version.decided_at = actor.user_id, actor.label, now
    version.decision_note = note.strip()[:2000]
    db.session.flush()
    _record(version, word, actor, now, {"state": [before, version.state]}, version.decision_note)
    return version


def _waiting(organisation_id: int, rule_id: int) -> CommissionRuleVersion:
    version = proposed(_lock(organisation_id, rule_id))
    if version is None:
        raise Conflict("No change of this rule waits; somebody has decided already.")
    return version


def _lock(organisation_id: int, rule_id: int) -> CommissionRule:
    own = CommissionRule.organisation_id == organisation_id
    rule = lock_row(CommissionRule, own, CommissionRule.id == rule_id)
    db.session.expire(rule, ["versions"])
    return rule


def _check(organisation_id: int, draft: RuleDraft) -> None:
    draft.check()
    if draft.payee_id is None:
        return
    known = select(Payee.id).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.PRACTITIONER.value,
        Payee.id == draft.payee_id,
    )
    if db.session.scalar(known) is None:
        raise Invalid("practitioner", "The practitioner is not one of this organisation.")


def _stored(draft: RuleDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in _FIELDS}
    values["name"] = " ".join(draft.name.split())
    values["category"] = " ".join(draft.category.split())
    values["tiers"] = [[below, f"{percent.normalize():f}"] for below, percent in draft.tiers]
    return values


def _add_version(
    rule: CommissionRule,
    number: int,
    draft: RuleDraft,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any],
) -> CommissionRuleVersion:
    """Store a version: it waits where there is another admin, and counts at once where there is none to ask."""
    others = actor.user_id is not None and members.active_admins(rule.organisation_id, without=actor.user_id)
    state = RuleState.PROPOSED if others else RuleState.IN_FORCE
    version = CommissionRuleVersion(
        organisation_id=rule.organisation_id,
        rule_id=rule.id,
        version=number,
        state=state.value,
        note=draft.note.strip(),
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
        **_stored(draft),
    )
    rule.current_version = number
    db.session.add(version)
    db.session.flush()
    db.session.expire(rule, ["versions"])
    _record(version, "proposed" if others else "put_in_force", actor, now, changes, version.note)
    return version


def _record(
    version: CommissionRuleVersion,
    word: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any],
    note: str,
) -> None:
    label = f"{version.name} (version {version.version})"
    trail.record("commission_rule", word, version, label, actor, now, changes, note)
