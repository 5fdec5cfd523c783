"""What becomes of a received rent: charge of the gateway, deductions in their order, each owner's part. Pure.

Rent received − management fee − tax on the fee − withheld tax − bills − top-up of the reserve = what is split among
the owners. No deduction takes more than the ones before it have left. Percentages are rounded once, half-even; the
gateway's charge half-up, as gateways round it. Parts are split with the largest remainder, so that they add up to the
last paisa both ways: over the owners and over the deductions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from webapp.kernel.errors import Invalid
from webapp.kernel.money import HALF_UP, Money, round_to_minor, total

_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Band:
    """What the gateway's charge is for rents up to an amount, included; None is all that is above."""

    up_to_minor: int | None
    rate_percent: Decimal


@dataclass(frozen=True)
class Terms:
    """What is charged for managing: per cent of the rent and a flat amount, and the tax on both together."""

    fee_percent: Decimal = Decimal(0)
    fee_flat_minor: int = 0
    fee_tax_percent: Decimal = Decimal(0)


@dataclass(frozen=True)
class Withholding:
    """A tax to keep back. Once the rent of its span is above the threshold, all of that rent is taxed.

    `before_minor`: rent of the span (payment, month or year) before this one; `untaxed_minor`: what of it was free.
    """

    section: str
    rate_percent: Decimal
    threshold_minor: int = 0
    before_minor: int = 0
    untaxed_minor: int = 0


@dataclass(frozen=True)
class OpenBill:
    """What is to be paid from the property's rent, and how much of it is still open."""

    bill_id: int
    description: str
    open_minor: int


@dataclass(frozen=True)
class Owner:
    """A co-owner: a whole-number weight beside the others' (6000 and 4000, or 1 and 1)."""

    payee_id: int
    name: str
    weight: int


@dataclass(frozen=True)
class Received:
    """One received rent and all that decides what becomes of it."""

    rent: Money
    owners: tuple[Owner, ...]
    terms: Terms = Terms()
    withholdings: tuple[Withholding, ...] = ()
    bills: tuple[OpenBill, ...] = ()
    reserve_missing_minor: int = 0


@dataclass(frozen=True)
class Part:
    """One owner's part. `gross` − the deductions = `net`."""

    owner: Owner
    gross: Money
    fee: Money
    fee_tax: Money
    withheld: Money
    bills: Money
    reserve: Money
    net: Money


@dataclass(frozen=True)
class Distribution:
    """What became of a rent. `fee_owed`: fee and its tax that the rent did not cover."""

    rent: Money
    fee: Money
    fee_tax: Money
    withheld: Money
    withheld_by_section: tuple[tuple[str, Money], ...]
    bills: Money
    bills_taken: tuple[tuple[int, Money], ...]
    reserve: Money
    distributable: Money
    fee_owed: Money
    parts: tuple[Part, ...]


def percent_of(amount: Money, percent: Decimal) -> Money:
    """Per cent of an amount, rounded half-even to the minor unit."""
    return round_to_minor(amount.decimal * percent / _HUNDRED, amount.currency)


def gateway_charge(rent: Money, bands: Sequence[Band]) -> Money:
    """What the tenant pays on top: the rate of the band that the rent falls in, on all of it, half-up.

    8,000.00 at 2 % is 160.00; 10,000.01 in a band of 2.5 % is 250.00. No bands: no charge. Raises ValueError when the
    rent is above every band.
    """
    if not bands:
        return Money(0, rent.currency)
    limited = sorted((b for b in bands if b.up_to_minor is not None), key=lambda b: b.up_to_minor or 0)
    for band in (*limited, *(b for b in bands if b.up_to_minor is None)):
        if band.up_to_minor is None or rent.amount <= band.up_to_minor:
            return round_to_minor(rent.decimal * band.rate_percent / _HUNDRED, rent.currency, HALF_UP)
    raise ValueError("the rent is above every band of the gateway's charge")


def check_bands(bands: Sequence[Band]) -> None:
    """Refuse bands that leave a rent without a rate, or name one height twice. Raises Invalid."""
    heights = [b.up_to_minor for b in bands]
    if len(set(heights)) != len(heights):
        raise Invalid("bands", "Two bands end at the same amount.", "10,000.00 and above")
    if bands and None not in heights:
        raise Invalid("bands", "The last band has no upper limit, so that every rent has a rate.", "above")


def distribute(received: Received) -> Distribution:
    """Share a received rent out. Raises ValueError for a rent that is not positive or a property without owners."""
    rent = received.rent
    if rent.amount <= 0 or not received.owners:
        raise ValueError("a received rent is positive, and somebody owns what it was paid for")
    full_fee = percent_of(rent, received.terms.fee_percent) + Money(
        received.terms.fee_flat_minor, rent.currency
    )
    full_tax = percent_of(full_fee, received.terms.fee_tax_percent)
    fee, left = _take(rent, full_fee)
    fee_tax, left = _take(left, percent_of(fee, received.terms.fee_tax_percent))
    withheld_by_section, left = _withhold(rent, left, received.withholdings)
    taken, left = _pay_bills(left, received.bills)
    reserve, left = _take(left, Money(max(received.reserve_missing_minor, 0), rent.currency))
    withheld = total((amount for _, amount in withheld_by_section), rent.currency)
    bills = total((amount for _, amount in taken), rent.currency)
    parts = _split(received.owners, (fee, fee_tax, withheld, bills, reserve, left))
    owed = full_fee + full_tax - fee - fee_tax
    return Distribution(
        rent, fee, fee_tax, withheld, withheld_by_section, bills, taken, reserve, left, owed, parts
    )


def _take(left: Money, wanted: Money) -> tuple[Money, Money]:
    """As much of what is wanted as is left, and what then is left."""
    taken = min(left, wanted)
    return taken, left - taken


def _withhold(
    rent: Money, left: Money, rules: Sequence[Withholding]
) -> tuple[tuple[tuple[str, Money], ...], Money]:
    withheld = []
    for rule in rules:
        if rule.before_minor + rent.amount <= rule.threshold_minor:
            continue
        base = Money(rent.amount + rule.untaxed_minor, rent.currency)
        amount, left = _take(left, percent_of(base, rule.rate_percent))
        if amount:
            withheld.append((rule.section, amount))
    return tuple(withheld), left


def _pay_bills(left: Money, bills: Sequence[OpenBill]) -> tuple[tuple[tuple[int, Money], ...], Money]:
    taken = []
    for bill in bills:
        amount, left = _take(left, Money(bill.open_minor, left.currency))
        if amount:
            taken.append((bill.bill_id, amount))
    return tuple(taken), left


def _split(owners: Sequence[Owner], amounts: Sequence[Money]) -> tuple[Part, ...]:
    """Each amount by the owners' weights; an owner's gross is the sum of their own parts, so both ways add up."""
    weights = [owner.weight for owner in owners]
    columns = [amount.allocate(weights) for amount in amounts]
    parts = []
    for position, owner in enumerate(owners):
        fee, fee_tax, withheld, bills, reserve, net = (column[position] for column in columns)
        gross = total((fee, fee_tax, withheld, bills, reserve, net), net.currency)
        parts.append(Part(owner, gross, fee, fee_tax, withheld, bills, reserve, net))
    return tuple(parts)


def nested_parts(weights: Sequence[int], amount: int) -> list[int]:
    """Whole numbers that add up to `amount` in proportion to the weights, none of which shrinks as it grows.

    So what several returns of one rent take from a part adds up to the same, however the returns were cut; at the sum
    of the weights each part is its weight. Each further unit goes to the largest weight / (2 × units + 1), the first of
    equals (Webster's method). Raises ValueError for an amount below zero or above the sum of the weights.
    """
    whole = sum(weights)
    if not 0 <= amount <= whole or min(weights, default=0) < 0:
        raise ValueError("an amount is shared out from zero to the sum of weights that are not negative")
    if not amount:
        return [0] * len(weights)
    parts = [amount * weight // whole for weight in weights]

    def rank(position: int, seat: int) -> tuple[Fraction, int]:
        return Fraction(weights[position], 2 * seat - 1), -position

    places = range(len(weights))
    for _ in range(amount - sum(parts)):
        parts[max(places, key=lambda n: rank(n, parts[n] + 1))] += 1
    while True:
        gains = max(places, key=lambda n: rank(n, parts[n] + 1))
        loses = min((n for n in places if parts[n]), key=lambda n: rank(n, parts[n]))
        if rank(gains, parts[gains] + 1) <= rank(loses, parts[loses]):
            return parts
        parts[gains], parts[loses] = parts[gains] + 1, parts[loses] - 1


def tax_year_of(day: date) -> tuple[date, date]:
    """First and last day of the tax year, which begins on 1 April."""
    year = day.year if day.month >= 4 else day.year - 1
    return date(year, 4, 1), date(year + 1, 3, 31)


def next_poll(checks: int) -> int:
    """Seconds until an unanswered order is asked about again, by how often it was asked.

    The gateway asks for it so: first after 20 s, every 3 s for 30 s, 6 s for a minute, 10 s for a minute, 30 s for a
    minute, then every minute until the order runs out.
    """
    steps = ((1, 20), (10, 3), (10, 6), (6, 10), (2, 30))
    for count, seconds in steps:
        if checks < count:
            return seconds
        checks -= count
    return 60


def next_refund_poll(checks: int, age: timedelta) -> int:
    """Seconds until the gateway is asked about a refund again: as an order in the first hour, then less and less."""
    if age < timedelta(hours=1):
        return next_poll(checks)
    return 900 if age < timedelta(hours=24) else 3600
