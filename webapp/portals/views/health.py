"""Health check for load balancers."""

from __future__ import annotations

import structlog
from flask import Blueprint
from flask.typing import ResponseReturnValue
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp import queue
from webapp.database import db
from webapp.web.guards import public

blueprint = Blueprint("health", __name__)
log = structlog.get_logger()


def _database() -> str:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.error("health.database", error=type(error).__name__)
        return "away"
    return "ok"


def _store() -> str:
    redis = queue.connection()
    if redis is None:
        return "not configured"
    try:
        redis.ping()
    except RedisError as error:
        log.error("health.store", error=type(error).__name__)
        return "away"
    return "ok"


@blueprint.get("/healthz")
@public
def show() -> ResponseReturnValue:
    """503 when the database is away. Without the store pages work and jobs wait, so that alone is 200."""
    database, store = _database(), _store()
    status = "ok" if database == "ok" and store != "away" else "degraded"
    return {"status": status, "database": database, "store": store}, 200 if database == "ok" else 503
