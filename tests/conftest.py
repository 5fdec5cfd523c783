"""Fixtures for every test. One that asks for `database` gets an empty, migrated database of its own."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from flask import Flask, has_request_context
from flask.globals import _cv_app
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.support.client import FreshClient
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.people import passwords
from webapp.people.throttle import limiter

if TYPE_CHECKING:
    from tests.support.emptying import Kept

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Choose the engine: --database sqlite (default) or postgresql; and leave out what has no engine."""
    parser.addoption("--database", default="sqlite", choices=["sqlite", "postgresql"])
    parser.addoption(
        "--once-is-enough",
        action="store_true",
        help="leave out tests that pass alike on every engine: those without its database, and the browser's",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test that asks for no fixture made from the chosen engine cannot tell which one was chosen."""
    if not config.getoption("--once-is-enough"):
        return
    needed, alike = [], []
    for item in items:
        is_needed = "_store" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("browser")
        (needed if is_needed else alike).append(item)
    items[:] = needed
    config.hook.pytest_deselected(items=alike)


class SqliteFile:
    """Empty databases by copying one migrated file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "paydesk.sqlite"
        self.template = folder / "template.sqlite"
        self.url = f"sqlite:///{self.path}"
        self.kept = 0

    def freeze(self) -> None:
        """Keep the migrated database as the template."""
        db.engine.dispose()
        shutil.copy(self.path, self.template)

    def reset(self) -> None:
        """Put an empty database in place."""
        db.engine.dispose()
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.template, self.path)

    def keep(self) -> Path:
        """The database as it is now, to be put back later."""
        db.engine.dispose()
        self.kept += 1
        return shutil.copy(self.path, self.path.with_name(f"kept-{self.kept}.sqlite"))

    def put_back(self, kept: Path) -> None:
        """Put what was kept in place of an empty database."""
        db.engine.dispose()
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        shutil.copy(kept, self.path)

    def close(self) -> None:
        """Nothing to stop."""


class PostgresDatabase:
    """One database of a PostgreSQL server that is emptied again and again."""

    def __init__(self) -> None:
        from tests.support import emptying, postgres

        self.server = postgres.start()
        name = f"paydesk_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
        self.database = emptying.Emptied(self.server, name)
        self.url = self.server.url_for(name)

    def freeze(self) -> None:
        """Keep the migrated database as what every test finds."""
        db.engine.dispose()
        self.database.freeze()

    def reset(self) -> None:
        """Put an empty database in place."""
        db.engine.dispose()
        self.database.reset()

    def keep(self) -> Kept:
        """The rows as they are now, to be put back later."""
        db.engine.dispose()
        return self.database.keep()

    def put_back(self, kept: Kept) -> None:
        """Put what was kept into an empty database."""
        db.engine.dispose()
        self.database.put_back(kept)

    def close(self) -> None:
        """Drop the database; the server itself is shared by the workers."""
        self.database.drop()
        self.server.stop()


@pytest.fixture(scope="session")
def _store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    kind = request.config.getoption("--database")
    store = SqliteFile(tmp_path_factory.mktemp("database")) if kind == "sqlite" else PostgresDatabase()
    yield store
    store.close()


@pytest.fixture(scope="session")
def settings(_store: object, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the test application."""
    return Settings(
        PAYDESK_ENV="test",
        PAYDESK_HOME=tmp_path_factory.mktemp("home"),
        DATABASE_URL=_store.url,  # type: ignore[attr-defined]
        SECRET_KEY="test-secret-key-of-more-than-thirty-two-characters",
        PAYDESK_FIELD_KEYS="t1:" + base64.b64encode(bytes(range(32))).decode(),
        PAYDESK_INDEX_KEY="test-index-key-of-more-than-thirty-two-characters",
        SANDBOX_SETTLE_SECONDS=0,
    )


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Argon2id with the least work: the real settings cost a fifth of a second for every sign-in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=16, parallelism=1))
        yield


def _wait_for_no_disk(connection: object, record: object) -> None:
    """The data of a test need not survive a power cut; what installations are told is looked at in tests/house."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def _contexts() -> tuple[int, int]:
    """The context of an application, and how often it was entered and not left; a module may hold one for its tests."""
    found = _cv_app.get(None)
    return (id(found), len(found._cv_tokens)) if found else (0, 0)


@pytest.fixture(autouse=True)
def _leaves_no_context() -> Iterator[None]:
    """A context that outlives its test is left in the middle of a later one, and takes that one's session along."""
    before = _contexts()
    yield
    assert _contexts() == before
    assert not has_request_context()


@pytest.fixture(scope="session")
def app(_store: object, settings: Settings) -> Iterator[Flask]:
    """The application, with its database migrated once."""
    from flask_migrate import upgrade

    application = create_app(settings)
    application.test_client_class = FreshClient
    application.config.update(WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    with application.app_context():
        event.listen(db.engine, "connect", _wait_for_no_disk)
        upgrade(directory=str(application.config["MIGRATIONS_FOLDER"]))
        _store.freeze()  # type: ignore[attr-defined]
    yield application
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def database(app: Flask, _store: object) -> Iterator[Flask]:
    """An empty database inside an application context; tries are counted only where a test asks for it."""
    limiter.enabled = False
    with app.app_context():
        _store.reset()  # type: ignore[attr-defined]
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def _scenes() -> dict[object, tuple[object, object]]:
    return {}


@pytest.fixture
def scene(
    database: Flask, _store: object, _scenes: dict[object, tuple[object, object]]
) -> Callable[[Callable[[], object]], object]:
    """Puts a scene into the empty database: made by the function once, afterwards its rows are put back.

    The function commits what it makes and answers what is the same every time: ids, not records.
    """

    def put(make: Callable[[], object]) -> object:
        if make in _scenes:
            kept, answer = _scenes[make]
            _store.put_back(kept)  # type: ignore[attr-defined]
            return answer
        answer = make()
        db.session.remove()
        _scenes[make] = (_store.keep(), answer)  # type: ignore[attr-defined]
        return answer

    return put


@pytest.fixture
def client(database: Flask) -> FlaskClient:
    """A browser without JavaScript, not signed in."""
    return database.test_client()


@pytest.fixture
def now() -> datetime:
    """The instant at which tests happen."""
    return NOW


@pytest.fixture
def someone() -> Actor:
    """An actor who is nobody in particular (a command)."""
    return Actor(None, "test")
