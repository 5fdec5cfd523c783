"""Posting to the ledger: many at once against bare INSERT … SELECT, one at a time against one statement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from flask import Flask

from benchmarks import books
from benchmarks.frame import LINEAR, Figure, Pair, at_least, at_most, growth, in_turns, median_of
from benchmarks.ground import DAY, NOW, Ground
from webapp.database import db, transaction
from webapp.ledger.models import Account, JournalEntry, Posting

NAME = "ledger posting"
_keys = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """Bulk, single, the peer who writes objects one by one, and growth."""
    ours, bare = books.ledger(ground, "ours"), books.ledger(ground, "bare", is_bare=True)
    entries = ground.size(200, 20_000, 50_000)
    many = _bulk(ours, bare, entries, ground.rounds)
    yield Figure(NAME, f"{entries:,} at once", ground.engine, entries / many.ours, "per s", entries / many.floor,
                 many.ratio, at_most(2), "floor: INSERT … SELECT, no balances and no checks")  # fmt: skip
    singles = ground.size(10, 200)
    one = _single(ours, bare, singles, ground.rounds)
    yield Figure(NAME, "one by one", ground.engine, singles / one.ours, "per s", singles / one.floor, one.ratio,
                 at_most(3), "floor: one statement each")  # fmt: skip
    peer = singles / median_of(lambda: _objects(ours, singles), ground.rounds)
    yield Figure(NAME, "at once, against objects one by one", ground.engine, entries / many.ours, "per s", peer,
                 entries / many.ours / peer, at_least(20))  # fmt: skip
    sizes = [entries // 10, entries] + ([entries * 5] if ground.is_full else [])
    points = [(n, median_of(lambda n=n: _post(ours, n), min(3, ground.rounds))) for n in sizes]  # type: ignore[misc]
    yield growth(NAME, "posting at once", ground.engine, points, LINEAR)


def _post(app: Flask, entries: int) -> None:
    with app.app_context():
        books.post_many(books.drafts(f"g{next(_keys)}", entries))


def _bulk(ours: Flask, bare: Flask, entries: int, rounds: int) -> Pair:
    """Seconds of post_many, its drafts ready, and of the bare statements."""
    prepared = [books.drafts(f"b{next(_keys)}", entries) for _ in range(rounds)]

    def mine(n: int) -> None:
        with ours.app_context():
            books.post_many(prepared[n])

    def theirs(n: int) -> None:
        with bare.app_context():
            books.bare_bulk(f"b{next(_keys)}", entries)

    return in_turns(mine, theirs, rounds)


def _single(ours: Flask, bare: Flask, entries: int, rounds: int) -> Pair:
    def mine(n: int) -> None:
        with ours.app_context():
            for draft in books.drafts(f"s{next(_keys)}", entries):
                books.post(draft)

    def theirs(n: int) -> None:
        with bare.app_context():
            for i in range(entries):
                books.bare_single(f"s{next(_keys)}", 2 + i % books.WALLETS)

    return in_turns(mine, theirs, rounds)


def _objects(app: Flask, entries: int) -> None:
    """What a ledger on an object mapper does: load, add, change, commit, for each entry."""
    with app.app_context():
        for i in range(entries):
            with transaction() as session:
                accounts = [
                    session.get_one(Account, id_, with_for_update=True) for id_ in (1, 2 + i % books.WALLETS)
                ]
                entry = JournalEntry(
                    organisation_id=1, kind="repair.instalment", currency="USD", effective_on=DAY,
                    description=books.DESCRIPTION, source_type="repair", source_id=1,
                    idempotency_key=f"o{next(_keys)}", content_digest=books.DIGEST, created_by_label="benchmark",
                    created_at=NOW, legs=2, legs_missing=2,
                )  # fmt: skip
                session.add(entry)
                session.flush()
                for account, amount in zip(accounts, (100, -100), strict=True):
                    account.balance_minor += amount * account.normal_side
                    session.add(Posting(entry_id=entry.id, account_id=account.id, currency="USD", amount_minor=amount,
                                        balance_after_minor=account.balance_minor))  # fmt: skip
                session.flush()
        db.session.remove()
