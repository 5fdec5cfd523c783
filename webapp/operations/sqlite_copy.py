"""Copies of an SQLite database: the online back-up of SQLite itself, never a copy of its file, which lacks the log."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from webapp.kernel.errors import Conflict
from webapp.operations.manifest import Facts

FILE = "paydesk.sqlite"


def dump(source: Path, target: Path) -> Facts:
    """Copy a database that others are writing to, whole and at one instant. Raises Conflict for a damaged one."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=30)) as ours, closing(sqlite3.connect(target)) as copy:
        ours.backup(copy)
        # One file without a log beside it, so that its hash says everything.
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.commit()
        _check(copy)
        return _facts(copy)


def _check(connection: sqlite3.Connection) -> None:
    answer = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
    if answer != ["ok"]:
        raise Conflict(f"SQLite finds the database damaged: {'; '.join(answer)[:500]}")
    if rows := connection.execute("PRAGMA foreign_key_check").fetchmany(5):
        raise Conflict(f"Rows point nowhere: {rows}")


def _facts(connection: sqlite3.Connection) -> Facts:
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    names = [row[0] for row in tables]
    if "alembic_version" not in names:
        raise Conflict("The database has no tables of Paydesk.")
    # The names come from the database's own list.
    # nosemgrep: sql-text-is-constant
    rows = {n: connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names}  # noqa: S608
    heads = {
        str(c): f"{seq}:{link}"
        for c, seq, link in connection.execute("SELECT chain, seq, hash FROM audit_heads")
    }
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return Facts(version[0] if version else "", rows, heads)


def is_empty(path: Path) -> bool:
    """Whether there is no database at a path, or one without any table."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.Error:
        return False


def load(source: Path, target: Path) -> Facts:
    """Put a copy in place, checked before it is there. Raises Conflict for a damaged one."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = target.with_name(f"{target.name}.restoring")
    new.unlink(missing_ok=True)
    try:
        facts = dump(source, new)
        for suffix in ("-wal", "-shm"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
    return facts
