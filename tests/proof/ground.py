"""The database that trials stand on: emptied, kept, put back, again and again, on either engine."""

from __future__ import annotations

import base64
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event

from tests.conftest import PostgresDatabase, SqliteFile, _wait_for_no_disk
from tests.support import postgres
from tests.support.client import FreshClient
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.people.throttle import limiter

ENGINES = ("sqlite", "postgresql")
_MEMORY = Path("/dev/shm")


class Ground:
    """A store of the tests, put back in the middle of one."""

    def __init__(self, store: Any) -> None:
        self.store = store
        #: Whether what a dead process leaves behind can be copied as files.
        self.has_files = isinstance(store, SqliteFile)

    @property
    def path(self) -> Path:
        """The database's file; SQLite only."""
        found: Path = self.store.path
        return found

    def reset(self) -> None:
        """Put an empty database in place."""
        self.store.reset()

    def keep(self) -> Any:
        """The database as it is now, to be put back later."""
        return self.store.keep()

    def put_back(self, kept: Any) -> None:
        """Put what was kept in place, whatever is there now."""
        if not self.has_files:
            # Rows are written into an empty database only; a file is simply another one.
            self.store.reset()
        self.store.put_back(kept)

    def take_over(self, folder: Path) -> None:
        """Put in place what a dead process left behind; SQLite only."""
        db.engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            there, here = folder / f"{self.path.name}{suffix}", Path(f"{self.path}{suffix}")
            here.unlink(missing_ok=True)
            if there.exists():
                shutil.copy(there, here)


@contextmanager
def ground(engine: str = "sqlite") -> Iterator[tuple[Flask, Ground, Path]]:
    """An application on an empty database of its own in a temporary folder, in memory where there is such a place."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="paydesk-prove-", dir=memory) as name:
        folder = Path(name)
        store = SqliteFile(folder) if engine == "sqlite" else PostgresDatabase()
        try:
            app = _application(store.url, folder)
            with app.app_context():
                event.listen(db.engine, "connect", _wait_for_no_disk)
                upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
                store.freeze()
                # Thousands of children are forked: what is there now is neither looked through nor copied again.
                gc.collect()
                gc.freeze()
                yield app, Ground(store), folder
                db.session.remove()
                db.engine.dispose()
        finally:
            store.close()


@contextmanager
def restartable() -> Iterator[postgres.Server]:
    """Inside an application on a PostgreSQL server of its own that writes to the disk as an installation's does."""
    with tempfile.TemporaryDirectory(prefix="paydesk-prove-") as name:
        server = postgres.start(is_durable=True)
        try:
            server.create_database("proof")
            app = _application(server.url_for("proof"), Path(name))
            with app.app_context():
                upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
                yield server
                db.session.remove()
                db.engine.dispose()
        finally:
            server.stop()


def _application(url: str, folder: Path) -> Flask:
    app = create_app(
        Settings(
            PAYDESK_ENV="test", PAYDESK_HOME=folder, DATABASE_URL=url, SECRET_KEY="proof-" * 8,
            PAYDESK_FIELD_KEYS="p1:" + base64.b64encode(bytes(32)).decode(),
            PAYDESK_INDEX_KEY="proof index " * 4, SANDBOX_SETTLE_SECONDS=0, LOG_LEVEL="CRITICAL",
        )
    )  # fmt: skip
    app.test_client_class = FreshClient
    limiter.enabled = False
    return app
