"""`paydesk quote repair` and `paydesk quote loan`."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask import Flask

from tests.factories import repairs
from webapp.people.models import Organisation
from webapp.programs.repairs.commands import quote_loan, quote_repair


@pytest.fixture
def metrocab(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab(slug="metrocab")


def quote(command: click.Command, *options: str) -> tuple[int, dict[str, Any]]:
    """What the command says as JSON."""
    result = CliRunner().invoke(command, ["--organisation", "metrocab", "--json", *options])
    return result.exit_code, json.loads(result.output)


def test_quote_of_a_repair(metrocab: Organisation) -> None:
    code, found = quote(quote_repair, "--amount", "500.50", "--invoice-date", "2025-10-01", "--start", "next")
    assert code == 0
    assert (found["currency"], found["start"]) == ("USD", "NEXT")
    keys = ("number", "week_start", "due_date", "amount", "balance_after")
    assert [tuple(row[key] for key in keys) for row in found["instalments"]] == [
        (1, "2025-10-12", "2025-10-18", "200.00", "300.50"),
        (2, "2025-10-19", "2025-10-25", "200.00", "100.50"),
        (3, "2025-10-26", "2025-11-01", "100.50", "0.00"),
    ]


def test_quote_of_a_loan(metrocab: Organisation) -> None:
    options = ["--amount", "1,200.00", "--percent", "10", "--lent-on", "2025-10-06", "--start", "current"]
    code, found = quote(quote_loan, *options)
    assert code == 0
    assert [row["amount"] for row in found["instalments"]] == [
        "251.97",
        "251.82",
        "251.34",
        "250.86",
        "200.38",
    ]
    assert found["instalments"][0]["week_start"] == "2025-10-12"
    assert found["interest"] == "6.37"


def test_quotes_as_text(metrocab: Organisation) -> None:
    options = [
        "--organisation",
        "metrocab",
        "--amount",
        "201",
        "--invoice-date",
        "2025-10-05",
        "--start",
        "current",
    ]
    result = CliRunner().invoke(quote_repair, options)
    assert result.exit_code == 0
    assert "2025-10-05" in result.output
    assert "$1.00" in result.output


@pytest.mark.parametrize(
    ("command", "options", "word"),
    [
        (quote_repair, ["--amount", "0"], "more than zero"),
        (quote_repair, ["--amount", "-5"], "more than zero"),
        (quote_repair, ["--amount", "10.005"], "2 decimals"),
        (quote_repair, ["--amount", "ten"], "not an amount"),
        (quote_repair, ["--amount", "9,999,999.00"], "makes no plan"),
        (quote_loan, ["--amount", "10", "--percent", "101"], "per cent from 0 to 100"),
        (quote_loan, ["--amount", "10", "--percent", "ten"], "is no number"),
        (quote_loan, ["--amount", "10", "--percent", "NaN"], "is no number"),
    ],
)
def test_quotes_refuse_in_a_sentence(
    metrocab: Organisation, command: click.Command, options: list[str], word: str
) -> None:
    code, found = quote(command, *options)
    assert code == 2
    assert word in found["error"]


def test_an_organisation_that_is_not_there(metrocab: Organisation) -> None:
    result = CliRunner().invoke(quote_repair, ["--organisation", "nobody", "--amount", "10", "--json"])
    assert result.exit_code == 2
    assert "error" in json.loads(result.output)
