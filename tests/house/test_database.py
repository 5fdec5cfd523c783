"""The one commit: all or nothing, never nested, and what SQLite must be told."""

from datetime import datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from webapp.database import ScaledDecimal, UtcDateTime, after_commit, db, transaction
from webapp.people.models import Organisation


def _organisation(now: datetime, slug: str = "one") -> Organisation:
    return Organisation(
        slug=slug, name=slug, legal_name=slug, currency="USD", timezone="UTC", created_at=now, programs=[]
    )


def test_transaction_stores_all_of_the_block(database: Flask, now: datetime) -> None:
    with transaction() as session:
        session.add(_organisation(now))
    assert db.session.query(Organisation).count() == 1


def test_transaction_stores_nothing_when_the_block_fails(database: Flask, now: datetime) -> None:
    with pytest.raises(LookupError), transaction() as session:
        session.add(_organisation(now))
        session.flush()
        raise LookupError
    assert db.session.query(Organisation).count() == 0


def test_transaction_refuses_to_be_nested(database: Flask) -> None:
    with transaction(), pytest.raises(RuntimeError, match="services do not commit"), transaction():
        pass


def test_transaction_refuses_changes_made_outside(database: Flask, now: datetime) -> None:
    db.session.add(_organisation(now))
    with pytest.raises(RuntimeError, match="outside a transaction"), transaction():
        pass
    db.session.rollback()


def test_calls_after_the_commit_are_made_once_it_is_stored(database: Flask, now: datetime) -> None:
    seen: list[int] = []
    with transaction() as session:
        session.add(_organisation(now))
        after_commit(session, lambda: seen.append(db.session.query(Organisation).count()))
        assert seen == []
    assert seen == [1]


def test_calls_after_the_commit_are_dropped_when_it_fails(database: Flask) -> None:
    seen: list[int] = []
    with pytest.raises(LookupError), transaction() as session:
        after_commit(session, lambda: seen.append(1))
        raise LookupError
    with transaction():
        pass
    assert seen == []


def test_sqlite_is_told_what_it_forgets(database: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("this is about SQLite")
    # An engine as installations have it: the one of the tests does not wait for the disk.
    engine = create_engine(db.engine.url)
    with engine.connect() as connection:
        values = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("foreign_keys", "recursive_triggers", "journal_mode", "synchronous")
        }
    engine.dispose()
    assert values == {"foreign_keys": 1, "recursive_triggers": 1, "journal_mode": "wal", "synchronous": 2}


def test_the_database_refuses_an_unknown_currency_format(database: Flask, now: datetime) -> None:
    broken = _organisation(now)
    broken.currency = "usd"
    with pytest.raises(Exception, match="currency_format"), transaction() as session:
        session.add(broken)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["9.99", "0.000001", "12", "1234567.123456"])
def test_scaled_decimals_come_back_exact(value: str) -> None:
    column = ScaledDecimal()
    stored = column.process_bind_param(Decimal(value), None)  # type: ignore[arg-type]
    assert column.process_result_value(stored, None) == Decimal(value)  # type: ignore[arg-type]


def test_scaled_decimals_refuse_to_lose_digits() -> None:
    with pytest.raises(ValueError, match="decimals"):
        ScaledDecimal().process_bind_param(Decimal("0.0000001"), None)  # type: ignore[arg-type]


def test_downgrade_and_upgrade_leave_the_same_tables(database: Flask, now: datetime) -> None:
    from flask_migrate import check, downgrade, upgrade

    folder = str(database.config["MIGRATIONS_FOLDER"])
    db.session.remove()
    downgrade(directory=folder, revision="base")
    upgrade(directory=folder)
    check(directory=folder)
    with transaction() as session:
        session.add(_organisation(now))
