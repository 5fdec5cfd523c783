"""What a provider's answer does to a transfer and its payout: the one code path for sends, polls and people.

Everything here runs inside the caller's transaction, with the payout's row locked first, then the transfer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import WORKER
from webapp.outbox import service as outbox
from webapp.payouts import balance, breaker, payment, policies, records, stoploss
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import OPEN_TRANSFER_STATES, TransferState
from webapp.people.models import PayoutMethod
from webapp.providers import registry
from webapp.providers.ports import CREDENTIALS, CREDITED, Answer, Outcome, mask

_T, _O = TransferState, Outcome

# When a transfer is asked about again, by how often it was asked: the bank's word comes soon or late.
ACCEPTED_DELAYS = tuple(timedelta(seconds=s) for s in (6, 10, 20, 40, 120, 300, 900, 1800))
UNKNOWN_DELAYS = tuple(timedelta(seconds=s) for s in (40, 120, 300, 900, 1800))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# After its end a transfer is watched for so long: banks return money days later.
WATCH_DAYS = 7
NOT_FOUND_TIMES, NOT_FOUND_OVER = 3, timedelta(minutes=15)
_FAILED_LATER = "The bank said succeeded first, and failed later."
_NOT_KNOWN = "The bank does not know a transfer any more that it had confirmed."


def lock_transfer(transfer_row_id: int) -> tuple[Payout, Transfer]:
    """The payout and the transfer, both locked, in the order that everybody keeps. Raises NotFound."""
    payout_id = db.session.scalar(select(Transfer.payout_id).where(Transfer.id == transfer_row_id))
    payout = records.lock_by_id(payout_id or 0)
    transfer = db.session.scalars(
        select(Transfer)
        .where(Transfer.id == transfer_row_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    return payout, transfer


def why_try_waits(payout: Payout) -> str:
    """Why a queued try of the payout may not leave, whatever the rail: a sentence, empty when it may.

    What another try did is not known, or a restored database does not know of what was sent since.
    """
    if any(t.state == _T.REVIEW for t in payout.transfers):
        return "A transfer of this payout is under review; two people must settle it first."
    return f"It is on hold: {payout.hold_reason} Somebody must release it." if payout.is_held else ""


def last_event(transfer_row_id: Any) -> ColumnElement[int]:
    """The number of a transfer's newest event, as a part of a query; 0 without one."""
    newest = select(func.coalesce(func.max(TransferEvent.seq), 0))
    return newest.where(TransferEvent.transfer_id == transfer_row_id).scalar_subquery()


def heard(transfer: Transfer) -> int:
    """The same, now."""
    return int(db.session.scalar(select(last_event(transfer.id))) or 0)


def keep_event(
    transfer: Transfer,
    source: str,
    before: str,
    now: datetime,
    *,
    request: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
    duration_ms: int = 0,
) -> None:
    """Append to the transfer's history; source is send, status, worker or operator."""
    db.session.add(
        TransferEvent(
            transfer_id=transfer.id,
            seq=heard(transfer) + 1,
            source=source,
            from_state=before,
            to_state=transfer.state,
            request=dict(request or {}),
            answer=dict(answer or {}),
            duration_ms=duration_ms,
            at=now,
        )
    )
    db.session.flush()


def describe(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer, masked."""
    kept = {
        "outcome": answer.outcome.value,
        "code": answer.code,
        "message": answer.message,
        "provider_reference": answer.provider_reference,
        "utr": answer.utr,
        "amount_minor": answer.amount_minor,
        "currency": answer.currency,
        "raw": mask(answer.raw),
    }
    return {k: v for k, v in kept.items() if v not in ("", None, {})}


def apply(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    """Let a status answer take effect. Repeated, late and reordered answers change nothing."""
    if difference := _difference(transfer, answer):
        if answer.outcome is _O.REVERSED or not _is_settled(transfer, difference):
            review(payout, transfer, difference, now)
        schedule_check(transfer, now)
        return
    _take_references(transfer, answer)
    handlers = {
        _O.SUCCEEDED: _succeeded,
        _O.FAILED: _failed,
        _O.REVERSED: _reversed,
        _O.ACCEPTED: _accepted,
        _O.NOT_FOUND: _not_found,
    }
    handler = handlers.get(answer.outcome)
    if handler is not None:
        handler(payout, transfer, answer, now)
    schedule_check(transfer, now)


def _difference(transfer: Transfer, answer: Answer) -> str:
    """A sentence when the bank has booked something else than was ordered; empty when not."""
    if transfer.state == _T.REVIEW:
        return ""
    amount = answer.amount_minor is not None and answer.amount_minor != transfer.amount_minor
    if amount or (answer.currency is not None and answer.currency != transfer.currency):
        return "The bank has booked another amount or currency than was ordered."
    if answer.booked_to is None or transfer.method_id is None:
        return ""
    method = db.session.get_one(PayoutMethod, transfer.method_id)
    if {method.uid, method.masked}.isdisjoint(answer.booked_to):
        return "The bank has booked it to another account than was ordered."
    return ""


def _is_settled(transfer: Transfer, reason: str) -> bool:
    """Whether two people have found already, about this very contradiction, that the money has left."""
    return transfer.state == _T.SUCCEEDED and transfer.error_message == reason


def _take_references(transfer: Transfer, answer: Answer) -> None:
    if answer.provider_reference:
        transfer.provider_reference = answer.provider_reference[:120]
    if answer.utr:
        transfer.utr = answer.utr[:120]


def _is_open(transfer: Transfer) -> bool:
    return transfer.state in OPEN_TRANSFER_STATES


def _end(transfer: Transfer, state: TransferState, now: datetime) -> None:
    transfer.state = state.value
    transfer.lease_until, transfer.leased_by = None, ""
    transfer.finished_at = now
    db.session.flush()


def _succeeded(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    transfer.not_found_count, transfer.not_found_since = 0, None
    if _is_open(transfer):
        transfer.error_code = transfer.error_message = ""
        _end(transfer, _T.SUCCEEDED, now)
        payment.record_success(payout, transfer, WORKER, now)
    elif transfer.state == _T.FAILED:
        review(payout, transfer, "The bank said failed first, and succeeded later.", now)
    if answer.code == CREDITED and transfer.state == _T.SUCCEEDED and transfer.credited_at is None:
        transfer.credited_at = now


def _failed(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    if _is_open(transfer):
        transfer.error_code = answer.code[:120]
        transfer.error_message = (answer.message or "The bank refused the transfer.")[:500]
        _end(transfer, _T.FAILED, now)
        _halt_without_money(transfer, now)
        stoploss.look(transfer, now)
        payment.record_failure(payout, transfer, WORKER, now)
    elif transfer.state == _T.SUCCEEDED and not _is_settled(transfer, _FAILED_LATER):
        review(payout, transfer, _FAILED_LATER, now)


def _halt_without_money(transfer: Transfer, now: datetime) -> None:
    """An empty account halts the rail once: what waits then waits, instead of failing one by one."""
    if transfer.error_code == "INSUFFICIENT_BALANCE":
        halt_rail(transfer, balance.TOO_LOW, now)


def _reversed(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    if _is_open(transfer):
        # It succeeded and came back between two looks: both are booked.
        _succeeded(payout, transfer, answer, now)
    if transfer.state == _T.SUCCEEDED:
        transfer.error_code = answer.code[:120]
        transfer.error_message = (answer.message or "The bank returned the money.")[:500]
        _end(transfer, _T.REVERSED, now)
        on = records.today(payout, now)
        payment.record_return(payout, transfer.error_message, on, WORKER, now)


def _accepted(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    if _is_open(transfer) and transfer.state != _T.ACCEPTED:
        transfer.state = _T.ACCEPTED.value
        transfer.lease_until, transfer.leased_by = None, ""
        transfer.checks = 0
        transfer.not_found_count, transfer.not_found_since = 0, None
        transfer.error_code = transfer.error_message = ""


def _not_found(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    if transfer.state not in (_T.UNKNOWN, _T.ACCEPTED, _T.SUCCEEDED) or _is_settled(transfer, _NOT_KNOWN):
        return
    if transfer.error_code and transfer.state != _T.SUCCEEDED:
        # The bank refused the order itself, and knows nothing of it: nothing was moved.
        refused = Answer(_O.FAILED, code=transfer.error_code, message=transfer.error_message)
        _failed(payout, transfer, refused, now)
        return
    transfer.not_found_count += 1
    transfer.not_found_since = transfer.not_found_since or now
    is_sure = transfer.not_found_count >= NOT_FOUND_TIMES and now - transfer.not_found_since >= NOT_FOUND_OVER
    if transfer.state == _T.SUCCEEDED:
        # One such answer may come from a part of the bank that is behind: it is asked again soon.
        if is_sure:
            review(payout, transfer, _NOT_KNOWN, now)
    elif now - _sent_at(transfer) > DAY:
        review(payout, transfer, "The bank does not know the transfer after more than a day.", now)
    elif transfer.state == _T.UNKNOWN and is_sure:
        requeue(transfer, now)


def _sent_at(transfer: Transfer) -> datetime:
    """When a worker last took it to the bank: it may have waited for days before that."""
    taken = select(func.max(TransferEvent.at)).where(
        TransferEvent.transfer_id == transfer.id, TransferEvent.to_state == _T.SUBMITTING.value
    )
    return db.session.scalar(taken) or transfer.created_at


def requeue(transfer: Transfer, now: datetime, at: datetime | None = None) -> None:
    """Send the same id again: only where it is certain that nothing reached the provider."""
    transfer.state = _T.QUEUED.value
    transfer.lease_until, transfer.leased_by, transfer.next_check_at = None, "", None
    transfer.not_found_count, transfer.not_found_since = 0, None
    db.session.flush()
    outbox.add(
        kind="transfer.send",
        reference_id=transfer.id,
        # By its history, not by how often it was sent: a restored transfer was not sent, and has a message already.
        dedupe_key=f"transfer.send:{transfer.id}:{transfer.sends}:{heard(transfer)}",
        to_queue=queue.MONEY,
        organisation_id=transfer.organisation_id,
        now=now,
        not_before=at,
    )


def review(payout: Payout, transfer: Transfer, reason: str, now: datetime) -> None:
    """What was said cannot be: nothing is booked, the rail halts, two people settle it."""
    transfer.error_message = reason
    _end(transfer, _T.REVIEW, now)
    transfer.next_check_at = None
    payout.version += 1
    audit.record(
        tag="payouts:transfer:review",
        actor=WORKER,
        now=now,
        organisation_id=payout.organisation_id,
        subject_type=records.SUBJECT,
        subject_id=payout.id,
        subject_label=payout.reference,
        note=reason,
        changes={"transfer": [None, transfer.transfer_id]},
    )
    halt_rail(transfer, f"{payout.reference}: {reason} Two people must settle it.", now)


def halt_rail(transfer: Transfer, reason: str, now: datetime, kind: AlertKind = AlertKind.HALTED) -> None:
    """Stop sending over the transfer's rail in its organisation, and tell the admins; once."""
    policies.halt(
        organisation_id=transfer.organisation_id, rail=transfer.rail, reason=reason, actor=WORKER, now=now, kind=kind
    )  # fmt: skip


def apply_send(
    payout: Payout, transfer: Transfer, sends: int, answer: Answer, now: datetime, not_sent_at: datetime
) -> None:
    """Record what the POST was answered. Nothing is paid or failed by it: the status query decides.

    `sends` is which sending of the transfer it was.
    """
    outcome = answer.outcome
    breaker.record(transfer.organisation_id, transfer.rail, answer, now)
    if transfer.state != _T.SUBMITTING or transfer.sends != sends:
        # The lease ended meanwhile: somebody asked the bank, or is sending it again. What they learn stands.
        return
    transfer.lease_until, transfer.leased_by = None, ""
    _take_references(transfer, answer)
    if outcome is _O.NOT_SENT:
        requeue(transfer, now, at=not_sent_at)
        transfer.error_message = answer.message[:500]
        if answer.code == CREDENTIALS:
            halt_rail(transfer, "The bank does not let Paydesk in. Check the credentials.", now)
        return
    if outcome in (_O.ACCEPTED, _O.SUCCEEDED):
        if difference := _difference(transfer, answer):
            review(payout, transfer, difference, now)
            return
        transfer.state = _T.ACCEPTED.value
    else:
        transfer.state = _T.UNKNOWN.value
    if outcome is _O.FAILED:
        transfer.error_code = (answer.code or "REFUSED")[:120]
    transfer.error_message = "" if transfer.state == _T.ACCEPTED else answer.message[:500]
    transfer.checks = 0
    schedule_check(transfer, now)
    if transfer.state == _T.UNKNOWN and breaker.is_problem(answer):
        stoploss.look(transfer, now)


def schedule_check(transfer: Transfer, now: datetime, at: datetime | None = None) -> None:
    """Plan the next question to the bank, as the transfer's state asks for it."""
    transfer.next_check_at = at or _next_check(transfer, now)
    db.session.flush()
    if transfer.next_check_at is None:
        return
    outbox.add(
        kind="transfer.check",
        reference_id=transfer.id,
        dedupe_key=f"transfer.check:{transfer.id}:{transfer.state}:{int(transfer.next_check_at.timestamp())}",
        to_queue=queue.MONEY,
        organisation_id=transfer.organisation_id,
        now=now,
        not_before=transfer.next_check_at,
    )


def _next_check(transfer: Transfer, now: datetime) -> datetime | None:
    if registry.leaves_in_files(transfer.rail):
        return None  # the bank's answers come in files; whoever brings one in has the transfer asked about
    if transfer.state in (_T.ACCEPTED, _T.UNKNOWN):
        delays = ACCEPTED_DELAYS if transfer.state == _T.ACCEPTED else UNKNOWN_DELAYS
        if transfer.checks < len(delays):
            return now + delays[transfer.checks]
        return now + (HOUR if now - _sent_at(transfer) < DAY else DAY)
    if transfer.state == _T.SUCCEEDED and transfer.not_found_count:
        return now + NOT_FOUND_OVER / (NOT_FOUND_TIMES - 1)
    if transfer.state in (_T.SUCCEEDED, _T.FAILED) and transfer.finished_at is not None:
        return now + DAY if now - transfer.finished_at < WATCH_DAYS * DAY else None
    return None
