"""What every job has in common: the application, built once per process, and the loop that drains the outbox.

A job in Redis says only "look at queue so-and-so". What there is to do, and who does it, stands in the database:
a job that is lost, late or run twice changes nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from functools import cache

import structlog
from flask import Flask
from rq import get_current_job

from jobs import registry
from webapp.app import create_app
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.logs import scrub_text
from webapp.outbox import service as outbox
from webapp.outbox.service import Claimed, Later

log = structlog.get_logger()

# A job ends after so long and leaves the rest to the next one, which the scheduler rings for.
LONGEST_DRAIN = 300.0


@cache
def application() -> Flask:
    """The application of this process."""
    return create_app()


def drain(queue_name: str) -> int:
    """Carry out what is due in a queue, one by one, until nothing is. Returns how many messages were looked at."""
    job = get_current_job()
    with (
        application().app_context(),
        structlog.contextvars.bound_contextvars(job_id=job.id if job else None, queue=queue_name),
    ):
        return drain_here(queue_name)


def drain_here(queue_name: str) -> int:
    """The same inside the present application context."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    until = time.monotonic() + LONGEST_DRAIN
    pace = _Pace()
    count = 0
    while time.monotonic() < until:
        with transaction():
            claimed = outbox.claim_some(queue_name=queue_name, worker=worker, now=utc_now(), sizes=pace.sizes)
        if not claimed:
            return count
        began = time.monotonic()
        _carry_out(claimed)
        pace.took(claimed[0].kind, len(claimed), time.monotonic() - began)
        db.session.remove()
        count += len(claimed)
    return count


class _Pace:
    """How many messages of a kind are taken at once: few at first, more while they are soon done.

    What a worker that dies has taken waits until its claim is over; so it takes what it does within seconds.
    """

    FIRST, LONGEST = 10, 3.0

    def __init__(self) -> None:
        self.sizes = {kind: min(self.FIRST, most) for kind, most in registry.BATCHES.items()}

    def took(self, kind: str, count: int, seconds: float) -> None:
        """A batch is done."""
        if kind in registry.SIDE_BY_SIDE:
            if count >= self.sizes[kind]:
                self.sizes[kind] = min(registry.BATCHES[kind], 2 * count)
            return
        # A small one that was soon done says nothing of a full one; one that took too long does.
        if kind in self.sizes and (count >= self.sizes[kind] or seconds > self.LONGEST):
            fitting = int(count * self.LONGEST / max(seconds, 0.001))
            self.sizes[kind] = max(1, min(registry.BATCHES[kind], 2 * count, fitting))


def _carry_out(claimed: Sequence[Claimed]) -> None:
    """Run the handler outside any transaction, then write down how it went; its log lines name the messages."""
    ids = [message.id for message in claimed]
    with structlog.contextvars.bound_contextvars(
        outbox_id=ids[0] if len(ids) == 1 else ids, kind=claimed[0].kind
    ):
        replies = _run(claimed)
        with transaction():
            done = [message.id for message, reply in zip(claimed, replies, strict=True) if reply is None]
            if done:
                outbox.finish_all(message_ids=done, worker=claimed[0].worker, now=utc_now())
            for message, reply in zip(claimed, replies, strict=True):
                if isinstance(reply, Later):
                    outbox.postpone(claimed=message, later=reply)
                elif reply is not None:
                    _fail(message, reply)


def _run(claimed: Sequence[Claimed]) -> list[Later | Exception | None]:
    """What each message is answered."""
    kind = claimed[0].kind
    try:
        carry_out = registry.handler(kind)
        if kind in registry.BATCHES:
            replies = carry_out([message.reference_id for message in claimed])
            return [replies.get(message.reference_id) for message in claimed]
        reply = carry_out(claimed[0].reference_id)
        return [reply if isinstance(reply, Later) else None]
    except Exception as error:
        db.session.rollback()
        return [error] * len(claimed)


def _fail(message: Claimed, error: Exception) -> None:
    gave_up = outbox.fail(
        claimed=message, error=scrub_text(f"{type(error).__name__}: {error}"), now=utc_now()
    )
    say = log.error if gave_up else log.warning
    say(
        "outbox.gave_up" if gave_up else "outbox.failed",
        reference_id=message.reference_id,
        attempts=message.attempts,
        exc_info=error,
    )
