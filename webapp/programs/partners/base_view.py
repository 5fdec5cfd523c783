"""Totals of several currencies in the organisation's own: each with its rate and that rate's day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from webapp.kernel.money import Money, total
from webapp.programs.partners import exchange_rates

#: A rate that is older than so many days is marked as such.
OLD_DAYS = 35


@dataclass(frozen=True)
class InBase:
    """An amount and what it is worth in the base currency: nothing where there is no rate.

    An amount in the base currency is itself, without a rate.
    """

    amount: Money
    base: Money | None
    rate: Decimal | None = None
    day: date | None = None
    is_old: bool = False

    @property
    def words(self) -> str:
        """The rate as people read it: "1 EUR = 1.0832 USD"."""
        if self.rate is None or self.base is None:
            return ""
        return f"1 {self.amount.currency} = {self.rate:f} {self.base.currency}"


@dataclass(frozen=True)
class BaseView:
    """Amounts side by side with their values; `missing` are the currencies that have no rate on the day."""

    currency: str
    on: date
    lines: tuple[InBase, ...]
    missing: tuple[str, ...]

    @property
    def together(self) -> Money:
        """The values of those that have one. What is missing is always said beside it."""
        return total((line.base for line in self.lines if line.base is not None), self.currency)

    @property
    def is_needed(self) -> bool:
        """Whether there is anything that the amounts themselves do not say."""
        return any(line.amount.currency != self.currency for line in self.lines)


def totals(organisation_id: int, amounts: Iterable[Money], on: date) -> BaseView:
    """One line per currency, in the order of the amounts, at the rates that count on a day."""
    sums: dict[str, Money] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, Money(0, amount.currency)) + amount
    base = exchange_rates.base_of(organisation_id)
    rates = exchange_rates.rates_on(organisation_id, base, set(sums) - {base}, on)
    lines: list[InBase] = []
    for currency, amount in sums.items():
        if currency == base:
            lines.append(InBase(amount, amount))
        elif (rate := rates.get(currency)) is None:
            lines.append(InBase(amount, None))
        else:
            is_old = (on - rate.valid_from).days > OLD_DAYS
            value = exchange_rates.in_base(amount, rate.rate, base)
            lines.append(InBase(amount, value, rate.rate, rate.valid_from, is_old))
    return BaseView(base, on, tuple(lines), tuple(exchange_rates.missing(sums.values(), base, rates)))
