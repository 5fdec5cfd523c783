"""Rules of programs in versions. None is ever edited: a change is the next version, and where there is another admin it
waits for that person's yes.

A program has two tables, of rules (organisation_id, current_version, versions newest first) and of their versions
(state, valid_from, is_active, who made and who decided them), and a dataclass that drafts a version; this is what is
done with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.audit.changes import plain, store_new
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, NotAllowed, NotFound, StaleVersion
from webapp.kernel.labels import Label
from webapp.people import members

#: (subject, word, version, label, actor, now, changes, note): the program's word in the trail.
Record = Callable[[str, str, Any, str, Actor, datetime, dict[str, Any], str], None]
R = TypeVar("R")
V = TypeVar("V")
D = TypeVar("D")


class RuleState(Label):
    """Whether a version of a rule counts."""

    PROPOSED = (
        "proposed",
        "Waits for a second admin",
        "waiting",
        "waiting",
        "Another admin accepts or refuses it.",
    )
    IN_FORCE = "in_force", "In force", "ok", "ok", "It counts from its first day."
    REFUSED = "refused", "Refused", "rejected", "rejected", "It never counted."
    WITHDRAWN = "withdrawn", "Withdrawn", "cancelled", "cancelled", "It never counted."


def current(rule: Any) -> Any:
    """The newest version that counts or will; None while the first one waits or was refused."""
    return next((v for v in rule.versions if v.state == RuleState.IN_FORCE), None)


def proposed(rule: Any) -> Any:
    """The version that waits for a second admin; None when none does."""
    return next((v for v in rule.versions if v.state == RuleState.PROPOSED), None)


class RuleBook(Generic[R, V, D]):
    """The rules of one program; `R` and `V` are its tables of rules and of versions, `D` drafts a version.

    `check` refuses a draft, `stored` makes columns of it and `draft_of` a draft of them; `rate` is the column that the
    trail of a new rule names, `subject` the program's word for a rule there.
    """

    def __init__(
        self,
        rules: type[R],
        versions: type[V],
        *,
        check: Callable[[int, D], None],
        stored: Callable[[D], dict[str, Any]],
        draft_of: Callable[[V], D],
        rate: str,
        subject: str,
        record: Record,
    ) -> None:
        self.rules: Any = rules
        self.versions: Any = versions
        self._check, self._stored, self._draft_of = check, stored, draft_of
        self._rate, self._subject, self._record = rate, subject, record

    def in_force(self, organisation_id: int) -> list[V]:
        """Every version that counts or counted."""
        rows = db.session.scalars(
            select(self.versions).where(
                self.versions.organisation_id == organisation_id,
                self.versions.state == RuleState.IN_FORCE.value,
            )
        )
        return list(rows)

    def get(self, organisation_id: int, rule_id: int) -> R:
        """A rule with all its versions, newest first. Raises NotFound."""
        row: R | None = db.session.scalar(
            select(self.rules)
            .where(self.rules.organisation_id == organisation_id, self.rules.id == rule_id)
            .options(selectinload(self.rules.versions))
        )
        if row is None:
            raise NotFound
        return row

    def _lock(self, organisation_id: int, rule_id: int) -> Any:
        rule = lock_row(self.rules, self.rules.organisation_id == organisation_id, self.rules.id == rule_id)
        db.session.expire(rule, ["versions"])
        return rule

    def create(
        self,
        *,
        organisation_id: int,
        draft: D,
        actor: Actor,
        now: datetime,
        external_ref: str | None = None,
    ) -> V:
        """A new rule with its first version. Raises Invalid."""
        self._check(organisation_id, draft)
        rule = self.rules(organisation_id=organisation_id, external_ref=external_ref or None, created_at=now)
        store_new(rule, external_ref, "a commission rule")
        changes = {self._rate: [None, plain(getattr(draft, self._rate))]}
        return self._add(rule, draft, actor, now, changes)

    def _add(
        self, rule: Any, draft: Any, actor: Actor, now: datetime, changes: dict[str, Any], number: int = 1
    ) -> V:
        """Store a version: it waits where there is another admin, and counts at once where there is none to ask."""
        others = actor.user_id is not None and members.active_admins(
            rule.organisation_id, without=actor.user_id
        )
        state = RuleState.PROPOSED if others else RuleState.IN_FORCE
        version = self.versions(
            organisation_id=rule.organisation_id,
            rule_id=rule.id,
            version=number,
            state=state.value,
            note=draft.note.strip(),
            created_by_id=actor.user_id,
            created_by_label=actor.label,
            created_at=now,
            **self._stored(draft),
        )
        rule.current_version = number
        db.session.add(version)
        db.session.flush()
        db.session.expire(rule, ["versions"])
        self._write(version, "proposed" if others else "put_in_force", actor, now, changes, version.note)
        found: V = version
        return found

    def revise(
        self,
        *,
        organisation_id: int,
        rule_id: int,
        draft: D,
        actor: Actor,
        now: datetime,
        expected_version: int | None = None,
    ) -> V:
        """The next version; from its first day on it replaces those before it. One that changes nothing is not made.

        Raises NotFound, Invalid, Conflict while another version waits, StaleVersion.
        """
        self._check(organisation_id, draft)
        rule = self._lock(organisation_id, rule_id)
        if expected_version is not None and rule.current_version != expected_version:
            raise StaleVersion(
                "Somebody saved another version of this rule meanwhile. Look at it, then try again."
            )
        if proposed(rule) is not None:
            raise Conflict("A version of this rule waits for a second admin already. Decide that one first.")
        before = current(rule)
        changes = {
            name: [plain(getattr(before, name, None)), plain(value)]
            for name, value in self._stored(draft).items()
            if before is None or getattr(before, name) != value
        }
        if before is not None and not changes:
            found: V = before
            return found
        return self._add(rule, draft, actor, now, changes, rule.current_version + 1)

    def end(self, *, organisation_id: int, rule_id: int, last_day: date, actor: Actor, now: datetime) -> V:
        """Let a rule end with a day, by a next version that says so. Raises NotFound, Conflict, Invalid."""
        rule: Any = self.get(organisation_id, rule_id)
        version = current(rule)
        if version is None or not version.is_active:
            raise Conflict("This rule does not count; there is nothing to end.")
        before: Any = self._draft_of(version)
        return self.revise(
            organisation_id=organisation_id,
            rule_id=rule_id,
            draft=replace(before, valid_from=last_day + timedelta(days=1), is_active=False),
            expected_version=rule.current_version,
            actor=actor,
            now=now,
        )

    def accept(self, *, organisation_id: int, rule_id: int, actor: Actor, now: datetime, note: str = "") -> V:
        """A second admin's yes: the version counts from its first day. Raises NotFound, Conflict, NotAllowed."""
        version = self._waiting(organisation_id, rule_id)
        if actor.user_id is None or actor.user_id == version.created_by_id:
            raise NotAllowed(["You asked for this change; another admin must accept it."])
        return self._decide(version, RuleState.IN_FORCE, "accepted", note, actor, now)

    def refuse(self, *, organisation_id: int, rule_id: int, reason: str, actor: Actor, now: datetime) -> V:
        """A second admin's no. Raises NotFound, Conflict, NotAllowed, Invalid without a reason."""
        version = self._waiting(organisation_id, rule_id)
        if actor.user_id is None or actor.user_id == version.created_by_id:
            raise NotAllowed(["You asked for this change. Withdraw it, if it is not to be made."])
        reason = need_reason(reason, "We agreed on 12 %.", "rule")
        return self._decide(version, RuleState.REFUSED, "refused", reason, actor, now)

    def withdraw(self, *, organisation_id: int, rule_id: int, actor: Actor, now: datetime) -> V:
        """Take an asked-for change back; who asked for it does. Raises NotFound, Conflict, NotAllowed."""
        version = self._waiting(organisation_id, rule_id)
        if actor.user_id != version.created_by_id:
            raise NotAllowed(
                [f"{version.created_by_label} asked for this change; refuse it with a reason instead."]
            )
        return self._decide(version, RuleState.WITHDRAWN, "withdrawn", "", actor, now)

    def _waiting(self, organisation_id: int, rule_id: int) -> Any:
        version = proposed(self._lock(organisation_id, rule_id))
        if version is None:
            raise Conflict("No change of this rule waits; somebody has decided already.")
        return version

    def _decide(self, version: Any, state: RuleState, word: str, note: str, actor: Actor, now: datetime) -> V:
        before = version.state
        version.state = state.value
        version.decided_by_id, version.decided_by_label, version.decided_at = actor.user_id, actor.label, now
        version.decision_note = note.strip()[:2000]
        db.session.flush()
        self._write(version, word, actor, now, {"state": [before, version.state]}, version.decision_note)
        found: V = version
        return found

    def _write(
        self, version: Any, word: str, actor: Actor, now: datetime, changes: dict[str, Any], note: str
    ) -> None:
        label = f"{version.name} (version {version.version})"
        self._record(self._subject, word, version, label, actor, now, changes, note)
