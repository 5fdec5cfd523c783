"""Amounts in cells. Pure."""

from __future__ import annotations

from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, exponent
from webapp.programs.installations.drafts import parse_decimal


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
