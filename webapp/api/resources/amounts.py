"""Amounts that programs send, in minor units of the currency that counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from webapp.api.schemas.common import AmountIn
from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, exponent


def minor_in(amount: AmountIn | None, currency: str, field: str) -> int:
    """An amount in minor units; 0 for none. Raises Invalid for another currency."""
    if amount is None:
        return 0
    if amount.currency != currency:
        raise Invalid(field, f"This is in {amount.currency}; here amounts are in {currency}.", currency)
    return amount.minor


def minor_of(text: Any, currency: str, field: str) -> int:
    """Decimal text of the query in minor units. Raises Invalid where the currency has fewer decimals."""
    try:
        scaled = text.scaleb(exponent(currency))
    except ValueError:
        raise Invalid("currency", f"{currency} is not a currency.", "CAD") from None
    if scaled != scaled.to_integral_value() or scaled > MAXIMUM_MINOR:
        raise Invalid(
            field, f"{currency} has {exponent(currency)} decimals, and amounts have an end.", "99.99"
        )
    return int(scaled)


def bound(amount: Decimal | None, currency: str, *, is_upper: bool) -> int | None:
    """A bound of a filter in minor units, rounded so that the filter keeps its meaning."""
    if amount is None:
        return None
    scaled = min(amount.scaleb(exponent(currency)), Decimal(MAXIMUM_MINOR))
    whole = int(scaled)
    return whole if is_upper or scaled == whole else whole + 1
