"""Stops the rest of a batch when too much of it fails: whatever is wrong shall not be done a thousand times.

A batch here is what left over a rail of an organisation lately. Nothing is stopped when nothing waits; but for a rail
that leaves in files: the bank answers hours later, and what comes next is the next file. It is not made or approved
before somebody has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from webapp.database import db
from webapp.kernel.actor import WORKER
from webapp.payouts import policies
from webapp.payouts.brakes.alerts import AlertKind
from webapp.payouts.models import RailSwitch, Transfer, TransferEvent
from webapp.payouts.states import TransferState
from webapp.providers import registry

_S = TransferState
IN_A_ROW = 4
# Of so many, more than that share in per cent.
OF, PER_CENT = 40, 5
LATELY = timedelta(hours=1)
_BAD = frozenset({_S.FAILED.value, _S.UNKNOWN.value})


def look(transfer: Transfer, now: datetime) -> bool:
    """After a transfer failed or got no answer: halt its rail if too many did and others wait. True: halted now.

    Runs inside the caller's transaction, the transfer's new state written.
    """
    recent = _recent(transfer, now)
    bad = [state in _BAD for _, state in recent]
    if len(bad) >= IN_A_ROW and all(bad[:IN_A_ROW]) and not _took_one_between(transfer, recent[:IN_A_ROW]):
        words = f"{IN_A_ROW} transfers in a row failed or got no answer"
    elif len(bad) >= OF and sum(bad) * 100 > len(bad) * PER_CENT:
        words = f"{sum(bad)} of the last {len(bad)} transfers failed or got no answer"
    else:
        return False
    waiting = _waiting(transfer)
    if registry.leaves_in_files(transfer.rail):
        stops = "no file is made or approved"
    elif waiting:
        stops = f"{waiting} that {'wait' if waiting > 1 else 'waits'} will not be sent"
    else:
        return False
    return policies.halt(
        organisation_id=transfer.organisation_id,
        rail=transfer.rail,
        reason=f"{words}; {stops} before somebody has looked. Lift the halt then.",
        actor=WORKER,
        now=now,
        kind=AlertKind.STOP_LOSS,
    )


def last_ones(transfer: Transfer, now: datetime) -> list[bool]:
    """Of the last transfers of its rail whose end is known, whether each failed or got no answer; oldest first."""
    return [state in _BAD for _, state in reversed(_recent(transfer, now))]


def failures_in_row(transfer: Transfer, now: datetime) -> int:
    """How many of its rail failed or got no answer one after the other, up to now; what the bank took ends a row."""
    row = _recent(transfer, now, also=(_S.ACCEPTED,), limit=IN_A_ROW)
    return next((n for n, (_, state) in enumerate(row) if state not in _BAD), len(row))


def _recent(
    transfer: Transfer, now: datetime, *, also: Sequence[TransferState] = (), limit: int = OF
) -> list[tuple[int, str]]:
    """Id and state of the newest transfers that were sent and answered, since the last halt was lifted.

    No answer is one of the bank's: what a worker had taken when it died says nothing about the bank.
    """
    lifted = db.session.scalar(
        select(func.max(RailSwitch.changed_at)).where(
            RailSwitch.organisation_id == transfer.organisation_id,
            RailSwitch.rail.in_([transfer.rail, policies.EVERY_RAIL]),
        )
    )
    since = max(lifted, now - LATELY) if lifted else now - LATELY
    states = [s.value for s in (_S.FAILED, _S.UNKNOWN, _S.SUCCEEDED, *also)]
    # What got no answer has no end: it counts from when it was last taken to the bank, having waited before.
    taken = (
        select(func.max(TransferEvent.at))
        .where(TransferEvent.transfer_id == Transfer.id, TransferEvent.to_state == _S.SUBMITTING.value)
        .scalar_subquery()
    )
    # How the last sending ended: "send" when it was the bank that did not answer.
    ended_by = (
        select(TransferEvent.source)
        .where(TransferEvent.transfer_id == Transfer.id, TransferEvent.from_state == _S.SUBMITTING.value)
        .order_by(TransferEvent.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Transfer.id, Transfer.state)
        .where(
            Transfer.organisation_id == transfer.organisation_id,
            Transfer.rail == transfer.rail,
            Transfer.sends > 0,
            Transfer.state.in_(states),
            or_(Transfer.state != _S.UNKNOWN.value, ended_by == "send"),
            func.coalesce(Transfer.finished_at, taken, Transfer.created_at) > since,
        )
        .order_by(Transfer.id.desc())
        .limit(limit)
    )
    return [(row.id, row.state) for row in rows]


def _took_one_between(transfer: Transfer, row: Sequence[tuple[int, str]]) -> bool:
    """Whether the bank took a transfer between these: then they did not fail one after the other."""
    ids = [found for found, _ in row]
    taken = select(Transfer.id).where(
        Transfer.organisation_id == transfer.organisation_id,
        Transfer.rail == transfer.rail,
        Transfer.sends > 0,
        Transfer.state == _S.ACCEPTED.value,
        Transfer.id.between(min(ids), max(ids)),
    )
    return db.session.scalar(taken.limit(1)) is not None


def _waiting(transfer: Transfer) -> int:
    return int(
        db.session.scalar(
            select(func.count())
            .select_from(Transfer)
            .where(
                Transfer.organisation_id == transfer.organisation_id,
                Transfer.rail == transfer.rail,
                Transfer.state == _S.QUEUED.value,
                Transfer.id != transfer.id,
            )
        )
        or 0
    )
