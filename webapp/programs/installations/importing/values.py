"""Cells as values: days, yes and no, amounts. Pure."""

from __future__ import annotations

from datetime import date, datetime

from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, exponent
from webapp.programs.installations.drafts import parse_decimal

# Only forms in which day and month cannot be confused.
_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y")
_YES, _NO = {"yes", "y", "true", "1", "on"}, {"no", "n", "false", "0", "off"}


def parse_day(name: str, text: str) -> date | None:
    """A day; None for an empty cell. Raises Invalid, also for 03/04/2026, which people read in two ways."""
    if not text:
        return None
    for form in _FORMATS:
        try:
            return datetime.strptime(text[:10] if form == "%Y-%m-%d" else text, form).date()
        except ValueError:
            continue
    raise Invalid(name, "This is not a day that can be read in one way only.", "2026-10-31")


def parse_yes(name: str, text: str, default: bool) -> bool:
    """Yes or no; the default for an empty cell. Raises Invalid."""
    word = text.casefold()
    if not word:
        return default
    if word in _YES or word in _NO:
        return word in _YES
    raise Invalid(name, "Say yes or no.", "yes")


def parse_minor(name: str, text: str, currency: str) -> int | None:
    """An amount in minor units; None for an empty cell. Raises Invalid."""
    if not text:
        return None
    value = parse_decimal(name, text.removeprefix("$"), "12500.00")
    scaled = value.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise Invalid(name, f"{currency} has {exponent(currency)} decimals.", "12500.00")
    if not 0 <= scaled <= MAXIMUM_MINOR:
        raise Invalid(name, "The amount must be 0 or more, and not larger than Paydesk accepts.", "12500.00")
    return int(scaled)


def parse_currency(text: str, home: str) -> str:
    """A currency code; the organisation's own for an empty cell. Raises Invalid."""
    code = text.upper() or home
    try:
        exponent(code)
    except ValueError:
        raise Invalid("currency", f"{text!r} is not a currency code.", "USD") from None
    return code
