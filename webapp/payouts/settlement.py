"""What a provider's answer does to a transfer and its payout: the one code path for sends, polls and people.

Everything here runs inside the caller's transaction, with the payout's row locked first, then the transfer's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from webapp import queue
from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import WORKER
from webapp.outbox import service as outbox
from webapp.payouts import balance, breaker, entries, payment, policies, records, stoploss
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.histories import (
    EventDraft,
    describe,
    heard,
    keep_event,
    keep_events,
    last_event,
    lock_transfer,
    lock_transfers,
    under_review,
    why_try_waits,
)
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.states import OPEN_TRANSFER_STATES, TransferState
from webapp.people.models import PayoutMethod
from webapp.providers import registry
from webapp.providers.ports import CREDENTIALS, CREDITED, Answer, Outcome

__all__ = [
    "EventDraft",
    "apply",
    "apply_many",
    "apply_send",
    "count_answers",
    "describe",
    "difference",
    "halt_rail",
    "heard",
    "is_being_sent",
    "keep_event",
    "keep_events",
    "lane_order",
    "last_event",
    "lock_transfer",
    "lock_transfers",
    "put_back",
    "requeue",
    "review",
    "schedule_check",
    "under_review",
    "why_try_waits",
]

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


def apply(payout: Payout, transfer: Transfer, answer: Answer, now: datetime) -> None:
    """Let a status answer take effect. Repeated, late and reordered answers change nothing."""
    apply_many([(payout, transfer, answer)], now)


def apply_many(heard: Sequence[tuple[Payout, Transfer, Answer]], now: datetime) -> None:
    """The same for the answers about several transfers of as many payouts; what they lead to is booked together.

    Rails that halt are locked in the order of their names, accounts after them in the order of the ledger.
    """
    ends = _Ends()
    for payout, transfer, answer in sorted(heard, key=lambda each: lane_order(each[1])):
        _apply(payout, transfer, answer, now, ends)
    payment.record_successes(ends.paid, WORKER, now, ends.drafts)
    entries.post(ends.drafts, WORKER, now)


def lane_order(transfer: Transfer) -> tuple[int, str, int]:
    """What several transfers are worked on by: those of a rail of an organisation together, in their own order."""
    return transfer.organisation_id, transfer.rail, transfer.id


@dataclass
class _Ends:
    """What several answers led to and what of it the ledger is still to be told."""

    paid: list[tuple[Payout, Transfer]] = field(default_factory=list)
    drafts: payment.Drafts = field(default_factory=list)


def _apply(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
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
        handler(payout, transfer, answer, now, ends)
    schedule_check(transfer, now)


def _difference(transfer: Transfer, answer: Answer) -> str:
    """A sentence when the bank has booked something else than was ordered; empty when not."""
    if transfer.state == _T.REVIEW:
        return ""
    destination: set[str] = set()
    if answer.booked_to is not None and transfer.method_id is not None:
        method = db.session.get_one(PayoutMethod, transfer.method_id)
        destination = {method.uid, method.masked}
    return difference(transfer.amount_minor, transfer.currency, destination, answer)


def difference(amount_minor: int, currency: str, destination: Collection[str], answer: Answer) -> str:
    """The same for what was ordered; `destination`: what names the account, empty where there is nothing to compare."""
    amount = answer.amount_minor is not None and answer.amount_minor != amount_minor
    if amount or (answer.currency is not None and answer.currency != currency):
        return "The bank has booked another amount or currency than was ordered."
    if answer.booked_to is not None and destination and set(destination).isdisjoint(answer.booked_to):
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


def _succeeded(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
    transfer.not_found_count, transfer.not_found_since = 0, None
    if _is_open(transfer):
        transfer.error_code = transfer.error_message = ""
        _end(transfer, _T.SUCCEEDED, now)
        ends.paid.append((payout, transfer))
    elif transfer.state == _T.FAILED:
        review(payout, transfer, "The bank said failed first, and succeeded later.", now)
    if answer.code == CREDITED and transfer.state == _T.SUCCEEDED and transfer.credited_at is None:
        transfer.credited_at = now


def _failed(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
    if _is_open(transfer):
        transfer.error_code = answer.code[:120]
        transfer.error_message = (answer.message or "The bank refused the transfer.")[:500]
        _end(transfer, _T.FAILED, now)
        db.session.flush()
        _halt_without_money(transfer, now)
        stoploss.look(transfer, now)
        payment.record_failure(payout, transfer, WORKER, now, ends.drafts)
    elif transfer.state == _T.SUCCEEDED and not _is_settled(transfer, _FAILED_LATER):
        review(payout, transfer, _FAILED_LATER, now)


def _halt_without_money(transfer: Transfer, now: datetime) -> None:
    """An empty account halts the rail once: what waits then waits, instead of failing one by one."""
    if transfer.error_code == "INSUFFICIENT_BALANCE":
        halt_rail(transfer, balance.TOO_LOW, now, AlertKind.LOW_BALANCE)


def _reversed(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
    if _is_open(transfer):
        # It succeeded and came back between two looks: both are booked.
        left = _Ends()
        _succeeded(payout, transfer, answer, now, left)
        payment.record_successes(left.paid, WORKER, now, ends.drafts)
    if transfer.state == _T.SUCCEEDED:
        transfer.error_code = answer.code[:120]
        transfer.error_message = (answer.message or "The bank returned the money.")[:500]
        _end(transfer, _T.REVERSED, now)
        on = records.today(payout, now)
        payment.record_return(payout, transfer.error_message, on, WORKER, now, ends.drafts)


def _accepted(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
    if _is_open(transfer) and transfer.state != _T.ACCEPTED:
        transfer.state = _T.ACCEPTED.value
        transfer.lease_until, transfer.leased_by = None, ""
        transfer.checks = 0
        transfer.not_found_count, transfer.not_found_since = 0, None
        transfer.error_code = transfer.error_message = ""


def _not_found(payout: Payout, transfer: Transfer, answer: Answer, now: datetime, ends: _Ends) -> None:
    if transfer.state not in (_T.UNKNOWN, _T.ACCEPTED, _T.SUCCEEDED) or _is_settled(transfer, _NOT_KNOWN):
        return
    if transfer.error_code and transfer.state != _T.SUCCEEDED:
        # The bank refused the order itself, and knows nothing of it: nothing was moved.
        refused = Answer(_O.FAILED, code=transfer.error_code, message=transfer.error_message)
        _failed(payout, transfer, refused, now, ends)
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


def count_answers(answers: Sequence[tuple[int, str, Answer]], now: datetime) -> None:
    """Have the breakers of the rails count what calls that sent were answered: organisation, rail, answer, in turn."""
    lanes: dict[tuple[int, str], list[Answer]] = {}
    for organisation_id, rail, answer in answers:
        lanes.setdefault((organisation_id, rail), []).append(answer)
    for lane in sorted(lanes):
        was_heard = False
        for answer in lanes[lane]:
            is_heard = not breaker.is_problem(answer)
            # One answer closes it; those that follow have nothing to add.
            if not (is_heard and was_heard):
                breaker.record(*lane, answer, now)
            was_heard = is_heard


def put_back(
    transfers: Sequence[Transfer], sends: Mapping[int, int], why: Mapping[int, str], now: datetime
) -> None:
    """Back into the queue with what was taken and never left: the message that had it taken is looked at again.

    `sends` says which sending each was taken for; one that is another's by now is left alone.
    """
    drafts = []
    for transfer in transfers:
        if is_being_sent(transfer, sends[transfer.id]):
            transfer.state = _T.QUEUED.value
            transfer.lease_until, transfer.leased_by = None, ""
            drafts.append(
                EventDraft(transfer.id, "worker", _T.SUBMITTING.value, _T.QUEUED.value,
                           answer={"message": f"Nothing was sent. {why[transfer.id]}"})
            )  # fmt: skip
    keep_events(drafts, now)


def is_being_sent(transfer: Transfer, sends: int) -> bool:
    """Whether this sending of it, and no later one, is the one that waits for an answer."""
    return transfer.state == _T.SUBMITTING and transfer.sends == sends


def apply_send(
    payout: Payout, transfer: Transfer, sends: int, answer: Answer, now: datetime, not_sent_at: datetime
) -> bool:
    """Record what the POST was answered. Nothing is paid or failed by it: the status query decides.

    `sends` is which sending of the transfer it was. True: there was no answer, and the stop-loss is to be asked, once
    that stands in the history.
    """
    outcome = answer.outcome
    if not is_being_sent(transfer, sends):
        # The lease ended meanwhile: somebody asked the bank, or is sending it again. What they learn stands.
        return False
    transfer.lease_until, transfer.leased_by = None, ""
    _take_references(transfer, answer)
    if outcome is _O.NOT_SENT:
        requeue(transfer, now, at=not_sent_at)
        transfer.error_message = answer.message[:500]
        if answer.code == CREDENTIALS:
            halt_rail(transfer, "The bank does not let Paydesk in. Check the credentials.", now)
        return False
    if outcome in (_O.ACCEPTED, _O.SUCCEEDED):
        if difference := _difference(transfer, answer):
            review(payout, transfer, difference, now)
            return False
        transfer.state = _T.ACCEPTED.value
    else:
        transfer.state = _T.UNKNOWN.value
    if outcome is _O.FAILED:
        transfer.error_code = (answer.code or "REFUSED")[:120]
    transfer.error_message = "" if transfer.state == _T.ACCEPTED else answer.message[:500]
    transfer.checks = 0
    schedule_check(transfer, now)
    return transfer.state == _T.UNKNOWN and breaker.is_problem(answer)


def schedule_check(transfer: Transfer, now: datetime, at: datetime | None = None) -> None:
    """Plan the next question to the bank, as the transfer's state asks for it."""
    transfer.next_check_at = at or _next_check(transfer, now)
    if transfer.next_check_at is None:
        return
    outbox.add_at_commit(
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
