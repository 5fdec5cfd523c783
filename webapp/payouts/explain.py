""" "Why not paid yet?" and "why can I not approve this?": computed here once, shown wherever the payout is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.kernel.clock import instant_text
from webapp.payouts import policy as rules
from webapp.payouts import queries
from webapp.payouts.models import Payout
from webapp.payouts.policies import current_policy
from webapp.payouts.states import (
    PayoutAction,
    PayoutState,
    TransferState,
    possible_actions,
)
from webapp.people.changes.models import MethodChange
from webapp.people.changes.queries import change_behind
from webapp.people.models import PayoutMethod
from webapp.people.queries import email_of
from webapp.providers import registry

# Actions of people; the others happen when the bank answers or a time comes.
BY_PEOPLE = (
    PayoutAction.APPROVE,
    PayoutAction.REJECT,
    PayoutAction.SUBMIT,
    PayoutAction.MARK_PAID,
    PayoutAction.RETRY,
    PayoutAction.REISSUE,
    PayoutAction.HOLD,
    PayoutAction.RELEASE,
    PayoutAction.REVERSE,
    PayoutAction.EDIT,
    PayoutAction.CANCEL,
)
_PAYABLE = (PayoutState.APPROVED, PayoutState.FAILED, PayoutState.RETRY_SCHEDULED)


@dataclass(frozen=True)
class Offer:
    """An action that the state allows, and why this person cannot take it now; without reasons they can."""

    action: PayoutAction
    reasons: tuple[str, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether nothing stops the person."""
        return not self.reasons


@dataclass(frozen=True)
class DetailsChange:
    """Payment details that are others than those that were approved, as the person who pays must see them."""

    old: PayoutMethod | None
    new: PayoutMethod
    # Who entered the old and the new ones: e-mail addresses, or Paydesk.
    old_by: str
    new_by: str
    # How often they were changed since the approval.
    n_changes: int
    cool_off_until: datetime | None
    # Who verified the new ones when, and whom they called; None for details that needed nobody.
    verified: MethodChange | None = None
    # Why this person cannot confirm the new ones; without reasons they can.
    reasons: tuple[str, ...] = ()


def changed_details(payout: Payout, user_id: int | None, now: datetime) -> DetailsChange | None:
    """What changed where the money goes since the approval; None when nothing did, or nothing can be paid."""
    old, new = payout.method, payout.payee.current_method
    if payout.state not in _PAYABLE or new is None:
        return None
    if payout.fingerprint == queries.fingerprint_of(payout, new):
        return None
    policy, _ = current_policy(payout.organisation_id)
    facts = queries.payment_facts(payout, user_id, payout.rail, now)
    return DetailsChange(
        old=old,
        new=new,
        old_by=_entered_by(old),
        new_by=_entered_by(new),
        n_changes=new.version - (old.version if old else 0),
        cool_off_until=new.cool_off_until,
        verified=change_behind(new),
        reasons=tuple(rules.why_not_this_person(policy, facts.person, now)),
    )


def _entered_by(method: PayoutMethod | None) -> str:
    return (email_of(method.created_by_id) if method else None) or "Paydesk"


def why_not_approve(payout: Payout, user_id: int | None, now: datetime) -> list[str]:
    """Every reason why the person cannot approve the payout now; empty when they can."""
    policy, _ = current_policy(payout.organisation_id)
    return rules.why_not_approve(policy, queries.approval_facts(payout, user_id, policy, now))


def why_not_paid(payout: Payout, now: datetime, user_id: int | None = None, rail: str = "") -> list[str]:
    """Every reason why the payout is not paid yet; empty when it is paid or can be paid at once.

    `rail` is the one that would be taken; empty: the usual one of the payee's payout method.
    """
    state = PayoutState(payout.state)
    if state is PayoutState.PAID:
        return []
    if state is PayoutState.PROCESSING:
        return [_processing(payout)]
    if state is PayoutState.REVERSED:
        return [f"The bank returned it: {payout.reason} An admin must re-issue it."]
    if state in (PayoutState.REJECTED, PayoutState.CANCELLED):
        return [f"It was {state.value}: {payout.reason}"]
    policy, _ = current_policy(payout.organisation_id)
    method = payout.payee.current_method
    rail = rail or queries.default_rail(policy, method.kind if method else "")
    reasons = rules.why_not_paid(policy, queries.payment_facts(payout, user_id, rail, now))
    if state is PayoutState.PENDING_APPROVAL:
        reasons += rules.why_not_approve(policy, queries.approval_facts(payout, None, policy, now))
    if state is PayoutState.FAILED:
        reasons.insert(0, f"The last try failed: {payout.reason}")
    if state is PayoutState.RETRY_SCHEDULED and payout.retry_at is not None:
        when = instant_text(payout.retry_at, payout.organisation.timezone)
        reasons.insert(0, f"The last try failed: {payout.reason} Paydesk tries again on {when}.")
    return reasons


def _processing(payout: Payout) -> str:
    transfer = payout.transfers[-1]
    state = TransferState(transfer.state)
    pending = queries.details_pending(payout.payee)
    if state is TransferState.QUEUED and pending is not None:
        return rules.details_wait(payout.payee.name, pending, payout.organisation.timezone)
    if state is TransferState.UNKNOWN and transfer.next_check_at is not None:
        when = instant_text(transfer.next_check_at, payout.organisation.timezone)
        return f"The bank's answer did not arrive. We ask again on {when}; nothing is sent twice meanwhile."
    if state is TransferState.REVIEW:
        return f"{transfer.error_message} Two people must settle it."
    if registry.leaves_in_files(transfer.rail):
        if state is TransferState.QUEUED:
            return "It leaves with a bank file. An admin makes the file, and another approves it."
        return "It left in a bank file. The bank's answer comes with its return file."
    return state.sentence


def offers(payout: Payout, user_id: int | None, now: datetime) -> list[Offer]:
    """What a person could do with the payout now, each with the reasons that stop this one."""
    allowed = possible_actions(payout.state)
    return [
        Offer(action, tuple(_reasons(payout, action, user_id, now)))
        for action in BY_PEOPLE
        if action in allowed and not _is_pointless(payout, action)
    ]


def _is_pointless(payout: Payout, action: PayoutAction) -> bool:
    if action is PayoutAction.HOLD:
        return payout.is_held
    if action is PayoutAction.RELEASE:
        return not payout.is_held
    return action is PayoutAction.REVERSE and payout.rail != "manual"


def _reasons(payout: Payout, action: PayoutAction, user_id: int | None, now: datetime) -> list[str]:
    policy, _ = current_policy(payout.organisation_id)
    if action is PayoutAction.APPROVE:
        return why_not_approve(payout, user_id, now)
    if action in (PayoutAction.SUBMIT, PayoutAction.RETRY):
        method = payout.payee.current_method
        rail = queries.default_rail(policy, method.kind if method else "")
        return rules.why_not_paid(policy, queries.payment_facts(payout, user_id, rail, now))
    if action is PayoutAction.MARK_PAID:
        return rules.why_not_paid(policy, queries.payment_facts(payout, user_id, "manual", now))
    if action is PayoutAction.REISSUE:
        facts = queries.payment_facts(payout, user_id, payout.rail, now)
        return rules.why_not_this_person(policy, facts.person, now)
    return []
