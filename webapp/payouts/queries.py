"""Reads of single payouts and of the facts that decisions about them depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from webapp.connections import queries as connections
from webapp.connections.rules import PROVIDERS
from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.models import Approval, Payout, SourceClaim, Transfer
from webapp.payouts.policies import halt_reasons
from webapp.payouts.policy import WALLET, ApprovalFacts, PaymentFacts, PersonFacts, Policy, fingerprint
from webapp.payouts.queue_rows import WaitingMethod, WaitingPayout
from webapp.payouts.states import TransferState
from webapp.people.changes import models as changes  # noqa: F401 - what `pending_change` reads
from webapp.people.models import Payee, PayoutMethod


def get_payout(organisation_id: int, reference: str, payee_id: int | None = None) -> Payout:
    """A payout by its reference; with `payee_id` only that payee's. Raises NotFound."""
    query = select(Payout).where(Payout.organisation_id == organisation_id, Payout.reference == reference)
    if payee_id is not None:
        query = query.where(Payout.payee_id == payee_id)
    payout = db.session.scalar(query)
    if payout is None:
        raise NotFound
    return payout


def get_payout_by_id(organisation_id: int, payout_id: int) -> Payout:
    """A payout by its id. Raises NotFound, also for another organisation's."""
    payout = db.session.scalar(
        select(Payout).where(Payout.organisation_id == organisation_id, Payout.id == payout_id)
    )
    if payout is None:
        raise NotFound
    return payout


def find_by_idempotency_key(organisation_id: int, key: str | None) -> Payout | None:
    """The payout that was made with a key; None also without a key."""
    if key is None:
        return None
    return db.session.scalar(
        select(Payout).where(Payout.organisation_id == organisation_id, Payout.idempotency_key == key)
    )


def live_claims(
    organisation_id: int, payee_id: int, source_type: str, source_ids: Iterable[int]
) -> Sequence[tuple[int, str]]:
    """(source id, payout reference) of the records that are in a live payout of the payee already."""
    rows = db.session.execute(
        select(SourceClaim.source_id, Payout.reference)
        .join(Payout, Payout.id == SourceClaim.payout_id)
        .where(
            SourceClaim.organisation_id == organisation_id,
            SourceClaim.payee_id == payee_id,
            SourceClaim.source_type == source_type,
            SourceClaim.source_id.in_(list(source_ids)),
            SourceClaim.released_at.is_(None),
        )
        .order_by(SourceClaim.source_id)
    )
    return [(row[0], row[1]) for row in rows]


def current_method(payout: Payout) -> PayoutMethod | None:
    """Where the payee's money goes now, read afresh, because people change it; None where it goes into a wallet."""
    if payout.rail == WALLET:
        return None
    return db.session.scalar(
        select(PayoutMethod).where(
            PayoutMethod.payee_id == payout.payee_id, PayoutMethod.is_current.is_(True)
        )
    )


def amount_of(payout: Payout | WaitingPayout) -> Money:
    """What is paid."""
    return Money(payout.amount_minor, payout.currency)


def fingerprint_of(payout: Payout | WaitingPayout, method: PayoutMethod | WaitingMethod | None) -> str:
    """The fingerprint of the payout with a method."""
    return fingerprint(amount_of(payout), payout.payee_id, method.id if method else None)


def valid_approvals(payout: Payout) -> list[Approval]:
    """The approvals of the present round."""
    rows = db.session.scalars(
        select(Approval)
        .where(
            Approval.payout_id == payout.id,
            Approval.round == payout.round,
            Approval.decision == "approved",
        )
        .order_by(Approval.id)
    )
    return list(rows)


def _person(
    payout: Payout | WaitingPayout, user_id: int | None, method: PayoutMethod | WaitingMethod | None
) -> PersonFacts:
    return PersonFacts(
        user_id=user_id,
        creator_id=payout.created_by_id,
        payee_user_id=payout.payee.user_id,
        method_editor_id=method.created_by_id if method else None,
        method_changed_at=method.created_at if method else None,
        exclusions=tuple((e.user_id, e.reason) for e in payout.exclusions),
    )


def approval_facts(
    payout: Payout | WaitingPayout,
    user_id: int | None,
    policy: Policy,
    now: datetime,
    approved_today_minor: int | None = None,
) -> ApprovalFacts:
    """What decides whether a user can approve the payout now.

    `approved_today_minor` saves asking what the organisation approved within a day, where that was asked before.
    """
    is_wallet = payout.rail == WALLET
    method = None if is_wallet else payout.payee.current_method
    approvals = [a for a in payout.approvals if a.round == payout.round and a.decision == "approved"]
    if approvals:
        present = fingerprint_of(payout, method)
        approvals = [a for a in approvals if a.fingerprint == present]
    if approved_today_minor is None:
        approved_today_minor = _approved_today(payout, now) if policy.single_operator.is_on else 0
    given = next((a.at for a in approvals if user_id is not None and a.approver_id == user_id), None)
    return ApprovalFacts(
        person=_person(payout, user_id, method),
        state=payout.state,
        amount=amount_of(payout),
        payee_name=payout.payee.name,
        has_method=is_wallet or method is not None,
        is_payee_active=payout.payee.is_active,
        now=now,
        timezone=payout.organisation.timezone,
        created_at=payout.created_at,
        approved_at=given,
        approved_today_minor=approved_today_minor,
    )


def _approved_today(payout: Payout | WaitingPayout, now: datetime) -> int:
    total = db.session.scalar(
        select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(
            Payout.organisation_id == payout.organisation_id,
            Payout.currency == payout.currency,
            Payout.approved_at > now - timedelta(hours=24),
        )
    )
    return int(total or 0)


def payment_facts(payout: Payout, user_id: int | None, rail: str, now: datetime) -> PaymentFacts:
    """What decides whether a user (None: Paydesk itself) can pay the payout now over a rail."""
    method = payout.payee.current_method
    people = [a for a in payout.approvals if a.decision == "approved" and a.approver_id is not None]
    return PaymentFacts(
        person=_person(payout, user_id, method),
        state=payout.state,
        amount=amount_of(payout),
        payee_name=payout.payee.name,
        rail=rail,
        now=now,
        timezone=payout.organisation.timezone,
        is_held=payout.is_held,
        hold_reason=payout.hold_reason,
        method_kind=method.kind if method else "",
        is_fingerprint_valid=payout.fingerprint == fingerprint_of(payout, method),
        cool_off_until=method.cool_off_until if method else None,
        details_pending=details_pending(payout.payee),
        halt_reasons=halt_reasons(payout.organisation_id, rail),
        last_approver_id=people[-1].approver_id if people else None,
        approved_at=payout.approved_at,
        is_automatic=payout.is_automatic,
        has_review=any(t.state == TransferState.REVIEW for t in payout.transfers),
        is_payee_active=payout.payee.is_active,
        rail_problem=rail_problem(payout.organisation_id, rail),
    )


def rail_problem(organisation_id: int, rail: str) -> str:
    """Why nothing can be sent over a rail of an outside provider; empty when it can, and for all other rails."""
    return connections.why_not_usable(organisation_id, rail) if rail in PROVIDERS else ""


def open_rails(organisation_id: int, policy: Policy) -> list[str]:
    """The rails that a person can choose from: in the rules, not by hand, and connected."""
    others = [rail for rail in policy.rails if rail != "manual"]
    return [rail for rail in others if not rail_problem(organisation_id, rail)]


def details_pending(payee: Payee) -> tuple[str, datetime] | None:
    """Reference and instant of new payment details that wait for a second person; loaded with lists."""
    change = payee.pending_change
    return None if change is None else (change.reference, change.requested_at)


def default_rail(policy: Policy, method_kind: str) -> str:
    """The rail that a payout takes when nobody chooses: by hand, or the first other one that is switched on."""
    others = [rail for rail in policy.rails if rail != "manual"]
    return "manual" if method_kind == "manual" or not others else others[0]


def leaves_by_itself(payout: Payout, policy: Policy) -> bool:
    """Whether an approved payout needs nobody to send it: its program's rules say so, and it is not paid by hand."""
    method = payout.payee.current_method
    return (
        payout.program in policy.paid_by_itself
        and not policy.single_operator.is_on
        and default_rail(policy, method.kind if method else "") != "manual"
    )


def newest_transfer(payout_id: int) -> Transfer | None:
    """The newest transfer of a payout."""
    return db.session.scalar(
        select(Transfer).where(Transfer.payout_id == payout_id).order_by(Transfer.n.desc()).limit(1)
    )
