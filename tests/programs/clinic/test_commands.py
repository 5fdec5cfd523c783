"""`paydesk quote clinic` and `paydesk quote split`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from tests.factories import clinic
from webapp.people.models import Organisation
from webapp.programs.clinic.commands import quote_clinic, quote_split


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint(slug="carepoint")


def quote(*options: str) -> tuple[int, dict[str, Any]]:
    """What the command says as JSON."""
    result = CliRunner().invoke(quote_clinic, ["--organisation", "carepoint", "--json", *options])
    return result.exit_code, json.loads(result.output)


@pytest.mark.parametrize(
    ("amount", "commission", "payout"),
    [("100.00", "10.00", "90.00"), ("99.99", "10.00", "89.99"), ("0.05", "0.01", "0.04")],
)
def test_quote_of_an_amount(care: Organisation, amount: str, commission: str, payout: str) -> None:
    code, found = quote("--amount", amount)
    assert (code, found["commission"], found["payout"], found["currency"]) == (0, commission, payout, "CAD")
    assert found["rule"] == "Default"


def test_quote_goes_by_the_practitioners_rule(care: Organisation) -> None:
    ada = clinic.practitioner(care)
    clinic.rule(care, "Ada's", percent=Decimal(25), payee_id=ada.id, category="Physio")
    options = ["--amount", "100", "--practitioner", ada.reference]
    assert quote(*options)[1]["commission"] == "10.00"
    found = quote(*options, "--category", "Physio")[1]
    assert (found["commission"], found["rule"]) == ("25.00", "Ada's (version 1)")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--amount", "0"], "more than zero"),
        (["--amount", "1O0"], "not an amount"),
        (["--amount", "10", "--practitioner", "PY-9999"], "no practitioner PY-9999"),
    ],
)
def test_quote_refuses_in_a_sentence(care: Organisation, options: list[str], word: str) -> None:
    code, found = quote(*options)
    assert code == 2
    assert word in found["error"]


def test_quote_as_text(care: Organisation) -> None:
    result = CliRunner().invoke(quote_clinic, ["--organisation", "carepoint", "--amount", "99.99"])
    assert result.exit_code == 0
    assert "CA$89.99" in result.output


def test_split_by_weights() -> None:
    result = CliRunner().invoke(quote_split, ["--amount", "100.01", "--weights", "1,1,1"])
    assert (result.exit_code, result.output) == (0, "33.34, 33.34, 33.33\n")


@pytest.mark.parametrize("weights", ["", "a,b", "-1,2", "0,0"])
def test_split_refuses_weights_that_are_none(weights: str) -> None:
    result = CliRunner().invoke(quote_split, ["--amount", "100.01", "--weights", weights])
    assert result.exit_code == 2
    assert "whole numbers" in result.output
