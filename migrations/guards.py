"""Triggers and rows that the first migration installs beside the tables; they are part of it.

What they keep, on SQLite and on PostgreSQL alike:

* every posting is counted into its entry's `imbalance` and `legs_missing`, whose deferred foreign keys
  point to the single value 0, so that only a complete and balanced entry can be committed;
* nobody else writes those two columns, and nothing else of an entry or a posting changes or goes away;
* audit events and transfer events are only ever added.

A later migration that rebuilds one of these tables on SQLite drops its triggers and must create them again.
"""

# ruff: noqa: S608 - table and column names are constants of this file.
from __future__ import annotations

from alembic import op

# Tables whose rows never change and never go, and what a person who tries is told.
APPEND_ONLY = {
    "postings": "Postings are never changed or deleted. Post a reversing entry.",
    "audit_events": "Audit events are never changed or deleted.",
    "transfer_events": "Transfer events are never changed or deleted.",
}
ENTRY_MESSAGE = "Journal entries are never changed or deleted. Post a reversing entry."
ENTRY_COLUMNS = (
    "id", "organisation_id", "kind", "currency", "effective_on", "description", "source_type",
    "source_id", "idempotency_key", "content_digest", "reverses_id", "created_by_id", "created_by_label",
    "created_at", "legs",
)  # fmt: skip
ACCOUNT_COLUMNS = ("id", "organisation_id", "code", "type", "currency", "normal_side", "payee_id")
ACCOUNT_MESSAGE = "What an account is never changes. Open another account."
OPEN_MESSAGE = "A journal entry begins without postings: imbalance 0, legs_missing = legs."
COUNT_MESSAGE = "imbalance and legs_missing are counted from the postings."
NUMBER_MESSAGE = "Amounts are whole numbers of minor units."


def install() -> None:
    """Put the ledger's zero row and all triggers in place."""
    op.execute("INSERT INTO ledger_zero (value) VALUES (0)")
    install_triggers()


def install_triggers() -> None:
    """Create the triggers for the engine that the migration runs on."""
    if op.get_bind().dialect.name == "postgresql":
        _install_on_postgresql()
    else:
        _install_on_sqlite()


def remove() -> None:
    """Take back what `install` did, so that the tables can be dropped."""
    if op.get_bind().dialect.name == "postgresql":
        for function in ("paydesk_refuse", "paydesk_count_postings"):
            # nosemgrep: sql-text-is-constant - the names stand in this file
            op.execute(f"DROP FUNCTION {function}() CASCADE")


def _sqlite_refusal(name: str, event: str, table: str, message: str, condition: str = "") -> None:
    when = f"WHEN {condition} " if condition else ""
    # nosemgrep: sql-text-is-constant - the names stand in this file
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when}BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _install_on_sqlite() -> None:
    for table, message in APPEND_ONLY.items():
        _sqlite_refusal(f"{table}_no_update", "UPDATE", table, message)
        _sqlite_refusal(f"{table}_no_delete", "DELETE", table, message)
        # INSERT OR REPLACE deletes without a delete trigger where recursive_triggers is off.
        _sqlite_refusal(
            f"{table}_no_replace", "INSERT", table, message,
            f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)",
        )  # fmt: skip
    entries = "journal_entries"
    _sqlite_refusal(f"{entries}_no_delete", "DELETE", entries, ENTRY_MESSAGE)
    _sqlite_refusal(
        f"{entries}_no_replace", "INSERT", entries, ENTRY_MESSAGE,
        f"EXISTS (SELECT 1 FROM {entries} WHERE id = NEW.id)",
    )  # fmt: skip
    _sqlite_refusal(f"{entries}_no_update", f"UPDATE OF {', '.join(ENTRY_COLUMNS)}", entries, ENTRY_MESSAGE)
    _sqlite_refusal(
        f"{entries}_begin_open", "INSERT", entries, OPEN_MESSAGE,
        "NEW.imbalance <> 0 OR NEW.legs_missing <> NEW.legs",
    )  # fmt: skip
    # SQLite cannot tell who updates. Counts other than 0 cannot be committed anyway, so what is compared with the
    # postings is the one update that makes an entry complete.
    _sqlite_refusal(
        f"{entries}_counted", "UPDATE OF imbalance, legs_missing", entries, COUNT_MESSAGE,
        "NEW.imbalance = 0 AND NEW.legs_missing = 0 AND (0, NEW.legs) IS NOT "
        "(SELECT coalesce(sum(amount_minor), 0), count(*) FROM postings WHERE entry_id = NEW.id)",
    )  # fmt: skip
    _sqlite_refusal(
        "postings_whole_numbers", "INSERT", "postings", NUMBER_MESSAGE,
        "typeof(NEW.amount_minor) <> 'integer' OR typeof(NEW.balance_after_minor) <> 'integer'",
    )  # fmt: skip
    op.execute(
        "CREATE TRIGGER postings_count AFTER INSERT ON postings BEGIN "
        "UPDATE journal_entries SET imbalance = imbalance + NEW.amount_minor, "
        "legs_missing = legs_missing - 1 WHERE id = NEW.entry_id; END"
    )
    _sqlite_refusal("accounts_fixed", f"UPDATE OF {', '.join(ACCOUNT_COLUMNS)}", "accounts", ACCOUNT_MESSAGE)


def _postgresql_refusal(name: str, event: str, table: str, message: str, condition: str = "") -> None:
    scope = "STATEMENT" if event == "TRUNCATE" else "ROW"
    when = f"WHEN ({condition}) " if condition else ""
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {scope} {when}"
        f"EXECUTE FUNCTION paydesk_refuse('{message}')"
    )


def _install_on_postgresql() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    # The path is pinned, temporary schema last: nobody can slip a table of the same name under the functions.
    path = f"SET search_path = pg_catalog, {schema}, pg_temp"
    op.execute(
        f"CREATE FUNCTION paydesk_refuse() RETURNS trigger LANGUAGE plpgsql {path} AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation', "
        "TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME; END $$"
    )
    op.execute(
        f"CREATE FUNCTION paydesk_count_postings() RETURNS trigger LANGUAGE plpgsql {path} AS $$ BEGIN "
        "UPDATE journal_entries e SET imbalance = e.imbalance + s.amount, "
        "legs_missing = e.legs_missing - s.legs FROM "
        "(SELECT entry_id, CAST(sum(amount_minor) AS bigint) AS amount, count(*) AS legs FROM added "
        "GROUP BY entry_id) s WHERE e.id = s.entry_id; RETURN NULL; END $$"
    )
    for table, message in APPEND_ONLY.items():
        _postgresql_refusal(f"{table}_no_update", "UPDATE", table, message)
        _postgresql_refusal(f"{table}_no_delete", "DELETE", table, message)
        _postgresql_refusal(f"{table}_no_truncate", "TRUNCATE", table, message)
    entries = "journal_entries"
    _postgresql_refusal(f"{entries}_no_delete", "DELETE", entries, ENTRY_MESSAGE)
    _postgresql_refusal(f"{entries}_no_truncate", "TRUNCATE", entries, ENTRY_MESSAGE)
    changed = " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in ENTRY_COLUMNS)
    # Depth 0 is somebody's own UPDATE; the counting trigger below updates at depth 1.
    _postgresql_refusal(
        f"{entries}_no_update", "UPDATE", entries, ENTRY_MESSAGE, f"pg_trigger_depth() = 0 OR {changed}"
    )
    _postgresql_refusal(
        f"{entries}_begin_open", "INSERT", entries, OPEN_MESSAGE,
        "NEW.imbalance <> 0 OR NEW.legs_missing <> NEW.legs",
    )  # fmt: skip
    op.execute(
        "CREATE TRIGGER postings_count AFTER INSERT ON postings REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION paydesk_count_postings()"
    )
    fixed = " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in ACCOUNT_COLUMNS)
    _postgresql_refusal("accounts_fixed", "UPDATE", "accounts", ACCOUNT_MESSAGE, fixed)
