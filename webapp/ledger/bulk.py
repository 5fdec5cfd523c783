"""Set-based writing for the ledger's one door: a few statements for any number of entries, on both engines.

PostgreSQL takes the rows as arrays, one statement for a chunk; SQLite takes them one by one in C, which is
faster there. `webapp.ledger.service` is the only caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Table, TypeDecorator

from webapp.ledger.models import JournalEntry, Posting

ENTRY_COLUMNS = (
    "organisation_id", "kind", "currency", "effective_on", "description", "source_type", "source_id",
    "idempotency_key", "content_digest", "reverses_id", "created_by_id", "created_by_label", "created_at", "legs",
    "legs_missing", "imbalance",
)  # fmt: skip
POSTING_COLUMNS = ("entry_id", "account_id", "currency", "amount_minor", "balance_after_minor")
_ARRAYS = {int: "bigint[]", str: "text[]", date: "date[]", datetime: "timestamptz[]"}
_ENTRIES: Table = JournalEntry.__table__  # type: ignore[assignment]
_POSTINGS: Table = Posting.__table__  # type: ignore[assignment]
_ON_CONFLICT = "ON CONFLICT (organisation_id, idempotency_key) DO NOTHING"


@dataclass(frozen=True, slots=True)
class Refused:
    """A balance that may not fall so far: the account, what it holds, what was to be added on its normal side."""

    account_id: int
    change: int


def _array(table: Table, name: str) -> str:
    kind = table.c[name].type
    return _ARRAYS[kind.impl_instance.python_type if isinstance(kind, TypeDecorator) else kind.python_type]


def _insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]],
            suffix: str = "") -> list[Any]:  # fmt: skip
    """Insert rows of plain values; on PostgreSQL returns what `suffix` asks for."""
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        arrays = ", ".join(f"CAST(%s AS {_array(table, c)})" for c in columns)
        # Table and column names are constants of this module; every value is a parameter.
        statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {suffix}"  # noqa: S608
        result = connection.exec_driver_sql(
            statement, tuple(list(column) for column in zip(*rows, strict=True))
        )
        return list(result) if result.returns_rows else []
    marks = ", ".join("?" * len(columns))
    ignoring = suffix.partition("RETURNING")[0]
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {ignoring}"  # noqa: S608
    processors = [
        table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        for name in columns
    ]
    converted = [(i, processor) for i, processor in enumerate(processors) if processor is not None]
    connection.exec_driver_sql(statement, [_convert(row, converted) for row in rows])
    return []


def _convert(row: tuple[Any, ...], processors: Sequence[tuple[int, Any]]) -> tuple[Any, ...]:
    if not processors:
        return row
    values = list(row)
    for i, processor in processors:
        values[i] = processor(values[i])
    return tuple(values)


def insert_entries(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """Insert heads of entries (tuples as ENTRY_COLUMNS) whose key is free; returns key -> id of those inserted."""
    if connection.dialect.name == "postgresql":
        suffix = f"{_ON_CONFLICT} RETURNING idempotency_key, id"
        return dict(map(tuple, _insert(connection, _ENTRIES, ENTRY_COLUMNS, rows, suffix)))
    # The write lock is held and nothing is ever deleted: rows above the present maximum are the ones inserted here.
    top = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM journal_entries").scalar_one()
    _insert(connection, _ENTRIES, ENTRY_COLUMNS, rows, _ON_CONFLICT)
    found = connection.exec_driver_sql("SELECT idempotency_key, id FROM journal_entries WHERE id > ?", (top,))
    return dict(map(tuple, found))


def insert_postings(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert legs (tuples as POSTING_COLUMNS)."""
    _insert(connection, _POSTINGS, POSTING_COLUMNS, rows)


def move_balances(connection: Connection, changes: dict[int, int]) -> dict[int, int] | Refused:
    """Add to balances (account id -> change on the normal side); returns the new ones, or the first refused.

    The rows are locked in the order of their ids, so that two writers wait for each other and never deadlock.
    When one is refused, the caller must roll the transaction back.
    """
    ids = sorted(changes)
    if connection.dialect.name == "postgresql":
        statement = (
            "WITH locked AS MATERIALIZED (SELECT id FROM accounts WHERE id = ANY(CAST(%s AS bigint[])) "
            "ORDER BY id FOR NO KEY UPDATE) "
            "UPDATE accounts a SET balance_minor = a.balance_minor + c.change, version = a.version + 1 "
            "FROM locked JOIN unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[])) AS c(id, change) USING (id) "
            "WHERE a.id = locked.id AND "
            "(a.minimum_balance_minor IS NULL OR a.balance_minor + c.change >= a.minimum_balance_minor) "
            "RETURNING a.id, a.balance_minor"
        )
        found = connection.exec_driver_sql(statement, (ids, ids, [changes[i] for i in ids]))
        balances = dict(map(tuple, found))
    else:
        balances = {}
        statement = (
            "UPDATE accounts SET balance_minor = balance_minor + ?1, version = version + 1 WHERE id = ?2 AND "
            "(minimum_balance_minor IS NULL OR balance_minor + ?1 >= minimum_balance_minor) RETURNING balance_minor"
        )
        for account_id in ids:
            row = connection.exec_driver_sql(statement, (changes[account_id], account_id)).fetchone()
            if row is None:
                break
            balances[account_id] = row[0]
    for account_id in ids:
        if account_id not in balances:
            return Refused(account_id, changes[account_id])
    return balances
