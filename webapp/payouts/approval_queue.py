"""Who can approve what: the queue's conditions in SQL, and the facts of a page of payouts in few queries.

`policy.why_not_approve` decides and words each reason; `blocked_clause` is its twin in SQL, so that the views
Ready and Blocked can be counted and paged. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts import lists, policies, policy
from webapp.payouts.models import Approval, ApprovalExclusion, Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee, PayoutMethod

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Approver:
    """The person who looks at the queue, the rules in force, and what was approved lately."""

    organisation_id: int
    user_id: int
    policy: policy.Policy
    timezone: str
    currency: str
    now: datetime
    approved_today_minor: int


@dataclass(frozen=True)
class Views:
    """How many payouts each view of the queue holds for a person."""

    ready: int
    blocked: int
    flagged: int


def approver(*, organisation: Organisation, user_id: int, now: datetime) -> Approver:
    """What decides about a person, read once per page."""
    rules, _ = policies.current_policy(organisation.id)
    approved = 0
    if rules.single_operator.is_on and rules.single_operator.daily_cap_minor is not None:
        approved = approved_since(organisation.id, organisation.currency, now - DAY)
    return Approver(organisation.id, user_id, rules, organisation.timezone, organisation.currency, now, approved)


def approved_since(organisation_id: int, currency: str, since: datetime) -> int:
    """Sum of the payouts approved since an instant, in minor units of one currency."""
    total = db.session.scalar(
        select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(
            Payout.organisation_id == organisation_id, Payout.currency == currency, Payout.approved_at > since
        )
    )
    return int(total or 0)


def blocked_clause(who: Approver) -> ColumnElement[bool]:
    """Whether something bars this person from approving a waiting payout."""
    decided = exists().where(
        Approval.payout_id == Payout.id,
        Approval.round == Payout.round,
        Approval.approver_id == who.user_id,
        Approval.decision == "approved",
    )
    current = and_(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))
    reasons: list[ColumnElement[bool]] = [decided, ~exists().where(current), Payee.is_active.is_(False)]
    solo = who.policy.single_operator
    if solo.is_on:
        reasons.append(Payout.created_at > who.now - timedelta(hours=solo.delay_hours))
        if solo.daily_cap_minor is not None:
            left = solo.daily_cap_minor - who.approved_today_minor
            reasons.append(Payout.amount_minor > left)
        return or_(*reasons)
    entered_lately = exists().where(
        current,
        PayoutMethod.created_by_id == who.user_id,
        PayoutMethod.created_at > who.now - timedelta(days=who.policy.method_editor_days),
    )
    excluded = exists().where(ApprovalExclusion.payout_id == Payout.id, ApprovalExclusion.user_id == who.user_id)
    made = and_(Payout.created_by_id.is_not(None), Payout.created_by_id == who.user_id)
    own = and_(Payee.user_id.is_not(None), Payee.user_id == who.user_id)
    return or_(made, own, excluded, entered_lately, *reasons)


def views(*, who: Approver, filters: lists.PayoutFilter) -> Views:
    """The counts of the three views under a filter, in one query."""
    query = lists.pending(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    ).with_only_columns(
        blocked_clause(who).label("is_blocked"), lists.is_flagged().label("is_flagged")
    )
    inner = query.subquery()
    row = db.session.execute(
        select(
            func.count(),
            func.count().filter(inner.c.is_blocked),
            func.count().filter(inner.c.is_flagged),
        ).select_from(inner)
    ).one()
    return Views(row[0] - row[1], row[1], row[2])


def reasons(who: Approver, payout: Payout) -> list[str]:
    """Why this person cannot approve a payout, in sentences; empty when they can.

    Reads what `lists.with_approval_facts` has loaded, so a page of rows needs no query per row.
    """
    return policy.why_not_approve(who.policy, facts(who, payout))


def facts(who: Approver, payout: Payout) -> policy.ApprovalFacts:
    """What the policy needs to know about this person and this payout."""
    method, payee = payout.payee.current_method, payout.payee
    own = [a for a in payout.approvals if a.round == payout.round and a.approver_id == who.user_id]
    return policy.ApprovalFacts(
        person=policy.PersonFacts(
            user_id=who.user_id,
            creator_id=payout.created_by_id,
            payee_user_id=payee.user_id,
            method_editor_id=method.created_by_id if method else None,
            method_changed_at=method.created_at if method else None,
            exclusions=tuple((e.user_id, e.reason) for e in payout.exclusions),
        ),
        state=payout.state,
        amount=Money(payout.amount_minor, payout.currency),
        payee_name=payee.name,
        has_method=method is not None,
        now=who.now,
        timezone=who.timezone,
        created_at=payout.created_at,
        is_payee_active=payee.is_active,
        approved_at=next((a.at for a in own if a.decision == "approved"), None),
        approved_today_minor=who.approved_today_minor,
    )


def ready_count(who: Approver) -> int:
    """How many of the waiting payouts this person may approve now."""
    query = (
        select(func.count())
        .select_from(Payout)
        .join(Payout.payee)
        .where(
            Payout.organisation_id == who.organisation_id,
            Payout.state == PayoutState.PENDING_APPROVAL.value,
            ~blocked_clause(who),
        )
    )
    return db.session.scalar(query) or 0


def split(who: Approver, payouts: Sequence[Payout]) -> tuple[list[Payout], list[tuple[Payout, list[str]]]]:
    """The payouts this person can approve, and those that are left out, each with the reasons."""
    eligible, left_out = [], []
    for payout in payouts:
        found = reasons(who, payout)
        if found:
            left_out.append((payout, found))
        else:
            eligible.append(payout)
    return eligible, left_out
