"""The one writer of the outbox: add, claim, finish, fail."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from webapp import queue
from webapp.database import (
    after_commit,
    among,
    before_commit_hooks,
    db,
    insert_ignoring_conflict,
    insert_many,
)
from webapp.outbox.models import OutboxMessage

MAXIMUM_ATTEMPTS = 12
# Longer than any single effect takes; when a worker dies, another takes the message after it.
LEASE = timedelta(minutes=2)
# Longer than a batch of them takes, with a slow bank asked one by one.
LEASE_OF_MANY = timedelta(minutes=6)


@dataclass(frozen=True)
class Later:
    """What a handler answers when the effect is not to happen yet: when to look again, and why."""

    at: datetime
    reason: str


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
    values = _values(kind, reference_id, dedupe_key, to_queue, now, organisation_id, not_before)
    is_new = insert_ignoring_conflict(db.session(), OutboxMessage, values)
    if is_new and values["not_before"] <= now:
        _ring_at_commit(to_queue)
    return is_new


def add_at_commit(
    *,
    kind: str,
    reference_id: int,
    dedupe_key: str,
    to_queue: str,
    now: datetime,
    organisation_id: int | None = None,
    not_before: datetime | None = None,
) -> None:
    """As `add`, for whoever need not know whether it was there: all of a transaction are written by one statement."""
    values = _values(kind, reference_id, dedupe_key, to_queue, now, organisation_id, not_before)
    db.session.info.setdefault("outbox", []).append(values)
    if values["not_before"] <= now:
        _ring_at_commit(to_queue)


def _values(
    kind: str,
    reference_id: int,
    dedupe_key: str,
    to_queue: str,
    now: datetime,
    organisation_id: int | None,
    not_before: datetime | None,
) -> dict[str, Any]:
    return {
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
    }


def _write_collected(session: Session) -> None:
    """Write what `add_at_commit` collected, as the last thing but the audit trail."""
    rows = session.info.get("outbox") or []
    session.info["outbox"] = []
    insert_many(session, OutboxMessage, rows, ignores_conflicts=True)


before_commit_hooks.insert(0, _write_collected)


def _ring_at_commit(to_queue: str) -> None:
    rung = db.session.info.setdefault("rung", set())
    if to_queue not in rung:
        rung.add(to_queue)
        after_commit(db.session(), lambda: _ring(to_queue))


def ask_mail(
    *, kind: str, reference_id: int, now: datetime, organisation_id: int | None = None, part: str = ""
) -> bool:
    """Have people told of something by e-mail, with the present transaction; once per row (and `part`)."""
    return add(
        kind=kind,
        reference_id=reference_id,
        dedupe_key=f"{kind}:{reference_id}{part}",
        to_queue=queue.MAIL,
        organisation_id=organisation_id,
        now=now,
    )


def _ring(name: str) -> None:
    db.session.info.get("rung", set()).discard(name)
    queue.ring(name)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(
        is_open(),
        OutboxMessage.not_before <= now,
        or_(OutboxMessage.lease_until.is_(None), OutboxMessage.lease_until < now),
    )


def is_open() -> ColumnElement[bool]:
    """Condition: a message still waits or is being worked on. Not done, and not given up."""
    return and_(OutboxMessage.done_at.is_(None), OutboxMessage.gave_up_at.is_(None))


def due(*, now: datetime, queue_name: str | None = None, limit: int = 100) -> Sequence[OutboxMessage]:
    """Messages that are due and that nobody works on, oldest first."""
    query = select(OutboxMessage).where(_is_due(now)).order_by(OutboxMessage.not_before, OutboxMessage.id)
    if queue_name is not None:
        query = query.where(OutboxMessage.queue == queue_name)
    return db.session.scalars(query.limit(limit)).all()


def due_queues(*, now: datetime) -> list[str]:
    """Names of the queues that have due messages."""
    return list(db.session.scalars(select(OutboxMessage.queue).where(_is_due(now)).distinct()))


@dataclass(frozen=True)
class Claimed:
    """A message that this worker holds until its lease ends."""

    id: int
    kind: str
    reference_id: int
    attempts: int
    worker: str


def claim_next(*, queue_name: str, worker: str, now: datetime) -> Claimed | None:
    """Take the oldest due message of a queue; None when there is none. Commit before working on it."""
    return next(iter(claim_some(queue_name=queue_name, worker=worker, now=now, sizes={})), None)


def claim_some(*, queue_name: str, worker: str, now: datetime, sizes: Mapping[str, int]) -> Sequence[Claimed]:
    """Take the oldest due message of a queue, and further ones of its kind up to `sizes` of it, oldest first.

    Empty when nothing is due. A kind without a size is taken one by one; those with one are held for longer, because
    they are worked on together. Commit before working on them.
    """
    due_here = (
        select(OutboxMessage.id, OutboxMessage.kind)
        .where(_is_due(now), OutboxMessage.queue == queue_name)
        .order_by(OutboxMessage.not_before, OutboxMessage.id)
        .with_for_update(skip_locked=True)
    )
    first = db.session.execute(due_here.limit(1)).first()
    if first is None:
        return []
    ids = [first.id]
    if (size := sizes.get(first.kind, 1)) > 1:
        others = due_here.where(OutboxMessage.kind == first.kind, OutboxMessage.id != first.id)
        ids += [row.id for row in db.session.execute(others.limit(size - 1))]
    lease = LEASE_OF_MANY if first.kind in sizes else LEASE
    taken = db.session.execute(
        _taking(among(OutboxMessage.id, ids), worker, now, lease).returning(
            OutboxMessage.id, OutboxMessage.kind, OutboxMessage.reference_id, OutboxMessage.attempts
        )
    )
    found = {row.id: Claimed(row.id, row.kind, row.reference_id, row.attempts, worker[:120]) for row in taken}
    return [found[i] for i in ids if i in found]


def claim(*, message_id: int, worker: str, now: datetime) -> bool:
    """Take a message for this worker; False when another has it or it is done. Commit before working on it."""
    result: Any = db.session.execute(_taking(OutboxMessage.id == message_id, worker, now))
    return bool(result.rowcount == 1)


def _taking(which: ColumnElement[bool], worker: str, now: datetime, lease: timedelta = LEASE) -> Any:
    return (
        update(OutboxMessage)
        .where(which, _is_due(now))
        .values(
            lease_until=now + lease,
            leased_by=worker[:120],
            attempts=OutboxMessage.attempts + 1,
        )
        .execution_options(synchronize_session=False)
    )


def finish(*, message_id: int, worker: str, now: datetime) -> None:
    """The effect has happened; the message is never looked at again. One that another worker holds by now is theirs."""
    finish_all(message_ids=[message_id], worker=worker, now=now)


def finish_all(*, message_ids: Collection[int], worker: str, now: datetime) -> None:
    """The same for several at once."""
    db.session.execute(
        update(OutboxMessage)
        .where(among(OutboxMessage.id, message_ids), OutboxMessage.leased_by == worker[:120])
        .values(done_at=now, lease_until=None, last_error="")
        .execution_options(synchronize_session=False)
    )


def postpone(*, claimed: Claimed, later: Later) -> None:
    """Look again at the instant that the handler named; it does not count as an attempt."""
    _set(
        claimed.id,
        claimed.worker,
        {
            "lease_until": None,
            "last_error": later.reason[:500],
            "not_before": later.at,
            "attempts": max(0, claimed.attempts - 1),
        },
    )


def fail(*, claimed: Claimed, error: str, now: datetime) -> bool:
    """Try again after a backoff with full jitter (2 s doubling to 5 min); True when it gives up at the limit."""
    ceiling = min(300.0, 2.0 * 2 ** min(claimed.attempts, 12))
    gives_up = claimed.attempts >= MAXIMUM_ATTEMPTS
    _set(
        claimed.id,
        claimed.worker,
        {
            "lease_until": None,
            "last_error": error[:500],
            "not_before": now + timedelta(seconds=1 + random.uniform(0, ceiling)),
            "gave_up_at": now if gives_up else None,
        },
    )
    return gives_up


def _set(message_id: int, worker: str, values: dict[str, object]) -> None:
    # A worker that lost its lease must not take the message from the one that holds it now.
    query = update(OutboxMessage).where(
        OutboxMessage.id == message_id, OutboxMessage.leased_by == worker, OutboxMessage.done_at.is_(None)
    )
    db.session.execute(query.values(**values).execution_options(synchronize_session=False))


def hasten(*, kind: str, organisation_id: int, now: datetime) -> None:
    """What was put off is looked at now: the reason to wait is gone."""
    db.session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.kind == kind,
            OutboxMessage.organisation_id == organisation_id,
            is_open(),
            OutboxMessage.lease_until.is_(None),
            OutboxMessage.not_before > now,
        )
        .values(not_before=now)
        .execution_options(synchronize_session=False)
    )


def leave_to_people(
    *, reason: str, now: datetime, queue_name: str | None = None, kind: str | None = None
) -> int:
    """What waits in a queue, or of a kind, does not happen by itself any more: people let it go, or leave it.

    Returns how many.
    """
    which = OutboxMessage.kind == kind if queue_name is None else OutboxMessage.queue == queue_name
    result: Any = db.session.execute(
        update(OutboxMessage)
        .where(is_open(), which)
        .values(gave_up_at=now, last_error=reason[:500], lease_until=None, leased_by="")
        .execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def try_again(*, organisation_id: int, now: datetime, message_id: int | None = None) -> list[str]:
    """Let messages that gave up begin anew: one, or all of an organisation. Returns the kind of each.

    Its effect is safe to repeat: a handler that finds it done does nothing.
    """
    query = (
        update(OutboxMessage)
        .where(OutboxMessage.organisation_id == organisation_id, OutboxMessage.gave_up_at.is_not(None))
        .values(gave_up_at=None, attempts=0, not_before=now, lease_until=None, leased_by="")
        .returning(OutboxMessage.kind, OutboxMessage.queue)
        .execution_options(synchronize_session=False)
    )
    if message_id is not None:
        query = query.where(OutboxMessage.id == message_id)
    rows = db.session.execute(query).all()
    for name in sorted({row.queue for row in rows}):
        after_commit(db.session(), partial(_ring, name))
    return [row.kind for row in rows]


def next_look(*, kind: str, reference_id: int) -> Later | None:
    """When a message of a kind about a row is looked at next, and why not before; None when none is open.

    The reason is the handler's own, such as a halt; what went wrong with us is not told.
    """
    row = db.session.execute(
        select(OutboxMessage.not_before, OutboxMessage.last_error, OutboxMessage.attempts)
        .where(OutboxMessage.kind == kind, OutboxMessage.reference_id == reference_id, is_open())
        .order_by(OutboxMessage.not_before)
        .limit(1)
    ).first()
    if row is None:
        return None
    return Later(row.not_before, "" if row.attempts else row.last_error)


def has_open(*, kind: str, reference_id: int) -> bool:
    """Whether a message of a kind about a row still waits or is being worked on."""
    return _is_there(kind, reference_id, is_open())


def is_unfinished(*, kind: str, reference_id: int) -> bool:
    """Whether a message of a kind about a row is open, or gave up and waits for a person."""
    return _is_there(kind, reference_id, OutboxMessage.done_at.is_(None))


def _is_there(kind: str, reference_id: int, condition: ColumnElement[bool]) -> bool:
    found = select(OutboxMessage.id).where(
        OutboxMessage.kind == kind, OutboxMessage.reference_id == reference_id, condition
    )
    return db.session.scalar(found.limit(1)) is not None
