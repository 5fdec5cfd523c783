"""Moving the money exactly once: claim, commit, ask the provider once, record; and asking what became of it.

The functions here open their own transactions, because no transaction may be open while a provider thinks;
jobs call them, views never do. Transfers leave together, one alone is a batch of one. The provider is asked to send in
one line of this file and nowhere else. What is not known is asked for, never sent again.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.actor import POLICY, WORKER
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.outbox.service import Later
from webapp.payouts import payment, policies, queries, records, settlement
from webapp.payouts.histories import EventDraft
from webapp.payouts.models import Transfer
from webapp.payouts.policy import why_not_paid
from webapp.payouts.sending import claims, watch
from webapp.payouts.sending.claims import LEASE, Claim, Claimed
from webapp.payouts.sending.flight import Flight, Flown
from webapp.payouts.sending.gate import Gate, Mark
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.providers import accounts, registry
from webapp.providers.ports import CREDENTIALS, Answer, Outcome

log = structlog.get_logger()

# With less than this left of its claim a worker does not begin to send any more.
LEAST_LEFT = timedelta(seconds=60)
_WAIT = timedelta(minutes=5)
_NOT_SENT_BASE, _NOT_SENT_CAP = 2.0, 300.0
# A worker does not go on asking about the rest of a batch for longer.
_ASKING = 60.0

Clock = Callable[[], datetime]
# What a message of the outbox that asked for it is answered: look again, or what went wrong with this one alone.
Replies = dict[int, Later | Exception]


@dataclass(frozen=True)
class _Said:
    """What was answered, and how long it took."""

    answer: Answer
    duration_ms: int


def send(*, transfer_row_id: int, worker: str = "worker", clock: Clock = utc_now) -> Later | None:
    """Send a queued transfer, at most once, then ask the bank about it: a batch of one. Raises NotFound.

    Later: it has to wait (halt, empty account, nothing reached the provider). None: done, or not ours to do.
    """
    return _alone(send_many(transfer_row_ids=[transfer_row_id], worker=worker, clock=clock), transfer_row_id)


def _alone(replies: Replies, transfer_row_id: int) -> Later | None:
    reply = replies.get(transfer_row_id)
    if isinstance(reply, Exception):
        raise reply
    return reply


def send_many(*, transfer_row_ids: Sequence[int], worker: str = "worker", clock: Clock = utc_now) -> Replies:
    """Send queued transfers, each at most once, then ask the bank about those that it gave a definite answer to.

    Nothing leaves that would not have left had they been sent one by one: a halt, a breaker that opens, too many
    failures put the rest back into the queue. Replies are for those that have to wait or went wrong.
    """
    began = time.monotonic()
    ids = sorted(set(transfer_row_ids))
    claimed, replies = _claim_each(ids, worker, clock())
    if not claimed.claims:
        return replies
    _refuse_open_transaction()
    flight = _send_claimed(claimed, began, clock)
    now = clock()
    replies |= {c.transfer_row_id: Later(now, reason) for c, reason in flight.left}
    ask_now = _record_each(flight, now)
    if ask_now:
        check_many(transfer_row_ids=ask_now, clock=clock)
    return replies


def _claim_each(ids: Sequence[int], worker: str, now: datetime) -> tuple[Claimed, Replies]:
    """Claim all at once; when one of them cannot be looked at, each on its own, so that it stops nobody else."""
    try:
        claimed = _claim(ids, worker, now)
        return claimed, dict(claimed.later)
    except Exception as error:
        db.session.rollback()
        if len(ids) == 1:
            return Claimed(), {ids[0]: error}
        log.warning("transfers.claimed_one_by_one", count=len(ids), error=type(error).__name__)
    found, replies = Claimed(), {}
    for row_id in ids:
        one, reply = _claim_each([row_id], worker, now)
        found.claims += one.claims
        found.gates = one.gates | found.gates
        replies |= reply
    return found, replies


def _claim(ids: Sequence[int], worker: str, now: datetime) -> Claimed:
    """Commits before it answers."""
    _refuse_open_transaction()
    return claims.claim(ids, worker, now)


def _send_claimed(claimed: Claimed, began: float, clock: Clock) -> Flight[Claim, _Said]:
    """Ask the bank to send what was claimed, as far as the gates let it go."""
    switches = watch.Switches(claimed.gates)

    def why_not(claim: Claim) -> str:
        if _was_held_up(claim, time.monotonic() - began, clock()):
            return "The worker was held up before it sent."
        return switches.why_not(claim.lane)

    def hear(claim: Claim, number: int, said: _Said) -> None:
        gate = claimed.gates[claim.lane]
        gate.end(number, _mark(said.answer))
        gate.stop(_why_it_was_the_last(claim, said.answer))

    lanes = defaultdict(list)
    for claim in claimed.claims:
        lanes[claim.lane].append(claim)
    flight: Flight[Claim, _Said] = Flight(make=_timed_post, why_not=why_not, hear=hear)
    with accounts.remembered(), switches:
        for (organisation_id, rail), those in lanes.items():
            registry.expect(rail, organisation_id, [claim.order for claim in those])
        flight.fly(lanes, claimed.gates)
    return flight


def _timed_post(claim: Claim) -> _Said:
    started = time.monotonic()
    answer = _post(claim)
    return _Said(answer, int((time.monotonic() - started) * 1000))


def _post(claim: Claim) -> Answer:
    try:
        return registry.rail(claim.rail).send(claim.order)  # the one place where money is asked to move
    except Exception as error:
        # An adapter that broke may have sent before: nothing is known but the bank knows.
        log.exception("rail.broke", rail=claim.rail, transfer_id=claim.order.transfer_id)
        return Answer(Outcome.UNKNOWN, message=f"The connection broke ({type(error).__name__}).")


def _was_held_up(claimed: Claim, seconds: float, now: datetime) -> bool:
    """Whether so much of the claim is gone, by either clock, that another worker might hold it before the answer."""
    return now > claimed.lease_until - LEAST_LEFT or timedelta(seconds=seconds) > LEASE - LEAST_LEFT


def _mark(answer: Answer) -> Mark:
    """What an answer to a POST means for those that follow."""
    if answer.outcome in (Outcome.ACCEPTED, Outcome.SUCCEEDED):
        return Mark.TAKEN
    if answer.outcome is Outcome.NOT_SENT:
        return Mark.PUT_OFF if answer.code else Mark.AWAY
    return Mark.SILENT if answer.outcome is Outcome.UNKNOWN and not answer.code else Mark.REFUSED


def _why_it_was_the_last(claim: Claim, answer: Answer) -> str:
    """Answers after which a rail halts: nothing else leaves before they are written down."""
    if answer.outcome is Outcome.NOT_SENT and answer.code == CREDENTIALS:
        return "The bank does not let Paydesk in."
    if answer.code == "INSUFFICIENT_BALANCE":
        return "The account may be empty."
    order = claim.order
    destination = {order.beneficiary_key, order.account_masked} - {""}
    return settlement.difference(order.amount_minor, order.currency, destination, answer)


def _refuse_open_transaction() -> None:
    session = db.session()
    if session.info.get("is_writing"):
        raise RuntimeError("a transaction is open; a provider is called outside of one")
    session.rollback()


def _record_each(flight: Flight[Claim, _Said], now: datetime) -> list[int]:
    """Write down what was answered and put back what never left, all at once, or one by one where that fails.

    What cannot be written stays as it was sent: its claim runs out, and the bank is asked. Answers whom to ask about.
    """
    flown = sorted(flight.flown, key=lambda f: f.call.transfer_row_id)
    if len(flown) + len(flight.left) == 1:
        return _record(flight.flown, flight.left, now)
    try:
        return _record(flight.flown, flight.left, now)
    except Exception:
        log.exception("transfers.recorded_one_by_one", count=len(flown))
        db.session.rollback()
    ask_now: list[int] = []
    for one, left in [*(([f], []) for f in flown), *(([], [pair]) for pair in flight.left)]:
        try:
            ask_now += _record(one, left, now)
        except Exception:
            log.exception("transfer.not_recorded")
            db.session.rollback()
    return ask_now


def _record(
    flown: Sequence[Flown[Claim, _Said]], left: Sequence[tuple[Claim, str]], now: datetime
) -> list[int]:
    """One transaction; `flown` in the order of the answers. Answers the transfers to ask about at once."""
    sent = {f.call.transfer_row_id: f for f in flown}
    kept = {claim.transfer_row_id: (claim, reason) for claim, reason in left}
    with transaction():
        payouts, transfers = settlement.lock_transfers([*sent, *kept])
        # First of all: whether others wait decides whether a rail halts.
        settlement.put_back(
            [t for t in transfers if t.id in kept],
            {i: claim.sends for i, (claim, _) in kept.items()},
            {i: reason for i, (_, reason) in kept.items()},
            now,
        )
        settlement.count_answers([(*f.call.lane, f.said.answer) for f in flown], now)
        settlement.read_methods(transfers)
        drafts, ask_now = [], []
        for transfer in transfers:
            if (found := sent.get(transfer.id)) is None:
                continue
            answer, before = found.said.answer, transfer.state
            wait = random.uniform(0.5, min(_NOT_SENT_CAP, _NOT_SENT_BASE * 2 ** min(found.call.sends, 10)))
            settlement.apply_send(
                payouts[transfer.payout_id], transfer, found.call.sends, answer, now, now + timedelta(seconds=wait)
            )  # fmt: skip
            drafts.append(
                EventDraft(transfer.id, "send", before, transfer.state, found.call.order.masked(),
                           settlement.describe(answer), found.said.duration_ms)
            )  # fmt: skip
            # A definite answer, or "I have it already", is confirmed at once by our own question.
            is_definite = answer.outcome in (Outcome.SUCCEEDED, Outcome.FAILED) or bool(answer.code)
            if is_definite and transfer.state in (TransferState.ACCEPTED, TransferState.UNKNOWN):
                ask_now.append(transfer.id)
        settlement.keep_events(drafts, now)
    return ask_now


@dataclass(frozen=True)
class _Question:
    """A transfer that the bank is asked about, as it was just before."""

    transfer_row_id: int
    organisation_id: int
    rail: str
    transfer_id: str
    sends: int
    heard: int


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
    return _alone(replies, transfer_row_id)


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
    _refuse_open_transaction()
    began = time.monotonic()
    flight: Flight[_Question, _Said] = Flight(
        make=_timed_question,
        why_not=lambda _: "The bank is slow." if time.monotonic() - began > _ASKING else "",
        hear=lambda *_: None,
    )
    lanes = defaultdict(list)
    for question in questions:
        lanes[question.organisation_id, question.rail].append(question)
    with accounts.remembered():
        flight.fly(lanes, {lane: watch.Unlimited(registry.at_once(lane[1])) for lane in lanes})
    now = clock()
    replies |= {q.transfer_row_id: Later(now, f"{reason} It is asked about next.") for q, reason in flight.left}
    return replies | _hear_each(flight.flown, source, now)


def _questions(
    ids: Sequence[int], is_scheduled: bool, now: datetime
) -> tuple[list[_Question], Replies]:
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
            )
            .where(Transfer.id.in_(ids))
            .order_by(Transfer.id)
        ).all()
    questions: list[_Question] = []
    replies: Replies = {}
    for row in rows:
        if row.state in (TransferState.QUEUED, TransferState.REVIEW, TransferState.REVERSED):
            continue
        if row.state == TransferState.SUBMITTING:
            # Somebody is talking to the bank now; the reaper sees to it if they are not.
            replies[row.id] = Later((row.lease_until or now) + timedelta(seconds=1), "A worker is sending it.")
        elif not is_scheduled or (
            row.next_check_at is not None and row.next_check_at <= now + timedelta(seconds=1)
        ):
            questions.append(
                _Question(row.id, row.organisation_id, row.rail, row.transfer_id, row.sends, row.heard)
            )
    return questions, replies


def _timed_question(question: _Question) -> _Said:
    started = time.monotonic()
    try:
        answer = registry.rail(question.rail).status(question.organisation_id, question.transfer_id)
    except Exception as error:
        log.exception("rail.broke", rail=question.rail, transfer_id=question.transfer_id)
        answer = Answer(Outcome.UNKNOWN, message=f"The connection broke ({type(error).__name__}).")
    return _Said(answer, int((time.monotonic() - started) * 1000))


def _hear_each(flown: Sequence[Flown[_Question, _Said]], source: str, now: datetime) -> Replies:
    """Let all answers take effect at once; one by one where that fails, so that one stops nobody else."""
    try:
        return _hear(flown, source, now)
    except Exception as error:
        db.session.rollback()
        if len(flown) == 1:
            return {flown[0].call.transfer_row_id: error}
        log.warning("answers.heard_one_by_one", count=len(flown), error=type(error).__name__)
    replies: Replies = {}
    for one in flown:
        replies |= _hear_each([one], source, now)
    return replies


def _hear(flown: Sequence[Flown[_Question, _Said]], source: str, now: datetime) -> Replies:
    asked = {f.call.transfer_row_id: f for f in flown}
    replies: Replies = {}
    with transaction():
        payouts, transfers = settlement.lock_transfers(list(asked), options=claims.DESCRIBED)
        settlement.read_methods(transfers)
        heard = []
        for transfer in transfers:
            question, said = asked[transfer.id].call, asked[transfer.id].said
            if transfer.state in (TransferState.QUEUED, TransferState.SUBMITTING) or transfer.sends != question.sends:
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
