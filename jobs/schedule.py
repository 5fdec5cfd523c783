"""The scheduler: `python -m jobs.schedule`. Rings for what is due, runs periodic work, tidies the queue.

Several may run at once: each periodic task is claimed in the database and runs once. When none runs, work that
was rung for at once still happens; what waits for its time does not.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import structlog
from flask import Flask
from redis import RedisError
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from jobs import payouts, runs, webhooks, webhooks_out
from jobs.base import application
from webapp import queue
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.outbox import service as outbox
from webapp.runs import tasks

log = structlog.get_logger()

TICK = 2.0
TIDY_EVERY = 60.0


def register_tasks() -> None:
    """The periodic work of the house; rooms with their own register it when they are imported."""
    tasks.register_task("payouts.recover", payouts.recover, every=60)
    tasks.register_task("runs.recover", runs.recover, every=60)
    tasks.register_task("webhooks.recover", webhooks.recover, every=60)
    tasks.register_task("webhooks.forget", webhooks_out.forget, every=86_400)


def ring_due() -> list[str]:
    """Ring every queue that has due messages. Returns the names rung."""
    with transaction():
        names = outbox.due_queues(now=utc_now())
    return [name for name in names if queue.ring(name)]


def tidy() -> None:
    """Let RQ notice jobs whose worker was killed, even when every other worker is idle."""
    redis = queue.connection()
    if redis is None:
        return
    for name in queue.QUEUES:
        StartedJobRegistry(name, connection=redis, serializer=JSONSerializer).cleanup()


class Scheduler:
    """The loop. `stop()` ends it after the step at hand."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._stopped = threading.Event()
        self._tidied_at = 0.0

    def stop(self, *_: object) -> None:
        """End the loop; also what SIGTERM and SIGINT do."""
        self._stopped.set()

    def tick(self) -> None:
        """One round. What fails is logged; the next round tries again."""
        with self.app.app_context():
            self._try("ring", ring_due)
            self._try("tasks", tasks.run_due)
            if time.monotonic() - self._tidied_at >= TIDY_EVERY:
                self._tidied_at = time.monotonic()
                self._try("tidy", tidy)
            db.session.remove()

    def _try(self, name: str, step: Callable[[], object]) -> None:
        try:
            step()
        except RedisError as error:
            log.warning("schedule.store_away", step=name, error=type(error).__name__)
        except Exception:
            log.exception("schedule.step_failed", step=name)
            db.session.rollback()

    def run(self) -> None:
        """Go round until stopped."""
        while not self._stopped.is_set():
            self.tick()
            self._stopped.wait(TICK)


def main() -> int:
    """Run in the foreground until SIGTERM or SIGINT."""
    register_tasks()
    scheduler = Scheduler(application())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, scheduler.stop)
    scheduler.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
