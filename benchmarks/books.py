"""Ledgers for the benchmarks: ours with every guard, and the same tables bare, which are the floor."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from sqlalchemy import Connection, text

from benchmarks.ground import ACTOR, DAY, NOW, Ground
from webapp.database import db, transaction
from webapp.ledger import service
from webapp.people.models import Organisation

WALLETS = 2_000
DESCRIPTION = "Instalment of one repair"
HEAD = (
    "INSERT INTO journal_entries (organisation_id, kind, currency, effective_on, description, source_type, "
    "source_id, idempotency_key, content_digest, created_by_label, created_at, legs, legs_missing, imbalance) "
)
DIGEST = "0" * 64
HEADS = (
    f"{HEAD} SELECT 1, 'repair.instalment', 'USD', '2026-11-20', '{DESCRIPTION}', 'repair', n, :round || '-' || n, "
    f"'{DIGEST}', 'benchmark', '2026-11-20 12:00:00', 2, 0, 0 FROM {{numbers}}"
)
LEGS = (
    "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
    "SELECT e.id, CASE s.side WHEN 1 THEN 1 ELSE 2 + e.source_id % :wallets END, 'USD', s.side * 100, 100 "
    "FROM journal_entries e CROSS JOIN (SELECT 1 AS side UNION ALL SELECT -1) s WHERE e.id > :top"
)
NUMBERS = {
    "postgresql": "generate_series(1, :entries) AS n",
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :entries) SELECT n FROM c)",
}


def draft(key: str, debit: str, credit: str, amount: int) -> service.EntryDraft:
    """A movement between two accounts."""
    legs = (service.Leg(service.AccountKey(debit), amount), service.Leg(service.AccountKey(credit), -amount))
    return service.EntryDraft("repair.instalment", "USD", DAY, DESCRIPTION, "repair", 1, key, legs)


def drafts(prefix: str, count: int) -> list[service.EntryDraft]:
    """Instalments, one for each of many wallets in turn."""
    return [draft(f"{prefix}-{i}", "bank", f"wallet:{i % WALLETS}", 100) for i in range(count)]


def post_many(entries: Sequence[service.EntryDraft]) -> None:
    """Post them in one transaction."""
    with transaction():
        service.post_many(organisation_id=1, entries=entries, actor=ACTOR, now=NOW)


def post(draft: service.EntryDraft) -> None:
    """Post one in a transaction of its own."""
    with transaction():
        service.post(
            organisation_id=1, kind=draft.kind, currency="USD", effective_on=DAY, description=draft.description,
            source_type="repair", source_id=1, idempotency_key=draft.idempotency_key, legs=draft.legs,
            actor=ACTOR, now=NOW,
        )  # fmt: skip


def ledger(ground: Ground, name: str, *, is_bare: bool = False) -> Flask:
    """An application with one organisation and full wallets; bare: its journal has no triggers."""
    app = ground.application(name)
    with app.app_context():
        with transaction() as session:
            session.add(Organisation(slug="bench", name="Bench", legal_name="Bench", currency="USD",
                                     timezone="UTC", created_at=NOW))  # fmt: skip
        post_many([draft(f"open{n}", "bank", f"wallet:{n}", 10**9) for n in range(WALLETS)])
        if is_bare:
            with db.engine.begin() as connection:
                drop_triggers(connection)
    return app


def drop_triggers(connection: Connection) -> None:
    """Take the ledger's guards away: what is measured then is the floor."""
    if connection.dialect.name == "postgresql":
        for table in ("postings", "journal_entries", "accounts"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    for name in (
        connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    ):
        connection.execute(text(f"DROP TRIGGER {name}"))


def bare_bulk(prefix: str, entries: int) -> None:
    """The floor of many: INSERT … SELECT into the same tables and indexes, no balances, no digests, no checks."""
    with db.engine.begin() as connection:
        top = connection.execute(text("SELECT coalesce(max(id), 0) FROM journal_entries")).scalar_one()
        heads = HEADS.format(numbers=NUMBERS[connection.dialect.name])
        connection.execute(text(heads), {"round": prefix, "entries": entries})
        connection.execute(text(LEGS), {"wallets": WALLETS, "top": top})


_ONE_HEAD = (
    f"{HEAD} VALUES (1, 'repair.instalment', 'USD', '2026-11-20', '{DESCRIPTION}', 'repair', 1, :key, '{DIGEST}', "
    "'benchmark', '2026-11-20 12:00:00', 2, 0, 0) RETURNING id"
)
_ONE_LEG = "INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) VALUES "
_MOVE = (
    "UPDATE accounts SET balance_minor = balance_minor {sign} 1, version = version + 1 WHERE id = :{account} "
    "AND (minimum_balance_minor IS NULL OR balance_minor {sign} 1 >= minimum_balance_minor)"
)
_ONE_CTE = (
    f"WITH e AS ({_ONE_HEAD}), a AS ({_MOVE.format(sign='-', account='bank')} RETURNING id, balance_minor), "
    f"w AS ({_MOVE.format(sign='-', account='wallet')} RETURNING id, balance_minor), "
    "p AS (INSERT INTO postings (entry_id, account_id, currency, amount_minor, balance_after_minor) "
    "SELECT e.id, m.id, 'USD', m.amount, m.balance_minor FROM e CROSS JOIN ("
    "SELECT id, balance_minor, -1 AS amount FROM a UNION ALL SELECT id, balance_minor, 1 FROM w) m RETURNING 1) "
    "SELECT count(*) FROM p"
)


def bare_single(key: str, wallet: int) -> None:
    """The floor of one: everything in one statement (SQLite: three in a row), one transaction."""
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(_ONE_CTE), {"key": key, "bank": 1, "wallet": wallet})
        else:
            conditional_update_last(connection, key, wallet)


def conditional_update_last(connection: Connection, key: str, wallet: int) -> None:
    """An entry with two legs, then the two balances, each only if it stays above its minimum."""
    entry_id = connection.execute(text(_ONE_HEAD), {"key": key}).scalar_one()
    connection.execute(text(f"{_ONE_LEG} (:e, 1, 'USD', -1, 0), (:e, :w, 'USD', 1, 0)"),
                       {"e": entry_id, "w": wallet})  # fmt: skip
    for account_id in (1, wallet):
        connection.execute(text(_MOVE.format(sign="-", account="account")), {"account": account_id})
