"""Moving the money exactly once: claim, commit, ask the provider once, record; and asking what became of it.

The functions here open their own transactions, because no transaction may be open while a provider thinks;
jobs call them, views never do. Transfers leave together, one alone is a batch of one. The provider is asked to send in
one line of this file and nowhere else. What is not known is asked for, never sent again.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.database import among, db, transaction
from webapp.kernel.actor import POLICY, WORKER
from webapp.kernel.clock import utc_now
from webapp.outbox.service import Later
from webapp.payouts import payment, policies, queries, records, settlement, stoploss
from webapp.payouts.histories import EventDraft
from webapp.payouts.models import Payout, Transfer, TransferEvent
from webapp.payouts.policy import why_not_paid
from webapp.payouts.sending import claims
from webapp.payouts.sending.asking import check, check_many, read_ahead
from webapp.payouts.sending.claims import LEASE, Claim, Claimed
from webapp.payouts.sending.flight import Flight, Flown, Said
from webapp.payouts.sending.gate import Mark
from webapp.payouts.sending.replies import Replies, alone, is_worth_another_try, refuse_open_transaction
from webapp.payouts.sending.watch import Switches
from webapp.payouts.states import PayoutAction, PayoutState, TransferState, next_state
from webapp.providers import accounts, registry
from webapp.providers.ports import CREDENTIALS, Answer, Outcome

__all__ = ["check", "check_many", "pay_due", "retry_due", "send", "send_many"]

log = structlog.get_logger()

# With less than this left of its claim a worker does not begin to send any more.
LEAST_LEFT = timedelta(seconds=60)
_WAIT = timedelta(minutes=5)
_NOT_SENT_BASE, _NOT_SENT_CAP = 2.0, 300.0
# Which sending of a transfer an event of its history is about.
_SENDING = "sending"
Clock = Callable[[], datetime]


def send(*, transfer_row_id: int, worker: str = "worker", clock: Clock = utc_now) -> Later | None:
    """Send a queued transfer, at most once, then ask the bank about it: a batch of one. Raises NotFound.

    Later: it has to wait (halt, empty account, nothing reached the provider). None: done, or not ours to do.
    """
    return alone(send_many(transfer_row_ids=[transfer_row_id], worker=worker, clock=clock), transfer_row_id)


def send_many(*, transfer_row_ids: Sequence[int], worker: str = "worker", clock: Clock = utc_now) -> Replies:
    """Send queued transfers, each at most once, then ask the bank about those that it gave a definite answer to.

    Nothing leaves that would not have left had they been sent one by one: a halt, a breaker that opens, too many
    failures put the rest back into the queue. Replies are for those that have to wait or went wrong.
    """
    ids = sorted(set(transfer_row_ids))
    claimed, replies = _claim_each(ids, worker, clock)
    if not claimed.claims:
        return replies
    refuse_open_transaction()
    flight = _send_claimed(claimed, clock)
    now = clock()
    replies |= {c.transfer_row_id: Later(now, reason) for c, reason in flight.left}
    ask_now = _record_each(flight, now)
    if ask_now:
        check_many(transfer_row_ids=ask_now, clock=clock)
    return replies


def _claim_each(ids: Sequence[int], worker: str, clock: Clock) -> tuple[Claimed, Replies]:
    """Claim all at once; when one of them cannot be looked at, each on its own, so that it stops nobody else."""
    try:
        claimed = _claim(ids, worker, clock)
        return claimed, dict(claimed.later)
    except Exception as error:
        db.session.rollback()
        if len(ids) == 1:
            return Claimed(), {ids[0]: error}
        if not is_worth_another_try(error):
            raise
        log.warning("transfers.claimed_one_by_one", count=len(ids), error=type(error).__name__)
    found = Claimed()
    replies: Replies = {}
    for row_id in ids:
        one, reply = _claim_each([row_id], worker, clock)
        found.claims += one.claims
        found.gates = one.gates | found.gates
        replies |= reply
    return found, replies


def _claim(ids: Sequence[int], worker: str, clock: Clock) -> Claimed:
    """Commits before it answers."""
    refuse_open_transaction()
    return claims.claim(ids, worker, clock)


def _send_claimed(claimed: Claimed, clock: Clock) -> Flight[Claim]:
    """Ask the bank to send what was claimed, as far as the gates let it go."""
    lanes = defaultdict(list)
    for claim in claimed.claims:
        lanes[claim.lane].append(claim)
    switches = Switches({lane: len(those) for lane, those in lanes.items()})

    def why_not(claim: Claim) -> str:
        if _was_held_up(claim, time.monotonic() - claim.began, clock()):
            return "The worker was held up before it sent."
        return switches.why_not(claim.lane)

    def hear(claim: Claim, number: int, said: Said) -> None:
        gate = claimed.gates[claim.lane]
        was_open = not gate.stopped
        gate.end(number, _mark(said.answer))
        gate.stop(_why_it_was_the_last(claim, said.answer))
        if was_open and gate.stopped:
            # Until it is written down, other workers do not know of it.
            for other in claimed.gates.values():
                other.stop("Another rail has stopped; that is written down first.")

    flight: Flight[Claim] = Flight(make=_timed_post, why_not=why_not, hear=hear)
    try:
        with accounts.remembered(), switches:
            for (organisation_id, rail), those in lanes.items():
                read_ahead(rail, organisation_id, [claim.order.beneficiary_key for claim in those])
            flight.fly(lanes, claimed.gates)
    except Exception:
        # What was heard until then is written down; what is not known is asked for when its claim runs out.
        log.exception("flight.broke", heard=len(flight.flown), left=len(flight.left))
    return flight


def _timed_post(claim: Claim) -> Said:
    started = time.monotonic()
    answer = _post(claim)
    return Said(answer, int((time.monotonic() - started) * 1000))


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


def _record_each(flight: Flight[Claim], now: datetime) -> list[int]:
    """Write down what was answered and put back what never left, all at once, or one by one where that fails.

    What cannot be written stays as it was sent: its claim runs out, and the bank is asked. Answers whom to ask about.
    """
    flown = sorted(flight.flown, key=lambda f: f.call.transfer_row_id)
    try:
        return _record_again(flight.flown, flight.left, now)
    except Exception as error:
        if not is_worth_another_try(error) or len(flown) + len(flight.left) == 1:
            raise
        log.exception("transfers.recorded_one_by_one", count=len(flown))
        db.session.rollback()
    ask_now: list[int] = []
    # First what never left: whether others wait decides whether a rail halts.
    for one, left in [*(([], [pair]) for pair in flight.left), *(([f], []) for f in flown)]:
        try:
            ask_now += _record(one, left, now)
        except Exception:
            log.exception("transfer.not_recorded")
            db.session.rollback()
    return ask_now


def _record_again(
    flown: Sequence[Flown[Claim]], left: Sequence[tuple[Claim, str]], now: datetime
) -> list[int]:
    """`_record`, and once more over a new connection where the database hung up meanwhile.

    Where the first one was stored after all, the second finds nothing that is still being sent, and changes nothing.
    """
    try:
        return _record(flown, left, now)
    except Exception as error:
        if is_worth_another_try(error):
            raise
        log.warning("transfers.recorded_again", count=len(flown), error=type(error).__name__)
        db.session.rollback()
    return _record(flown, left, now)


def _record(flown: Sequence[Flown[Claim]], left: Sequence[tuple[Claim, str]], now: datetime) -> list[int]:
    """One transaction; `flown` in the order of the answers. Answers the transfers to ask about at once."""
    sent = {f.call.transfer_row_id: f for f in flown}
    kept = {claim.transfer_row_id: (claim, reason) for claim, reason in left}
    with transaction():
        payouts, transfers = settlement.lock_transfers([*sent, *kept], options=[joinedload(Payout.method)])
        # First of all: whether others wait decides whether a rail halts.
        settlement.put_back(
            [t for t in transfers if t.id in kept],
            {i: claim.sends for i, (claim, _) in kept.items()},
            {i: reason for i, (_, reason) in kept.items()},
            now,
        )
        known = _known_answers(transfers, sent)
        settlement.count_answers(
            [(*f.call.lane, f.said.answer) for f in flown if f.call.transfer_row_id not in known], now
        )
        drafts: list[EventDraft] = []
        ask_now = []
        for transfer in sorted(transfers, key=settlement.lane_order):
            if (found := sent.get(transfer.id)) is None:
                continue
            answer, before = found.said.answer, transfer.state
            wait = random.uniform(0.5, min(_NOT_SENT_CAP, _NOT_SENT_BASE * 2 ** min(found.call.sends, 10)))
            is_silent = settlement.apply_send(
                payouts[transfer.payout_id], transfer, found.call.sends, answer, now, now + timedelta(seconds=wait)
            )  # fmt: skip
            if transfer.id not in known:
                drafts.append(_event(found, before, transfer.state))
            if is_silent:
                settlement.keep_events(drafts, now)
                drafts = []
                stoploss.look(transfer, now)
            # A definite answer, or "I have it already", is confirmed at once by our own question.
            is_definite = answer.outcome in (Outcome.SUCCEEDED, Outcome.FAILED) or bool(answer.code)
            if is_definite and transfer.state in (TransferState.ACCEPTED, TransferState.UNKNOWN):
                ask_now.append(transfer.id)
        settlement.keep_events(drafts, now)
    return ask_now


def _event(found: Flown[Claim], before: str, after: str) -> EventDraft:
    request = {**found.call.order.masked(), _SENDING: found.call.sends}
    answer = settlement.describe(found.said.answer)
    return EventDraft(
        found.call.transfer_row_id, "send", before, after, request, answer, found.said.duration_ms
    )


def _known_answers(transfers: Sequence[Transfer], sent: Mapping[int, Flown[Claim]]) -> set[int]:
    """Of which the answer to this very sending is in the history already: the commit was done, and not heard of."""
    others = [
        t.id for t in transfers if t.id in sent and not settlement.is_being_sent(t, sent[t.id].call.sends)
    ]
    if not others:
        return set()
    events = db.session.execute(
        select(TransferEvent.transfer_id, TransferEvent.request).where(
            among(TransferEvent.transfer_id, others), TransferEvent.source == "send"
        )
    )
    return {i for i, request in events if request.get(_SENDING) == sent[i].call.sends}


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
