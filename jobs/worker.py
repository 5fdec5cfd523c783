"""One worker process for one queue: `python -m jobs.worker money`.

One queue per process, because RQ keeps a popped job safe only then. The short times make another worker notice
within a minute and a half that this one was killed; the scheduler's sweep does not wait for that.
"""

from __future__ import annotations

import sys
from typing import Any

from rq import Worker
from rq.serializers import JSONSerializer

from jobs.base import application
from webapp.database import db
from webapp.queue import DOCUMENTS, QUEUES, connection, queue


class PaydeskWorker(Worker):
    """An RQ worker that is warm: the application is there before it forks for a job."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        times = {"worker_ttl": 45, "maintenance_interval": 15, "job_monitoring_interval": 5}
        super().__init__(*args, **{**times, "serializer": JSONSerializer, **kwargs})

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """A forked child must not use its parent's database connections."""
        with application().app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)


def warm(queue_name: str) -> None:
    """Load what jobs of a queue need, once, before the first fork."""
    if queue_name == DOCUMENTS:
        from jobs import statements

        statements.warm()


def main(arguments: list[str]) -> int:
    """Serve one queue until told to stop. 2: wrong call, 1: no store to listen to."""
    if len(arguments) != 1 or arguments[0] not in QUEUES:
        print(f"usage: python -m jobs.worker {{{','.join(QUEUES)}}}", file=sys.stderr)
        return 2
    app = application()
    with app.app_context():
        redis = connection()
        if redis is None:
            print("REDIS_URL is not set: there is no store to listen to.", file=sys.stderr)
            return 1
        warm(arguments[0])
        name = arguments[0]
        worker = PaydeskWorker([queue(name, redis)], connection=redis)
        db.session.remove()
        db.engine.dispose()
    worker.work(logging_level="WARNING")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
