"""The journal leaves the house: other programs read it, and come to our balances."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories.ledger import entry, leg
from webapp.database import db, transaction
from webapp.kernel.money import Money
from webapp.ledger import commands
from webapp.ledger.export import export
from webapp.ledger.models import Account
from webapp.people.models import Organisation

HOSTILE = ["=1+1", 'Tea; cake\nand "jam" \\ more', "(12) ! * |", "", "\u202eright to left", "a  b"]


@pytest.fixture
def organisation(database: Flask) -> Organisation:
    """Books in three currencies with names and texts that are hard to write down."""
    made = factories.organisation(slug="solaria", name='Solaria "Sun" \\ Ltd;')
    with transaction():
        for n, words in enumerate(HOSTILE):
            entry(made.id, f"h{n}", leg("bank", 12345 + n), leg("income:solar_fee", -12345 - n), description=words,
                  effective_on=date(2026, 3, 20 - n))  # fmt: skip
        entry(made.id, "yen", leg("bank", 500), leg("wallet:TE-0001", -500), currency="JPY")
        entry(made.id, "dinar", leg("bank", 1234567), leg("held:ä b;c (x)", -1234567), currency="KWD")
        first = entry(made.id, "one", leg("expense:a_b", 100), leg("payable:TE-0001", -100))
        entry(
            made.id, "two", leg("expense:a-b", 7), leg("payable:te-0001", -7), effective_on=date(2020, 2, 29)
        )
        entry(made.id, "back", leg("payable:TE-0001", 100), leg("expense:a_b", -100), reverses_id=first.id)
    return made


def sums(organisation: Organisation) -> dict[str, list[Decimal]]:
    """Debit-positive balances of our accounts, by currency, sorted, without zeros."""
    result = defaultdict(list)
    for account in db.session.scalars(select(Account).where(Account.organisation_id == organisation.id)):
        if account.balance_minor:
            result[account.currency].append(
                Money(account.balance_minor * account.normal_side, account.currency).decimal
            )
    return {currency: sorted(values) for currency, values in result.items()}


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not on this machine")
def test_hledger_accepts_the_journal_and_agrees(organisation: Organisation, tmp_path: Path) -> None:
    path = tmp_path / "books.journal"
    path.write_text("".join(export(organisation, "hledger")), encoding="utf-8")

    def hledger(*arguments: str) -> str:
        done = subprocess.run(["hledger", "-f", str(path), *arguments], capture_output=True, text=True, check=False,
                              env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    hledger("check")
    hledger("check", "--strict")
    hledger("check", "accounts", "commodities", "ordereddates")
    theirs = defaultdict(list)
    for row in csv.DictReader(io.StringIO(hledger("balance", "-N", "--flat", "-O", "csv"))):
        for amount in row["balance"].split(", "):
            figure, currency = amount.split(" ")
            theirs[currency].append(Decimal(figure))
    assert {currency: sorted(values) for currency, values in theirs.items()} == sums(organisation)
    assert len(hledger("print").split("\n\n")) >= len(HOSTILE) + 5


ACCOUNT = r"(?:Assets|Liabilities|Equity|Income|Expenses)(?::[A-Z0-9][A-Za-z0-9-]*)+"
STRING = r'"(?:[^"\\\n]|\\["\\])*"'
BEANCOUNT_LINES = (
    re.compile(r""),
    re.compile(r";.*"),
    re.compile(rf"option {STRING} {STRING}"),
    re.compile(rf"\d{{4}}-\d\d-\d\d \* {STRING}"),
    re.compile(rf"  [a-z][a-zA-Z0-9-]+: {STRING}"),
    re.compile(rf"  {ACCOUNT} +-?\d+(\.\d+)? [A-Z]{{3}}"),
    re.compile(rf"\d{{4}}-\d\d-\d\d open {ACCOUNT} [A-Z]{{3}}(,[A-Z]{{3}})*"),
)


def test_beancount_follows_its_grammar_and_agrees(organisation: Organisation) -> None:
    lines = "".join(export(organisation, "beancount")).splitlines()
    for line in lines:
        assert any(pattern.fullmatch(line) for pattern in BEANCOUNT_LINES), line
    opened = {
        m[2]: (m[1], m[3].split(",")) for line in lines if (m := re.match(r"(\S+) open (\S+) (\S+)", line))
    }
    theirs: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    day = ""
    for line in lines:
        if m := re.match(r"(\d{4}-\d\d-\d\d) \*", line):
            assert m[1] >= day, "entries are sorted by date"
            day = m[1]
        elif m := re.match(rf"  ({ACCOUNT}) +(\S+) (\S+)$", line):
            assert opened[m[1]][0] <= day
            assert m[3] in opened[m[1]][1]
            theirs[m[1], m[3]] += Decimal(m[2])
    by_currency = defaultdict(list)
    for (_, currency), value in theirs.items():
        if value:
            by_currency[currency].append(value)
    assert {currency: sorted(values) for currency, values in by_currency.items()} == sums(organisation)
    assert sum(1 for line in lines if line.strip().startswith("code:")) == len(opened) == 8


def test_codes_that_look_alike_keep_their_own_names(organisation: Organisation) -> None:
    text = "".join(export(organisation, "beancount"))
    assert "Expenses:AB" in text
    assert "Expenses:A-b" in text
    assert "Liabilities:Payable:TE-0001" in text
    assert "Liabilities:Payable:Te-0001" in text


def test_csv_has_a_row_for_each_posting_and_no_formulas(organisation: Organisation) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(export(organisation, "csv")))))
    assert len(rows) == 2 * (len(HOSTILE) + 5)
    assert rows[0]["date"] == "2020-02-29"
    assert {row["description"] for row in rows} >= {"'=1+1"}
    yen = [row for row in rows if row["currency"] == "JPY"]
    assert [(r["debit"], r["credit"], r["amount"], r["balance_after"]) for r in yen] == [
        ("500", "", "500", "500"), ("", "500", "-500", "500")]  # fmt: skip
    assert sum(Decimal(row["amount"]) for row in rows if row["currency"] == "KWD") == 0


def test_an_unknown_format_is_refused(organisation: Organisation) -> None:
    with pytest.raises(ValueError, match="no export format"):
        export(organisation, "pdf")


def test_the_command_writes_the_file(organisation: Organisation, tmp_path: Path) -> None:
    runner, path = CliRunner(), tmp_path / "books.beancount"
    done = runner.invoke(commands.ledger, ["export", "--format", "beancount", "--output", str(path)])
    assert done.exit_code == 0, done.output
    assert path.read_text() == "".join(export(organisation, "beancount"))
    factories.organisation(slug="other")
    unclear = runner.invoke(commands.ledger, ["export", "--format", "csv"])
    assert unclear.exit_code == 2
    assert "other, solaria" in unclear.output
    printed = runner.invoke(commands.ledger, ["export", "--format", "hledger", "--organisation", "other"])
    assert printed.exit_code == 0
    assert printed.output.startswith("; Journal of Other")
