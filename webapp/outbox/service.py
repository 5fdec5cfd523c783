"""The one writer of the outbox: add, claim, finish, fail."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update

from webapp import queue
from webapp.database import after_commit, db, insert_ignoring_conflict
from webapp.outbox.models import OutboxMessage

MAXIMUM_ATTEMPTS = 12
LEASE = timedelta(minutes=5)


def add(
    *,
    kind: str,
    reference_id: int,
    dedupe_key: str,
    to_queue: str,
    now: datetime,
    organisation_id: int | None = None,
    not_before: datetime | None = None,
) -> bool:
    """Write an effect with the present transaction; False when `dedupe_key` is there already.

    `kind` names the handler in `jobs.registry`, `reference_id` the row it is about.
    """
    is_new = insert_ignoring_conflict(
        db.session(),
        OutboxMessage,
        {
            "organisation_id": organisation_id,
            "kind": kind,
            "reference_id": reference_id,
            "dedupe_key": dedupe_key,
            "queue": to_queue,
            "not_before": not_before or now,
            "attempts": 0,
            "leased_by": "",
            "last_error": "",
            "created_at": now,
        },
    )
    rung = db.session.info.setdefault("rung", set())
    if is_new and (not_before is None or not_before <= now) and to_queue not in rung:
        rung.add(to_queue)
        after_commit(db.session(), lambda: _ring(to_queue))
    return is_new


def _ring(name: str) -> None:
    db.session.info.get("rung", set()).discard(name)
    queue.ring(name)


def _is_open(now: datetime) -> object:
    return and_(
        OutboxMessage.done_at.is_(None),
        OutboxMessage.gave_up_at.is_(None),
        OutboxMessage.not_before <= now,
        or_(OutboxMessage.lease_until.is_(None), OutboxMessage.lease_until < now),
    )


def due(
    *, now: datetime, queue_name: str | None = None, limit: int = 100
) -> Sequence[OutboxMessage]:
    """Messages that are due and that nobody works on, oldest first."""
    query = (
        select(OutboxMessage)
        .where(_is_open(now))
        .order_by(OutboxMessage.not_before, OutboxMessage.id)
    )  # type: ignore[arg-type]
    if queue_name is not None:
        query = query.where(OutboxMessage.queue == queue_name)
    return db.session.scalars(query.limit(limit)).all()


def due_queues(*, now: datetime) -> list[str]:
    """Names of the queues that have due messages."""
    return list(
        db.session.scalars(select(OutboxMessage.queue).where(_is_open(now)).distinct())
    )  # type: ignore[arg-type]


def claim(*, message_id: int, worker: str, now: datetime) -> bool:
    """Take a message for this worker; False when another has it or it is done. Commit before working on it."""
    result = db.session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id, _is_open(now))  # type: ignore[arg-type]
        .values(
            lease_until=now + LEASE,
            leased_by=worker[:120],
            attempts=OutboxMessage.attempts + 1,
        )
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def finish(*, message_id: int, now: datetime) -> None:
    """The effect has happened; the message is never looked at again."""
    db.session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id)
        .values(done_at=now, lease_until=None, last_error="")
        .execution_options(synchronize_session=False)
    )


def postpone(
    *,
    message_id: int,
    error: str,
    attempts: int,
    now: datetime,
    at: datetime | None = None,
) -> None:
    """Try again at `at`, or after a backoff with full jitter (2 s doubling to 5 min); gives up after the limit."""
    ceiling = min(300.0, 2.0 * 2 ** min(attempts, 12))
    delay = timedelta(seconds=1 + random.uniform(0, ceiling))
    values: dict[str, object] = {
        "lease_until": None,
        "last_error": error[:500],
        "not_before": at or now + delay,
    }
    if at is None and attempts >= MAXIMUM_ATTEMPTS:
        values["gave_up_at"] = now
    db.session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
