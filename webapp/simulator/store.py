"""The simulator's books: one SQLite database, one connection, one writer at a time.

Instants are whole milliseconds, amounts whole minor units. Rows outlive the process when the database is a file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    provider TEXT NOT NULL, client_id TEXT NOT NULL,
    secret TEXT NOT NULL, old_secret TEXT NOT NULL DEFAULT '', takes_old INTEGER NOT NULL DEFAULT 0,
    balance_minor INTEGER NOT NULL DEFAULT 0, data TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (provider, client_id)
) STRICT;
CREATE TABLE IF NOT EXISTS targets (
    provider TEXT NOT NULL, client_id TEXT NOT NULL, url TEXT NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0, is_enabled INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (provider, client_id)
) STRICT;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, provider TEXT NOT NULL, client_id TEXT NOT NULL,
    endpoint TEXT NOT NULL, method TEXT NOT NULL, subject TEXT NOT NULL, fault TEXT NOT NULL,
    was_done INTEGER NOT NULL, status INTEGER NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS calls_subject ON calls (subject, endpoint);
CREATE TABLE IF NOT EXISTS late (
    id INTEGER PRIMARY KEY, due_at INTEGER NOT NULL, provider TEXT NOT NULL, client_id TEXT NOT NULL,
    endpoint TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS movements (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, provider TEXT NOT NULL, client_id TEXT NOT NULL,
    subject TEXT NOT NULL, reference TEXT NOT NULL, utr TEXT NOT NULL, text TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, balance_minor INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS movements_subject ON movements (subject);
CREATE TABLE IF NOT EXISTS statement (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, provider TEXT NOT NULL, client_id TEXT NOT NULL,
    subject TEXT NOT NULL, utr TEXT NOT NULL, text TEXT NOT NULL, amount_minor INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, client_id TEXT NOT NULL, event TEXT NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, variant TEXT NOT NULL DEFAULT '', created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting',
    answer TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due_at) WHERE state = 'waiting';
"""


class Store:
    """The books. `read` and `write` may be called by any thread."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = RLock()
        self._depth = 0
        self._connection = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, cached_statements=256
        )
        self._connection.row_factory = sqlite3.Row
        # A process that dies loses nothing; what a power cut loses is only play money.
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "foreign_keys=ON", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")  # nosemgrep: sql-text-is-constant - the tuple above
        self.define(_SCHEMA)

    def define(self, schema: str) -> None:
        """Make tables, if they are not there yet."""
        with self._lock:
            self._connection.executescript(schema)

    def read(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a question."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Row | None:
        """The first row of a question, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(sql, parameters).fetchone()
            return row

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end of the block; inside another one it is part of that."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                if self._depth == 1:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def write(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """One statement of its own; returns the number of rows that it changed."""
        with self.writing() as connection:
            return connection.execute(sql, parameters).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Put a row in; returns its id. The names are the code's own, never a caller's."""
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with self.writing() as connection:
            statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
            made = connection.execute(statement, values)
            return int(made.lastrowid or 0)

    def empty(self) -> None:
        """Forget every row of every table."""
        with self.writing() as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                connection.execute(f"DELETE FROM {name}")  # noqa: S608 # nosemgrep: sql-text-is-constant - our own tables

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def as_dict(row: sqlite3.Row) -> dict[str, Any]:
    """A row as JSON can say it; columns named `data`, `body` or `steps` stay the text that they are."""
    return {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over values


def loads(text: str) -> Any:
    """The JSON of a column."""
    return json.loads(text)
