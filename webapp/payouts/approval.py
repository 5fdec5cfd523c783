"""Yes and no to a payout: approve, reject, cancel, hold, release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import update

from webapp import queue
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import NotAllowed
from webapp.outbox import service as outbox
from webapp.payouts import entries, policies, queries, records
from webapp.payouts.models import Approval, Payout, SourceClaim
from webapp.payouts.policy import Policy, stoppable_until, why_not_approve
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, next_state
from webapp.people.models import Organisation

#: Rails that pay at approval, in its transaction: what is done instead of booking that the amount is owed.
at_once: dict[str, Callable[[Payout, Actor, datetime], None]] = {}


def approve(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    note: str = "",
    expected_version: int | None = None,
) -> Result:
    """One person's yes; the last one that the policy asks for moves the payout to approved.

    Raises NotAllowed with the reasons, IllegalTransition when it is too late, StaleVersion.
    """
    payout = records.lock(organisation_id, reference)
    if repeat := records.repeat_or_refuse(payout, PayoutAction.APPROVE, actor):
        return repeat
    given = queries.valid_approvals(payout)
    present = queries.fingerprint_of(payout, queries.current_method(payout))
    if actor.user_id is not None and any(
        a.approver_id == actor.user_id and a.fingerprint == present for a in given
    ):
        return Result(payout, True, f"You have approved {reference} already. {_missing(payout, len(given))}")
    records.check_version(payout, expected_version)
    policy, version = policies.current_policy(organisation_id)
    if policy.single_operator.is_on:
        # The sum of the day is read and added to by one approval at a time, or many at once would pass its cap.
        db.session.get_one(Organisation, organisation_id, with_for_update={"key_share": True})
    reasons = why_not_approve(policy, queries.approval_facts(payout, actor.user_id, policy, now))
    if reasons:
        raise NotAllowed(reasons)
    given = _void_outdated(payout, given, present)
    needed = 1 if policy.single_operator.is_on else max(1, payout.approvals_needed)
    if len(given) + 1 >= needed:
        finish(payout, version, actor=actor, now=now, note=note, is_single=policy.single_operator.is_on)
        following = "It is paid." if payout.state == PayoutState.PAID else _who_sends(payout, policy)
        return Result(payout, False, f"{reference} is approved. {following}")
    add_approval(payout, version, actor=actor, now=now, note=note)
    records.change(
        payout,
        PayoutAction.APPROVE,
        PayoutState.PENDING_APPROVAL,
        actor=actor,
        now=now,
        note=note,
        tag="approval_given",
        changes={"approvals": [len(given), len(given) + 1]},
    )
    return Result(payout, False, f"Your approval of {reference} is kept. {_missing(payout, len(given) + 1)}")


def _void_outdated(payout: Payout, given: list[Approval], present: str) -> list[Approval]:
    """Approvals given before the payment details changed do not count: a new round begins."""
    if all(a.fingerprint == present for a in given):
        return given
    payout.round += 1
    return []


def _who_sends(payout: Payout, policy: Policy) -> str:
    return "It leaves by itself." if queries.leaves_by_itself(payout, policy) else "It can be paid now."


def _missing(payout: Payout, given: int) -> str:
    missing = payout.approvals_needed - given
    return f"{missing} more {'person' if missing == 1 else 'people'} must approve it."


def add_approval(
    payout: Payout,
    policy_version: int,
    *,
    actor: Actor,
    now: datetime,
    note: str,
    is_single: bool = False,
    decision: str = "approved",
) -> None:
    """Write one decision, bound to what the payout is now."""
    db.session.add(
        Approval(
            payout_id=payout.id,
            round=payout.round,
            approver_id=actor.user_id,
            approver_label=actor.label,
            maker_id=payout.created_by_id,
            is_single_operator=is_single,
            decision=decision,
            note=note,
            fingerprint=queries.fingerprint_of(payout, queries.current_method(payout)),
            policy_version=policy_version,
            at=now,
        )
    )
    db.session.flush()
    db.session.expire(payout, ["approvals"])


def finish(
    payout: Payout, policy_version: int, *, actor: Actor, now: datetime, note: str, is_single: bool = False
) -> None:
    """The last approval: bind the fingerprint, book what is owed, tell the payee."""
    state = next_state(payout.state, PayoutAction.APPROVE)
    method = queries.current_method(payout)
    add_approval(payout, policy_version, actor=actor, now=now, note=note, is_single=is_single)
    payout.method_id = method.id if method else None
    payout.fingerprint = queries.fingerprint_of(payout, method)
    payout.approved_at = now
    records.change(
        payout,
        PayoutAction.APPROVE,
        state,
        actor=actor,
        now=now,
        note=f"{note} (single operator)".strip() if is_single else note,
        changes={"fingerprint": [None, payout.fingerprint]},
    )
    if payout.rail in at_once:
        at_once[payout.rail](payout, actor, now)
        return
    entries.approved(payout, records.today(payout, now), actor, now)
    records.notify("approved", payout, now)
    _pay_by_itself(payout, now)


def _pay_by_itself(payout: Payout, now: datetime) -> None:
    """Where the rules say that a program's payouts need nobody to send them: at once, or at the cut-off."""
    policy, _ = policies.current_policy(payout.organisation_id)
    if payout.program not in policy.paid_by_itself or policy.single_operator.is_on:
        return
    until = stoppable_until(policy, payout.program, now, payout.organisation.timezone)
    outbox.add(
        kind="payout.pay",
        reference_id=payout.id,
        dedupe_key=f"payout.pay:{payout.id}:{payout.round}",
        to_queue=queue.MONEY,
        organisation_id=payout.organisation_id,
        now=now,
        not_before=until if until is not None and until > now else now,
    )


def reject(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Result:
    """One person's no: the payout ends, its source records are free again. Raises Invalid without a reason."""
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.REJECT, actor, expected_version)
    if repeat:
        return repeat
    reason = need_reason(reason, "The size of ISR-0042 is wrong.")
    policy, version = policies.current_policy(organisation_id)
    state = next_state(payout.state, PayoutAction.REJECT)
    if actor.user_id is None or (
        actor.user_id != payout.created_by_id
        and all(a.approver_id != actor.user_id for a in queries.valid_approvals(payout))
    ):
        # The creator may withdraw it too, but the table of decisions holds other people's only.
        add_approval(payout, version, actor=actor, now=now, note=reason, decision="rejected",
                     is_single=policy.single_operator.is_on)  # fmt: skip
    payout.reason = reason
    records.change(payout, PayoutAction.REJECT, state, actor=actor, now=now, note=reason)
    _release_claims(payout, now)
    records.notify("rejected", payout, now)
    records.tell("rejected", payout, now)
    return Result(payout, False, f"{reference} is rejected. {payout.payee.name} is told why.")


def cancel(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Result:
    """Drop a payout before it is paid; takes the approval's ledger entry back. Raises Invalid without a reason."""
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.CANCEL, actor, expected_version)
    if repeat:
        return repeat
    refuse_under_review(payout)
    payout.reason = need_reason(reason, "Paid twice by mistake.")
    state = next_state(payout.state, PayoutAction.CANCEL)
    records.change(payout, PayoutAction.CANCEL, state, actor=actor, now=now, note=payout.reason)
    payout.is_held, payout.hold_reason, payout.retry_at = False, "", None
    entries.cancelled(payout, records.today(payout, now), actor, now)
    _release_claims(payout, now)
    records.tell("cancelled", payout, now)
    return Result(payout, False, f"{reference} is cancelled. What it paid for can be paid by another payout.")


def refuse_under_review(payout: Payout) -> None:
    """While it is not known whether a transfer moved money, the payout stays as it is. Raises NotAllowed."""
    if any(t.state == "review" for t in payout.transfers):
        raise NotAllowed(["A transfer of this payout is under review; two people must settle it first."])


def _release_claims(payout: Payout, now: datetime) -> None:
    db.session.execute(
        update(SourceClaim)
        .where(SourceClaim.payout_id == payout.id, SourceClaim.released_at.is_(None))
        .values(released_at=now)
    )


def hold(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Result:
    """Keep an approved or failed payout from being paid until it is released."""
    payout = records.lock(organisation_id, reference)
    state = next_state(payout.state, PayoutAction.HOLD)
    if payout.is_held:
        return Result(payout, True, f"{reference} is on hold already: {payout.hold_reason}")
    records.check_version(payout, expected_version)
    reason = need_reason(reason, "The customer complained; we look into it.")
    payout.is_held, payout.hold_reason = True, reason if reason.endswith((".", "?")) else f"{reason}."
    records.change(
        payout, PayoutAction.HOLD, state, actor=actor, now=now, note=reason, changes={"held": [False, True]}
    )
    return Result(payout, False, f"{reference} is on hold. Nothing is paid until somebody releases it.")


def hold_also(*, organisation_id: int, reference: str, reason: str, actor: Actor, now: datetime) -> Result:
    """Give a payout that is on hold one more reason to stay there; whoever releases it reads both."""
    payout = records.lock(organisation_id, reference)
    reason = need_reason(reason, "The customer complained; we look into it.")
    before = payout.hold_reason
    if not payout.is_held or reason in before:
        return Result(payout, True, f"{reference} stays as it is.")
    payout.hold_reason = f"{before} {reason if reason.endswith(('.', '?')) else f'{reason}.'}"[:2000]
    records.change(
        payout,
        PayoutAction.HOLD,
        PayoutState(payout.state),
        actor=actor,
        now=now,
        note=reason,
        changes={"hold reason": [before, payout.hold_reason]},
    )
    return Result(payout, False, f"{reference} is on hold for one more reason.")


def release(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    note: str = "",
    expected_version: int | None = None,
) -> Result:
    """Take a payout off hold."""
    payout = records.lock(organisation_id, reference)
    state = next_state(payout.state, PayoutAction.RELEASE)
    if not payout.is_held:
        return Result(payout, True, f"{reference} is not on hold.")
    records.check_version(payout, expected_version)
    before = payout.hold_reason
    payout.is_held, payout.hold_reason = False, ""
    records.change(
        payout,
        PayoutAction.RELEASE,
        state,
        actor=actor,
        now=now,
        note=note,
        changes={"held": [True, False], "hold reason": [before, ""]},
    )
    following = "It can be paid now."
    if state is PayoutState.PROCESSING:
        following = "What is under way goes on."
    elif state is PayoutState.APPROVED:
        following = _who_sends(payout, policies.current_policy(organisation_id)[0])
    return Result(payout, False, f"{reference} is released. {following}")
