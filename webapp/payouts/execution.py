"""Moving the money exactly once: claim, commit, ask the provider once, record; and asking what became of it.

The functions here open their own transactions, because no transaction may be open while a provider thinks;
jobs call them, views never do. The provider is asked to send in one line of this file and nowhere else. What is
not known is asked for, never sent again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

from webapp.database import db, transaction
from webapp.kernel.actor import POLICY, WORKER
from webapp.kernel.clock import instant_text, utc_now
from webapp.outbox.service import Later
from webapp.payouts import balance, breaker, payment, policies, queries, records, settlement
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import cool_off_wait, details_wait, why_not_paid
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.people.queries import details_of
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome, Rail, TransferOrder

log = structlog.get_logger()

# Longer than the time limit of a provider call, so that a living worker never loses its claim.
LEASE = timedelta(seconds=120)
# With less than this left of its claim a worker does not begin to send any more.
LEAST_LEFT = timedelta(seconds=60)
_WAIT = timedelta(minutes=5)
_NOT_SENT_BASE, _NOT_SENT_CAP = 2.0, 300.0


@dataclass(frozen=True)
class Claim:
    """What a worker holds between its two transactions; plain values, so that nothing is read meanwhile."""

    transfer_row_id: int
    rail: str
    order: TransferOrder
    # Which sending of the transfer this is; another worker's is another.
    sends: int
    lease_until: datetime


def send(
    *, transfer_row_id: int, worker: str = "worker", clock: Callable[[], datetime] = utc_now
) -> Later | None:
    """Send a queued transfer, at most once, then ask the bank about it.

    Later: it has to wait (halt, empty account, nothing reached the provider). None: done, or not ours to do.
    """
    began = time.monotonic()
    claimed = _claim(transfer_row_id, worker, clock())
    if claimed is None or isinstance(claimed, Later):
        return claimed
    rail = registry.rail(claimed.rail)
    _refuse_open_transaction()
    started = time.monotonic()
    if _was_held_up(claimed, started - began, clock()):
        answer = Answer(Outcome.NOT_SENT, message="The worker was held up before it sent; nothing was sent.")
    else:
        answer = _post(rail, claimed.order)
    duration = int((time.monotonic() - started) * 1000)
    now = clock()
    wait = random.uniform(0.5, min(_NOT_SENT_CAP, _NOT_SENT_BASE * 2 ** min(claimed.sends, 10)))
    with transaction():
        payout, transfer = settlement.lock_transfer(transfer_row_id)
        before = transfer.state
        settlement.apply_send(payout, transfer, claimed.sends, answer, now, now + timedelta(seconds=wait))
        settlement.keep_event(
            transfer, "send", before, now,
            request=claimed.order.masked(), answer=settlement.describe(answer), duration_ms=duration,
        )  # fmt: skip
        # A definite answer, or "I have it already", is confirmed at once by our own question.
        ask_now = answer.outcome in (Outcome.SUCCEEDED, Outcome.FAILED) or bool(answer.code)
        ask_now = ask_now and transfer.state in (TransferState.ACCEPTED, TransferState.UNKNOWN)
    return check(transfer_row_id=transfer_row_id, clock=clock) if ask_now else None


def _post(rail: Rail, order: TransferOrder) -> Answer:
    try:
        return rail.send(order)  # the one place where money is asked to move
    except Exception as error:
        # An adapter that broke may have sent before: nothing is known but the bank knows.
        log.exception("rail.broke", rail=rail.name, transfer_id=order.transfer_id)
        return Answer(Outcome.UNKNOWN, message=f"The connection broke ({type(error).__name__}).")


def _was_held_up(claimed: Claim, seconds: float, now: datetime) -> bool:
    """Whether so much of the claim is gone, by either clock, that another worker might hold it before the answer."""
    return now > claimed.lease_until - LEAST_LEFT or timedelta(seconds=seconds) > LEASE - LEAST_LEFT


def _refuse_open_transaction() -> None:
    session = db.session()
    if session.info.get("is_writing"):
        raise RuntimeError("a transaction is open; a provider is called outside of one")
    session.rollback()


def _claim(transfer_row_id: int, worker: str, now: datetime) -> Claim | Later | None:
    """Take the transfer by one conditional UPDATE, after a last look at what could stop it, and commit."""
    is_too_low = _is_balance_too_low(transfer_row_id, now)
    with transaction():
        payout, transfer = settlement.lock_transfer(transfer_row_id)
        if transfer.state != TransferState.QUEUED or registry.leaves_in_files(transfer.rail):
            return None
        if reasons := policies.halt_reasons(transfer.organisation_id, transfer.rail):
            return Later(now + _WAIT, f"Payments are halted: {' '.join(reasons)}")
        if reason := settlement.why_try_waits(payout):
            return Later(now + _WAIT, reason)
        if is_too_low:
            settlement.halt_rail(transfer, balance.TOO_LOW, now)
            return Later(now + _WAIT, balance.TOO_LOW)
        if (pending := queries.details_pending(payout.payee)) is not None:
            zone = payout.organisation.timezone
            return Later(now + _WAIT, details_wait(payout.payee.name, pending, zone))
        if (cool_off := _cool_off(payout, now)) is not None:
            return cool_off
        if payout.method is not None and not payout.method.is_current:
            changed = "The payment details changed before it was sent; nothing was sent."
            settlement.apply(
                payout, transfer, Answer(Outcome.FAILED, code="METHOD_CHANGED", message=changed), now
            )
            settlement.keep_event(transfer, "worker", TransferState.QUEUED, now)
            return None
        if not _is_as_approved(payout, transfer):
            settlement.review(payout, transfer, "What is to be sent is not what was approved.", now)
            settlement.keep_event(transfer, "worker", TransferState.QUEUED, now)
            return None
        if (until := breaker.wait_until(transfer.organisation_id, transfer.rail, now)) is not None:
            when = instant_text(until, payout.organisation.timezone)
            return Later(until, f"{transfer.rail} does not answer. It is tried again from {when}.")
        taken = db.session.execute(
            update(Transfer)
            .where(Transfer.id == transfer.id, Transfer.state == TransferState.QUEUED.value)
            .values(
                state=TransferState.SUBMITTING.value,
                lease_until=now + LEASE,
                leased_by=worker[:120],
                sends=Transfer.sends + 1,
                next_check_at=None,
            )
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            return None
        db.session.refresh(transfer)
        settlement.keep_event(transfer, "worker", TransferState.QUEUED, now, request={"worker": worker})
        balance.take(
            organisation_id=transfer.organisation_id,
            rail=transfer.rail,
            currency=transfer.currency,
            amount_minor=transfer.amount_minor,
        )
        return Claim(transfer.id, transfer.rail, _order(payout, transfer), transfer.sends, now + LEASE)


def _cool_off(payout: Payout, now: datetime) -> Later | None:
    """The wait that a changed e-mail address or phone began after the transfer was queued."""
    method = payout.method
    if method is None or not method.is_current:
        return None
    until = method.cool_off_until
    if until is None or until <= now:
        return None
    # It may be released early, so it is looked at again before.
    zone = payout.organisation.timezone
    return Later(min(until, now + _WAIT), cool_off_wait(payout.payee.name, until, zone))


def _is_as_approved(payout: Payout, transfer: Transfer) -> bool:
    """The last gate: the stored fingerprints agree, and both describe what would be sent."""
    present = queries.fingerprint_of(payout, payout.method)
    return (
        payout.state == PayoutState.PROCESSING
        and payout.fingerprint == transfer.fingerprint == present
        and (transfer.amount_minor, transfer.currency, transfer.method_id)
        == (payout.amount_minor, payout.currency, payout.method_id)
    )


def _order(payout: Payout, transfer: Transfer) -> TransferOrder:
    method = payout.method
    needs_details = registry.rail(transfer.rail).needs_details
    clear = dict(details_of(method).reveal()) if method is not None and needs_details else {}
    return TransferOrder(
        organisation_id=transfer.organisation_id,
        transfer_id=transfer.transfer_id,
        amount_minor=transfer.amount_minor,
        currency=transfer.currency,
        beneficiary=(method.name_at_bank if method else "") or payout.payee.name,
        account_masked=method.masked if method else "",
        remarks=payout.reference,
        beneficiary_key=method.uid if method else "",
        details=clear,
    )


def _is_balance_too_low(transfer_row_id: int, now: datetime) -> bool:
    """Whether the account cannot cover the transfer; payouts then wait instead of failing."""
    row = db.session.execute(
        select(
            Transfer.rail,
            Transfer.organisation_id,
            Transfer.currency,
            Transfer.amount_minor,
            Transfer.state,
        ).where(Transfer.id == transfer_row_id)
    ).one_or_none()
    _refuse_open_transaction()
    if row is None or row.state != TransferState.QUEUED or registry.leaves_in_files(row.rail):
        return False
    return balance.is_too_low(
        organisation_id=row.organisation_id,
        rail=row.rail,
        currency=row.currency,
        amount_minor=row.amount_minor,
        now=now,
    )


def check(
    *,
    transfer_row_id: int,
    source: str = "status",
    is_scheduled: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> Later | None:
    """Ask the bank what became of a transfer and let the answer take effect. Safe to repeat at any time.

    `is_scheduled`: only when the plan still says so; a question asked meanwhile has moved the plan on.
    """
    now = clock()
    with transaction():
        row = db.session.execute(
            select(
                Transfer.organisation_id,
                Transfer.rail,
                Transfer.transfer_id,
                Transfer.state,
                Transfer.sends,
                Transfer.lease_until,
                Transfer.next_check_at,
                settlement.last_event(Transfer.id).label("heard"),
            ).where(Transfer.id == transfer_row_id)
        ).one_or_none()
    if row is None or row.state in (TransferState.QUEUED, TransferState.REVIEW, TransferState.REVERSED):
        return None
    if row.state == TransferState.SUBMITTING:
        # Somebody is talking to the bank now; the reaper sees to it if they are not.
        return Later((row.lease_until or now) + timedelta(seconds=1), "A worker is sending it.")
    if is_scheduled and (row.next_check_at is None or row.next_check_at > now + timedelta(seconds=1)):
        return None
    _refuse_open_transaction()
    started = time.monotonic()
    try:
        answer = registry.rail(row.rail).status(row.organisation_id, row.transfer_id)
    except Exception as error:
        log.exception("rail.broke", rail=row.rail, transfer_id=row.transfer_id)
        answer = Answer(Outcome.UNKNOWN, message=f"The connection broke ({type(error).__name__}).")
    duration = int((time.monotonic() - started) * 1000)
    now = clock()
    with transaction():
        payout, transfer = settlement.lock_transfer(transfer_row_id)
        before = transfer.state
        if before in (TransferState.QUEUED, TransferState.SUBMITTING) or transfer.sends != row.sends:
            return None  # it is being sent again since we asked; what we heard is of the past
        if answer.outcome is Outcome.NOT_FOUND and settlement.heard(transfer) != row.heard:
            return Later(now + timedelta(seconds=2), "Something else was heard meanwhile; it is asked again.")
        transfer.checks += 1
        settlement.apply(payout, transfer, answer, now)
        settlement.keep_event(
            transfer, source, before, now, answer=settlement.describe(answer), duration_ms=duration
        )
    return None


def retry_due(*, payout_id: int, clock: Callable[[], datetime] = utc_now) -> Later | None:
    """Try a payout again whose time has come; waits while something else stops it."""
    now = clock()
    with transaction():
        payout = records.lock_by_id(payout_id)
        if payout.state != PayoutState.RETRY_SCHEDULED:
            return None
        if payout.retry_at is not None and payout.retry_at > now:
            return Later(payout.retry_at, "Its next try is not due yet.")
        policy, _ = policies.current_policy(payout.organisation_id)
        reasons = why_not_paid(policy, queries.payment_facts(payout, None, payout.rail, now))
        if reasons:
            payout.retry_at = now + _WAIT
            return Later(payout.retry_at, " ".join(reasons))
        state = next_state(payout.state, PayoutAction.RETRY)
        payment.begin_transfer(payout, PayoutAction.RETRY, state, payout.rail, WORKER, now)
    return None


def pay_due(*, payout_id: int, clock: Callable[[], datetime] = utc_now) -> Later | None:
    """Send an approved payout that needs nobody to send it; waits while something stops it.

    It is sent over the rail of the organisation; one that is paid by hand waits for a person.
    """
    now = clock()
    with transaction():
        payout = records.lock_by_id(payout_id)
        policy, _ = policies.current_policy(payout.organisation_id)
        if payout.state != PayoutState.APPROVED or payout.program not in policy.paid_by_itself:
            return None
        method = payout.payee.current_method
        rail = queries.default_rail(policy, method.kind if method else "")
        if rail == "manual":
            return None
        reasons = why_not_paid(policy, queries.payment_facts(payout, None, rail, now))
        if reasons:
            return Later(now + _WAIT, " ".join(reasons))
        state = next_state(payout.state, PayoutAction.SUBMIT)
        payment.begin_transfer(payout, PayoutAction.SUBMIT, state, rail, POLICY, now)
    return None
