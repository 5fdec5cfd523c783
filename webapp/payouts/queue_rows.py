"""The rows of the approvals queue as plain values: what a line shows, and what decides whether a person may approve.

The names are those of the records, so that the same rules are asked about both. What was approved and who is kept out
is read for the one person who looks: of others, neither changes what this person may do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Executable, and_, bindparam, select
from sqlalchemy.orm import aliased

from webapp.database import among_given, ask, db
from webapp.payouts.models import Approval, ApprovalExclusion, Payout
from webapp.people.models import Organisation, Payee, PayoutMethod


class GivenApproval(NamedTuple):
    """A decision of the person who looks."""

    round: int
    decision: str
    approver_id: int | None
    fingerprint: str
    at: datetime


class KeptOut(NamedTuple):
    """Why the person who looks may not approve a payout, whatever else holds."""

    user_id: int
    reason: str


class WaitingMethod(NamedTuple):
    """Where money goes, and who entered that."""

    id: int
    masked: str
    created_by_id: int | None
    created_at: datetime


class WaitingPayee(NamedTuple):
    """Who is to be paid."""

    name: str
    user_id: int | None
    is_active: bool
    current_method: WaitingMethod | None


class WaitingPayout(NamedTuple):
    """One line of the queue."""

    id: int
    reference: str
    program: str
    currency: str
    gross_minor: int
    amount_minor: int
    state: str
    period_start: date
    period_end: date
    created_at: datetime
    created_by_id: int | None
    round: int
    payee_id: int
    rail: str
    payee: WaitingPayee
    # Where it goes if it is bound to details already; their masked number.
    bound_masked: str | None
    organisation: Organisation
    approvals: Sequence[GivenApproval]
    exclusions: Sequence[KeptOut]

    @property
    def organisation_id(self) -> int:
        """Whose it is."""
        return self.organisation.id

    @property
    def pay_to(self) -> str | None:
        """The masked account, or that it is paid by hand; None where nobody knows yet."""
        method = self.payee.current_method
        masked = self.bound_masked if self.bound_masked is not None else method.masked if method else None
        return None if masked is None else masked or "By hand"


_current, _bound = aliased(PayoutMethod, name="current"), aliased(PayoutMethod, name="bound")
_OWN = (
    Payout.id, Payout.reference, Payout.program, Payout.currency, Payout.gross_minor, Payout.amount_minor,
    Payout.state, Payout.period_start, Payout.period_end, Payout.created_at, Payout.created_by_id, Payout.round,
    Payout.payee_id, Payout.rail,
)  # fmt: skip
_COLUMNS: tuple[Any, ...] = (
    *_OWN, Payee.name, Payee.user_id, Payee.is_active, _current.id, _current.masked, _current.created_by_id,
    _current.created_at, _bound.masked,
)  # fmt: skip


class _Questions(NamedTuple):
    """What the queue asks about the payouts of a page."""

    rows: Executable
    given: Executable
    kept_out: Executable


@cache
def _questions(dialect: str) -> _Questions:
    """Put together once, as every question that each page asks in the same words."""
    rows = (
        select(*_COLUMNS)
        .join(Payee, Payee.id == Payout.payee_id)
        .outerjoin(_current, and_(_current.payee_id == Payout.payee_id, _current.is_current.is_(True)))
        .outerjoin(_bound, _bound.id == Payout.method_id)
        .where(
            Payout.organisation_id == bindparam("organisation_id"),
            among_given(Payout.id, "payout_ids", dialect),
        )
        # By its number, which SQLite could take for one condition on an index among others.
        .with_hint(Payout, "NOT INDEXED", "sqlite")
    )
    given = (
        select(
            Approval.payout_id, Approval.round, Approval.decision, Approval.approver_id, Approval.fingerprint,
            Approval.at,
        )
        .where(among_given(Approval.payout_id, "payout_ids", dialect), Approval.approver_id == bindparam("user_id"))
        .order_by(Approval.id)
    )  # fmt: skip
    kept_out = (
        select(ApprovalExclusion.payout_id, ApprovalExclusion.user_id, ApprovalExclusion.reason)
        .where(
            among_given(ApprovalExclusion.payout_id, "payout_ids", dialect),
            ApprovalExclusion.user_id == bindparam("user_id"),
        )
        .order_by(ApprovalExclusion.id)
    )
    return _Questions(rows, given, kept_out)


def load(*, organisation: Organisation, user_id: int, ids: Sequence[int]) -> list[WaitingPayout]:
    """The lines of these payouts as one person sees them, in any order. Three queries, however many they are."""
    if not ids:
        return []
    questions, wanted = _questions(db.engine.dialect.name), {"payout_ids": list(ids)}
    given: dict[int, list[GivenApproval]] = {}
    for approval in ask(questions.given, {**wanted, "user_id": user_id}):
        given.setdefault(approval[0], []).append(GivenApproval._make(approval[1:]))
    kept: dict[int, list[KeptOut]] = {}
    for exclusion in ask(questions.kept_out, {**wanted, "user_id": user_id}):
        kept.setdefault(exclusion[0], []).append(KeptOut._make(exclusion[1:]))
    rows = ask(questions.rows, {**wanted, "organisation_id": organisation.id})
    return [_line(row, organisation, given.get(row.id, ()), kept.get(row.id, ())) for row in rows]


def _line(
    row: Any, organisation: Organisation, given: Sequence[GivenApproval], kept: Sequence[KeptOut]
) -> WaitingPayout:
    *own, name, payee_user, is_active, method_id, masked, entered_by, entered_at, bound = row
    method = None if method_id is None else WaitingMethod(method_id, masked, entered_by, entered_at)
    payee = WaitingPayee(name, payee_user, is_active, method)
    return WaitingPayout._make((*own, payee, bound, organisation, given, kept))
