"""Many writers at once: nothing is lost, nothing goes below its minimum, nobody deadlocks, keys count once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories.ledger import ACTOR, NOW, draft, entry, leg
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger import check, service
from webapp.ledger.models import Account, JournalEntry

WRITERS = 8


@pytest.fixture
def organisation_id(database: Flask) -> int:
    """An organisation whose wallet holds 100."""
    made = factories.organisation().id
    with transaction():
        entry(made, "opening", leg("bank", 100), leg("wallet:organisation", -100))
    return made


def at_once(app: Flask, work: Callable[[int], Any], writers: int = WRITERS) -> list[Any]:
    """What each writer returned or raised, all started together, each with a connection of its own."""
    db.session.remove()
    barrier, results = threading.Barrier(writers), [None] * writers

    def run(n: int) -> None:
        with app.app_context():
            barrier.wait()
            try:
                results[n] = work(n)
            except Exception as error:
                results[n] = error
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def balance(organisation_id: int, code: str) -> int:
    """A balance as kept."""
    return db.session.scalars(
        select(Account.balance_minor).where(Account.organisation_id == organisation_id, Account.code == code)
    ).one()


def test_a_wallet_never_falls_below_zero_and_no_update_is_lost(database: Flask, organisation_id: int) -> None:
    def spend(writer: int) -> int:
        done = 0
        for n in range(5):
            try:
                with transaction():
                    entry(organisation_id, f"{writer}-{n}", leg("wallet:organisation", 7), leg("bank", -7))
                done += 1
            except Conflict:
                continue
        return done

    results = at_once(database, spend)
    assert all(isinstance(r, int) for r in results), results
    # 14 times 7 fit into 100; 40 were tried.
    assert sum(results) == 14
    assert balance(organisation_id, "wallet:organisation") == 2
    assert balance(organisation_id, "bank") == 2
    assert check.run(organisation_id).findings == []


def test_one_key_from_many_writers_is_one_entry(database: Flask, organisation_id: int) -> None:
    def same(writer: int) -> int:
        with transaction():
            return entry(organisation_id, "same", leg("bank", 5), leg("income:fee", -5)).id

    results = at_once(database, same)
    assert len(set(results)) == 1, results
    assert balance(organisation_id, "income:fee") == 5
    assert check.run(organisation_id).findings == []


def test_many_writers_open_the_same_accounts(database: Flask, organisation_id: int) -> None:
    def opening(writer: int) -> int:
        codes = [f"income:kind{n}" for n in range(6)]
        if writer % 2:
            codes.reverse()
        legs = [leg(code, -1) for code in codes]
        with transaction():
            return entry(organisation_id, f"open{writer}", leg("bank", 6), *legs).id

    results = at_once(database, opening)
    assert all(isinstance(r, int) for r in results), results
    assert balance(organisation_id, "income:kind3") == WRITERS
    assert db.session.scalar(select(func.count()).select_from(Account)) == 8


def test_opposite_directions_do_not_deadlock(database: Flask, organisation_id: int) -> None:
    with transaction():
        entry(
            organisation_id,
            "fund",
            leg("wallet:organisation", 90),
            leg("wallet:a", -45),
            leg("wallet:b", -45),
        )

    def move(writer: int) -> int:
        source, target = ("wallet:a", "wallet:b") if writer % 2 else ("wallet:b", "wallet:a")
        for n in range(8):
            with transaction():
                service.post_many(
                    organisation_id=organisation_id, actor=ACTOR, now=NOW,
                    entries=[draft(f"{writer}-{n}-{k}", leg(source, 1), leg(target, -1)) for k in range(2)],
                )  # fmt: skip
        return writer

    results = at_once(database, move, writers=4)
    assert results == [0, 1, 2, 3]
    assert balance(organisation_id, "wallet:a") == balance(organisation_id, "wallet:b") == 45
    assert check.run(organisation_id).findings == []


def test_an_entry_is_reversed_by_one_of_many(database: Flask, organisation_id: int) -> None:
    with transaction():
        made = entry(organisation_id, "made", leg("bank", 50), leg("wallet:organisation", -50)).id

    def reverse(writer: int) -> str:
        with transaction() as session:
            try:
                service.reverse(entry=session.get_one(JournalEntry, made), description="Back",
                                idempotency_key=f"back{writer}", effective_on=NOW.date(), actor=ACTOR,
                                now=NOW)  # fmt: skip
            except Conflict:
                session.rollback()
                return "late"
        return "done"

    results = at_once(database, reverse)
    assert sorted(results) == ["done", *["late"] * (WRITERS - 1)], results
    assert balance(organisation_id, "wallet:organisation") == 100
    assert check.run(organisation_id).findings == []
