"""What a rate, a job and a price are, and how they are put into words. Pure: no database, no Flask, no floats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from webapp.kernel.money import Money, exponent, total

HALF_OPEN, INCLUSIVE = "half_open", "inclusive"
FLAT, PER_UNIT, PERCENTAGE = "flat", "per_unit", "percentage"
EARNING, BONUS = "earning", "bonus"
_NO_BOUND = Decimal(-1)


@dataclass(frozen=True)
class Rule:
    """One version of a rate configuration. `rate` is in major units, or per cent for a percentage.

    `installation_type` None: any type. `capacity_unit` "": any unit (flat and percentage rates without a
    size range). `effective_to` is the last day on which it counts.
    """

    configuration_id: int
    version: int
    name: str
    installation_type: str | None
    capacity_unit: str
    min_size: Decimal | None
    max_size: Decimal | None
    rate_type: str
    rate: Decimal
    currency: str
    priority: int = 1
    is_active: bool = True
    bonus_minor: int = 0
    effective_from: date | None = None
    effective_to: date | None = None
    version_id: int | None = None
    edited_by_id: int | None = None

    @property
    def label(self) -> str:
        """Name and version, as lines and reasons show it."""
        return f"{self.name} (version {self.version})"

    @property
    def has_range(self) -> bool:
        """Whether it looks at the size to decide if it matches."""
        return self.min_size is not None or self.max_size is not None

    def covers(self, size: Decimal, range_mode: str) -> bool:
        """Whether a size lies inside the range, read half-open or inclusive."""
        if self.min_size is not None and size < self.min_size:
            return False
        if self.max_size is None or size < self.max_size:
            return True
        return range_mode == INCLUSIVE and size == self.max_size

    @property
    def rank(self) -> tuple[int, bool, Decimal, int]:
        """Order of precedence: priority, a named type, the higher lower bound, then the older configuration."""
        lower = _NO_BOUND if self.min_size is None else self.min_size
        return (self.priority, self.installation_type is not None, lower, -self.configuration_id)


@dataclass(frozen=True)
class Job:
    """What is to be priced. `on` is the commissioning date."""

    installation_type: str
    capacity_unit: str
    size: Decimal | None
    on: date
    currency: str
    order_value: Money | None = None
    quality_passed: bool = False


@dataclass(frozen=True)
class Attempt:
    """What became of one rule. `outcome` is a short code, `reason` a sentence for people.

    Codes: used, lost, inactive, not_in_effect, other_type, other_unit, other_currency, outside_range,
    no_size, no_order_value.
    """

    rule: Rule
    outcome: str
    reason: str


@dataclass(frozen=True)
class Line:
    """A part of the amount. `formula` can be checked by hand."""

    kind: str
    description: str
    formula: str
    amount: Money
    rule: Rule
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None


@dataclass(frozen=True)
class Quote:
    """The amount of an installation with its lines, or the reason why there is none; and every rule tried."""

    currency: str
    lines: tuple[Line, ...]
    attempts: tuple[Attempt, ...]
    problem: str = ""
    range_mode: str = HALF_OPEN
    is_progressive: bool = False

    @property
    def amount(self) -> Money | None:
        """The sum of the lines; None when no rate applies."""
        return None if self.problem else total((line.amount for line in self.lines), self.currency)

    @property
    def rules_used(self) -> tuple[Rule, ...]:
        """The rules that made the lines, each once."""
        return tuple(dict.fromkeys(line.rule for line in self.lines))


def say_number(value: Decimal) -> str:
    """A decimal without trailing zeros or exponent: 10, 9.99."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def say_size(size: Decimal, unit: str) -> str:
    """9.99 kW."""
    return f"{say_number(size)} {unit}".strip()


def say_money(value: Money) -> str:
    """499.50 USD."""
    return f"{value.plain} {value.currency}"


def say_rate(rule: Rule) -> str:
    """The rate as text: an amount keeps at least the decimals of its currency, a percentage only those it has."""
    if rule.rate_type == PERCENTAGE:
        return say_number(rule.rate)
    number = say_number(rule.rate)
    places = exponent(rule.currency)
    has = len(number.partition(".")[2])
    return number if has >= places else f"{rule.rate:.{places}f}"


def say_range(rule: Rule, range_mode: str) -> str:
    """The size range of a rule in words."""
    unit = rule.capacity_unit
    if rule.min_size is None and rule.max_size is None:
        return "any size"
    if rule.max_size is None:
        return f"from {say_size(rule.min_size or Decimal(0), unit)}"
    high = say_size(rule.max_size, unit)
    if rule.min_size is None:
        return f"up to {high}" if range_mode == INCLUSIVE else f"below {high}"
    return f"{say_number(rule.min_size)} to {high if range_mode == INCLUSIVE else f'below {high}'}"
