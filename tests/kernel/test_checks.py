"""What a value must be: the edges of each check, and what the person is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from webapp.kernel import checks
from webapp.kernel.errors import Invalid
from webapp.kernel.labels import Label
from webapp.kernel.money import MAXIMUM_MINOR


class Colour(Label):
    """Two words."""

    RED = "red", "Red"
    BLUE = "blue", "Blue"


def test_a_needed_text_comes_back_tidy() -> None:
    assert checks.need("name", "  Asha \n Rao ", 8, "a name", "Asha Rao") == "Asha Rao"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "Enter a name."), (" \t", "Enter a name."), ("x" * 9, "Write at most 8 characters.")],
)
def test_a_needed_text_is_there_and_not_too_long(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        checks.need("name", text, 8, "a name", "Asha Rao")
    assert (refused.value.field, refused.value.reason, refused.value.example) == ("name", said, "Asha Rao")


def test_long_limits_are_told_with_a_separator() -> None:
    with pytest.raises(Invalid, match="at most 2,000 characters"):
        checks.check_length("note", "x" * 2001, 2000)


@pytest.mark.parametrize("text", ["", "a@b", "x" * 252 + "@b"])
def test_addresses_that_are_accepted(text: str) -> None:
    checks.check_email("email", text, "a@example.com")


@pytest.mark.parametrize("text", ["a", "a b@c", "a@b c@d", "x" * 254 + "@b"])
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="e-mail address"):
        checks.check_email("email", text, "a@example.com")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.check_amount, (1, MAXIMUM_MINOR), (0, -1, MAXIMUM_MINOR + 1)),
        (checks.check_not_negative, (0, MAXIMUM_MINOR), (-1, MAXIMUM_MINOR + 1)),
        (checks.check_percent, (Decimal(0), Decimal(100), Decimal("0.0001")),
         (Decimal("-0.0001"), Decimal("100.0001"), Decimal("0.00001"))),
    ],
)  # fmt: skip
def test_numbers_are_accepted_up_to_their_edges(check, good, bad) -> None:  # type: ignore[no-untyped-def]
    for value in good:
        check("amount", value)
    for value in bad:
        with pytest.raises(Invalid):
            check("amount", value)


def test_one_of_a_list() -> None:
    checks.check_known("colour", "blue", Colour)
    with pytest.raises(Invalid) as refused:
        checks.check_known("colour", "green", Colour)
    assert refused.value.example == "red"


def test_a_currency_that_there_is() -> None:
    checks.check_currency("currency", "JPY")
    for code in ("XQZ", "usd", ""):
        with pytest.raises(Invalid, match="not a currency"):
            checks.check_currency("currency", code)
