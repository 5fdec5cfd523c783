"""The check finds nothing in good books, and names what was changed behind the ledger's back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import text

from tests import factories
from tests.factories.ledger import ACTOR, NOW, entry, leg
from webapp.audit import service as audit
from webapp.database import db, transaction
from webapp.ledger import check, commands


@pytest.fixture
def organisation_id(database: Flask) -> int:
    """Books with wallets, a reversal, two currencies and audit events."""
    organisation = factories.organisation(slug="solaria")
    with transaction():
        entry(organisation.id, "k1", leg("bank", 5000), leg("wallet:organisation", -5000))
        paid = entry(organisation.id, "k2", leg("wallet:organisation", 1500), leg("payable:TE-1", -1500))
        entry(
            organisation.id,
            "k3",
            leg("payable:TE-1", 1500),
            leg("wallet:organisation", -1500),
            reverses_id=paid.id,
        )
        entry(organisation.id, "k4", leg("bank", 700), leg("income:fee", -700), currency="INR")
        audit.record(tag="test:books:opened", actor=ACTOR, now=NOW, organisation_id=organisation.id,
                     subject_type="books", changes={"state": [None, "open"]})  # fmt: skip
    return organisation.id


@contextmanager
def behind_its_back() -> Iterator[Any]:
    """A connection on which the guards are off, as somebody with the database in their hands has it."""
    db.session.rollback()
    engine = db.engine
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
            yield connection
            connection.commit()
            connection.execute(text("SET session_replication_role = origin"))
            connection.commit()
            return
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")
        triggers = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        ).all()
        for name, _ in triggers:
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("PRAGMA ignore_check_constraints=ON"))
        yield connection
        connection.execute(text("PRAGMA ignore_check_constraints=OFF"))
        for _, sql in triggers:
            connection.exec_driver_sql(sql)
        connection.commit()
        connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")


def found(organisation_id: int | None = None) -> set[tuple[str, str]]:
    """(rule, subject) of every finding."""
    db.session.rollback()
    return {(f.rule, f.subject) for f in check.run(organisation_id).findings}


def number(query: str) -> int:
    """One number out of the database."""
    db.session.rollback()
    return int(db.session.execute(text(query)).scalar_one())


def test_good_books_have_no_findings(organisation_id: int) -> None:
    report = check.run(organisation_id)
    assert report.findings == []
    assert report.figures["entries"] == 4
    assert report.figures["postings"] == 8
    assert report.figures["reversals"] == 1
    assert report.figures["debits_USD"] == report.figures["credits_USD"] == "80.00 USD"
    assert report.figures["debits_INR"] == "7.00 INR"
    assert report.figures["audit_events"] == number(
        f"SELECT count(*) FROM audit_events WHERE chain = {organisation_id}"
    )


def test_an_empty_ledger_has_no_findings(database: Flask) -> None:
    assert check.run().is_clean


def test_a_changed_posting_is_named(organisation_id: int) -> None:
    posting = number("SELECT min(id) FROM postings WHERE amount_minor = 1500")
    with behind_its_back() as connection:
        connection.execute(text("UPDATE postings SET amount_minor = 1501 WHERE id = :id"), {"id": posting})
    entry_id = number(f"SELECT entry_id FROM postings WHERE id = {posting}")
    account = number(f"SELECT account_id FROM postings WHERE id = {posting}")
    assert found() == {
        ("balances", f"account {account} (wallet:organisation)"),
        ("running balances", f"posting {posting} (entry {entry_id}, wallet:organisation)"),
        ("zero sums", f"entry {entry_id} (test.moved)"),
        ("contents", f"entry {entry_id} (test.moved)"),
        ("reversals", f"entry {entry_id + 1}"),
    }


def test_a_change_that_still_adds_up_is_named(organisation_id: int) -> None:
    """The whole entry and both accounts are made to agree; only the digest is left to tell."""
    entry_id = number("SELECT id FROM journal_entries WHERE currency = 'INR'")
    with behind_its_back() as connection:
        connection.execute(
            text("UPDATE postings SET amount_minor = amount_minor * 2, balance_after_minor = balance_after_minor * 2 "
                 "WHERE entry_id = :id"), {"id": entry_id})  # fmt: skip
        connection.execute(
            text("UPDATE accounts SET balance_minor = balance_minor * 2 WHERE currency = 'INR'")
        )
    assert found() == {("contents", f"entry {entry_id} (test.moved)")}


@pytest.mark.parametrize(
    ("statement", "rule", "subject"),
    [
        ("UPDATE accounts SET balance_minor = 1 WHERE code = 'bank' AND currency = 'INR'", "balances", "bank"),
        ("UPDATE accounts SET normal_side = 1 WHERE code = 'income:fee'", "account types", "income:fee"),
        ("UPDATE postings SET balance_after_minor = 9 WHERE currency = 'INR' AND amount_minor > 0",
         "running balances", "bank"),
        ("DELETE FROM postings WHERE currency = 'INR' AND amount_minor > 0", "legs", "test.moved"),
        ("DELETE FROM journal_entries WHERE currency = 'INR'", "postings belong", "posting"),
        ("UPDATE postings SET currency = 'EUR' WHERE currency = 'INR'", "postings belong", "posting"),
        ("UPDATE journal_entries SET description = 'Other' WHERE currency = 'INR'", "contents", "entry"),
        ("UPDATE journal_entries SET imbalance = 3 WHERE currency = 'INR'", "zero sums", "entry"),
        ("UPDATE journal_entries SET reverses_id = 1 WHERE currency = 'INR'", "reversals", "entry"),
        ("UPDATE audit_events SET note = 'other'", "audit chain", "audit chain"),
        ("UPDATE audit_heads SET seq = seq + 1", "audit chain", "audit chain"),
    ],
)  # fmt: skip
def test_every_other_change_is_found(organisation_id: int, statement: str, rule: str, subject: str) -> None:
    with behind_its_back() as connection:
        connection.execute(text(statement))
    named = [s for r, s in found() if r == rule]
    assert named, found()
    assert any(subject in s for s in named)


def test_a_balance_below_its_minimum_is_found(organisation_id: int) -> None:
    with behind_its_back() as connection:
        connection.execute(text("UPDATE accounts SET minimum_balance_minor = NULL WHERE code LIKE 'wallet%'"))
        connection.execute(text("UPDATE accounts SET minimum_balance_minor = 999999 WHERE code = 'bank'")
                           if db.engine.dialect.name == "sqlite" else text("SELECT 1"))  # fmt: skip
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's CHECK cannot be switched off for one connection")
    assert {r for r, _ in found()} == {"minimum balances"}


def test_a_second_reversal_is_found(organisation_id: int) -> None:
    reversed_id = number("SELECT reverses_id FROM journal_entries WHERE reverses_id IS NOT NULL")
    with behind_its_back() as connection:
        connection.execute(text("DROP INDEX uq_journal_entries_reverses"))
        connection.execute(text("UPDATE journal_entries SET reverses_id = :id WHERE currency = 'INR'"),
                           {"id": reversed_id})  # fmt: skip
    assert ("reversed once", f"entry {reversed_id}") in found()


def test_a_missing_guard_is_found(organisation_id: int) -> None:
    on = " ON postings" if db.engine.dialect.name == "postgresql" else ""
    db.session.execute(text(f"DROP TRIGGER postings_no_update{on}"))
    db.session.commit()
    assert found() == {("guards", "trigger postings_no_update")}


def test_an_organisation_is_checked_alone(organisation_id: int) -> None:
    other = factories.organisation().id
    with transaction():
        entry(other, "k1", leg("bank", 100), leg("income:fee", -100))
    with behind_its_back() as connection:
        connection.execute(
            text("UPDATE postings SET amount_minor = amount_minor * 2 WHERE amount_minor = 100")
        )
    assert found(organisation_id) == set()
    assert {rule for rule, _ in found(other)} == {"balances", "running balances", "zero sums", "contents"}


def test_rooms_add_their_own_checks(organisation_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def positions(which: int | None) -> Iterator[check.Finding]:
        asked.append(which)
        yield check.Finding("positions", "PO-2026-000001", "It is paid; the ledger says it is not.")

    monkeypatch.setattr(check, "position_checks", [positions])
    assert found(organisation_id) == {("positions", "PO-2026-000001")}
    assert asked == [organisation_id]


def test_many_findings_are_counted_not_listed(organisation_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "position_checks",
                        [lambda _: (check.Finding("positions", f"PO-{n}", "Wrong.") for n in range(120))])  # fmt: skip
    report = check.run(organisation_id)
    assert len(report.findings) == check.NAMED + 1
    assert report.findings[-1].message == "70 more rows break this rule."


def test_the_command_prints_figures_and_exits_with_the_verdict(organisation_id: int) -> None:
    runner = CliRunner()
    db.session.rollback()
    good = runner.invoke(commands.ledger, ["check", "--organisation", "solaria"])
    assert good.exit_code == 0
    assert re.search(r"entries +4\n", good.output)
    posting = number("SELECT max(id) FROM postings")
    with behind_its_back() as connection:
        connection.execute(text("UPDATE postings SET amount_minor = -1 WHERE id = :id"), {"id": posting})
    bad = runner.invoke(commands.ledger, ["check"])
    assert bad.exit_code == 1
    assert f"posting {posting} " in bad.output
    as_json = runner.invoke(commands.ledger, ["check", "--json"])
    assert as_json.exit_code == 1
    report = json.loads(as_json.stdout)
    assert report["ok"] is False
    assert report["figures"]["findings"] == len(report["findings"]) > 0
    assert runner.invoke(commands.ledger, ["check", "--organisation", "nobody"]).exit_code == 2
