"""Amounts: integers of minor units that carry their currency.

Arithmetic across currencies raises; rounding happens once, at a named step, through `round_to_minor`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import cache, lru_cache

from babel.numbers import (
    format_currency,
    get_currency_precision,
    get_currency_symbol,
    get_decimal_symbol,
    get_group_symbol,
)

from webapp.kernel.errors import Invalid

HALF_EVEN = ROUND_HALF_EVEN
HALF_UP = ROUND_HALF_UP
# The largest amount a form accepts, in minor units: far below BIGINT, far above any real payout.
MAXIMUM_MINOR = 10**15
_CURRENCY = re.compile(r"[A-Z]{3}")


@cache
def exponent(currency: str) -> int:
    """Number of decimals of an ISO 4217 currency (JPY 0, USD 2, KWD 3)."""
    if not _CURRENCY.fullmatch(currency):
        raise ValueError(f"not an ISO 4217 currency code: {currency!r}")
    return int(get_currency_precision(currency))


# A list writes the same amounts again and again, and Babel takes tens of microseconds for each.
@lru_cache(maxsize=16_384)
def _formatted(amount: int, currency: str, locale: str) -> str:
    text = format_currency(Decimal(amount).scaleb(-exponent(currency)), currency, locale=locale)
    return str(text).replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True, order=False)
class Money:
    """An amount in minor units of one currency. `Money(49950, "USD")` is 499.50 US dollars."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.amount, bool) or not isinstance(self.amount, int):
            raise TypeError("a Money amount is a whole number of minor units")
        exponent(self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __bool__(self) -> bool:
        return self.amount != 0

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact, with the currency's number of decimals."""
        return Decimal(self.amount).scaleb(-exponent(self.currency))

    @property
    def plain(self) -> str:
        """Plain decimal text for files and APIs: "1234.50", no grouping, no symbol."""
        return f"{self.decimal:.{exponent(self.currency)}f}"

    def format(self, locale: str = "en_US") -> str:
        """Amount for people, in their locale, with a real minus sign."""
        return _formatted(self.amount, self.currency, locale)

    def allocate(self, weights: Sequence[int]) -> list[Money]:
        """Split by whole-number weights with the largest-remainder method; the parts add up exactly.

        Ties go to the earlier part. Raises ValueError when there is no positive weight.
        """
        if not weights or any(w < 0 for w in weights) or sum(weights) <= 0:
            raise ValueError("weights must be non-negative with a positive sum")
        total = sum(weights)
        sign = -1 if self.amount < 0 else 1
        size = abs(self.amount)
        parts = [size * w // total for w in weights]
        remainders = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % total), i))
        for i in remainders[: size - sum(parts)]:
            parts[i] += 1
        return [Money(sign * p, self.currency) for p in parts]


def formatter(currency: str, locale: str) -> Callable[[int], str]:
    """`Money(amount, currency).format(locale)` for many amounts, each a whole number of minor units."""
    exponent(currency)
    return lambda amount: _formatted(amount, currency, locale)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Sum of amounts that must all be in `currency`; zero when there are none."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def round_to_minor(value: Decimal, currency: str, rounding: str = HALF_EVEN) -> Money:
    """The one named rounding: an exact major-unit value to the currency's minor unit."""
    scaled = value.scaleb(exponent(currency)).quantize(Decimal(1), rounding=rounding)
    return Money(int(scaled), currency)


def _plain_number(text: str, currency: str, locale: str) -> str:
    """The number in a text, with a point for the decimals and no groups; empty when there is none."""
    decimal_symbol, group_symbol = get_decimal_symbol(locale), get_group_symbol(locale)
    names = {currency, *(get_currency_symbol(currency, each) for each in (locale, "en_US"))}
    names |= {sign for name in names for sign in name if unicodedata.category(sign) == "Sc"}
    sign = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    group = rf"(?:\s|'|{re.escape(group_symbol)})"
    # Groups of three, or in India one of three after groups of two: 1,234,567 and 12,34,567.
    whole = rf"\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}"
    found = re.fullmatch(
        rf"(-?)\s*(?:{sign})?\s*(-?)((?:{whole})(?:{re.escape(decimal_symbol)}\d+)?)\s*(?:{sign})?",
        text.strip().replace("\N{MINUS SIGN}", "-"),
        flags=re.IGNORECASE,
    )
    if found is None or (found[1] and found[2]):
        return ""
    number = re.sub(group, "", found[3]).replace(decimal_symbol, ".")
    return f"{found[1] or found[2]}{number}"


def parse_money(text: str, currency: str, locale: str = "en_US") -> Money:
    """Read what a person typed ("1,234.50", "₹ 1,23,456.7", "USD 5") as Money.

    Raises Invalid when it is not a number written as the locale writes them, names another currency, has more
    decimals than the currency, or is out of range. Nothing is guessed: "1O0" is no amount, and "1,50" is none
    where the comma groups thousands; as 10.00 or 150.00 it would be a payment nobody meant.
    """
    cleaned, places = _plain_number(text, currency, locale), exponent(currency)
    example = Money(123450 if places else 1234, currency).plain
    typed = text.strip()
    typed = typed if len(typed) <= 60 else f"{typed[:60]}…"
    if not cleaned:
        raise Invalid("amount", f"{typed or 'Nothing'} is not an amount.", example=example)
    value = Decimal(cleaned)
    # First of all, because comparing is exact; other arithmetic rounds or refuses more than 28 digits.
    if value.copy_abs() > Decimal(MAXIMUM_MINOR).scaleb(-places):
        raise Invalid("amount", f"{typed} is larger than Paydesk accepts.", example=example)
    if value != value.quantize(Decimal(1).scaleb(-places)):
        raise Invalid("amount", f"{currency} has {places} decimals; {typed} has more.", example=example)
    return Money(int(value.scaleb(places)), currency)
