"""The database: one declarative base, the column types, the only commit.

SQLite is the embedded default and PostgreSQL the engine of larger installations; the same code runs on both.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Executable,
    Integer,
    MetaData,
    Select,
    String,
    any_,
    bindparam,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from webapp.kernel.errors import NotFound
from webapp.kernel.labels import Label

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


def one_of(column: str, label: type[Label]) -> str:
    """The condition that a column holds one of the words of a label."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in label)})"


def known(column: str, label: type[Label]) -> CheckConstraint:
    """That a column holds one of the words of a label."""
    return CheckConstraint(one_of(column, label), name=f"{column}_is_known")


Row = TypeVar("Row", bound=Base)


db = SQLAlchemy(model_class=Base)
migrate = Migrate()


class _HintingCompiler(SQLiteCompiler):
    """Writes `with_hint(…, "INDEXED BY …", "sqlite")`: SQLAlchemy knows hints for every engine but this one."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


SQLiteDialect_pysqlite.statement_compiler = _HintingCompiler

# How long one statement of a page may take on PostgreSQL.
STATEMENT_SECONDS = 5.0

# Called with the session just before the one commit; the audit trail writes its chain here, late, so that
# the lock on the chain's head is held for moments only.
before_commit_hooks: list[Callable[[Session], None]] = []

# Set for GET and HEAD requests: SQLite then begins a reading transaction and takes no write lock.
read_only: ContextVar[bool] = ContextVar("read_only", default=False)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on the Python side, UTC in the database. Naive values are refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class ScaledDecimal(TypeDecorator[Decimal]):
    """An exact decimal (a size, a rate) kept as a whole number of millionths.

    SQLite would store NUMERIC as a binary float; this loses nothing on either engine.
    """

    impl = BigInteger
    cache_ok = True
    places = 6

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        scaled = Decimal(value).scaleb(self.places)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{value} has more than {self.places} decimals")
        return int(scaled)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-self.places).normalize() + 0


# SQLite numbers rows by itself only for columns declared INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")
PrimaryKey = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=True)]
MinorUnits = Annotated[int, mapped_column(BigInteger)]
Currency = Annotated[str, mapped_column(String(3))]
Instant = Annotated[datetime, mapped_column(UtcDateTime())]
ShortText = Annotated[str, mapped_column(String(120))]
LongText = Annotated[str, mapped_column(String(2000))]


@event.listens_for(Engine, "connect")
def _prepare_connection(connection: Any, record: Any) -> None:
    """Settings that SQLite forgets with every connection; without them it would lose updates and checks."""
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "busy_timeout=15000",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
    ):
        # nosemgrep: sql-text-is-constant - one of the five above
        connection.execute(f"PRAGMA {pragma}")
    if connection.execute("PRAGMA foreign_keys").fetchone()[0] != 1:
        raise RuntimeError("SQLite did not switch foreign keys on; the ledger's guards need them")


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    """Writers take SQLite's write lock at once, so that no read-modify-write is lost."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN" if read_only.get() else "BEGIN IMMEDIATE")


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Remember a call to make once the present transaction is committed (and only then)."""
    session.info.setdefault("after_commit", []).append(callback)


@contextmanager
def transaction() -> Iterator[Session]:
    """The only commit: all of the block is stored, or nothing. Views and jobs use it, services never.

    Ends a reading transaction that is still open, because SQLite cannot promote one safely.
    Raises RuntimeError when nested or when unsaved changes lie around: both hide half-done work.
    """
    session: Session = db.session()
    if session.info.get("is_writing"):
        raise RuntimeError("a transaction is open already; services do not commit")
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("changes were made outside a transaction")
    session.rollback()
    session.info["is_writing"] = True
    session.info["after_commit"] = []
    session.info["audit"] = []
    session.info["outbox"] = []
    session.info["turns"] = []
    # A queue that was to be rung for work that was rolled back must be rung for the work of now.
    session.info.pop("rung", None)
    marker = read_only.set(False)
    try:
        yield session
        session.flush()
        for hook in before_commit_hooks:
            hook(session)
        session.commit()
    except BaseException:
        session.rollback()
        session.info["after_commit"] = []
        raise
    finally:
        session.info["is_writing"] = False
        read_only.reset(marker)
    for callback in session.info.pop("after_commit", []):
        callback()


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of the present transaction that is stored whole or not at all; what it raises passes through.

    With its rows go the audit events, the effects and the turns of payouts that it asked for: they wait for the commit,
    and no savepoint of the database knows of them.
    """
    counts = {name: len(db.session.info.get(name) or []) for name in ("audit", "outbox", "turns")}
    try:
        with db.session.begin_nested():
            yield
    except BaseException:
        for name, count in counts.items():
            del (db.session.info.get(name) or [])[count:]
        raise


def ask(statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
    """The rows of a question for plain columns, never for whole records: for what every page asks.

    The connection answers it, past all that the session does for records: that is two thirds of the price. What the
    session has not written yet is written first, as it does itself.
    """
    session = db.session()
    if session.autoflush:
        session.flush()
    return session.connection().execute(statement, values).all()


def lock_name(name: str, *, is_shared: bool = False) -> None:
    """Wait for what has this name, and hold it until the transaction ends: alone, or beside all who share it.

    On PostgreSQL, where many write at once; SQLite has one writer, who is alone in any case.
    """
    if db.engine.dialect.name != "postgresql":
        return
    key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
    wait = func.pg_advisory_xact_lock_shared if is_shared else func.pg_advisory_xact_lock
    db.session.execute(select(wait(key)))


def lock_row(model: type[Row], *conditions: ColumnElement[bool], **how: Any) -> Row:
    """The one row that meets the conditions, read afresh and locked until the transaction ends. Raises NotFound.

    Whose row it is belongs to the conditions: another organisation's is not found. `how` goes to FOR UPDATE.
    """
    query = select(model).where(*conditions).with_for_update(**how)
    return get_row(query.execution_options(populate_existing=True))


def get_row(query: Select[Row], what: str = "") -> Row:
    """The one record that a question finds. Raises NotFound, which names `what` there is not.

    Whose record it is belongs to the question: another organisation's is not found.
    """
    row = db.session.scalar(query)
    if row is None:
        raise NotFound(f"There is no such {what}.") if what else NotFound
    return row


def insert_ignoring_conflict(session: Session, model: Any, values: dict[str, Any]) -> bool:
    """INSERT … ON CONFLICT DO NOTHING on either engine; True when the row was inserted."""
    statement = _insert_ignoring(model, session.get_bind().dialect.name)
    return session.execute(statement, values).first() is not None


@cache
def _insert_ignoring(model: Any, dialect: str) -> Any:
    """Written once: putting the statement together takes longer than executing it."""
    table = model.__table__
    # The count of rows is not reliable for inserts on PostgreSQL; a returned key is.
    return upsert(table, dialect).on_conflict_do_nothing().returning(*table.primary_key)


def upsert(table: Any, dialect: str) -> Any:
    """An INSERT that can say ON CONFLICT, on either engine."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_many(
    session: Session,
    model: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    ignores_conflicts: bool = False,
    returning: Sequence[str] = (),
) -> Sequence[Any]:
    """Insert plain rows, all with the same columns, by one statement on either engine; nothing is loaded.

    Answers the columns of `returning`, in no order that means anything. No default of a column is filled in on
    PostgreSQL, where these must be given. PostgreSQL takes the rows as arrays, so the statement stays the same for any
    number; SQLite takes them one by one in C, which is faster there.
    """
    if not rows:
        return []
    table, dialect = model.__table__, session.get_bind().dialect
    if dialect.name != "postgresql":
        plain: Any = sqlite.insert(table)
        plain = plain.on_conflict_do_nothing() if ignores_conflicts else plain
        if returning:
            wanted = plain.returning(*(table.c[name] for name in returning))
            return session.connection().execute(wanted, rows).all()
        session.execute(plain, rows)
        return []
    names = list(rows[0])
    arrays, values = _arrays(table, names, rows, dialect)
    # Names are those of our own tables; every value is a parameter.
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"  # noqa: S608
    suffix = " ON CONFLICT DO NOTHING" if ignores_conflicts else ""
    suffix += f" RETURNING {', '.join(returning)}" if returning else ""
    # nosemgrep: sql-text-is-constant - names of our own tables and columns; every value is bound
    result = session.connection().exec_driver_sql(statement + suffix, values)
    return result.all() if returning else []


def update_many(session: Session, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write columns of rows found by their `id`, all with the same columns; what the session has loaded stays as it is.

    One statement on PostgreSQL, one prepared statement in C on SQLite. Whoever calls has locked the rows.
    """
    if not rows:
        return
    table, dialect = model.__table__, session.get_bind().dialect
    names = list(rows[0])
    changed = [name for name in names if name != "id"]
    if dialect.name != "postgresql":
        plain = table.update().where(table.c.id == bindparam("row_id"))
        plain = plain.values({name: bindparam(f"new_{name}") for name in changed})
        given = [{"row_id": row["id"], **{f"new_{name}": row[name] for name in changed}} for row in rows]
        session.connection().execute(plain, given)
        return
    arrays, values = _arrays(table, names, rows, dialect)
    # Names are those of our own tables; every value is a parameter.
    statement = (
        f"UPDATE {table.name} SET {', '.join(f'{name} = u.{name}' for name in changed)} "  # noqa: S608
        f"FROM unnest({arrays}) AS u({', '.join(names)}) WHERE {table.name}.id = u.id"
    )
    # nosemgrep: sql-text-is-constant - names of our own tables and columns; every value is bound
    session.connection().exec_driver_sql(statement, values)


def _arrays(
    table: Any, names: Sequence[str], rows: Sequence[Mapping[str, Any]], dialect: Dialect
) -> tuple[str, tuple[Any, ...]]:
    """Columns of rows as arrays for PostgreSQL: their places in a statement, and the values to be bound."""
    marks, values = [], []
    for name in names:
        kind = _array_of(table.c[name].type, dialect)
        process = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        column = [process(row[name]) if process else row[name] for row in rows]
        marks.append(f"CAST(%s AS {kind})")
        values.append(array_literal(column) if kind in _WRITTEN else column)
    return ", ".join(marks), tuple(values)


def _array_of(kind: Any, dialect: Dialect) -> str:
    # Lengths are checked where the values are stored, not where they would be cut.
    name = kind.compile(dialect=dialect).partition("(")[0]
    return f"{'text' if name == 'VARCHAR' else name}[]"


#: Arrays that are handed over as text, as PostgreSQL writes them: the driver takes much longer over a list.
_WRITTEN = {
    f"{name}[]" for name in ("BIGINT", "INTEGER", "text", "DATE", "TIMESTAMP WITH TIME ZONE", "BOOLEAN")
}


def array_literal(column: Iterable[Any]) -> str:
    """Whole numbers, texts, days, instants and flags as PostgreSQL writes an array of them."""
    return "{" + ",".join(map(_element, column)) + "}"


def _element(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if value is None:
        return "NULL"
    text = str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def among(column: Any, values: Collection[int]) -> ColumnElement[bool]:
    """`column IN (…)` for numbers; on PostgreSQL one array, so the statement stays the same for any number of them."""
    if db.engine.dialect.name == "postgresql":
        found: ColumnElement[bool] = column == any_(literal(list(values), postgresql.ARRAY(BigInteger)))
        return found
    return column.in_(list(values))  # type: ignore[no-any-return]


def like(column: Any, text: str) -> ColumnElement[bool]:
    """Whether a column has this text in it, whatever the case; a % or _ of the text stands for itself."""
    return column.icontains(text, autoescape=True)  # type: ignore[no-any-return]


def within(column: Any, first: Any, last: Any) -> Iterator[ColumnElement[bool]]:
    """Conditions that a column lies between two values, both included; None is no bound."""
    if first is not None:
        yield column >= first
    if last is not None:
        yield column <= last


class _NumbersAsText(TypeDecorator[Collection[int]]):
    """Numbers as one value for SQLite, which reads them out of a JSON array."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Collection[int] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


def among_given(column: Any, name: str, dialect: str) -> ColumnElement[bool]:
    """`among` for a statement that is put together once on an engine: the list of numbers is given as `name`.

    It is one value on both engines, so the statement is the same for any number of them and needs no second look.
    """
    if dialect == "postgresql":
        found: ColumnElement[bool] = column == any_(bindparam(name, type_=postgresql.ARRAY(BigInteger)))
        return found
    numbers = func.json_each(bindparam(name, type_=_NumbersAsText())).table_valued("value")
    return column.in_(select(numbers.c.value))  # type: ignore[no-any-return]


def short_statements(url: str) -> dict[str, Any]:
    """Engine options of a web process: PostgreSQL ends a statement after STATEMENT_SECONDS, and the page is a 503.

    Somebody who finds a slow question could otherwise hold every connection. Workers and commands take their time.
    """
    address = make_url(url)
    if address.get_backend_name() != "postgresql":
        return {}
    given = address.query.get("options", ())
    words = [given] if isinstance(given, str) else [*given]
    # What a page asks is over before it would be compiled: PostgreSQL's compiler (jit) only costs time here.
    limit = f"-c statement_timeout={round(STATEMENT_SECONDS * 1000)} -c jit=off"
    return {"connect_args": {"options": " ".join([*words, limit])}}


def init_app(app: Any) -> None:
    """Bind the database and the migrations to the application."""
    db.init_app(app)
    migrate.init_app(app, db, directory=str(app.config["MIGRATIONS_FOLDER"]), render_as_batch=True)
