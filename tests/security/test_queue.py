"""Whoever can write to the store makes no worker run code."""

from __future__ import annotations

import os
import pickle
import zlib
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import DefaultSerializer, JSONSerializer

from jobs.worker import PaydeskWorker
from tests.jobs.processes import environment, process, wait_for
from tests.support.valkey import running_store
from webapp import queue
from webapp.config import Settings


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("form", ["as RQ writes it", "in place of the JSON of one of ours"])
@pytest.mark.slow
def test_a_pickled_job_is_not_run(database: Flask, settings: Settings, tmp_path: Path, form: str) -> None:
    mark = tmp_path / "ran"
    with running_store() as store:
        redis = Redis.from_url(store.url)
        if form == "as RQ writes it":
            Queue("mail", connection=redis, serializer=DefaultSerializer).enqueue(os.mkdir, str(mark))
        else:
            job = queue.queue("mail", redis).enqueue("jobs.base.drain", "mail")
            redis.hset(job.key, "data", zlib.compress(pickle.dumps(_Bomb(str(mark)))))
        waiting = queue.queue("mail", redis)
        with process(environment(settings, store), "-m", "jobs.worker", "mail"):
            wait_for(lambda: not waiting.count)
            # The next job is carried out: the worker looked at the bad one, and lives.
            good = waiting.enqueue("jobs.base.drain", "mail")
            wait_for(lambda: good.get_status(refresh=True) == "finished")
        assert not mark.exists()
        redis.close()


def test_the_same_job_runs_where_pickle_is_read(tmp_path: Path) -> None:
    """The test above would pass for a worker that does nothing; this is the danger it speaks of."""
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(_Bomb(str(mark))))
    assert mark.exists()


def test_queues_and_workers_speak_json_alone(app: Flask) -> None:
    redis = Redis()
    for name in queue.QUEUES:
        assert queue.queue(name, redis).serializer is JSONSerializer
    made = PaydeskWorker([queue.queue("mail", redis)], connection=redis, prepare_for_work=False)
    assert made.serializer is JSONSerializer
