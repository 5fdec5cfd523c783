"""What every job has in common: the application, built once per process, and the loop that drains the outbox.

A job in Redis says only "look at queue so-and-so". What there is to do, and who does it, stands in the database:
a job that is lost, late or run twice changes nothing.
"""

from __future__ import annotations

import os
import socket
import time
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
    count = 0
    while time.monotonic() < until:
        with transaction():
            claimed = outbox.claim_next(queue_name=queue_name, worker=worker, now=utc_now())
        if claimed is None:
            return count
        _carry_out(claimed)
        db.session.remove()
        count += 1
    return count


def _carry_out(claimed: Claimed) -> None:
    """Run the handler outside any transaction, then write down how it went; its log lines name the message."""
    with structlog.contextvars.bound_contextvars(outbox_id=claimed.id, kind=claimed.kind):
        _run(claimed)


def _run(claimed: Claimed) -> None:
    try:
        result = registry.handler(claimed.kind)(claimed.reference_id)
    except Exception as error:
        db.session.rollback()
        with transaction():
            gave_up = outbox.fail(
                claimed=claimed, error=scrub_text(f"{type(error).__name__}: {error}"), now=utc_now()
            )
        say = log.error if gave_up else log.warning
        say(
            "outbox.gave_up" if gave_up else "outbox.failed",
            reference_id=claimed.reference_id,
            attempts=claimed.attempts,
            exc_info=True,
        )
        return
    with transaction():
        if isinstance(result, Later):
            outbox.postpone(claimed=claimed, later=result)
        else:
            outbox.finish(message_id=claimed.id, now=utc_now())
