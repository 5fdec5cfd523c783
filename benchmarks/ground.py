"""Where benchmarks run: applications on empty databases of their own, thrown away at the end.

SQLite keeps its files in a temporary folder. PostgreSQL is a server of our own with its durable defaults; nobody
else's database is ever touched.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text

from tests.support import postgres
from tests.support.client import FreshClient
from webapp import processes
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, read_only
from webapp.kernel.actor import Actor
from webapp.operations import upkeep

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
ACTOR = Actor(None, "benchmark")
ENGINES = ("sqlite", "postgresql")


@dataclass
class Ground:
    """One engine and how much is measured: `quick` shows that it works, `full` takes the largest sizes."""

    engine: str
    folder: Path
    stack: ExitStack
    is_quick: bool = False
    is_full: bool = False
    server: postgres.Server | None = None
    names: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """How often each pair is measured."""
        return 1 if self.is_quick else 5

    def size(self, quick: int, normal: int, full: int | None = None) -> int:
        """How much data, by what was asked for."""
        return quick if self.is_quick else (full or normal) if self.is_full else normal

    def application(self, name: str, **settings: object) -> Flask:
        """An application on an empty, migrated database of its own."""
        name = f"bench_{len(self.names)}_{name}"
        self.names.append(name)
        home = self.folder / name
        home.mkdir()
        url = f"sqlite:///{home / 'paydesk.sqlite'}"
        if self.server is not None:
            self.server.create_database(name)
            url = self.server.url_for(name)
        values = {
            "PAYDESK_ENV": "test", "PAYDESK_HOME": home, "DATABASE_URL": url, "SECRET_KEY": "benchmark-" * 5,
            "PAYDESK_FIELD_KEYS": "b1:" + base64.b64encode(bytes(32)).decode(),
            "PAYDESK_INDEX_KEY": "benchmark index " * 3,
        }  # fmt: skip
        app = create_app(Settings.model_validate({**values, **settings}))
        app.test_client_class = FreshClient
        app.config.update(WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
        with app.app_context():
            upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
        self.stack.callback(_dispose, app)
        processes.settle()
        return app

    def analyse(self) -> None:
        """What an installation does within a day: PostgreSQL counts its rows by itself, SQLite by our daily task."""
        db.session.rollback()
        upkeep.look_after(0, NOW, NOW)
        if self.engine == "postgresql":
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))


@contextmanager
def reading() -> Iterator[None]:
    """Whatever the block opens only reads, as a page does: on SQLite nobody waits for the write lock."""
    db.session.rollback()
    token = read_only.set(True)
    try:
        yield
    finally:
        db.session.rollback()
        read_only.reset(token)


def _dispose(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@contextmanager
def ground(engine: str, *, is_quick: bool = False, is_full: bool = False) -> Iterator[Ground]:
    """A place to measure on one engine. Raises RuntimeError when PostgreSQL does not start."""
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as folder, ExitStack() as stack:
        server = None
        if engine == "postgresql":
            server = postgres.start(is_durable=True)
            stack.callback(server.stop)
        yield Ground(engine, Path(folder), stack, is_quick, is_full, server)
