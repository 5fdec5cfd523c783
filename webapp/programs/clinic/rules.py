"""What an invoice adds up to, and what of it a practitioner gets. Pure: amounts and rules in, amounts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from webapp.kernel.money import HALF_EVEN, HALF_UP, Money, round_to_minor

#: Where no rule of the organisation matches.
DEFAULT_PERCENT = Decimal(10)
DEFAULT_LABEL = "Default"


@dataclass(frozen=True)
class LineFigures:
    """One line of an invoice, in minor units: net is after the discount and before the tax."""

    gross_minor: int
    discount_minor: int
    tax_minor: int

    @property
    def net_minor(self) -> int:
        """After the discount, before the tax."""
        return self.gross_minor - self.discount_minor

    @property
    def total_minor(self) -> int:
        """What the customer pays for it."""
        return self.net_minor + self.tax_minor


def line_figures(
    *, quantity: Decimal, unit_price: Money, discount_minor: int = 0, tax_percent: Decimal = Decimal(0)
) -> LineFigures:
    """Quantity × unit price − discount + tax on what is left, each rounded once (half-even).

    Raises ValueError when the discount is more than the line.
    """
    gross = round_to_minor(quantity * unit_price.decimal, unit_price.currency, HALF_EVEN).amount
    if not 0 <= discount_minor <= gross:
        raise ValueError("the discount must lie between nothing and the whole line")
    net = Money(gross - discount_minor, unit_price.currency)
    tax = round_to_minor(net.decimal * tax_percent / 100, unit_price.currency, HALF_EVEN).amount
    return LineFigures(gross, discount_minor, tax)


@dataclass(frozen=True)
class Tier:
    """Per cent while the month's volume so far is below `below_minor`; None: from there on."""

    below_minor: int | None
    percent: Decimal


@dataclass(frozen=True)
class Commission:
    """What a clinic keeps of a base: per cent, by tiers of the month's volume where there are any, plus a flat amount.

    `floor_minor` and `cap_minor` limit the sum; the commission is never more than the base.
    """

    percent: Decimal = DEFAULT_PERCENT
    flat_minor: int = 0
    floor_minor: int | None = None
    cap_minor: int | None = None
    tiers: tuple[Tier, ...] = ()

    def percent_at(self, volume_minor: int) -> Decimal:
        """The per cent that counts when a practitioner's month has brought so much before."""
        for tier in sorted(self.tiers, key=lambda t: (t.below_minor is None, t.below_minor or 0)):
            if tier.below_minor is None or volume_minor < tier.below_minor:
                return tier.percent
        return self.percent


@dataclass(frozen=True)
class Rule:
    """One version of a commission rule: for whom and what, since when, before which others."""

    rule_id: int
    version: int
    label: str
    commission: Commission
    priority: int = 0
    payee_id: int | None = None
    category: str = ""
    valid_from: date | None = None
    is_active: bool = True
    version_id: int | None = None
    # Who made the version: they do not approve what it made.
    edited_by_id: int | None = None

    def matches(self, payee_id: int, category: str) -> bool:
        """Whether it is for this practitioner and service category."""
        return self.payee_id in (None, payee_id) and self.category in ("", category)


DEFAULT_RULE = Rule(0, 0, DEFAULT_LABEL, Commission())


def in_force(rules: Sequence[Rule], on: date) -> list[Rule]:
    """Of each rule the newest version that has begun, without those that ended; highest priority first."""
    newest: dict[int, Rule] = {}
    for rule in rules:
        if rule.valid_from is not None and rule.valid_from > on:
            continue
        if rule.rule_id not in newest or newest[rule.rule_id].version < rule.version:
            newest[rule.rule_id] = rule
    kept = [rule for rule in newest.values() if rule.is_active]
    return sorted(kept, key=lambda rule: (-rule.priority, rule.rule_id))


def find_rule(rules: Sequence[Rule], *, payee_id: int, category: str, on: date) -> Rule:
    """The first rule by priority (highest first, then the older rule) that matches; the default where none does."""
    return next((rule for rule in in_force(rules, on) if rule.matches(payee_id, category)), DEFAULT_RULE)


@dataclass(frozen=True)
class Cut:
    """A base divided: commission + amount = base, always."""

    base: Money
    commission: Money
    percent: Decimal

    @property
    def amount(self) -> Money:
        """What the practitioner gets."""
        return self.base - self.commission


def cut(base: Money, commission: Commission, *, volume_minor: int = 0) -> Cut:
    """Divide a base: the commission is rounded half-up to the minor unit, the practitioner gets the rest."""
    percent = commission.percent_at(volume_minor)
    return Cut(base, Money(_commission_minor(base, commission, percent), base.currency), percent)


def _commission_minor(base: Money, commission: Commission, percent: Decimal) -> int:
    kept = round_to_minor(base.decimal * percent / 100, base.currency, HALF_UP).amount + commission.flat_minor
    if commission.floor_minor is not None:
        kept = max(kept, commission.floor_minor)
    if commission.cap_minor is not None:
        kept = min(kept, commission.cap_minor)
    return min(max(kept, 0), base.amount)


def next_cut(
    part: Money, commission: Commission, *, base_before: int, commission_before: int, volume_minor: int = 0
) -> Cut:
    """The cut of a further part of the same invoice: with the parts before it, it makes the cut of the whole.

    Flat amount, floor and cap count once for the invoice; the roundings of the parts add up to that of the whole.
    """
    percent = commission.percent_at(volume_minor)
    whole = Money(base_before + part.amount, part.currency)
    kept = _commission_minor(whole, commission, percent) - commission_before
    return Cut(part, Money(min(max(kept, 0), part.amount), part.currency), percent)


def base_of(
    *, total: Money, tax_minor: int, received_minor: int, refunded_minor: int, is_gross: bool
) -> Money:
    """What commission and payout are counted from: what came in and stayed, less its part of the tax.

    `is_gross`: with the tax. Never more than came in, so that nobody is paid from other customers' money.
    """
    stayed = Money(received_minor - refunded_minor, total.currency)
    if is_gross or not tax_minor or not total.amount:
        return stayed
    return stayed - _part(Money(tax_minor, total.currency), stayed.amount, total.amount, HALF_EVEN)


def _part(whole: Money, numerator: int, denominator: int, rounding: str) -> Money:
    return round_to_minor(whole.decimal * numerator / denominator, whole.currency, rounding)


def split(base: Money, weights: Sequence[int]) -> list[Money]:
    """Divide a base among practitioners by their shares (largest remainder)."""
    return base.allocate(weights)


@dataclass(frozen=True)
class Paid:
    """What one payout line has paid, and what of it was taken back since, in minor units."""

    key: int
    base_minor: int
    commission_minor: int
    taken_base_minor: int = 0
    taken_commission_minor: int = 0

    @property
    def net_base_minor(self) -> int:
        """The base that still stands."""
        return self.base_minor - self.taken_base_minor

    @property
    def net_commission_minor(self) -> int:
        """The commission that still stands."""
        return self.commission_minor - self.taken_commission_minor


@dataclass(frozen=True)
class TakenBack:
    """The negative of a payout line: base = commission + amount."""

    key: int
    base_minor: int
    commission_minor: int

    @property
    def amount_minor(self) -> int:
        """What the practitioner gives back."""
        return self.base_minor - self.commission_minor


def take_back(lines: Sequence[Paid], *, base_left: Money) -> list[TakenBack]:
    """What goes back of payout lines when only `base_left` of their base still stands, at each line's own rate.

    The commission goes back in proportion (half-up, counted from the beginning): what is taken back wholly gives back
    exactly the line's commission.
    """
    standing = [line.net_base_minor for line in lines]
    excess = sum(standing) - base_left.amount
    if excess <= 0:
        return []
    parts = Money(excess, base_left.currency).allocate(standing)
    found = []
    for line, part in zip(lines, parts, strict=True):
        if part.amount:
            found.append(_taken(line, part.amount, base_left.currency))
    return found


def _taken(line: Paid, base_minor: int, currency: str) -> TakenBack:
    commission = Money(line.commission_minor, currency)
    back = _part(commission, line.taken_base_minor + base_minor, line.base_minor, HALF_UP).amount
    # Neither more than the base of this step, nor less than nothing.
    return TakenBack(line.key, base_minor, min(max(back - line.taken_commission_minor, 0), base_minor))


def fee_part(fee: Money, *, refund_minor: int, received_minor: int) -> Money:
    """The part of a gateway's fee that belongs to what is refunded (half-even)."""
    return _part(fee, refund_minor, received_minor, HALF_EVEN) if received_minor else Money(0, fee.currency)
