"""Copies of a PostgreSQL database by its own tools, and counts of the very instant that was copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, text
from sqlalchemy.engine import Engine

from webapp.kernel.errors import Conflict, Unavailable
from webapp.operations.manifest import Facts

FILE = "paydesk.dump"


def tool(name: str, folder: Path | None) -> str:
    """The path of a PostgreSQL client tool. Raises Unavailable that names the package."""
    found = shutil.which(name, path=str(folder) if folder else None)
    if found is None:
        raise Unavailable(
            f"{name} is not there. Install PostgreSQL's client (Debian: apt install postgresql-client), of the "
            "server's version or newer, or name its folder with --pg-bin."
        )
    return found


def _run(engine: Engine, arguments: list[str]) -> None:
    """Run a tool on the database of an engine; the password goes by the environment, never by the command line."""
    _, values = engine.dialect.create_connect_args(engine.url)
    password = values.pop("password", None)
    address = make_conninfo(**{k: v for k, v in values.items() if k != "context"})
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    done = subprocess.run(
        [*arguments, f"--dbname={address}"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        raise Unavailable(f"{Path(arguments[0]).name} failed: {said[:500]}")


def dump(engine: Engine, target: Path, pg_bin: Path | None) -> Facts:
    """Write the database in PostgreSQL's custom form, as it is at one instant, and count that instant."""
    program = tool("pg_dump", pg_bin)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        facts = facts_of(connection)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _run(engine, [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
                      f"--file={target}"])  # fmt: skip
    return facts


def facts_of(connection: Connection) -> Facts:
    """Migration, rows by table and heads of the audit chains. Raises Conflict where there are no tables."""
    names = _tables(connection)
    if "alembic_version" not in names:
        raise Conflict("The database has no tables of Paydesk.")
    quote = connection.dialect.identifier_preparer.quote
    # The names come from the database's own catalogue, quoted by the driver.
    rows = {
        # nosemgrep: sql-text-is-constant
        n: int(connection.scalar(text(f"SELECT count(*) FROM {quote(n)}")) or 0)  # noqa: S608
        for n in names
    }
    heads = {str(c): f"{seq}:{link}" for c, seq, link in connection.execute(
        text("SELECT chain, seq, hash FROM audit_heads"))}  # fmt: skip
    return Facts(connection.scalar(text("SELECT version_num FROM alembic_version")) or "", rows, heads)


def _tables(connection: Connection) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
    return list(connection.scalars(text(query)))


def is_empty(engine: Engine) -> bool:
    """Whether the database has no table."""
    with engine.connect() as connection:
        return not _tables(connection)


def load(engine: Engine, source: Path, pg_bin: Path | None) -> Facts:
    """Fill an empty database from a dump, all or nothing; PostgreSQL checks every foreign key on the way."""
    program = tool("pg_restore", pg_bin)
    _run(
        engine,
        [program, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source)],
    )
    engine.dispose()
    with engine.connect() as connection:
        unproven = connection.scalar(
            text("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated")
        )
        if unproven:
            raise Conflict(f"{unproven} foreign keys were not checked by the restore.")
        return facts_of(connection)
