"""An unsafe call happens once, however often it is sent.

1. Its own short transaction claims the key: a row `running` with the digest of method, address and body, and
   a lease. It is committed before any work, so that a second call sees it at once.
2. The work and the answer are committed together: the row becomes `done`, with status and body, by an UPDATE
   that holds only while the lease is still ours. Whoever took over an expired lease wins; the slower call finds
   no row, and all of its work is rolled back. So there is no instant at which the work is there without its
   answer, or twice.
3. A definite refusal (4xx) rolled the work back; it is kept as the answer in a transaction of its own.
4. After anything else (a crash, a database that is away) the key is freed, but only while the row is still
   `running`: if the commit had in truth succeeded, the row is `done` and the next call gets its answer. When the
   process itself died, the lease frees the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import structlog
from flask import Response, request
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from webapp.api.bearer import Caller
from webapp.api.models import IdempotentRequest
from webapp.api.problems import MEDIA_TYPE, Problem, body_of, from_error
from webapp.database import db, insert_ignoring_conflict, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.kernel.ids import canonical_json
from webapp.runs import tasks
from webapp.secrets import key_ring

log = structlog.get_logger()

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
# Longer than any request may take (the web server ends it sooner), so a living call never loses its claim.
LEASE = timedelta(seconds=120)
KEPT = timedelta(days=7)
MAXIMUM_KEY = 200

# What a piece of work leads to: status and JSON-ready body.
Work = Callable[[], tuple[int, Any]]


class LeaseLost(Exception):
    """Another call with the same key took over meanwhile; this one's work must not be kept."""


def key_of_request() -> str:
    """The caller's key. Raises Problem 400 when it is missing or no key."""
    key = request.headers.get(HEADER, "").strip()
    if not key:
        raise Problem("key-missing")
    if len(key) > MAXIMUM_KEY or not key.isascii() or not key.isprintable():
        raise Problem("unreadable", f"{HEADER} has 1 to {MAXIMUM_KEY} printable ASCII characters.")
    return key


def digest_of(method: str, path: str, query: str, body: Any) -> str:
    """What a key was used for. Keyed, because a body may hold an account number, which is short enough to guess."""
    return key_ring().blind_index(f"api_requests:{canonical_json([method, path, query, body])}")


def perform(
    *, who: Caller, key: str, body: Any, work: Work, before: Callable[[], object] | None = None
) -> Response:
    """Do `work` once for this key and answer; or answer what was answered first. Raises Problem 409 or 422.

    `before` is what cannot be done in a transaction, such as asking a provider; only who has the key does it.
    """
    asked = digest_of(request.method, request.path, request.query_string.decode("latin-1"), body)
    claimed = _claim(who, key, asked, utc_now())
    if isinstance(claimed, Response):
        return claimed
    row_id, lease = claimed
    try:
        if before is not None:
            before()
        with transaction():
            status, answer = work()
            text = json.dumps(answer, ensure_ascii=False)
            _finish(row_id, lease, status, text, "application/json")
    except (PaydeskError, Problem) as error:
        problem = error if isinstance(error, Problem) else from_error(error)
        if problem.status >= 500:
            _free(row_id, lease)
            raise problem from error
        return _refuse(row_id, lease, problem)
    except LeaseLost:
        raise _running(LEASE) from None
    except Exception:
        _free(row_id, lease)
        raise
    return Response(text, status, mimetype="application/json")


def _claim(who: Caller, key: str, asked: str, now: datetime) -> tuple[int, datetime] | Response:
    """The row and lease that are ours now, or the first answer. Raises Problem."""
    lease = now + LEASE
    mine = {"organisation_id": who.organisation_id, "user_id": who.user_id, "key": key}
    values = {**mine, "request_digest": asked, "state": "running", "status": 0, "answer": "",
              "content_type": "", "created_at": now, "lease_until": lease}  # fmt: skip
    with transaction() as session:
        is_new = insert_ignoring_conflict(session, IdempotentRequest, values)
        row = session.scalars(
            select(IdempotentRequest)
            .filter_by(**mine)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
        if row is None:
            # Freed between the two statements: the caller's next try finds the way clear.
            raise _running(timedelta(seconds=1))
        if is_new:
            return row.id, lease
        if row.request_digest != asked:
            raise Problem("key-reused")
        if row.state == "done":
            return _first_answer(row)
        if row.lease_until is not None and row.lease_until > now:
            raise _running(row.lease_until - now)
        row.lease_until = lease
        return row.id, lease


def _first_answer(row: IdempotentRequest) -> Response:
    response = Response(row.answer, row.status, mimetype=row.content_type)
    response.headers[REPLAYED] = "true"
    return response


def _running(wait: timedelta) -> Problem:
    return Problem("running", headers={"Retry-After": str(max(1, ceil(wait.total_seconds())))})


def _ours(row_id: int, lease: datetime) -> Any:
    return (
        (IdempotentRequest.id == row_id)
        & (IdempotentRequest.state == "running")
        & (IdempotentRequest.lease_until == lease)
    )


def _finish(row_id: int, lease: datetime, status: int, text: str, content_type: str) -> None:
    """Keep the answer with the caller's transaction. Raises LeaseLost, which must undo that transaction."""
    result: Any = db.session.execute(
        update(IdempotentRequest)
        .where(_ours(row_id, lease))
        .values(state="done", status=status, answer=text, content_type=content_type, finished_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:
        raise LeaseLost


def _refuse(row_id: int, lease: datetime, problem: Problem) -> Response:
    """Keep a definite refusal as the answer; nothing else was stored."""
    text = json.dumps(body_of(problem), ensure_ascii=False)
    try:
        with transaction():
            _finish(row_id, lease, problem.status, text, MEDIA_TYPE)
    except LeaseLost:
        raise _running(LEASE) from None
    return Response(text, problem.status, mimetype=MEDIA_TYPE)


def _free(row_id: int, lease: datetime) -> None:
    """Let the key be used again, unless its work was committed after all. If this fails, the lease does it."""
    try:
        db.session.rollback()
        with transaction():
            db.session.execute(
                delete(IdempotentRequest)
                .where(_ours(row_id, lease))
                .execution_options(synchronize_session=False)
            )
    except OperationalError:
        log.warning("api.key_not_freed", request=row_id)


def forget_old(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: drop answers that are older than a week."""
    with transaction():
        db.session.execute(delete(IdempotentRequest).where(IdempotentRequest.created_at < now - KEPT))


tasks.register_task("api.forget_old", forget_old, cron="20 3 * * *")
