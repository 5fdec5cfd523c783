"""What goes on after somebody died: rounds of scheduler and workers, as time passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, func, select

import jobs.base
from tests import factories
from webapp.database import db, transaction
from webapp.inbox import handling
from webapp.kernel.clock import utc_now
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, recovery
from webapp.payouts.models import Transfer
from webapp.payouts.states import OPEN_TRANSFER_STATES

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def drain() -> None:
    """One round of a worker of the queue for money."""
    jobs.base.drain_here("money")


def work() -> None:
    """What scheduler and workers do every minute."""
    recovery.reap_leases()
    recovery.sweep()
    handling.recover()
    drain()


def lift_halts(organisation_id: int) -> None:
    """A person has entered the right keys, or funded the account, and lets payments flow again."""
    halted = [switch.rail for switch in policies.halts(organisation_id)]
    db.session.rollback()
    for rail in halted:
        with transaction():
            policies.lift_halt(
                organisation_id=organisation_id, rail=rail, reason="Looked at.", actor=factories.FACTORY,
                now=utc_now(),
            )  # fmt: skip


def with_suppressed(call: Callable[[], object]) -> None:
    """Call it, whatever it raises."""
    try:
        call()
    except Exception:
        db.session.rollback()


@cache
def _instants() -> tuple[Select[Any], ...]:
    in_money = (outbox.is_open(), OutboxMessage.queue == "money")
    return (
        select(func.min(OutboxMessage.not_before)).where(*in_money, OutboxMessage.lease_until.is_(None)),
        select(func.min(OutboxMessage.lease_until)).where(*in_money),
        select(func.min(Transfer.lease_until)).where(Transfer.state == "submitting"),
        select(func.min(Transfer.created_at)).where(
            Transfer.state.in_(OPEN_TRANSFER_STATES),
            ~select(OutboxMessage.id).where(outbox.is_open()).exists(),
        ),
    )


def next_instant(now: datetime) -> datetime | None:
    """When something about money is due next: a message, the end of a lease; None when nothing is."""
    instants = [db.session.scalar(query) for query in _instants()]
    db.session.rollback()
    known = [instant for instant in instants if instant is not None]
    return max(min(known), now) + timedelta(seconds=1) if known else None
