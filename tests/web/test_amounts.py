"""Large amounts are said back in words beside the field, by the address that pages ask and by forms that come back."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import organisation, sign_in, user
from webapp.database import db
from webapp.kernel.money import Money
from webapp.kernel.words import in_words, is_large


@pytest.fixture
def admin(database: Flask, client: FlaskClient) -> FlaskClient:
    """A window of an admin of an organisation that pays in rupees."""
    sunny = organisation(currency="INR", locale="en_IN")
    person = user("admin@sunny.example", organisation=sunny, role="admin")
    db.session.commit()
    sign_in(client, person, sunny)
    return client


@pytest.mark.parametrize(
    ("amount", "is_so"),
    [
        (Money(9_999_999, "USD"), False),
        (Money(10_000_000, "USD"), True),
        (Money(-10_000_000, "USD"), True),
        (Money(99_999, "JPY"), False),
        (Money(100_000, "JPY"), True),
        (Money(99_999_999, "KWD"), False),
        (Money(100_000_000, "KWD"), True),
    ],
)
def test_large_is_a_lakh_of_whole_units(amount: Money, is_so: bool) -> None:
    assert is_large(amount) is is_so


def test_a_crore_and_ten_million_are_the_same_rupees() -> None:
    amount = Money(10_000_000_00, "INR")
    assert in_words(amount, indian=True) == "One crore Indian rupees and 00/100"
    assert in_words(amount, indian=False) == "Ten million Indian rupees and 00/100"


@pytest.mark.parametrize(
    ("typed", "currency", "words"),
    [
        ("1,23,45,678.50", "INR", "One crore, twenty-three lakh, forty-five thousand, six hundred and seventy-eight "
                                  "Indian rupees and 50/100."),
        ("₹ 100000", "INR", "One lakh Indian rupees and 00/100."),
        ("2500000", "usd", "Two million, five hundred thousand US dollars and 00/100."),
        ("99,999.99", "INR", ""),
        ("1O0000000", "INR", ""),
        ("", "INR", ""),
        ("9" * 61, "INR", ""),
        ("100000", "<b>", ""),
        ("100000", "XXXX", ""),
    ],
)  # fmt: skip
def test_the_words_follow_the_currency(admin: FlaskClient, typed: str, currency: str, words: str) -> None:
    answer = admin.get("/amount-in-words", query_string={"field": "net", "net": typed, "currency": currency})
    assert answer.status_code == 200
    assert answer.text == words


def test_the_currency_beside_the_field_wins(admin: FlaskClient) -> None:
    asked = {"field": "a", "a": "100000", "currency": "INR", "currency_field": "c"}
    assert "US dollars" in admin.get("/amount-in-words", query_string={**asked, "c": "USD"}).text
    assert "One lakh Indian rupees" in admin.get("/amount-in-words", query_string={**asked, "c": ""}).text


def test_a_stranger_is_told_nothing(client: FlaskClient) -> None:
    answer = client.get("/amount-in-words?field=a&a=100000&currency=INR", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert "lakh" not in answer.text


def test_a_form_that_comes_back_says_them(admin: FlaskClient) -> None:
    typed = {"minimum_payout": "25,00,000", "range_mode": "wrong"}
    answer = admin.post("/admin/installations/settings", data=typed)
    assert answer.status_code == 422
    said = '<output class="field-hint" id="minimum_payout-words" for="minimum_payout">Twenty-five lakh Indian rupees'
    assert said in answer.text
    assert 'aria-describedby="minimum_payout-hint minimum_payout-words"' in answer.text
