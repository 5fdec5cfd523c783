"""The database refuses what must never happen to the journal, whoever asks."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from webapp.database import db

ENTRY = (
    "INSERT INTO journal_entries (id, organisation_id, kind, currency, effective_on, description, source_type, "
    "source_id, idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) "
    "VALUES (:id, 1, 'test', 'USD', '2026-11-20', 'by hand', 'test', 1, :key, 'x', 'sql', '2026-11-20 12:00:00', "
    ":legs, :missing, :imbalance)"
)
POSTING = (
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
    "VALUES (:entry, :account, :currency, :amount, 0)"
)


@pytest.fixture
def books(database: Flask) -> Flask:
    """An organisation with two dollar accounts, a rupee account and one good entry, written by plain SQL."""
    run("INSERT INTO organisations (id, slug, name, legal_name, address, tax_id, contact_email, country, currency, "
        "timezone, locale, week_start, is_demo, created_at) VALUES (1, 'o', 'O', 'O', '', '', '', 'US', 'USD', "
        "'UTC', 'en_US', 0, :no, '2026-11-20 12:00:00')", no=False)  # fmt: skip
    for number, code, currency in ((1, "bank", "USD"), (2, "income:fee", "USD"), (3, "bank", "INR")):
        run("INSERT INTO accounts (id, organisation_id, code, name, type, currency, normal_side, balance_minor, "
            "version, created_at) VALUES (:id, 1, :code, :code, 'asset', :currency, 1, 0, 0, "
            "'2026-11-20 12:00:00')", id=number, code=code, currency=currency)  # fmt: skip
    entry(1, legs=2)
    posting(1, 1, 500)
    posting(1, 2, -500)
    db.session.commit()
    return database


def run(statement: str, **values: Any) -> None:
    """Run one statement in the open transaction."""
    db.session.execute(text(statement), values)


def entry(number: int, *, legs: int, missing: int | None = None, imbalance: int = 0) -> None:
    """Write the head of an entry."""
    values = {"id": number, "key": f"k{number}", "legs": legs, "imbalance": imbalance}
    run(ENTRY, missing=legs if missing is None else missing, **values)


def posting(number: int, account: int, amount: int, currency: str = "USD") -> None:
    """Write one leg."""
    run(POSTING, entry=number, account=account, amount=amount, currency=currency)


def figures() -> tuple[int, int, int]:
    """Number of entries, number of postings, sum of debits."""
    db.session.rollback()
    row = db.session.execute(text(
        "SELECT (SELECT count(*) FROM journal_entries), count(*), "
        "sum(CASE WHEN amount_minor > 0 THEN amount_minor ELSE 0 END) FROM postings")).one()  # fmt: skip
    return (int(row[0]), int(row[1]), int(row[2]))


def test_a_complete_entry_is_counted(books: Flask) -> None:
    row = db.session.execute(text("SELECT imbalance, legs_missing FROM journal_entries WHERE id = 1")).one()
    assert tuple(row) == (0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE postings SET amount_minor = 900 WHERE entry_id = 1",
        "UPDATE postings SET balance_after_minor = 1",
        "DELETE FROM postings WHERE amount_minor > 0",
        "UPDATE journal_entries SET description = 'other'",
        "UPDATE journal_entries SET effective_on = '2020-01-01'",
        "UPDATE journal_entries SET imbalance = 7",
        "UPDATE journal_entries SET legs_missing = 1, legs = 3",
        "DELETE FROM journal_entries",
        "UPDATE accounts SET type = 'income'",
        "UPDATE accounts SET normal_side = -1",
    ],
)
def test_history_is_refused_a_change(books: Flask, statement: str) -> None:
    with pytest.raises(DatabaseError):
        run(statement)
        db.session.commit()
    assert figures() == (1, 2, 500)


def test_a_balance_may_be_written(books: Flask) -> None:
    run("UPDATE accounts SET balance_minor = 500, version = 1 WHERE id = 1")
    db.session.commit()


@pytest.mark.parametrize("table", ["postings", "journal_entries", "audit_events", "transfer_events"])
def test_postgresql_refuses_to_truncate(books: Flask, table: str) -> None:
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(IntegrityError, match="never changed"):
        run(f"TRUNCATE {table} CASCADE")
    assert figures() == (1, 2, 500)


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("table", ["postings", "journal_entries"])
def test_sqlite_refuses_to_replace(books: Flask, table: str, recursive: str) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("INSERT OR REPLACE is SQLite's")
    raw = db.session.connection().connection.driver_connection
    db.session.commit()
    raw.execute(f"PRAGMA recursive_triggers={recursive}")
    with pytest.raises(DatabaseError, match=r"never changed|begins without postings"):
        run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE id = 1")
    db.session.rollback()
    raw.execute("PRAGMA recursive_triggers=ON")
    assert figures() == (1, 2, 500)


def test_an_unbalanced_entry_is_refused_at_the_commit(books: Flask) -> None:
    entry(2, legs=2)
    posting(2, 1, 500)
    posting(2, 2, -499)
    with pytest.raises(IntegrityError):
        db.session.commit()
    assert figures() == (1, 2, 500)


def test_an_entry_with_a_missing_leg_is_refused_at_the_commit(books: Flask) -> None:
    entry(2, legs=3)
    posting(2, 1, 500)
    posting(2, 2, -500)
    with pytest.raises(IntegrityError):
        db.session.commit()
    assert figures() == (1, 2, 500)


def test_an_entry_without_legs_is_refused_at_the_commit(books: Flask) -> None:
    entry(2, legs=2)
    with pytest.raises(IntegrityError):
        db.session.commit()
    assert figures() == (1, 2, 500)


def test_balanced_legs_added_later_are_refused_at_the_commit(books: Flask) -> None:
    posting(1, 1, 100)
    posting(1, 2, -100)
    with pytest.raises(IntegrityError):
        db.session.commit()
    assert figures() == (1, 2, 500)


@pytest.mark.parametrize("wrong", [{"legs": 1}, {"legs": 2, "missing": 0}, {"legs": 2, "imbalance": 5}])
def test_an_entry_cannot_begin_as_if_it_were_complete(books: Flask, wrong: dict[str, int]) -> None:
    with pytest.raises(IntegrityError):
        entry(2, **wrong)  # type: ignore[arg-type]
    assert figures() == (1, 2, 500)


def test_an_unbalanced_entry_cannot_be_declared_balanced(books: Flask) -> None:
    entry(2, legs=2)
    posting(2, 1, 500)
    posting(2, 2, -499)
    with pytest.raises(DatabaseError):
        run("UPDATE journal_entries SET imbalance = 0, legs_missing = 0 WHERE id = 2")
    assert figures() == (1, 2, 500)


@pytest.mark.parametrize(
    ("account", "amount", "currency"), [(3, -500, "USD"), (3, -500, "INR"), (2, 0, "USD")]
)
def test_a_leg_must_fit_its_entry_and_its_account(
    books: Flask, account: int, amount: int, currency: str
) -> None:
    entry(2, legs=2)
    posting(2, 1, 500)
    with pytest.raises(IntegrityError):
        posting(2, account, amount, currency)
        db.session.commit()
    assert figures() == (1, 2, 500)


def test_fractions_of_a_minor_unit_are_refused(books: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's BIGINT admits whole numbers alone")
    with pytest.raises(DatabaseError, match="whole numbers"):
        run("INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
            "VALUES (1, 1, 'USD', 0.5, 0)")  # fmt: skip


@pytest.mark.parametrize("action", ["UPDATE audit_events SET note = 'x'", "DELETE FROM audit_events"])
def test_audit_events_are_refused_a_change(books: Flask, action: str) -> None:
    run("INSERT INTO audit_events (chain, seq, at, actor_label, ip, user_agent, tag, subject_type, subject_label, "
        "note, changes, previous_hash, hash) VALUES (0, 1, '2026-11-20 12:00:00', 'a', '', '', 't', 's', '', '', "
        "'{}', 'p', 'h')")  # fmt: skip
    db.session.commit()
    with pytest.raises(DatabaseError, match="never changed"):
        run(action)
    db.session.rollback()
    assert db.session.execute(text("SELECT note FROM audit_events")).scalar_one() == ""
