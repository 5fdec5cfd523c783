"""How fast the ledger posts, against what the engine can do at all.

    .venv/bin/python -m benchmarks.ledger_posting [--entries 20000] [--rounds 5]

Always on SQLite in a temporary folder; also on PostgreSQL when DATABASE_URL names a database in which two schemas
(paydesk_bench_ours, paydesk_bench_floor) may be made and dropped. Each line: our figure, the floor, the ratio of
the two measured in turns in one run (median), and the goal.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine, text

from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.ledger import service
from webapp.people.models import Organisation

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
ACTOR = Actor(None, "benchmark")
WALLETS = 2_000
WRITERS = 8
TRIGGERS = {
    "postings": ("no_update", "no_delete", "no_replace", "no_truncate", "whole_numbers", "count"),
    "journal_entries": ("no_update", "no_delete", "no_replace", "no_truncate", "begin_open", "counted"),
}
HEAD = (
    "INSERT INTO journal_entries (organisation_id, kind, currency, effective_on, description, source_type, "
    "source_id, idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) "
)
FLOOR_HEADS = (
    f"{HEAD} SELECT 1, 'repair.instalment', 'USD', '2026-11-20', 'Instalment', 'repair', n, 'r' || :round || '-' || n, "
    "'0000000000000000000000000000000000000000000000000000000000000000', 'benchmark', '2026-11-20 12:00:00', 2, 0, 0 "
    "FROM {numbers}"
)
FLOOR_LEGS = (
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
    "SELECT e.id, CASE s.side WHEN 1 THEN 1 ELSE 2 + e.source_id % :wallets END, 'USD', s.side * 100, 100 "
    "FROM journal_entries e CROSS JOIN (SELECT 1 AS side UNION ALL SELECT -1) s WHERE e.idempotency_key LIKE :like"
)
NUMBERS = {
    "postgresql": "generate_series(1, :entries) AS n",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :entries) SELECT n FROM c)",
}


def application(url: str, home: Path, bare: bool) -> Flask:
    """An application on an empty database with one organisation and funded wallets; `bare`: no triggers."""
    settings = Settings(
        PAYDESK_ENV="test", PAYDESK_HOME=home, DATABASE_URL=url, SECRET_KEY="benchmark-" * 5,
        PAYDESK_FIELD_KEYS="b1:" + base64.b64encode(bytes(32)).decode(), PAYDESK_INDEX_KEY="benchmark index " * 3,
    )  # fmt: skip
    app = create_app(settings)
    with app.app_context():
        upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
        with transaction() as session:
            session.add(Organisation(slug="bench", name="Bench", legal_name="Bench", currency="USD",
                                     timezone="UTC", created_at=NOW))  # fmt: skip
            session.flush()
            drafts = [draft(f"open{n}", "bank", f"wallet:{n}", 10**9) for n in range(WALLETS)]
            service.post_many(organisation_id=1, entries=drafts, actor=ACTOR, now=NOW)
        if bare:
            with db.engine.begin() as connection:
                on = "{t}" if connection.dialect.name == "sqlite" else "{t} ON {table}"
                for table, names in TRIGGERS.items():
                    for name in names:
                        trigger = on.format(t=f"{table}_{name}", table=table)
                        connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
    return app


def draft(key: str, debit: str, credit: str, amount: int) -> service.EntryDraft:
    """A movement between two accounts."""
    legs = (service.Leg(service.AccountKey(debit), amount), service.Leg(service.AccountKey(credit), -amount))
    return service.EntryDraft("repair.instalment", "USD", DAY, "Instalment", "repair", 1, key, legs)


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bulk(ours: Flask, floor: Flask, entries: int, rounds: int) -> tuple[float, float, float]:
    """Entries per second of post_many, of bare INSERT … SELECT, and the median ratio of their times."""
    times: list[tuple[float, float]] = []
    for n in range(rounds):
        drafts = [draft(f"b{n}-{i}", "bank", f"wallet:{i % WALLETS}", 100) for i in range(entries)]

        def post(drafts: list[service.EntryDraft] = drafts) -> None:
            with ours.app_context(), transaction():
                service.post_many(organisation_id=1, entries=drafts, actor=ACTOR, now=NOW)

        def bare(n: int = n) -> None:
            with floor.app_context(), db.engine.begin() as connection:
                heads = FLOOR_HEADS.format(numbers=NUMBERS[connection.dialect.name])
                connection.execute(text(heads), {"round": str(n), "entries": entries})
                connection.execute(text(FLOOR_LEGS), {"wallets": WALLETS, "like": f"r{n}-%"})

        times.append((timed(post), timed(bare)))
    return result(times, entries)


def hot(ours: Flask, floor: Flask, transfers: int, rounds: int) -> tuple[float, float, float]:
    """Transfers per second out of one wallet by eight writers: `post`, and a conditional UPDATE placed last."""
    times: list[tuple[float, float]] = []
    for n in range(rounds):

        def one(i: int, n: int = n) -> None:
            with transaction():
                service.post(organisation_id=1, kind="test.moved", currency="USD", effective_on=DAY,
                             description="Transfer", source_type="test", source_id=i, idempotency_key=f"h{n}-{i}",
                             legs=draft("", "wallet:0", "bank", 1).legs, actor=ACTOR, now=NOW)  # fmt: skip

        def last(i: int, n: int = n) -> None:
            with db.engine.begin() as connection:
                entry_id = connection.execute(text(
                    f"{HEAD} VALUES (1, 'test.moved', 'USD', '2026-11-20', 'Transfer', 'test', :i, :key, '0', "
                    "'benchmark', '2026-11-20 12:00:00', 2, 0, 0) RETURNING id"),
                    {"i": i, "key": f"h{n}-{i}"}).scalar_one()  # fmt: skip
                connection.execute(text(
                    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
                    "VALUES (:e, 1, 'USD', 1, 0), (:e, 2, 'USD', -1, 0)"), {"e": entry_id})  # fmt: skip
                for account_id in (1, 2):
                    connection.execute(text("UPDATE accounts SET balance_minor = balance_minor - 1, "
                                            "version = version + 1 WHERE id = :a AND (minimum_balance_minor IS NULL "
                                            "OR balance_minor - 1 >= minimum_balance_minor)"),
                                       {"a": account_id})  # fmt: skip

        times.append(
            (timed(lambda: writers(ours, one, transfers)), timed(lambda: writers(floor, last, transfers)))
        )
    return result(times, transfers)


def writers(app: Flask, one: Callable[[int], None], transfers: int) -> None:
    """Share the transfers among the writers, each with a connection of its own."""
    share = transfers // WRITERS

    def write(first: int) -> None:
        with app.app_context():
            for i in range(first, first + share):
                one(i)

    threads = [threading.Thread(target=write, args=(k * share,)) for k in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def result(times: list[tuple[float, float]], count: int) -> tuple[float, float, float]:
    """Our rate, the floor's rate, and how many times the floor's time we take (medians)."""
    ours, floor = (count / statistics.median(t[i] for t in times) for i in (0, 1))
    return ours, floor, statistics.median(t[0] / t[1] for t in times)


def report(engine: str, ours: Flask, floor: Flask, entries: int, rounds: int) -> None:
    """Print the figures of one engine."""
    bulk_rate, bulk_floor, bulk_ratio = bulk(ours, floor, entries, rounds)
    print(f"{engine:10} post_many      {bulk_rate:9,.0f}/s   floor {bulk_floor:9,.0f}/s   "
          f"{bulk_ratio:5.2f} × floor        goal ≤ 2.00")  # fmt: skip
    rate, last, ratio = hot(ours, floor, 100 * WRITERS, rounds)
    print(f"{engine:10} post, one row  {rate:9,.0f}/s   floor {last:9,.0f}/s   "
          f"{1 / ratio:5.2f} of the floor     goal ≥ 0.80")  # fmt: skip
    print(f"{engine:10} many / single  {bulk_rate / rate:9,.1f} ×{' ' * 42}goal ≥ 10")


def main() -> None:
    """Run on SQLite, and on PostgreSQL where DATABASE_URL is set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        homes = [Path(folder, name) for name in ("ours", "floor")]
        for home in homes:
            home.mkdir()
        apps = [application("", home, bare) for home, bare in zip(homes, (False, True), strict=True)]
        report("sqlite", *apps, options.entries, options.rounds)
        address = os.environ.get("DATABASE_URL", "")
        if not address:
            print("postgresql is skipped: DATABASE_URL is not set")
            return
        address = address.replace("postgres://", "postgresql://").replace(
            "postgresql://", "postgresql+psycopg://"
        )
        engine = create_engine(address)
        with ExitStack() as stack:
            urls = []
            for name in ("ours", "floor"):
                schema = f"paydesk_bench_{name}"
                with engine.begin() as connection:
                    connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
                    connection.execute(text(f"CREATE SCHEMA {schema}"))
                stack.callback(_drop, engine, schema)
                urls.append(f"{address}{'&' if '?' in address else '?'}options=-csearch_path%3D{schema}")
            apps = [application(u, h, b) for u, h, b in zip(urls, homes, (False, True), strict=True)]
            report("postgresql", *apps, options.entries, options.rounds)
            for app in apps:
                with app.app_context():
                    db.engine.dispose()


def _drop(engine: object, schema: str) -> None:
    with engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


if __name__ == "__main__":
    main()
