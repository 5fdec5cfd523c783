"""Is everything there that this process needs? Asked by load balancers and by whoever deploys."""

from __future__ import annotations

import threading
import time
from functools import cache

import structlog
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import current_app
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp import queue
from webapp.database import db
from webapp.kernel.errors import PaydeskError
from webapp.providers import storage

OK, AWAY, BEHIND, UNSET = "ok", "away", "behind", "not configured"
# Asking a storage of another host on every look would cost more than it tells.
STORAGE_SECONDS = 30.0

log = structlog.get_logger()
_lock = threading.Lock()
_storage: dict[str, tuple[float, str]] = {}


def database() -> str:
    """Whether the database answers."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.error("health.database", error=type(error).__name__)
        db.session.rollback()
        return AWAY
    return OK


def store() -> str:
    """Whether Redis answers."""
    redis = queue.connection()
    if redis is None:
        return UNSET
    try:
        redis.ping()
    except RedisError as error:
        log.error("health.store", error=type(error).__name__)
        return AWAY
    return OK


def migrations_in(folder: str) -> ScriptDirectory:
    """The migrations that this code brings."""
    settings = Config()
    settings.set_main_option("script_location", folder)
    return ScriptDirectory.from_config(settings)


@cache
def newest_migration(folder: str) -> str:
    """The number of the newest migration that this code brings."""
    return migrations_in(folder).get_current_head() or ""


def applied_migration() -> str:
    """The number of the migration that the database has; empty when it has none. Raises SQLAlchemyError."""
    return db.session.scalar(text("SELECT version_num FROM alembic_version")) or ""


def migrations() -> str:
    """Whether the tables are those of this code."""
    try:
        applied = applied_migration()
    except SQLAlchemyError:
        db.session.rollback()
        return BEHIND
    return OK if applied == newest_migration(str(current_app.config["MIGRATIONS_FOLDER"])) else BEHIND


def files() -> str:
    """Whether the storage of files answers; what was seen is believed for half a minute."""
    where = str(storage.of_settings(current_app.config["SETTINGS"]))
    with _lock:
        at, seen = _storage.get(where, (0.0, ""))
        if seen and time.monotonic() - at < STORAGE_SECONDS:
            return seen
        try:
            storage.reach()
            seen = OK
        except PaydeskError as error:
            log.error("health.storage", error=error.message)
            seen = AWAY
        _storage[where] = (time.monotonic(), seen)
    return seen


def look() -> tuple[bool, dict[str, str]]:
    """Everything at once: whether this process is ready, and the state of each part. Names no addresses."""
    parts = {"database": database()}
    parts["migrations"] = migrations() if parts["database"] == OK else AWAY
    # No transaction waits for what may be slow.
    db.session.rollback()
    parts |= {"store": store(), "storage": files()}
    settings = current_app.config["SETTINGS"]
    accepted = {OK} if settings.environment == "production" else {OK, UNSET}
    return all(state in accepted for state in parts.values()), parts
