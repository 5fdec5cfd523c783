"""What the queue costs: a run of many rows, and the drain of many small effects.

A run is a few jobs, each a step of many rows; so the queue's share is the price of a job times their number, and what
the outbox needs to hand them out. The price of a job is measured with a real store and a real worker, and every step
is counted as a job of its own: a worker that is not idle does several in one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from math import ceil
from pathlib import Path

from flask import Flask
from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer

from benchmarks.frame import Figure, at_most, median_of
from benchmarks.ground import NOW, Ground
from jobs import base, registry
from tests import factories
from tests.factories import payouts as payouts_factory
from webapp import queue
from webapp.database import db, transaction
from webapp.embedded import valkey
from webapp.kernel.actor import Actor
from webapp.outbox import service as outbox
from webapp.payouts import bulk as payout_runs
from webapp.people.models import Organisation
from webapp.runs import service as runs
from webapp.runs.service import RowDraft
from webapp.runs.working import CHUNK, STEP_SECONDS

NAME = "queue"
ROWS = 10_000
_keys = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """Empty jobs, the drain, and the share of a run of 10,000 approvals that the queue takes."""
    with _store(ground) as redis:
        jobs = ground.size(2, 50)
        forking = jobs / median_of(lambda: _empty_jobs(redis, jobs), ground.rounds)
    yield Figure(NAME, "empty jobs of one forking worker", ground.engine, forking, "per s")
    app = ground.application("queue")
    with app.app_context():
        effects = ground.size(20, 500)
        drained = effects / median_of(lambda: _drain(effects), ground.rounds)
        yield Figure(NAME, "drain of the outbox in one job", ground.engine, drained, "per s", forking,
                     drained / forking, note="floor: one job for each")  # fmt: skip
        rows = ground.size(10, 400)
        seconds = _approvals(app, rows) / rows
    steps = ceil(ROWS / min(CHUNK, STEP_SECONDS / seconds))
    in_queue = steps * (1 / forking + 1 / drained)
    total = ROWS * seconds + in_queue
    yield Figure(NAME, f"share of the queue in a run of {ROWS:,}", ground.engine, 100 * in_queue / total, "%",
                 goal=at_most(2, "ours"), note=f"{steps} steps, {1 / seconds:,.0f} approvals per s")  # fmt: skip


@contextmanager
def _store(ground: Ground) -> Iterator[Redis]:
    """A store of our own."""
    home = Path(ground.folder, "store")
    home.mkdir(exist_ok=True)
    store = valkey.start(home)
    try:
        yield Redis(unix_socket_path=str(store.socket))
    finally:
        store.stop()


def _empty_jobs(redis: Redis, jobs: int) -> None:
    bell = queue.queue(queue.BULK, redis)
    for _ in range(jobs):
        bell.enqueue("time.time", result_ttl=60)
    worker = Worker([bell], connection=redis, serializer=JSONSerializer)
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.work(burst=True, logging_level="ERROR")
    finally:
        # A worker ends in its own way when it is told to; what is measured after it must not.
        for number, handler in found.items():
            signal.signal(number, handler)


def _drain(effects: int) -> None:
    """Write effects that do nothing, and drain them; only the writing is not part of a drain."""
    registry.HANDLERS.setdefault("bench.nothing", "benchmarks.queue.nothing")
    with transaction():
        for _ in range(effects):
            key = next(_keys)
            outbox.add(kind="bench.nothing", reference_id=key, dedupe_key=f"bench:{key}", to_queue=queue.BULK,
                       now=NOW - timedelta(days=1))  # fmt: skip
    if base.drain_here(queue.BULK) < effects:
        raise RuntimeError("not every effect was drained")


def nothing(reference_id: int) -> None:
    """The effect of the benchmark."""


def _approvals(app: Flask, rows: int) -> float:
    """Seconds of a run of approvals, without what the queue takes."""
    organisation = factories.organisation("queue")
    maker = factories.user("maker@bench.example", organisation=organisation, role="admin")
    boss = factories.user("boss@bench.example", organisation=organisation, role="admin")
    payee = factories.payee(organisation)
    factories.method(payee)
    with transaction():
        payouts = [payouts_factory.payout(organisation, payee, 1_000 + n, actor=factories.actor_of(maker))
                   for n in range(rows)]  # fmt: skip
        drafts = [RowDraft("payout", p.id, p.reference, p.version) for p in payouts]
    run_id = _confirmed(organisation, drafts, factories.actor_of(boss))
    began = time.perf_counter()
    while not runs.step(run_id=run_id):
        pass
    seconds = time.perf_counter() - began
    found = db.session.get_one(runs.Run, run_id)
    if found.done != rows:
        raise RuntimeError(f"{found.done} of {rows} were approved")
    return seconds


def _confirmed(organisation: Organisation, drafts: list[RowDraft], actor: Actor) -> int:
    with transaction():
        made = runs.create_draft(organisation_id=organisation.id, kind=payout_runs.APPROVE, title="Benchmark",
                                 rows=drafts, actor=actor, now=NOW)  # fmt: skip
        runs.confirm(organisation_id=organisation.id, reference=made.reference, actor=actor, now=NOW)
        return made.id
