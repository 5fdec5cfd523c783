"""Taking queued transfers to the bank: a last look at what could stop each, then one conditional UPDATE for all.

Whoever may send a transfer holds it for a while: committed before anything leaves. Payouts are locked first, then
transfers, both in the order of their ids; of several that are asked for together, those that somebody else is working
on are left for later.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import joinedload

from webapp.database import among, db, transaction
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.outbox.service import Later
from webapp.payouts import balance, breaker, policies, queries, settlement, stoploss
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.histories import EventDraft
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import cool_off_wait, details_wait
from webapp.payouts.sending.gate import Gate
from webapp.payouts.states import PayoutState, TransferState
from webapp.people.changes.models import MethodChange
from webapp.people.models import Payee, PayoutMethod
from webapp.people.queries import details_of
from webapp.providers import registry
from webapp.providers.ports import Answer, Outcome, TransferOrder

# Longer than the time limit of a provider call, so that a living worker never loses its claim.
LEASE = timedelta(seconds=120)
_WAIT = timedelta(minutes=5)
_BUSY = timedelta(seconds=2)
_NOT_COVERED = "The account may not cover it; it is looked at again when those before it have left."
_CHANGED = "The payment details changed before it was sent; nothing was sent."

# Organisation and rail.
Lane = tuple[int, str]


@dataclass(frozen=True)
class Claim:
    """What a worker holds between its two transactions; plain values, so that nothing is read meanwhile."""

    transfer_row_id: int
    rail: str
    order: TransferOrder
    # Which sending of the transfer this is; another worker's is another.
    sends: int
    lease_until: datetime
    # By the clock that nobody sets.
    began: float = field(default_factory=time.monotonic)

    @property
    def lane(self) -> Lane:
        """What is stopped together."""
        return self.order.organisation_id, self.rail


@dataclass
class Claimed:
    """What a worker may send now, and when to look again at the others; those in neither are done or not ours."""

    claims: list[Claim] = field(default_factory=list)
    later: dict[int, Later] = field(default_factory=dict)
    gates: dict[Lane, Gate] = field(default_factory=dict)


@dataclass
class _Standing:
    """What is known of a rail of an organisation while transfers are looked at."""

    reasons: tuple[str, ...]
    # Something that was found meanwhile halted it.
    is_closed: bool = False
    breaker_asked: int = 0
    open_until: datetime | None = None


@dataclass
class _Look:
    """What the transfers of a batch are looked at with."""

    now: datetime
    # Why the account does not cover a transfer.
    uncovered: dict[int, str]
    # Payouts of which a try is under review.
    reviewed: set[int]
    lanes: dict[Lane, _Standing] = field(default_factory=dict)
    # Those whose payment details are others by now; ended together.
    changed: list[tuple[Payout, Transfer]] = field(default_factory=list)

    def standing(self, transfer: Transfer) -> _Standing:
        """Of the transfer's rail."""
        lane = _lane(transfer)
        if lane not in self.lanes:
            self.lanes[lane] = _Standing(policies.halt_reasons(*lane))
        return self.lanes[lane]


def claim(row_ids: Sequence[int], worker: str, clock: Callable[[], datetime]) -> Claimed:
    """Take those of the transfers that may be sent now, and commit. Raises NotFound when one of them is not there."""
    uncovered = _uncovered(row_ids, clock)
    # Only now: however long the bank thought about its balance, what is taken is held for the whole of its lease.
    now, began = clock(), time.monotonic()
    found = Claimed()
    with transaction():
        payouts, transfers = settlement.lock_transfers(
            row_ids, skips_locked=len(row_ids) > 1, options=DESCRIBED
        )
        seen = {transfer.id for transfer in transfers}
        found.later = {i: Later(now + _BUSY, "Somebody is working on it.") for i in row_ids if i not in seen}
        look = _Look(now, uncovered, settlement.under_review(list(payouts)))
        wanted = []
        for transfer in transfers:
            payout = payouts[transfer.payout_id]
            why = _may_leave(payout, transfer, look)
            if isinstance(why, Later):
                found.later[transfer.id] = why
            elif why:
                wanted.append((payout, transfer))
        _end_changed(look)
        # One that should not be sent has halted its rail: those before it wait for people, too.
        for _, transfer in [pair for pair in wanted if look.standing(pair[1]).is_closed]:
            found.later[transfer.id] = Later(now, "Payments have just been halted.")
        wanted = [pair for pair in wanted if pair[1].id not in found.later]
        found.claims = _take(wanted, worker, now, began)
        taken = {c.transfer_row_id for c in found.claims}
        for _, transfer in wanted:
            if transfer.id not in taken:
                found.later[transfer.id] = Later(now + _BUSY, "It changed meanwhile.")
        found.gates = _gates([transfer for _, transfer in wanted], now)
    return found


def _lane(transfer: Transfer) -> Lane:
    return transfer.organisation_id, transfer.rail


# All that decides about a payout, with the lock of its row; not its tries, which are asked about on their own.
DESCRIBED = (
    joinedload(Payout.method),
    joinedload(Payout.organisation),
    joinedload(Payout.payee).selectinload(Payee.pending_change),
)


def _uncovered(row_ids: Sequence[int], clock: Callable[[], datetime]) -> dict[int, str]:
    """Why the account does not cover a transfer, after those before it. Asks the bank, outside any transaction."""
    rows = db.session.execute(
        select(
            Transfer.id,
            Transfer.rail,
            Transfer.organisation_id,
            Transfer.currency,
            Transfer.amount_minor,
            Transfer.state,
        )
        .where(among(Transfer.id, row_ids))
        .order_by(Transfer.id)
    ).all()
    db.session.rollback()
    if len(rows) < len(set(row_ids)):
        raise NotFound
    accounts = defaultdict(list)
    for row in rows:
        if row.state == TransferState.QUEUED and not registry.leaves_in_files(row.rail):
            accounts[row.organisation_id, row.rail, row.currency].append(row)
    uncovered: dict[int, str] = {}
    for (organisation_id, rail, currency), group in accounts.items():
        total = 0
        for n, row in enumerate(group):
            total += row.amount_minor
            if balance.is_too_low(
                organisation_id=organisation_id, rail=rail, currency=currency, amount_minor=total, clock=clock
            ):
                # Only when it is the next one is it certain that there is too little.
                words = [balance.TOO_LOW, *[_NOT_COVERED] * (len(group) - 1)] if n == 0 else []
                words = words or [_NOT_COVERED] * (len(group) - n)
                uncovered |= dict(zip([r.id for r in group[n:]], words, strict=True))
                break
    return uncovered


def _may_leave(payout: Payout, transfer: Transfer, look: _Look) -> Later | bool:
    """True: it may be sent. False: it is not queued any more, or ended here. Later: something stops it for now."""
    if transfer.state != TransferState.QUEUED or registry.leaves_in_files(transfer.rail):
        return False
    standing = look.standing(transfer)
    if standing.reasons:
        return Later(look.now + _WAIT, f"Payments are halted: {' '.join(standing.reasons)}")
    if reason := settlement.why_try_waits(payout, payout.id in look.reviewed):
        return Later(look.now + _WAIT, reason)
    if not payout.payee.is_active:
        return Later(
            look.now + _WAIT, f"{payout.payee.name} is switched off as a payee. Switch them on first."
        )
    if reason := look.uncovered.get(transfer.id, ""):
        if reason != balance.TOO_LOW:
            return Later(look.now, reason)
        settlement.halt_rail(transfer, reason, look.now, AlertKind.LOW_BALANCE)
        _close(transfer, standing)
        return Later(look.now + _WAIT, reason)
    if (later := _details_wait(payout, look.now)) is not None:
        return later
    if payout.method is not None and not payout.method.is_current:
        look.changed.append((payout, transfer))
        return False
    if not _is_as_approved(payout, transfer):
        settlement.review(payout, transfer, "What is to be sent is not what was approved.", look.now)
        settlement.keep_event(transfer, "worker", TransferState.QUEUED, look.now)
        _close(transfer, standing)
        return False
    return _breaker_says(payout, transfer, standing, look.now)


def _end_changed(look: _Look) -> None:
    """Nothing is sent to details that are no longer the payee's: the transfers fail, and are booked together."""
    refused = Answer(Outcome.FAILED, code="METHOD_CHANGED", message=_CHANGED)
    settlement.apply_many([(payout, transfer, refused) for payout, transfer in look.changed], look.now)
    before = TransferState.QUEUED.value
    settlement.keep_events(
        [EventDraft(transfer.id, "worker", before, transfer.state) for _, transfer in look.changed], look.now
    )
    for _, transfer in look.changed:
        _close(transfer, look.standing(transfer))


def _close(transfer: Transfer, standing: _Standing) -> None:
    """Look again whether the rail is halted, after something that may have halted it."""
    standing.reasons = policies.halt_reasons(*_lane(transfer))
    standing.is_closed = bool(standing.reasons)


def _breaker_says(payout: Payout, transfer: Transfer, standing: _Standing, now: datetime) -> Later | bool:
    """One tries whether a provider that was away is back; whoever comes after it waits for what it finds."""
    if standing.open_until is None and standing.breaker_asked < 2:
        # Asked twice: let through once more, there is no breaker open at all.
        standing.open_until = breaker.wait_until(*_lane(transfer), now)
        standing.breaker_asked += 1
    if standing.open_until is None:
        return True
    when = instant_text(standing.open_until, payout.organisation.timezone)
    return Later(standing.open_until, f"{transfer.rail} does not answer. It is tried again from {when}.")


def _details_wait(payout: Payout, now: datetime) -> Later | None:
    """The wait for a second person's look at new details, or that a changed e-mail address or phone began."""
    method, zone = payout.method, payout.organisation.timezone
    if (pending := queries.details_pending(payout.payee)) is not None:
        return Later(now + _WAIT, details_wait(payout.payee.name, pending, zone))
    if method is None or not method.is_current:
        return None
    until = method.cool_off_until
    if until is None or until <= now:
        return None
    # It may be released early, so it is looked at again before.
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


def order_of(payout: Payout, transfer: Transfer) -> TransferOrder:
    """What the bank is asked for, the account in the clear where its rail needs it. Raises SecretsError."""
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


def _take(wanted: Sequence[tuple[Payout, Transfer]], worker: str, now: datetime, began: float) -> list[Claim]:
    """Take them by one conditional UPDATE; whoever was faster keeps what they have.

    It looks at the details once more, as they are committed by now: what was read with the lock of the payout's row may
    be older than the lock.
    """
    if not wanted:
        return []
    orders = {transfer.id: order_of(payout, transfer) for payout, transfer in wanted}
    rails = {transfer.id: transfer.rail for _, transfer in wanted}
    taken = db.session.execute(
        update(Transfer)
        .where(among(Transfer.id, orders), Transfer.state == TransferState.QUEUED.value, *_may_be_paid(now))
        .values(
            state=TransferState.SUBMITTING.value,
            lease_until=now + LEASE,
            leased_by=worker[:120],
            sends=Transfer.sends + 1,
            next_check_at=None,
        )
        .returning(Transfer.id, Transfer.sends)
        .execution_options(synchronize_session=False)
    ).all()
    sends = {row.id: row.sends for row in taken}
    claims = [Claim(i, rails[i], orders[i], sends[i], now + LEASE, began) for i in orders if i in sends]
    before, after = TransferState.QUEUED.value, TransferState.SUBMITTING.value
    settlement.keep_events(
        [EventDraft(c.transfer_row_id, "worker", before, after, request={"worker": worker}) for c in claims],
        now,
    )
    for c in claims:
        balance.take(
            organisation_id=c.order.organisation_id,
            rail=c.rail,
            currency=c.order.currency,
            amount_minor=c.order.amount_minor,
        )
    return claims


def _may_be_paid(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions: what `_may_leave` found of a transfer's payee and payment details is still so."""
    may_be_used = exists().where(
        PayoutMethod.id == Transfer.method_id,
        PayoutMethod.is_current.is_(True),
        or_(PayoutMethod.cool_off_until.is_(None), PayoutMethod.cool_off_until <= now),
    )
    is_switched_on = exists().where(
        Payout.id == Transfer.payout_id, Payee.id == Payout.payee_id, Payee.is_active.is_(True)
    )
    awaits_second_person = exists().where(
        Payout.id == Transfer.payout_id,
        MethodChange.payee_id == Payout.payee_id,
        MethodChange.state == "pending",
    )
    return or_(Transfer.method_id.is_(None), may_be_used), is_switched_on, ~awaits_second_person


def _gates(transfers: Sequence[Transfer], now: datetime) -> dict[Lane, Gate]:
    """How many of each rail may be on their way at once, as what was sent before stands."""
    gates: dict[Lane, Gate] = {}
    for transfer in transfers:
        lane = _lane(transfer)
        if lane not in gates:
            gates[lane] = Gate(
                row=stoploss.failures_in_row(transfer, now),
                settled=stoploss.last_ones(transfer, now),
                silence=breaker.failures_in_row(*lane),
                most=registry.at_once(transfer.rail),
            )
    return gates
