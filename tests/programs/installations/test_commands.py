"""The command line: exact amounts as JSON, exit codes that mean something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db
from webapp.imports.commands import import_file
from webapp.people.models import Organisation, Payee
from webapp.programs.installations.commands import quote
from webapp.programs.installations.models import Installation

REAL = str(Path(__file__).parents[2] / "data" / "solar" / "installations.csv")


@pytest.fixture
def solaria(database: Flask) -> Organisation:
    organisation = people.organisation("solaria")
    make.known_rates(organisation)
    return organisation


def ask(*options: str) -> tuple[Result, Any]:
    result = CliRunner().invoke(quote, ["installation", "--organisation", "solaria", "--json", *options])
    return result, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("options", "amount"),
    [
        (["--type", "solar", "--unit", "kW", "--size", "5"], "250.00"),
        (["--type", "solar", "--unit", "kW", "--size", "9.99"], "499.50"),
        (["--type", "solar", "--unit", "kW", "--size", "10"], "450.00"),
        (["--type", "solar", "--unit", "kW", "--size", "10", "--range-mode", "inclusive"], "450.00"),
        (["--type", "solar", "--unit", "kW", "--size", "10.01"], "450.45"),
        (["--type", "solar", "--unit", "kW", "--size", "12", "--progressive"], "590.00"),
        (["--type", "solar", "--unit", "kW", "--size", "12", "--no-progressive"], "540.00"),
        (["--type", "starlink", "--unit", "Mbps", "--size", "200"], "75.00"),
        (["--type", "starlink"], "75.00"),
    ],
)
def test_known_amounts(solaria: Organisation, options: list[str], amount: str) -> None:
    result, answer = ask(*options)
    assert result.exit_code == 0
    assert (answer["amount"], answer["currency"], answer["problem"]) == (amount, "USD", None)
    assert len(answer["rules"]) == 3
    assert {r["outcome"] for r in answer["rules"]} >= {"used"}
    assert all(r["reason"] for r in answer["rules"])


def test_no_rate_is_exit_code_1_with_the_rules_tried(solaria: Organisation) -> None:
    result, answer = ask("--type", "hybrid", "--unit", "kW", "--size", "5")
    assert result.exit_code == 1
    assert answer["amount"] is None
    assert "No rate matches" in answer["problem"]
    assert [r["outcome"] for r in answer["rules"]] == ["other_type"] * 3


@pytest.mark.parametrize(
    "options",
    [
        ["--type", "boat"],
        ["--type", "solar", "--size", "x"],
        ["--type", "solar", "--unit", "kW", "--size", "-1"],
    ],
)
def test_bad_options_are_exit_code_2(solaria: Organisation, options: list[str]) -> None:
    result, answer = ask(*options)
    assert result.exit_code == 2
    assert "Example:" in answer["error"]


def test_a_quote_as_text(solaria: Organisation) -> None:
    result = CliRunner().invoke(
        quote,
        ["installation", "--organisation", "solaria", "--type", "solar", "--unit", "kW", "--size", "9.99"],
    )
    assert result.stdout.splitlines()[:2] == [
        "499.50 USD",
        "  Solar A, version 1: 9.99 kW × 50.00 USD = 499.50 USD",
    ]


def run(*options: str) -> Result:
    return CliRunner().invoke(import_file, [*options, "--organisation", "solaria"])


def test_import_of_a_real_list(solaria: Organisation) -> None:
    dry = run("technicians", REAL, "--dry-run")
    assert (dry.exit_code, db.session.scalar(select(func.count()).select_from(Payee))) == (0, 0)
    assert run("technicians", REAL).exit_code == 0
    result = run("installations", REAL, "--json")
    assert (result.exit_code, json.loads(result.stdout)["created"]) == (0, 60)
    assert db.session.scalar(select(func.count()).select_from(Installation)) == 60


def test_bad_rows_are_exit_code_1_and_a_bad_file_2(solaria: Organisation, tmp_path: Path) -> None:
    result = run("installations", REAL)
    assert result.exit_code == 1
    assert "Line 2, column installer" in result.stdout
    workbook = tmp_path / "list.csv"
    workbook.write_bytes(b"PK\x03\x04")
    result = run("technicians", str(workbook))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "workbook is damaged" in result.stderr


def test_the_person_who_imports_is_remembered(solaria: Organisation) -> None:
    clerk = people.user("clerk@example.com", organisation=solaria, role="admin")
    assert run("technicians", REAL, "--as", "clerk@example.com").exit_code == 0
    assert run("installations", REAL, "--as", "clerk@example.com").exit_code == 0
    assert set(db.session.scalars(select(Installation.created_by_id))) == {clerk.id}
    assert run("installations", REAL, "--as", "nobody@example.com").exit_code == 2


def test_unknown_organisation_and_mapping(solaria: Organisation) -> None:
    result = CliRunner().invoke(import_file, ["technicians", REAL, "--organisation", "nowhere"])
    assert (result.exit_code, "There are: solaria" in result.stderr) == (2, True)
    assert run("technicians", REAL, "--map", "installer").exit_code == 2
    assert run("technicians", REAL, "--map", "installer=name").exit_code == 0
