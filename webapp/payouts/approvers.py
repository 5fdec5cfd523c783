"""Who can approve a payout, or one that does not exist yet; and which payouts nobody may approve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Integer, and_, case, func, literal, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts import approval_queue, policies, queries
from webapp.payouts import policy as rules
from webapp.payouts.models import Approval, Payout
from webapp.payouts.policy import PersonFacts, Policy
from webapp.payouts.states import PayoutState
from webapp.people import members
from webapp.people.models import Organisation, Payee, User


@dataclass(frozen=True)
class Verdict:
    """One admin, and why they cannot approve; without reasons they can."""

    user: User
    reasons: tuple[str, ...] = ()

    @property
    def can(self) -> bool:
        """Whether nothing stops them."""
        return not self.reasons


@dataclass(frozen=True)
class Answer:
    """How many people must approve, who can, and whether they are enough."""

    needed: int
    # Approvals of the present round that were given already.
    given: int
    verdicts: tuple[Verdict, ...]

    @property
    def able(self) -> int:
        """How many admins can approve now."""
        return sum(verdict.can for verdict in self.verdicts)

    @property
    def is_enough(self) -> bool:
        """Whether the payout can be approved by the people there are."""
        return self.given + self.able >= self.needed

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        if self.needed == 0:
            return "Nobody needs to: the policy approves it by itself."
        people = "1 person" if self.needed == 1 else f"{self.needed} different people"
        must = f"{people} must approve it, {self.given} did." if self.given else f"{people} must approve it."
        if self.is_enough:
            return f"{must} {self.able} of {len(self.verdicts)} admins can."
        able = f"Only {self.able} of {len(self.verdicts)} admins can"
        return f"{must} {able}, so it would wait for ever. Invite another admin."


def who_can_approve(payout: Payout, now: datetime) -> Answer:
    """Every admin's right to approve a payout that waits, each with the reasons against it."""
    policy, _ = policies.current_policy(payout.organisation_id)
    facts = queries.approval_facts(payout, None, policy, now)
    present = queries.fingerprint_of(payout, payout.payee.current_method)
    given = {a.approver_id: a.at for a in queries.valid_approvals(payout) if a.fingerprint == present}
    verdicts = []
    for user in members.active_admins(payout.organisation_id):
        person = replace(facts.person, user_id=user.id)
        reasons = rules.why_not_approve(policy, replace(facts, person=person, approved_at=given.get(user.id)))
        verdicts.append(Verdict(user, tuple(_said_of(reason) for reason in reasons)))
    needed = 1 if policy.single_operator.is_on else max(1, payout.approvals_needed)
    return Answer(needed, len(given), tuple(verdicts))


def who_could_approve(
    policy: Policy, people: Sequence[User], *, amount: Money, is_automatic: bool, creator_id: int | None
) -> Answer:
    """The same for a payout of this amount under rules that may not be in force yet; `creator_id` makes it."""
    needed = rules.approvals_needed(policy, amount, is_automatic)
    if policy.single_operator.is_on:
        needed = min(1, needed)
    verdicts = []
    for user in people:
        person = PersonFacts(user.id, creator_id=creator_id)
        # Only the maker matters here; nothing else is known of a payout that does not exist.
        is_barred = needed and bool(rules.why_not_this_person(policy, person, _NEVER))
        verdicts.append(Verdict(user, ("They made it.",) if is_barred else ()))
    return Answer(needed, 0, tuple(verdicts))


_NEVER = datetime.min


def _said_of(reason: str) -> str:
    """A sentence to "you" as a sentence about somebody else."""
    for start, other in (
        ("You ", "They "), ("This payout is to you;", "This payout is to them;"),
    ):  # fmt: skip
        if reason.startswith(start):
            return other + reason[len(start) :]
    return reason


def nobody_may_approve(
    organisation: Organisation, now: datetime, policy: Policy | None = None
) -> ColumnElement[bool]:
    """Condition: fewer admins may approve a waiting payout than it still needs, whatever happens to its payee.

    Counted by the database for all payouts at once; the caller joins `Payout.payee`.
    """
    policy = policy or policies.current_policy(organisation.id)[0]
    may: ColumnElement[int] = literal(0, Integer)
    for user in members.active_admins(organisation.id):
        who = approval_queue.approver(organisation=organisation, user_id=user.id, now=now, rules=policy)
        may = may + case((approval_queue.barred_clause(who), 0), else_=1)
    given = (
        select(func.count(func.distinct(Approval.approver_id)))
        .where(approval_queue.counting_approvals())
        .correlate(Payout)
        .scalar_subquery()
    )
    needed = literal(1, Integer) if policy.single_operator.is_on else Payout.approvals_needed
    return and_(Payout.state == PayoutState.PENDING_APPROVAL.value, given + may < needed)


def stuck_count(organisation: Organisation, now: datetime, policy: Policy | None = None) -> int:
    """How many waiting payouts nobody may approve."""
    query = (
        select(func.count())
        .select_from(Payout)
        .join(Payee, Payee.id == Payout.payee_id)
        .where(Payout.organisation_id == organisation.id, nobody_may_approve(organisation, now, policy))
    )
    return db.session.scalar(query) or 0
