"""Amounts: exact, in one currency, rounded once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.errors import Invalid
from webapp.kernel.money import HALF_UP, Money, parse_money, round_to_minor, total


@pytest.mark.parametrize(
    ("currency", "amount", "plain"),
    [("USD", 49950, "499.50"), ("JPY", 1500, "1500"), ("KWD", 1234, "1.234"), ("INR", -5, "-0.05")],
)
def test_plain_text_has_the_currencys_decimals(currency: str, amount: int, plain: str) -> None:
    assert Money(amount, currency).plain == plain


@pytest.mark.parametrize("bad", [1.0, "1", True, None])
def test_money_refuses_what_is_not_a_whole_number(bad: object) -> None:
    with pytest.raises(TypeError):
        Money(bad, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["usd", "US", "", "USDX"])
def test_money_refuses_what_is_not_a_currency(bad: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, bad)


def test_adding_across_currencies_raises() -> None:
    with pytest.raises(ValueError, match="mix"):
        Money(1, "USD") + Money(1, "INR")


def test_comparing_across_currencies_raises() -> None:
    with pytest.raises(ValueError, match="mix"):
        _ = Money(1, "USD") < Money(2, "INR")


def test_total_of_nothing_is_zero() -> None:
    assert total([], "USD") == Money(0, "USD")


@pytest.mark.parametrize(
    ("value", "half_even", "half_up"),
    [("0.125", 12, 13), ("0.135", 14, 14), ("-0.125", -12, -13), ("110.9889", 11099, 11099)],
)
def test_rounding_is_named(value: str, half_even: int, half_up: int) -> None:
    assert round_to_minor(Decimal(value), "USD").amount == half_even
    assert round_to_minor(Decimal(value), "USD", HALF_UP).amount == half_up


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(lambda w: sum(w) > 0),
)
def test_allocated_parts_add_up(amount: int, weights: list[int]) -> None:
    parts = Money(amount, "USD").allocate(weights)
    assert sum(p.amount for p in parts) == amount
    assert all(
        abs(p.amount * sum(weights) - amount * w) < sum(weights) for p, w in zip(parts, weights, strict=True)
    )


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2]])
def test_allocate_refuses_weights_without_a_sum(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(100, "USD").allocate(weights)


@pytest.mark.parametrize(
    ("text", "currency", "locale", "amount"),
    [
        ("1,234.50", "USD", "en_US", 123450),
        ("$ 1,234.5", "USD", "en_US", 123450),
        ("1.234,50", "EUR", "de_DE", 123450),
        ("₹1,23,456.7", "INR", "en_IN", 12345670),
        ("1500", "JPY", "ja_JP", 1500),
        ("−5", "USD", "en_US", -500),
        ("-$5", "USD", "en_US", -500),
        ("usd 5", "USD", "en_US", 500),
        ("$5", "CAD", "en_US", 500),
        ("1 000.00", "USD", "en_US", 100000),
        ("1\u202f000,50 €", "EUR", "fr_FR", 100050),
        ("1'000.50", "CHF", "de_CH", 100050),
        ("12,34,567", "INR", "hi_IN", 123456700),
    ],
)
def test_parse_reads_what_people_write(text: str, currency: str, locale: str, amount: int) -> None:
    assert parse_money(text, currency, locale) == Money(amount, currency)


@pytest.mark.parametrize("text", ["", "abc", "1.234", "1..2", "--5", "9" * 20, "1e5x."])
def test_parse_refuses_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_money(text, "USD")
    assert caught.value.example == "1234.50"


@pytest.mark.parametrize(
    ("text", "currency", "locale"),
    [
        ("1O0", "USD", "en_US"),
        ("12abc", "USD", "en_US"),
        ("1e3", "USD", "en_US"),
        ("1,50", "USD", "en_US"),
        ("1.000,00", "USD", "en_US"),
        ("1,00.00", "USD", "en_US"),
        ("5 5", "USD", "en_US"),
        ("€5", "USD", "en_US"),
        ("1.50", "EUR", "de_DE"),
        ("-$-5", "USD", "en_US"),
        ("9" * 27, "USD", "en_US"),
        ("9" * 39, "USD", "en_US"),
        ("9" * 5000, "USD", "en_US"),
    ],
)
def test_parse_guesses_no_amount(text: str, currency: str, locale: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_money(text, currency, locale)
    assert len(str(caught.value)) < 200


@given(st.integers(-(10**14), 10**14), st.sampled_from(["USD", "JPY", "KWD", "INR"]))
def test_plain_text_reads_back(amount: int, currency: str) -> None:
    assert parse_money(Money(amount, currency).plain, currency) == Money(amount, currency)


def test_format_uses_a_real_minus() -> None:
    assert Money(-123450, "USD").format("en_US") == "−$1,234.50"
