"""Reconciliation: by period and partner, the sums of the database, and the ledger beside them."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from tests.factories import partners as factory
from tests.factories import people
from tests.programs.partners.views.conftest import Partnerbase
from tests.programs.partners.views.words import text_of

ROOT = "/admin/partners/reconciliation"


def test_owed_in_payouts_paid_and_outstanding(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    people.method(partnerbase.ada)
    factory.won(partnerbase.program, [partnerbase.ada])
    factory.calculate(partnerbase.organisation)
    factory.won(partnerbase.program, [partnerbase.ada], 400_00)
    factory.won(partnerbase.program, [partnerbase.ben], 700_00, currency="EUR")
    words = text_of(admin.get(f"{ROOT}?period=2026-02").text)
    assert "PY-0001 USD 2 of Ada <b>Ray</b> $70.00 $50.00 $0.00 $70.00" in words
    assert "PY-0002 EUR 1 of Ben Ortiz €35.00 EUR €0.00 EUR €0.00 EUR €35.00 EUR" in words
    assert "They agree USD $50.00 $50.00 $50.00 $50.00 Yes" in words
    totals = text_of(admin.get(f"{ROOT}/totals?period=2026-02").text)
    assert "USD 1 $70.00 $50.00 $0.00 $70.00" in totals
    rows = json.loads(admin.get(f"{ROOT}/file.json?period=2026-02").text)["rows"]
    assert [(row["owed"], row["outstanding"], row["currency"]) for row in rows] == [
        ("70.00", "70.00", "USD"), ("35.00", "35.00", "EUR"),
    ]  # fmt: skip


def test_another_period_has_nothing(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    factory.won(partnerbase.program, [partnerbase.ada])
    assert "Nothing matches" in admin.get(f"{ROOT}?period=2026-03").text
    assert "Ada" in admin.get(f"{ROOT}?period=2026-Q1").text
    assert "Ada" in admin.get(f"{ROOT}?state=open").text
    assert "Nothing matches" in admin.get(f"{ROOT}?state=settled").text


@pytest.mark.parametrize("period", ["2026-13", "February", "2026"])
def test_wrong_periods_are_422_with_the_field(
    partnerbase: Partnerbase, admin: FlaskClient, period: str
) -> None:
    answer = admin.get(f"{ROOT}?period={period}")
    assert answer.status_code == 422
    assert 'href="#period"' in answer.text
    assert admin.get(f"{ROOT}/file.csv?period={period}").status_code == 422


def test_nothing_of_another_organisation(partnerbase: Partnerbase, admin: FlaskClient) -> None:
    other = factory.partnerbase()
    factory.won(factory.program(other), [factory.partner(other, name="Zoltan")])
    factory.calculate(other)
    page = admin.get(ROOT).text
    assert "Zoltan" not in page
    assert "They agree" not in page
