"""Who can approve what: the queue's conditions in SQL, and the facts of a page of payouts in few queries.

`policy.why_not_approve` decides and words each reason; `blocked_clause` is its twin in SQL, so that the views
Ready and Blocked can be counted and paged. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, case, exists, func, or_, select

from webapp.database import UtcDateTime, db
from webapp.payouts import flags, lists, policies, policy, queries
from webapp.payouts.models import Approval, ApprovalExclusion, Payout
from webapp.payouts.queue_rows import WaitingPayout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee, PayoutMethod

DAY = timedelta(hours=24)
#: So many waiting payouts are looked at to count the views; each costs some microseconds for each rule and flag.
LOOKED_AT = 5_000


@dataclass(frozen=True)
class Approver:
    """The person who looks at the queue, the rules in force, and what was approved lately."""

    organisation_id: int
    user_id: int
    policy: policy.Policy
    timezone: str
    currency: str
    now: datetime
    # Minor units approved within 24 hours, per currency; read only where a daily cap asks for it.
    approved_today: Mapping[str, int]
    # Since when whoever entered payment details may not approve; set where a query is given it when it is asked.
    entered_since: Any = None


@dataclass(frozen=True)
class Views:
    """How many payouts each view of the queue holds for a person, of the oldest `LOOKED_AT` that wait."""

    ready: int = 0
    blocked: int = 0
    flagged: int = 0
    # Somebody approved them, one more person must.
    second: int = 0
    # Made by this person.
    mine: int = 0
    # More wait than were looked at.
    is_capped: bool = False

    def said(self, view: str) -> str:
        """The count of a view, with a plus where there may be more."""
        return f"{getattr(self, view):,}{'+' if self.is_capped else ''}"


def approver(
    *, organisation: Organisation, user_id: int, now: datetime, rules: policy.Policy | None = None
) -> Approver:
    """What decides about a person, read once per page; `rules` saves reading the policy again."""
    rules = rules or policies.current_policy(organisation.id)[0]
    approved: dict[str, int] = {}
    if rules.single_operator.is_on and rules.single_operator.daily_cap_minor is not None:
        approved = approved_since(organisation.id, now - DAY)
    return Approver(
        organisation.id, user_id, rules, organisation.timezone, organisation.currency, now, approved
    )


def approved_since(organisation_id: int, since: datetime) -> dict[str, int]:
    """Sum of the payouts approved since an instant, in minor units per currency."""
    query = (
        select(Payout.currency, func.sum(Payout.amount_minor))
        .where(Payout.organisation_id == organisation_id, Payout.approved_at > since)
        .group_by(Payout.currency)
    )
    return {currency: int(amount) for currency, amount in db.session.execute(query)}


_CURRENT = and_(PayoutMethod.payee_id == Payout.payee_id, PayoutMethod.is_current.is_(True))


def counting_approvals() -> ColumnElement[bool]:
    """A condition on approvals: of the payout's present round, and for the payment details of now.

    Amount and payee cannot change within a round, so only newer details make an approval worthless.
    """
    newer = select(PayoutMethod.id).where(_CURRENT, PayoutMethod.created_at > Approval.at)
    return and_(
        Approval.payout_id == Payout.id,
        Approval.round == Payout.round,
        Approval.decision == "approved",
        ~newer.correlate(Payout, Approval).exists(),
    )


def approved_by(user_id: int) -> ColumnElement[bool]:
    """Whether this person approved a payout as it is now."""
    return exists().where(counting_approvals(), Approval.approver_id == user_id)


def blocked_clause(who: Approver) -> ColumnElement[bool]:
    """Whether something bars this person from approving a waiting payout now."""
    # What costs least comes first: the others are then not looked up.
    reasons = [Payee.is_active.is_(False), barred_clause(who), ~exists().where(_CURRENT)]
    solo = who.policy.single_operator
    if solo.is_on:
        reasons.append(Payout.created_at > who.now - timedelta(hours=solo.delay_hours))
        if solo.daily_cap_minor is not None:
            used = case(who.approved_today, value=Payout.currency, else_=0) if who.approved_today else 0
            reasons.append(Payout.amount_minor + used > solo.daily_cap_minor)
    return or_(*reasons)


def _entered_since(who: Approver) -> datetime:
    return who.now - timedelta(days=who.policy.method_editor_days)


def barred_clause(who: Approver) -> ColumnElement[bool]:
    """Whether the payout is not this person's to approve, or not any more, because of who they are."""
    reasons: list[ColumnElement[bool]] = [approved_by(who.user_id)]
    if who.policy.single_operator.is_on:
        return or_(*reasons)
    entered_lately = exists().where(
        _CURRENT,
        PayoutMethod.created_by_id == who.user_id,
        PayoutMethod.created_at > (_entered_since(who) if who.entered_since is None else who.entered_since),
    )
    excluded = exists().where(
        ApprovalExclusion.payout_id == Payout.id, ApprovalExclusion.user_id == who.user_id
    )
    made = and_(Payout.created_by_id.is_not(None), Payout.created_by_id == who.user_id)
    own = and_(Payee.user_id.is_not(None), Payee.user_id == who.user_id)
    return or_(made, own, excluded, entered_lately, *reasons)


def views(*, who: Approver, filters: lists.PayoutFilter) -> Views:
    """The counts of the views under a filter, in one query."""
    query = lists.pending(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    ).with_only_columns(
        blocked_clause(who).label("is_blocked"),
        flags.is_flagged(who.organisation_id).label("is_flagged"),
        _half_approved().label("is_second"),
        _made_by(who).label("is_mine"),
    )
    inner = query.order_by(Payout.id).limit(LOOKED_AT + 1).subquery()
    row = db.session.execute(
        select(
            func.count(),
            func.count().filter(inner.c.is_blocked),
            func.count().filter(inner.c.is_flagged),
            func.count().filter(inner.c.is_second),
            func.count().filter(inner.c.is_mine),
        ).select_from(inner)
    ).one()
    return Views(row[0] - row[1], *row[1:], is_capped=row[0] > LOOKED_AT)


def is_any_waiting(who: Approver, filters: lists.PayoutFilter) -> bool:
    """Whether anything waits that matches, whoever may approve it."""
    query = lists.pending(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    )
    return db.session.scalar(query.with_only_columns(Payout.id).limit(1)) is not None


def _half_approved() -> ColumnElement[bool]:
    return exists().where(counting_approvals())


def _made_by(who: Approver) -> ColumnElement[bool]:
    return and_(Payout.created_by_id.is_not(None), Payout.created_by_id == who.user_id)


def reasons(who: Approver, payout: Payout | WaitingPayout) -> list[str]:
    """Why this person cannot approve a payout, in sentences; empty when they can.

    Reads what `lists.with_approval_facts` or `queue_rows.load` has loaded: a page of rows needs no query per row.
    """
    # The sum of the last day was read once for the page.
    used = who.approved_today.get(payout.currency, 0)
    return policy.why_not_approve(
        who.policy, queries.approval_facts(payout, who.user_id, who.policy, who.now, used)
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


_SINCE: BindParameter[datetime] = bindparam("entered_since", type_=UtcDateTime())


def keys_in_view(who: Approver, filters: lists.PayoutFilter, view: str) -> tuple[Select[Any], dict[str, Any]]:
    """The ids of the payouts of a view, and the values to ask that with: for the page, which is asked for again.

    The query is kept where the clock is in none of its conditions but as a value.
    """
    if who.policy.single_operator.is_on or not lists.is_lasting(filters):
        return in_view(who, filters, view).with_only_columns(Payout.id), {}
    query = _kept_view(who.organisation_id, who.user_id, who.currency, filters, view)
    return query, {_SINCE.key: _entered_since(who)} if view in ("ready", "blocked") else {}


@lru_cache(maxsize=lists.KEPT)
def _kept_view(
    organisation_id: int, user_id: int, currency: str, filters: lists.PayoutFilter, view: str
) -> Select[Any]:
    rules = policy.from_rules(policy.default_rules(currency))
    who = Approver(organisation_id, user_id, rules, "", currency, datetime.min, {}, entered_since=_SINCE)
    return in_view(who, filters, view).with_only_columns(Payout.id)


def in_view(who: Approver, filters: lists.PayoutFilter, view: str) -> Select[Any]:
    """The waiting payouts of a view: ready, blocked, flagged, second, mine for this person; "" for all."""
    query = lists.pending(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    )
    conditions = {
        "ready": lambda: ~blocked_clause(who),
        "blocked": lambda: blocked_clause(who),
        "flagged": lambda: flags.is_flagged(who.organisation_id),
        "second": _half_approved,
        "mine": lambda: _made_by(who),
    }
    return query.where(conditions[view]()) if view in conditions else query
