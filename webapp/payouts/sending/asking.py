"""Asking the bank what became of transfers: what is not known is asked for, never sent again.

Several are asked about a few at once, with no transaction open, and what was answered is written down together.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from webapp.database import among, db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox.service import Later
from webapp.payouts import settlement
from webapp.payouts.histories import EventDraft
from webapp.payouts.models import Transfer
from webapp.payouts.sending.claims import DESCRIBED
from webapp.payouts.sending.flight import Flight, Flown, Said
from webapp.payouts.sending.gate import Unlimited
from webapp.payouts.sending.replies import Replies, alone, is_worth_another_try, refuse_open_transaction
from webapp.payouts.states import TransferState
from webapp.people.models import PayoutMethod
from webapp.providers import accounts, registry
from webapp.providers.ports import Answer, Outcome

log = structlog.get_logger()

# A worker does not go on asking about the rest of a batch for longer.
_ASKING = 60.0

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class _Question:
    """A transfer that the bank is asked about, as it was just before."""

    transfer_row_id: int
    organisation_id: int
    rail: str
    transfer_id: str
    sends: int
    heard: int
    # Names the payment details at the provider.
    beneficiary_key: str


def check(
    *,
    transfer_row_id: int,
    source: str = "status",
    is_scheduled: bool = False,
    clock: Clock = utc_now,
) -> Later | None:
    """Ask the bank what became of a transfer and let the answer take effect. Safe to repeat at any time.

    `is_scheduled`: only when the plan still says so; a question asked meanwhile has moved the plan on.
    """
    replies = check_many(
        transfer_row_ids=[transfer_row_id], source=source, is_scheduled=is_scheduled, clock=clock
    )
    return alone(replies, transfer_row_id)


def check_many(
    *,
    transfer_row_ids: Sequence[int],
    source: str = "status",
    is_scheduled: bool = False,
    clock: Clock = utc_now,
) -> Replies:
    """The same for several: asked a few at once, what was answered written down together."""
    questions, replies = _questions(sorted(set(transfer_row_ids)), is_scheduled, clock())
    if not questions:
        return replies
    refuse_open_transaction()
    began = time.monotonic()
    flight: Flight[_Question] = Flight(
        make=_timed_question,
        why_not=lambda _: "The bank is slow." if time.monotonic() - began > _ASKING else "",
        hear=lambda *_: None,
    )
    lanes = defaultdict(list)
    for question in questions:
        lanes[question.organisation_id, question.rail].append(question)
    with accounts.remembered():
        for (organisation_id, rail), those in lanes.items():
            read_ahead(rail, organisation_id, [q.beneficiary_key for q in those])
        flight.fly(lanes, {lane: Unlimited(registry.at_once(lane[1])) for lane in lanes})
    now = clock()
    replies |= {
        q.transfer_row_id: Later(now, f"{reason} It is asked about next.") for q, reason in flight.left
    }
    return replies | _hear_each(flight.flown, source, now)


def read_ahead(rail: str, organisation_id: int, beneficiary_keys: Collection[str]) -> None:
    """Let an adapter read what its calls will need; what it cannot read, one organisation's keys, stops nobody else.

    The calls read it again, each for itself, and answer for what they find.
    """
    try:
        registry.expect(rail, organisation_id, beneficiary_keys)
    except Exception:
        log.exception("rail.expect_broke", rail=rail, organisation_id=organisation_id)
        db.session.rollback()


def _questions(ids: Sequence[int], is_scheduled: bool, now: datetime) -> tuple[list[_Question], Replies]:
    """What there is to ask, and what somebody else is doing just now."""
    with transaction():
        rows = db.session.execute(
            select(
                Transfer.id,
                Transfer.organisation_id,
                Transfer.rail,
                Transfer.transfer_id,
                Transfer.state,
                Transfer.sends,
                Transfer.lease_until,
                Transfer.next_check_at,
                settlement.last_event(Transfer.id).label("heard"),
                PayoutMethod.uid,
            )
            .outerjoin(PayoutMethod, PayoutMethod.id == Transfer.method_id)
            .where(among(Transfer.id, ids))
            .order_by(Transfer.id)
        ).all()
    questions: list[_Question] = []
    replies: Replies = {}
    for row in rows:
        if row.state in (TransferState.QUEUED, TransferState.REVIEW, TransferState.REVERSED):
            continue
        if row.state == TransferState.SUBMITTING:
            # Somebody is talking to the bank now; the reaper sees to it if they are not.
            replies[row.id] = Later(
                (row.lease_until or now) + timedelta(seconds=1), "A worker is sending it."
            )
        elif not is_scheduled or (
            row.next_check_at is not None and row.next_check_at <= now + timedelta(seconds=1)
        ):
            questions.append(
                _Question(
                    row.id,
                    row.organisation_id,
                    row.rail,
                    row.transfer_id,
                    row.sends,
                    row.heard,
                    row.uid or "",
                )
            )
    return questions, replies


def _timed_question(question: _Question) -> Said:
    started = time.monotonic()
    try:
        answer = registry.rail(question.rail).status(question.organisation_id, question.transfer_id)
    except Exception as error:
        log.exception("rail.broke", rail=question.rail, transfer_id=question.transfer_id)
        answer = Answer(Outcome.UNKNOWN, message=f"The connection broke ({type(error).__name__}).")
    return Said(answer, int((time.monotonic() - started) * 1000))


def _hear_each(flown: Sequence[Flown[_Question]], source: str, now: datetime) -> Replies:
    """Let all answers take effect at once; one by one where that fails, so that one stops nobody else."""
    try:
        return _hear(flown, source, now)
    except Exception as error:
        db.session.rollback()
        if len(flown) == 1:
            return {flown[0].call.transfer_row_id: error}
        if not is_worth_another_try(error):
            raise
        log.warning("answers.heard_one_by_one", count=len(flown), error=type(error).__name__)
    replies: Replies = {}
    for one in flown:
        replies |= _hear_each([one], source, now)
    return replies


def _hear(flown: Sequence[Flown[_Question]], source: str, now: datetime) -> Replies:
    asked = {f.call.transfer_row_id: f for f in flown}
    replies: Replies = {}
    with transaction():
        payouts, transfers = settlement.lock_transfers(list(asked), options=DESCRIBED)
        heard = []
        for transfer in transfers:
            question, said = asked[transfer.id].call, asked[transfer.id].said
            if (
                transfer.state in (TransferState.QUEUED, TransferState.SUBMITTING)
                or transfer.sends != question.sends
            ):
                continue  # it is being sent again since we asked; what we heard is of the past
            if said.answer.outcome is Outcome.NOT_FOUND and settlement.heard(transfer) != question.heard:
                replies[transfer.id] = Later(
                    now + timedelta(seconds=2), "Something else was heard meanwhile; it is asked again."
                )
                continue
            transfer.checks += 1
            heard.append((payouts[transfer.payout_id], transfer, said, transfer.state))
        settlement.apply_many([(payout, transfer, said.answer) for payout, transfer, said, _ in heard], now)
        settlement.keep_events(
            [
                EventDraft(transfer.id, source, before, transfer.state,
                           answer=settlement.describe(said.answer), duration_ms=said.duration_ms)
                for _, transfer, said, before in heard
            ],
            now,
        )  # fmt: skip
    return replies
