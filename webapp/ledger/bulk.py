"""Set-based writing for the ledger's one door: a few statements for any number of entries, on both engines.

PostgreSQL takes the rows as arrays, SQLite as a list of values: one statement for a chunk on both, because the
journal's triggers cost a statement much more than a row. `webapp.ledger.service` is the only caller.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import chain, count
from typing import Any

from sqlalchemy import Connection, Table, TypeDecorator

from webapp.database import array_literal
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
# Rows of one statement, on PostgreSQL and on SQLite: fewer there, because a statement takes 32,766 values.
CHUNK = 10_000
ROWS = 500
_ON_CONFLICT = "ON CONFLICT (organisation_id, idempotency_key) DO NOTHING"


# Entry id, account id, currency, signed amount, and the change of the balance on the account's normal side.
Leg = tuple[int, int, str, int, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """A balance that may not fall so far: the account, and what was to be added on its normal side."""

    account_id: int
    change: int


def _array(table: Table, name: str) -> str:
    kind = table.c[name].type
    return _ARRAYS[kind.impl_instance.python_type if isinstance(kind, TypeDecorator) else kind.python_type]


def _insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]],
            suffix: str = "") -> list[Any]:  # fmt: skip
    """Insert rows of plain values; on PostgreSQL returns what `suffix` asks for."""
    is_postgresql = connection.dialect.name == "postgresql"
    insert, size = (_insert_arrays, CHUNK) if is_postgresql else (_insert_values, ROWS)
    found: list[Any] = []
    for start in range(0, len(rows), size):
        by_column = list(zip(*rows[start : start + size], strict=True))
        found += insert(connection, table, columns, by_column, suffix)
    return found


def _is_same(column: Sequence[Any]) -> bool:
    """Whether a column holds one value: it is then sent once."""
    return column.count(column[0]) == len(column)


def _insert_arrays(connection: Connection, table: Table, columns: Sequence[str], chunk: Sequence[Sequence[Any]],
                   suffix: str) -> list[Any]:  # fmt: skip
    names = ", ".join(columns)
    kinds = [_array(table, name) for name in columns]
    many = [n for n, column in enumerate(chunk) if not _is_same(column)] or [0]
    marks = [f"c{n}" if n in many else f"CAST(%s AS {kinds[n][:-2]})" for n in range(len(columns))]
    arrays = ", ".join(f"CAST(%s AS {kinds[n]})" for n in many)
    aliases = ", ".join(f"c{n}" for n in many)
    values = [column[0] for n, column in enumerate(chunk) if n not in many] + [
        array_literal(chunk[n]) for n in many
    ]
    # Table and column names are constants of this module; every value is a parameter.
    statement = (
        f"INSERT INTO {table.name} ({names}) SELECT {', '.join(marks)} "  # noqa: S608
        f"FROM unnest({arrays}) AS u({aliases}) {suffix}"
    )
    result = connection.exec_driver_sql(statement, tuple(values))
    return list(result) if result.returns_rows else []


def _insert_values(connection: Connection, table: Table, columns: Sequence[str], chunk: Sequence[Sequence[Any]],
                   suffix: str) -> list[Any]:  # fmt: skip
    """SQLite notes for each statement how to take it back where a table has triggers: so a statement has many rows."""
    is_same = tuple(map(_is_same, chunk))
    values = [column[0] for column, same in zip(chunk, is_same, strict=True) if same]
    many = [column for column, same in zip(chunk, is_same, strict=True) if not same]
    values += chain.from_iterable(zip(*many, strict=True))
    ignoring = suffix.partition("RETURNING")[0]
    statement = (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {_marks(is_same, len(chunk[0]))} {ignoring}"  # noqa: S608
    )
    connection.exec_driver_sql(statement, tuple(values))
    return []


@lru_cache(maxsize=64)
def _marks(is_same: tuple[bool, ...], rows: int) -> str:
    """The places of the values of so many rows; what is the same in all of them has one place."""
    same = sum(is_same)
    places = iter(range(1, same + 1))
    fixed = [f"?{next(places)}" if is_one else "" for is_one in is_same]
    numbers = count(same + 1)
    return ", ".join(f"({', '.join(place or f'?{next(numbers)}' for place in fixed)})" for _ in range(rows))


def stored_day(connection: Connection, day: date) -> Any:
    """A day as the driver takes it: SQLite keeps it as text."""
    return day if connection.dialect.name == "postgresql" else day.isoformat()


def stored_instant(connection: Connection, instant: datetime) -> Any:
    """An instant as the driver takes it: SQLite keeps it as text, in UTC. Raises ValueError without a zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    if connection.dialect.name == "postgresql":
        return instant
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def insert_entries(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """Insert heads of entries whose key is free; returns key -> id of those inserted.

    Rows are as ENTRY_COLUMNS, days and instants as `stored_day` and `stored_instant` give them.
    """
    if connection.dialect.name == "postgresql":
        suffix = f"{_ON_CONFLICT} RETURNING idempotency_key, id"
        return dict(map(tuple, _insert(connection, _ENTRIES, ENTRY_COLUMNS, rows, suffix)))
    # The write lock is held and nothing is ever deleted: rows above the present maximum are the ones inserted here.
    top = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM journal_entries").scalar_one()
    _insert(connection, _ENTRIES, ENTRY_COLUMNS, rows, _ON_CONFLICT)
    found = connection.exec_driver_sql("SELECT idempotency_key, id FROM journal_entries WHERE id > ?", (top,))
    return dict(map(tuple, found))


def find_accounts(connection: Connection, organisation_id: int, codes: Sequence[str]) -> list[Any]:
    """(code, currency, id, normal_side, payee_id) of the accounts with these codes."""
    wanted: Any = list(codes)
    statement = "SELECT code, currency, id, normal_side, payee_id FROM accounts "
    if connection.dialect.name == "postgresql":
        statement += "WHERE organisation_id = %s AND code = ANY(%s)"
    else:
        statement += "WHERE organisation_id = ? AND code IN (SELECT value FROM json_each(?))"
        wanted = json.dumps(wanted)
    return list(connection.exec_driver_sql(statement, (organisation_id, wanted)))


# The rows are locked in the order of their ids, so that two writers wait for each other and never deadlock.
_MOVED = """
WITH locked AS MATERIALIZED (
    SELECT id FROM accounts WHERE id = ANY(CAST(%s AS bigint[])) ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE accounts a SET balance_minor = a.balance_minor + c.change, version = a.version + 1
    FROM locked JOIN unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[])) AS c(id, change) USING (id)
    WHERE a.id = locked.id
    AND (a.minimum_balance_minor IS NULL OR a.balance_minor + c.change >= a.minimum_balance_minor)
    RETURNING a.id, a.balance_minor
)
"""
_MOVE_ALONE = f"{_MOVED} SELECT id, balance_minor FROM moved"  # noqa: S608
# For a few postings it pays to write them in the same statement: the locks are held for one answer less.
_MOVE_AND_WRITE = f"""{_MOVED}, written AS (
    INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor)
    SELECT l.entry_id, l.account_id, l.currency, l.amount, m.balance_minor - l.still_to_come
    FROM unnest(CAST(%s AS bigint[]), CAST(%s AS bigint[]), CAST(%s AS text[]), CAST(%s AS bigint[]),
        CAST(%s AS bigint[])) WITH ORDINALITY AS l(entry_id, account_id, currency, amount, still_to_come, position)
    JOIN moved m ON m.id = l.account_id ORDER BY l.position
)
SELECT id FROM moved
"""  # noqa: S608
FEW = 50
_MOVE_ONE = (
    "UPDATE accounts SET balance_minor = balance_minor + ?1, version = version + 1 WHERE id = ?2 AND "
    "(minimum_balance_minor IS NULL OR balance_minor + ?1 >= minimum_balance_minor) RETURNING balance_minor"
)


def write_legs(connection: Connection, legs: Sequence[Leg]) -> Refused | None:
    """Move the balances, and write every leg with the balance after it; returns the account that refused, if one did.

    When one refuses, the caller must roll the transaction back.
    """
    changes: dict[int, int] = {}
    for _, account_id, _, _, change in legs:
        changes[account_id] = changes.get(account_id, 0) + change
    ids = sorted(changes)
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql and len(legs) <= FEW:
        moved: Collection[int] = _move_at_once(connection, ids, changes, legs)
    else:
        move = _move_together if is_postgresql else _move_in_turn
        moved = balances = move(connection, ids, changes)
        if len(moved) == len(ids):
            _write_after(connection, {i: balances[i] - changes[i] for i in ids}, legs)
    return next((Refused(i, changes[i]) for i in ids if i not in moved), None)


def _move_at_once(
    connection: Connection, ids: list[int], changes: dict[int, int], legs: Sequence[Leg]
) -> Collection[int]:
    rest = dict(changes)
    still_to_come = []
    for _, account_id, _, _, change in legs:
        rest[account_id] -= change
        still_to_come.append(rest[account_id])
    entry_ids, account_ids, currencies, amounts, _ = (list(column) for column in zip(*legs, strict=True))
    values = (ids, ids, [changes[i] for i in ids], entry_ids, account_ids, currencies, amounts, still_to_come)
    return set(connection.exec_driver_sql(_MOVE_AND_WRITE, values).scalars())


def _move_together(connection: Connection, ids: list[int], changes: dict[int, int]) -> dict[int, int]:
    """Balances after the move, of the accounts that allow it."""
    found = connection.exec_driver_sql(
        _MOVE_ALONE, (array_literal(ids), array_literal(ids), array_literal(changes[i] for i in ids))
    )
    return dict(map(tuple, found))


def _move_in_turn(connection: Connection, ids: list[int], changes: dict[int, int]) -> dict[int, int]:
    """Balances after the move, up to the first account that refuses."""
    balances: dict[int, int] = {}
    for account_id in ids:
        row = connection.exec_driver_sql(_MOVE_ONE, (changes[account_id], account_id)).fetchone()
        if row is None:
            break
        balances[account_id] = row[0]
    return balances


def _write_after(connection: Connection, running: dict[int, int], legs: Sequence[Leg]) -> None:
    """Write the legs; `running` holds the balances before them."""
    rows = []
    for entry_id, account_id, currency, amount, change in legs:
        balance = running[account_id] = running[account_id] + change
        rows.append((entry_id, account_id, currency, amount, balance))
    _insert(connection, _POSTINGS, POSTING_COLUMNS, rows)
