"""Paying: submit, retry, mark paid by hand, returns, re-issue; and what the bank's answers do to a payout."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp import queue
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.kernel.ids import new_transfer_id
from webapp.ledger.service import EntryDraft
from webapp.outbox import service as outbox
from webapp.payouts import approval, entries, policies, queries, records
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import Policy, why_not_paid, why_not_this_person
from webapp.payouts.records import Result
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.providers import registry

# Failures that pass by themselves; every other one waits for a person.
RETRYABLE = frozenset({"BANK_UNAVAILABLE", "NETWORK_UNAVAILABLE", "INSUFFICIENT_BALANCE"})
_JITTER = 0.10


def submit(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    rail: str = "",
    confirm_method: bool = False,
    expected_version: int | None = None,
) -> Result:
    """Send an approved payout over a rail: a transfer is queued with this transaction.

    `confirm_method` is the person's word that payment details changed after the approval are right.
    Raises NotAllowed with every reason, IllegalTransition, StaleVersion.
    """
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.SUBMIT, actor, expected_version)
    if repeat:
        return repeat
    _send(payout, PayoutAction.SUBMIT, rail, confirm_method, actor, now)
    return Result(payout, False, f"{reference} {_promise(payout)}")


def retry(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    rail: str = "",
    confirm_method: bool = False,
    expected_version: int | None = None,
) -> Result:
    """Try a failed payout again with a new transfer. Raises as `submit` does."""
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.RETRY, actor, expected_version)
    if repeat:
        return repeat
    _send(payout, PayoutAction.RETRY, rail, confirm_method, actor, now)
    return Result(payout, False, f"{reference} {_promise(payout, 'is tried again')}")


def _promise(payout: Payout, word: str = "is on its way") -> str:
    """What happens next with what was just sent."""
    if registry.leaves_in_files(payout.rail):
        return "waits for the next bank file. Make one under Bank files."
    return f"{word}. The bank's answer follows within seconds."


def _send(
    payout: Payout, action: PayoutAction, rail: str, confirm_method: bool, actor: Actor, now: datetime
) -> None:
    policy, version = policies.current_policy(payout.organisation_id)
    state = next_state(payout.state, action)
    method = payout.payee.current_method
    rail = rail or queries.default_rail(policy, method.kind if method else "")
    if rail == "manual":
        raise NotAllowed([f"{payout.reference} is paid by hand. Pay outside Paydesk, then mark it as paid."])
    if confirm_method:
        _confirm_method(payout, policy, version, actor, now)
    refuse_unpayable(payout, policy, actor, rail, now)
    begin_transfer(payout, action, state, rail, actor, now)


def refuse_unpayable(payout: Payout, policy: Policy, actor: Actor, rail: str, now: datetime) -> None:
    """Raises NotAllowed with every reason why the payout cannot be paid now."""
    reasons = why_not_paid(policy, queries.payment_facts(payout, actor.user_id, rail, now))
    if reasons:
        raise NotAllowed(reasons)


def begin_transfer(
    payout: Payout, action: PayoutAction, state: PayoutState, rail: str, actor: Actor, now: datetime
) -> Transfer:
    """Queue a new try with an id of its own, book it as on its way, and leave the rest to a worker."""
    last = queries.newest_transfer(payout.id)
    transfer = Transfer(
        organisation_id=payout.organisation_id,
        payout_id=payout.id,
        n=last.n + 1 if last else 1,
        transfer_id=new_transfer_id(),
        rail=rail,
        state=TransferState.QUEUED.value,
        currency=payout.currency,
        amount_minor=payout.amount_minor,
        method_id=payout.method_id,
        fingerprint=payout.fingerprint or "",
        created_at=now,
    )
    db.session.add(transfer)
    db.session.flush()
    payout.rail, payout.submitted_at, payout.retry_at = rail, now, None
    records.change(
        payout, action, state, actor=actor, now=now, changes={"rail": [None, rail], "try": [None, transfer.n]}
    )
    entries.submitted(payout, transfer, records.today(payout, now), actor, now)
    outbox.add(
        kind="transfer.send",
        reference_id=transfer.id,
        dedupe_key=f"transfer.send:{transfer.id}:0",
        to_queue=queue.MONEY,
        organisation_id=payout.organisation_id,
        now=now,
    )
    return transfer


def _confirm_method(payout: Payout, policy: Policy, version: int, actor: Actor, now: datetime) -> None:
    """Bind the approval anew to the payee's present details, by somebody who did not enter them."""
    method = queries.current_method(payout)
    present = queries.fingerprint_of(payout, method)
    if method is None or present == payout.fingerprint:
        return
    facts = queries.payment_facts(payout, actor.user_id, payout.rail, now)
    if reasons := why_not_this_person(policy, facts.person, now):
        raise NotAllowed(reasons)
    changes = {"fingerprint": [payout.fingerprint, present]}
    payout.round += 1
    payout.method_id, payout.fingerprint = method.id, present
    approval.add_approval(
        payout, version, actor=actor, now=now, note=f"Confirmed {method.masked}",
        is_single=policy.single_operator.is_on,
    )  # fmt: skip
    records.change(
        payout, PayoutAction.APPROVE, PayoutState(payout.state), actor=actor, now=now,
        tag="method_confirmed", changes=changes, note=f"Confirmed {method.masked}",
    )  # fmt: skip


def mark_paid(
    *,
    organisation_id: int,
    reference: str,
    payment_reference: str,
    paid_on: date,
    actor: Actor,
    now: datetime,
    confirm_method: bool = False,
    expected_version: int | None = None,
) -> Result:
    """Record a payment made by hand. The reference is unique in the organisation, the day not in the future.

    `confirm_method` is the person's word on details changed after the approval. Raises as `submit` does, Invalid.
    """
    payout, repeat = records.begin(
        organisation_id, reference, PayoutAction.MARK_PAID, actor, expected_version
    )
    if repeat:
        return repeat
    payment_reference = payment_reference.strip()
    if not payment_reference or len(payment_reference) > 120:
        raise Invalid("payment_reference", "Enter the bank's reference of the payment.", "CHQ-000123")
    today = records.today(payout, now)
    if paid_on > today:
        raise Invalid("paid_on", "The day of payment is in the future.", today.isoformat())
    policy, version = policies.current_policy(organisation_id)
    if confirm_method:
        _confirm_method(payout, policy, version, actor, now)
    refuse_unpayable(payout, policy, actor, "manual", now)
    state = next_state(payout.state, PayoutAction.MARK_PAID)
    if other := payout_with_reference(organisation_id, payment_reference):
        raise _reference_taken(payment_reference, other)
    payout.rail, payout.payment_reference, payout.paid_on, payout.paid_at = (
        "manual",
        payment_reference,
        paid_on,
        now,
    )
    changes = {"payment reference": [None, payment_reference], "paid on": [None, paid_on.isoformat()]}
    records.change(payout, PayoutAction.MARK_PAID, state, actor=actor, now=now, changes=changes)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise _reference_taken(payment_reference, None) from error
    entries.marked_paid(payout, paid_on, actor, now)
    _after_paid(payout, now)
    return Result(payout, False, f"{reference} is paid. {payout.payee.name} is told.")


def payout_with_reference(organisation_id: int, payment_reference: str) -> str | None:
    """The reference of the payout that a payment reference belongs to."""
    return db.session.scalar(
        select(Payout.reference).where(
            Payout.organisation_id == organisation_id, Payout.payment_reference == payment_reference
        )
    )


def _reference_taken(payment_reference: str, other: str | None) -> Conflict:
    whose = f"belongs to {other}" if other else "has just been used"
    return Conflict(f"The payment reference {payment_reference} {whose}. A payment pays one payout only.")


def _after_paid(payout: Payout, now: datetime) -> None:
    payout.reason = ""
    records.notify("paid", payout, now)
    records.ask_remittance(payout, now)
    records.tell("paid", payout, now)


# Of which organisation; what is to be posted together.
Drafts = list[tuple[int, EntryDraft]]


def _book(payout: Payout, draft: EntryDraft, together: Drafts | None, actor: Actor, now: datetime) -> None:
    """Post it now, or leave it to whoever posts what became of several transfers together."""
    if together is None:
        entries.post([(payout.organisation_id, draft)], actor, now)
    else:
        together.append((payout.organisation_id, draft))


def record_successes(
    paid: Sequence[tuple[Payout, Transfer]], actor: Actor, now: datetime, together: Drafts | None = None
) -> None:
    """The bank's own word: the money has left. Booked together, in one transaction with what the bank said.

    `together` takes what is to be posted, instead; the caller does that, before the transaction ends.
    """
    if not paid:
        return
    taken = _references_in_use(paid)
    drafts: Drafts = []
    for payout, transfer in paid:
        on = _record_success(payout, transfer, taken, actor, now)
        drafts.append((payout.organisation_id, entries.succeeded(payout, transfer, on)))
    if together is None:
        entries.post(drafts, actor, now)
    else:
        together += drafts
    for payout, _ in paid:
        _after_paid(payout, now)


def _references_in_use(paid: Sequence[tuple[Payout, Transfer]]) -> set[tuple[int, str]]:
    """(organisation, payment reference) of the payouts that have one of the transfers' references already."""
    wanted = {transfer.utr for _, transfer in paid if transfer.utr}
    if not wanted:
        return set()
    rows = db.session.execute(
        select(Payout.organisation_id, Payout.payment_reference).where(
            Payout.organisation_id.in_({payout.organisation_id for payout, _ in paid}),
            Payout.payment_reference.in_(wanted),
        )
    )
    return {(row[0], row[1] or "") for row in rows}


def _record_success(
    payout: Payout, transfer: Transfer, taken: set[tuple[int, str]], actor: Actor, now: datetime
) -> date:
    """Answers the day on which it was paid."""
    state = next_state(payout.state, PayoutAction.SUCCEED)
    day: date = records.today(payout, now)
    payout.paid_on, payout.paid_at = day, now
    # A reference that another payout holds stays with the transfer only: money is not held up by a label.
    label = (payout.organisation_id, transfer.utr)
    if transfer.utr and label not in taken:
        taken.add(label)
        payout.payment_reference = transfer.utr
    changes: dict[str, Any] = {"payment reference": [None, transfer.utr]}
    if payout.is_held:
        # There is nothing left to keep from being paid, and what is paid cannot be released.
        changes |= {"held": [True, False], "hold reason": [payout.hold_reason, ""]}
        payout.is_held, payout.hold_reason = False, ""
    records.change(payout, PayoutAction.SUCCEED, state, actor=actor, now=now, changes=changes)
    return day


def record_failure(
    payout: Payout, transfer: Transfer, actor: Actor, now: datetime, together: Drafts | None = None
) -> None:
    """A definite no: the money is owed again; a passing cause is retried by itself, else a person must act.

    `together` as with `record_successes`.
    """
    state = next_state(payout.state, PayoutAction.FAIL)
    payout.reason = transfer.error_message or transfer.error_code or "The bank refused the transfer."
    records.change(payout, PayoutAction.FAIL, state, actor=actor, now=now, note=payout.reason,
                   changes={"error": [None, transfer.error_code]})  # fmt: skip
    _book(payout, entries.failed(payout, transfer, records.today(payout, now)), together, actor, now)
    if not _plan_retry(payout, transfer, actor, now):
        records.notify("failed", payout, now, part=f".{transfer.n}")
    records.tell("failed", payout, now)


def _plan_retry(payout: Payout, transfer: Transfer, actor: Actor, now: datetime) -> bool:
    policy, _ = policies.current_policy(payout.organisation_id)
    used = payout.automatic_retries
    if payout.is_held:
        return False  # a person looks first, then releases and retries it
    if transfer.error_code not in RETRYABLE or used >= len(policy.retry_minutes):
        return False
    state = next_state(payout.state, PayoutAction.SCHEDULE_RETRY)
    minutes = policy.retry_minutes[used] * random.uniform(1 - _JITTER, 1 + _JITTER)
    payout.automatic_retries = used + 1
    payout.retry_at = now + timedelta(minutes=minutes)
    records.change(payout, PayoutAction.SCHEDULE_RETRY, state, actor=actor, now=now,
                   changes={"retry at": [None, payout.retry_at.isoformat(timespec="seconds")]})  # fmt: skip
    outbox.add(
        kind="payout.retry",
        reference_id=payout.id,
        dedupe_key=f"payout.retry:{payout.id}:{transfer.n}",
        to_queue=queue.MONEY,
        organisation_id=payout.organisation_id,
        now=now,
        not_before=payout.retry_at,
    )
    return True


def record_return(
    payout: Payout, reason: str, on: date, actor: Actor, now: datetime, together: Drafts | None = None
) -> None:
    """The money came back after it was paid; it is owed again. `together` as with `record_successes`."""
    state = next_state(payout.state, PayoutAction.REVERSE)
    payout.reason, payout.payment_reference = reason, None
    records.change(payout, PayoutAction.REVERSE, state, actor=actor, now=now, note=reason)
    _book(payout, entries.returned(payout, on), together, actor, now)
    records.notify("reversed", payout, now)
    records.tell("reversed", payout, now)


def reverse(
    *,
    organisation_id: int,
    reference: str,
    reason: str,
    on: date,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Result:
    """Record that the bank returned a payment which was made by hand; for other rails the bank itself says so."""
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.REVERSE, actor, expected_version)
    if repeat:
        return repeat
    reason = need_reason(reason, "The bank returned it: account closed.")
    next_state(payout.state, PayoutAction.REVERSE)
    if payout.rail != "manual":
        raise NotAllowed(["The bank itself reports returns of this rail. Ask it with “Check status”."])
    if on > records.today(payout, now) or (payout.paid_on and on < payout.paid_on):
        raise Invalid("on", "The day of the return lies between the payment and today.")
    record_return(payout, reason, on, actor, now)
    return Result(payout, False, f"{reference} is recorded as returned. It must be re-issued to be paid.")


def reissue(
    *,
    organisation_id: int,
    reference: str,
    actor: Actor,
    now: datetime,
    note: str = "",
    expected_version: int | None = None,
) -> Result:
    """Make a returned payout payable again; the person confirms the payee's present payment details by it.

    Raises NotAllowed when they may not (creator, payee, who entered the details) or when there are none.
    """
    payout, repeat = records.begin(organisation_id, reference, PayoutAction.REISSUE, actor, expected_version)
    if repeat:
        return repeat
    approval.refuse_under_review(payout)
    state = next_state(payout.state, PayoutAction.REISSUE)
    policy, version = policies.current_policy(organisation_id)
    facts = queries.payment_facts(payout, actor.user_id, payout.rail, now)
    reasons = why_not_this_person(policy, facts.person, now)
    method = queries.current_method(payout)
    if method is None:
        reasons.append(f"{payout.payee.name} has no payout method. Add one on the payee's page first.")
    if reasons:
        raise NotAllowed(reasons)
    before = payout.fingerprint
    payout.round += 1
    payout.method_id = method.id if method else None
    payout.fingerprint = queries.fingerprint_of(payout, method)
    payout.reason, payout.paid_on, payout.paid_at, payout.automatic_retries = "", None, None, 0
    approval.add_approval(
        payout,
        version,
        actor=actor,
        now=now,
        note=note or "Re-issued",
        is_single=policy.single_operator.is_on,
    )
    records.change(payout, PayoutAction.REISSUE, state, actor=actor, now=now, note=note,
                   changes={"fingerprint": [before, payout.fingerprint]})  # fmt: skip
    return Result(payout, False, f"{reference} is approved again with the present payment details.")


def ask_status(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> Result:
    """Have a worker ask the bank about the newest transfer now. Raises Conflict when there is none to ask about."""
    payout = queries.get_payout(organisation_id, reference)
    transfer = queries.newest_transfer(payout.id)
    if transfer is None or transfer.state == TransferState.QUEUED:
        raise Conflict(f"The bank has not been asked to pay {reference} yet; there is nothing to check.")
    is_new = outbox.add(
        kind="transfer.ask",
        reference_id=transfer.id,
        # Pressed twice within a minute, the bank is asked once.
        dedupe_key=f"transfer.ask:{transfer.id}:{now:%Y%m%d%H%M}",
        to_queue=queue.MONEY,
        organisation_id=organisation_id,
        now=now,
    )
    return Result(
        payout, not is_new, f"The bank is asked about {reference}; its answer shows here in seconds."
    )
