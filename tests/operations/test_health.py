"""/healthz and /readyz say which part is missing, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from webapp.config import Settings
from webapp.database import db
from webapp.embedded.valkey import Store
from webapp.kernel.errors import Unavailable
from webapp.operations import readiness
from webapp.providers import storage

Change = Callable[..., Settings]
ALL_OK = {"status": "ready", "database": "ok", "migrations": "ok", "store": "ok", "storage": "ok"}


def test_everything_there_is_ready(client: FlaskClient, store: Store) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (200, ALL_OK)


def test_a_store_that_is_away_is_named(client: FlaskClient, store: Store) -> None:
    store.stop()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {**ALL_OK, "status": "not ready", "store": "away"})
    # Pages work without it, so the process is not to be taken away.
    assert client.get("/healthz").status_code == 200


def test_production_needs_a_store(client: FlaskClient, set_settings: Change) -> None:
    assert client.get("/readyz").json == {**ALL_OK, "store": "not configured"}
    set_settings(PAYDESK_ENV="production")
    assert client.get("/readyz").status_code == 503


def test_tables_of_an_older_version_are_named(client: FlaskClient, store: Store) -> None:
    db.session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    db.session.commit()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (
        503,
        {**ALL_OK, "status": "not ready", "migrations": "behind"},
    )


def test_a_database_without_tables_is_behind(client: FlaskClient, store: Store) -> None:
    db.session.execute(text("DROP TABLE alembic_version"))
    db.session.commit()
    assert client.get("/readyz").json == {**ALL_OK, "status": "not ready", "migrations": "behind"}


def test_a_database_that_is_away_is_named(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def away(*_: object, **__: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("host=db.example.org password=hunter2"))

    monkeypatch.setattr(db.session, "execute", away)
    for address in ("/readyz", "/healthz"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert answer.json is not None
        assert answer.json["database"] == "away"
        assert "example" not in answer.text


def test_the_storage_is_asked_twice_a_minute_at_most(
    client: FlaskClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    clock = [1000.0]

    def refuse() -> None:
        asked.append(clock[0])
        raise Unavailable("s3://secret-bucket refuses.")

    monkeypatch.setattr(storage, "reach", refuse)
    monkeypatch.setattr(readiness.time, "monotonic", lambda: clock[0])
    for _ in range(5):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json) == (
            503,
            {**ALL_OK, "status": "not ready", "storage": "away"},
        )
        clock[0] += 10
    assert asked == [1000.0, 1030.0]
    monkeypatch.setattr(storage, "reach", lambda: None)
    clock[0] += 31
    assert client.get("/readyz").json == ALL_OK


def test_the_newest_migration_is_the_last_file(app: Flask) -> None:
    folder: Path = app.config["MIGRATIONS_FOLDER"]
    names = sorted(p.stem for p in (folder / "versions").glob("0*.py"))
    assert readiness.newest_migration(str(folder)) == names[-1].partition("_")[0]
