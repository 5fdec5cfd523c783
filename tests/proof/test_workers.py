"""A batch in which workers are killed, the store is emptied and the database starts anew: everybody is paid once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import text

from tests.proof import workers
from tests.proof.bank import FileBank
from tests.proof.ground import restartable
from tests.support.valkey import running_store
from webapp.database import db

pytestmark = pytest.mark.slow
COUNT = 24


def _batch(tmp_path: Path, between: Callable[[], None], *, kills: int = 5) -> None:
    bank = FileBank(tmp_path / "bank")
    organisation_id = workers.queue_up(COUNT)
    assert workers.batch(bank, organisation_id, COUNT, kills=kills, seed=4, between=between) == kills
    workers.finish(bank, organisation_id)
    assert workers.problems(bank, organisation_id, COUNT) == []


def test_workers_that_are_killed_in_a_batch(database: Flask, tmp_path: Path) -> None:
    _batch(tmp_path, lambda: None)


def test_a_store_that_is_emptied_in_a_batch(
    database: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_store() as store:
        redis = Redis.from_url(store.url)
        monkeypatch.setitem(database.extensions, "paydesk_redis", redis)
        _batch(tmp_path, lambda: bool(redis.flushall()) or None, kills=2)
        redis.close()


def test_connections_that_are_cut_in_a_batch(database: Flask, tmp_path: Path) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no connections to cut")

    def cut() -> None:
        """What everybody sees of a database that starts anew: every connection and open transaction is gone."""
        with db.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        db.engine.dispose()

    _batch(tmp_path, cut, kills=3)


def test_a_database_that_starts_anew_in_a_batch(
    database: Flask, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Stopped at once while workers write, started again on the same files: what was committed is there."""
    if request.config.getoption("--database") != "postgresql":
        pytest.skip("SQLite has no server")
    with restartable() as server:

        def restart() -> None:
            server.restart()
            db.engine.dispose()

        _batch(tmp_path, restart, kills=3)
