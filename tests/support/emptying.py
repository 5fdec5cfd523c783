"""A PostgreSQL database that is empty again for every test, without a new copy for every test.

A copy of the migrated database costs some hundred files; most tests write to a dozen tables. So their rows are
deleted, and a copy is made only where a test did more than write rows, or when many rows are dead already.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tests.support.postgres import Server

#: What the migrations themselves write. Whoever changes these rows gets a new copy.
_OF_THE_MIGRATIONS = ("alembic_version", "ledger_zero")
#: A copy at the latest after so many tests, and after so many deleted rows: dead rows stay in the files.
_MOST_TIMES, _MOST_ROWS = 40, 4_000

# Everything that defines the tables, functions and triggers, by the transaction that wrote it last; and what
# ANALYZE writes, because plans depend on it. Deleting rows and setting sequences changes none of it.
_SHAPE = """
SELECT (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint), sum(reltuples)) FROM pg_class
         WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp)')),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_attribute),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_trigger),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_constraint),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_index),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_proc),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_namespace),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_rewrite),
       (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_attrdef),
       (SELECT count(*)::text FROM pg_statistic),
"""
_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_NUMBERS = """
SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_USED = """
SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_PATIENCE = 30.0


@dataclass(frozen=True)
class Kept:
    """Rows by table, as COPY writes them, and the last number of every sequence."""

    rows: dict[str, bytes]
    numbers: list[tuple[str, object]]


class Emptied:
    """One database of a server that can be made empty; `freeze` it when it is as tests want to find it."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._shape: tuple[object, ...] | None = None
        self._filled = self._looks = sql.Composed([])
        self._times = self._rows = 0
        server.create_database(name)

    @property
    def _template(self) -> str:
        return f"{self._name}_template"

    def freeze(self) -> None:
        """Keep the database as it is now as what `reset` gives back."""
        self._server.create_database(self._template, template=self._name)
        connection = self._connect()
        tables = [str(row[0]) for row in connection.execute(_TABLES)]
        self._filled = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name in tables
            if name not in _OF_THE_MIGRATIONS
        )
        kept = sql.SQL(", ").join(
            sql.SQL("(SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM {})").format(
                sql.Identifier(name)
            )
            for name in _OF_THE_MIGRATIONS
            if name in tables
        )
        self._looks = sql.SQL(_SHAPE) + kept
        self._shape = connection.execute(self._looks).fetchone()

    def reset(self) -> None:
        """Make it empty again; whoever is still connected is dropped, and numbers begin at 1."""
        if self._times < _MOST_TIMES and self._rows < _MOST_ROWS and self._is_emptied():
            self._times += 1
            return
        self._close()
        self._server.drop_database(self._name)
        self._server.create_database(self._name, template=self._template)
        self._times = self._rows = 0

    def keep(self) -> Kept:
        """All rows as they are now, and the numbers given out, to be put back later."""
        connection = self._connect()
        rows: dict[str, bytes] = {}
        for found in connection.execute(self._filled).fetchall():
            copying = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(str(found[0])))
            with connection.cursor().copy(copying) as copy:
                rows[str(found[0])] = b"".join(bytes(part) for part in copy)
        return Kept(rows, [(str(name), n) for name, n in connection.execute(_USED).fetchall()])

    def put_back(self, kept: Kept) -> None:
        """Write rows that were kept into the empty database."""
        connection = self._connect()
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            for name, rows in kept.rows.items():
                copying = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
                with connection.cursor().copy(copying) as copy:
                    copy.write(rows)
            for name, number in kept.numbers:
                connection.execute("SELECT setval(quote_ident(%s)::regclass, %s)", [name, number])

    def drop(self) -> None:
        """Remove the database and what was kept of it."""
        self._close()
        self._server.drop_database(self._name)
        self._server.drop_database(self._template)

    def _is_emptied(self) -> bool:
        """Delete all rows; False where that is not enough to be as at the beginning."""
        connection = self._connect()
        try:
            _drop_others(connection)
            if connection.execute(self._looks).fetchone() != self._shape:
                return False
            filled = [str(row[0]) for row in connection.execute(self._filled)]
        except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
            return False  # the last test removed a table, or cut every connection and ours with them
        # Neither the guards of the ledger nor foreign keys are asked: everything goes, in one message.
        deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in filled]
        begin = sql.SQL("BEGIN; SET LOCAL session_replication_role = replica")
        done = connection.execute(sql.SQL("; ").join([begin, *deletes, sql.SQL(_NUMBERS), sql.SQL("COMMIT")]))
        done.nextset()
        for _ in filled:
            done.nextset()
            self._rows += done.rowcount
        return True

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = self._server.connect(self._name)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _drop_others(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Drop whoever else is connected, and wait until they are gone: what they began to write counts too."""
    until = time.monotonic() + _PATIENCE
    while connection.execute(_OTHERS).rowcount:
        if time.monotonic() > until:
            raise RuntimeError("somebody does not leave the database")
        time.sleep(0.002)
