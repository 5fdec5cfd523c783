"""What /metrics says, in Prometheus' words.

Two sources. Requests are counted in the web processes: with several of them in files of one folder, which the process
that is asked adds up (see operations/gunicorn.py). All else is read from the database and the store at the moment of
asking, one small query each, so that it is the same whichever host is asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess, values
from prometheus_client.core import GaugeMetricFamily
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp import queue
from webapp.config import Settings
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.operations import facts
from webapp.operations.gunicorn import FOLDER, SLOT
from webapp.programs.repairs import measures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
log = structlog.get_logger()


def _slot() -> str:
    return os.environ.get(SLOT) or str(os.getpid())


class Requests:
    """Counts of requests and their durations, of this process or of all on this host."""

    def __init__(self) -> None:
        self.is_shared = bool(os.environ.get(FOLDER))
        if self.is_shared:
            values.ValueClass = values.MultiProcessValue(_slot)
        self.registry = CollectorRegistry()
        self.count = Counter(
            "paydesk_requests",
            "Requests answered.",
            ("endpoint", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "paydesk_request_seconds",
            "Seconds that requests took.",
            ("endpoint",),
            buckets=BUCKETS,
            registry=self.registry,
        )

    def begin(self) -> None:
        """Remember when the request came."""
        g.metrics_began = time.perf_counter()

    def end(self, response: Response) -> Response:
        """Count the answer. Labels are our own words, so that no visitor can make up new ones."""
        endpoint = request.endpoint or "none"
        method = request.method if request.method in _METHODS else "other"
        self.count.labels(endpoint, method, str(response.status_code)).inc()
        if (began := g.pop("metrics_began", None)) is not None:
            self.seconds.labels(endpoint).observe(time.perf_counter() - began)
        return response

    def text(self) -> bytes:
        """The counts so far."""
        if not self.is_shared:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)


def _family(
    name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"paydesk_{name}", text, labels=labels)
    for label, value in rows:
        family.add_metric(label if isinstance(label, tuple) else (label,), value)
    return family


def _repairs(fleets: list[measures.Measures]) -> Iterator[GaugeMetricFamily]:
    """How repairs are charged, by organisation; nothing where nobody runs that program."""
    if not fleets:
        return
    states = (((each.organisation, state), n) for each in fleets for state, n in each.states.items())
    yield _family("repairs", "Repairs that are not over.", ("organisation", "state"), states)
    for name, words, read in _OF_FLEETS:
        rows = [(each.organisation, float(getattr(each, read))) for each in fleets]
        yield _family(name, words, ("organisation",), rows)


_OF_FLEETS = (
    ("repairs_created_day", "Repairs created in the last 24 hours.", "created"),
    ("instalments_posted_week", "Instalments charged in the runs of the last seven days.", "posted"),
    ("instalments_due", "Instalments whose week has begun and that are not charged: the backlog.", "due"),
    ("posting_failures_day", "Drivers whom runs could not charge in the last 24 hours.", "failures"),
    ("posting_success_ratio", "Charged of what was to be charged: the last seven days and the backlog.", "success"),
)  # fmt: skip


class Installation:
    """The gauges of the whole installation, read when asked."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every family; what does not answer is 0 in `…_up`, and its own families are left out."""
        is_up = True
        try:
            yield from list(self._database())
        except SQLAlchemyError as error:
            log.error("metrics.database", error=type(error).__name__)
            db.session.rollback()
            is_up = False
        yield _family("database_up", "Whether the database answers.", (), [((), float(is_up))])
        yield from self._store()

    def _database(self) -> Iterator[GaugeMetricFamily]:
        now, kind = utc_now(), ("queue", "kind")
        depths, given_up, tasks = facts.outbox_depths(), facts.given_up(), facts.tasks(now)
        yield _family(
            "outbox_messages", "Effects that wait.", kind, (((d.queue, d.kind), d.waiting) for d in depths)
        )
        yield _family("outbox_late_seconds", "Seconds that the oldest due effect waits.", kind,
                      (((d.queue, d.kind), d.late(now)) for d in depths))  # fmt: skip
        yield _family("outbox_given_up", "Effects that failed every time and wait for a person.", kind,
                      given_up.items())  # fmt: skip
        state = ("state",)
        yield _family("payouts", "Payouts that are not over.", state, facts.payout_states().items())
        yield _family("transfers", "Transfers that are not over.", state, facts.transfer_states().items())
        yield _family("runs", "Runs that are not over.", state, facts.run_states().items())
        yield _family("mails", "E-mails that have not left.", state, facts.mail_states().items())
        yield _family("rails_halted", "Organisations whose rail is halted; * is all payments.", ("rail",),
                      facts.halted_rails().items())  # fmt: skip
        yield _family("task_late_seconds", "Seconds that periodic work is overdue.", ("task",),
                      ((n, t.late) for n, t in tasks.items()))  # fmt: skip
        yield _family("task_failing", "Organisations for which periodic work failed last time.", ("task",),
                      ((n, float(t.failing)) for n, t in tasks.items()))  # fmt: skip
        if (beat := facts.scheduler_beat()) is not None:
            yield _family("scheduler_beat_seconds", "Seconds since a scheduler last did its work.", (),
                          [((), (now - beat).total_seconds())])  # fmt: skip
        yield from _repairs(measures.measures(now))
        db.session.rollback()

    def _store(self) -> Iterator[GaugeMetricFamily]:
        redis = queue.connection()
        if redis is None:
            return
        try:
            states = facts.queues(redis)
        except RedisError as error:
            log.error("metrics.store", error=type(error).__name__)
            yield _family("store_up", "Whether Redis answers.", (), [((), 0.0)])
            return
        yield _family("store_up", "Whether Redis answers.", (), [((), 1.0)])
        yield _family(
            "workers", "Live workers of a queue.", ("queue",), ((n, s.workers) for n, s in states.items())
        )
        yield _family(
            "queue_jobs", "Jobs that ring for a queue.", ("queue",), ((n, s.jobs) for n, s in states.items())
        )


def text(app: Flask) -> bytes:
    """Everything, as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(Installation())
    requests: Requests = app.extensions["paydesk_metrics"]
    return requests.text() + generate_latest(registry)


def init_app(app: Flask, settings: Settings) -> None:
    """Count requests, where somebody may ask for the counts."""
    if not settings.metrics_token:
        return
    requests = app.extensions["paydesk_metrics"] = Requests()
    app.before_request(requests.begin)
    app.after_request(requests.end)
