"""Sizes and rates as people and files write them; what could mean two things is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from webapp.kernel.errors import Invalid
from webapp.programs.installations.drafts import parse_decimal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9.99", "9.99"), ("1,250.5", "1250.5"), ("12,50", "12.50"), ("1,250", "1250"), ("1,23,456.7", "123456.7"),
        (" 7 ", "7"), (".5", "0.5"), ("-3", "-3"), ("\N{MINUS SIGN}3", "-3"), ("1 250", "1250"), ("5.", "5"),
    ],
)  # fmt: skip
def test_what_is_meant_is_read(text: str, value: str) -> None:
    assert parse_decimal("size", text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "1.234,50",
        "1e3",
        "1_000",
        "1O0",
        "NaN",
        "Infinity",
        "1,2,3",
        "12,34,5",
        "",
        ".",
        "-",
        "1.2.3",
        "٣",
        "9" * 40,
    ],
)
def test_what_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a number"):
        parse_decimal("size", text)
