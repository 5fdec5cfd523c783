"""The doorbell: tells RQ workers to look at the outbox. Knows job names, imports no job.

Losing Redis loses nothing: the outbox in the database is the truth and the scheduler's sweep rings again.
"""

from __future__ import annotations

from typing import cast

import structlog
from flask import current_app
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

# In order of urgency; one worker process listens to one queue.
MONEY, MAIL, BULK, DOCUMENTS = "money", "mail", "bulk", "documents"
# Calls to others' systems (webhooks, books): whoever is slow there holds up neither mails nor pay runs.
OUTSIDE = "outside"
QUEUES = (MONEY, MAIL, OUTSIDE, BULK, DOCUMENTS)
DRAIN_JOB = "jobs.base.drain"

log = structlog.get_logger()


def connection() -> Redis | None:
    """The application's Redis connection, or None where there is no store (unit tests)."""
    return cast("Redis | None", current_app.extensions.get("paydesk_redis"))


def queue(name: str, redis: Redis) -> Queue:
    """An RQ queue that carries JSON: whoever writes to Redis cannot make a worker run code."""
    return Queue(name, connection=redis, serializer=JSONSerializer)


def ring(name: str) -> bool:
    """Ask a worker of queue `name` to drain the outbox; False (and a log line) when Redis is away.

    A job that still waits will see everything committed by now, so a second one is not needed.
    """
    redis = connection()
    if redis is None:
        return False
    waiting = queue(name, redis)
    try:
        if waiting.count:
            return True
        waiting.enqueue(DRAIN_JOB, name, result_ttl=60, failure_ttl=86400, job_timeout=900)
    except RedisError as error:
        log.warning("queue.unreachable", queue=name, error=type(error).__name__)
        return False
    return True


def init_app(app: object) -> None:
    """Connect to Redis lazily, by REDIS_URL; no retries, because a page must not wait for a store that is away."""
    url = app.config.get("REDIS_URL")  # type: ignore[attr-defined]
    app.extensions["paydesk_redis"] = (  # type: ignore[attr-defined]
        Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))
        if url
        else None
    )
