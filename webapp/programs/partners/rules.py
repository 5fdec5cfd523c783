"""Who earns what of a deal. Pure: touches, weights and rates in; shares that add up to the whole, and amounts, out.

Shares are parts of a million and always add up to a million. Amounts are split by the exact weights, not by the rounded
shares, with the largest remainder: three equal parts of 100.01 are 33.34, 33.34 and 33.33.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from math import lcm

from webapp.kernel.clock import add_months, month_bounds
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money, round_to_minor
from webapp.programs.partners.states import Model, TouchType

WHOLE = 1_000_000
HALF_LIFE_DAYS = 7
_SECONDS = 86_400 * HALF_LIFE_DAYS
#: Touches that lie further back still count this little: forty half-lives, a millionth of a millionth.
_MOST_HALVES = 40
_SCALE = 10**18
#: A hundred per cent in basis points.
FULL = 10_000

_FINE = 10**36
_T = TouchType
#: How much each kind of touch weighs, unless a program says otherwise.
ROLE_WEIGHTS: dict[str, int] = {
    _T.REFERRAL.value: 40,
    _T.INTRODUCTION.value: 35,
    _T.DEMO.value: 25,
    _T.PROPOSAL.value: 20,
    _T.CONTENT.value: 15,
    _T.NEGOTIATION.value: 10,
    _T.OTHER.value: 10,
    _T.SOURCER.value: 40,
    _T.INFLUENCER.value: 20,
    _T.IMPLEMENTER.value: 20,
    _T.CLOSER.value: 20,
}


def _left_after() -> tuple[int, ...]:
    """What decay leaves of `_FINE` after 1, 2, 4, 8 … seconds, as far as touches lie back."""
    with localcontext() as context:
        context.prec = 60
        last = (_SECONDS * _MOST_HALVES).bit_length()
        return tuple(int(Decimal(2) ** (-Decimal(2**bit) / _SECONDS) * _FINE) for bit in range(last))


_LEFT_AFTER = _left_after()


@dataclass(frozen=True)
class Touch:
    """What a partner did for a deal, and when. `weight` counts in the model of custom weights only."""

    touch_id: int
    partner_id: int
    type: str
    at: datetime
    weight: int = 1


@dataclass(frozen=True)
class Part:
    """What one touch earned of a deal, and why. `touch_id` is None for a registration that earned without a touch."""

    partner_id: int
    touch_id: int | None
    weight: Fraction
    why: str


@dataclass(frozen=True)
class Share:
    """A partner's part of a deal: of a million, and in money; with the parts that explain it."""

    partner_id: int
    millionths: int
    amount: Money
    parts: tuple[Part, ...]


def attribute(
    amount: Money,
    touches: Iterable[Touch],
    *,
    model: Model,
    closed_at: datetime,
    registered_by: int | None = None,
    role_weights: Mapping[str, int] | None = None,
) -> list[Share]:
    """Each partner's share of a deal by a model, in the order in which they first took part; none for no partner.

    Touches after the close do not count. A partner who registered the deal without touching it gets all of it where no
    touch counts. The shares add up to the whole, the amounts to the deal's.
    """
    counted = sorted((t for t in touches if t.at <= closed_at), key=lambda t: (t.at, t.touch_id))
    parts = _parts(counted, model, closed_at, registered_by, role_weights or ROLE_WEIGHTS)
    by_partner: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        by_partner[part.partner_id].append(part)
    if not by_partner:
        return []
    weights = whole([sum((part.weight for part in own), Fraction(0)) for own in by_partner.values()])
    amounts = amount.allocate(weights)
    millionths = Money(WHOLE, amount.currency).allocate(weights)
    return [
        Share(partner, share.amount, money, tuple(own))
        for (partner, own), share, money in zip(by_partner.items(), millionths, amounts, strict=True)
    ]


def whole(weights: Sequence[Fraction]) -> list[int]:
    """The same weights as whole numbers."""
    bottom = lcm(*(weight.denominator for weight in weights))
    return [int(weight * bottom) for weight in weights]


def _parts(
    touches: Sequence[Touch],
    model: Model,
    closed_at: datetime,
    registered_by: int | None,
    role_weights: Mapping[str, int],
) -> list[Part]:
    if registered_by is not None and (model is Model.FIRST_TOUCH or not touches):
        return [Part(registered_by, None, Fraction(1), "registered the deal")]
    if not touches:
        return []
    if model is Model.FIRST_TOUCH:
        return [_part(touches[0], Fraction(1), "the first touch")]
    if model is Model.LAST_TOUCH:
        return [_part(touches[-1], Fraction(1), "the last touch before the close")]
    if model is Model.EQUAL:
        return _equal(touches)
    if model is Model.TIME_DECAY:
        return [_decayed(touch, closed_at) for touch in touches]
    if model is Model.ROLE:
        return _by_role(touches, role_weights)
    return [_part(t, Fraction(t.weight), f"weight {t.weight}") for t in touches if t.weight > 0]


def _part(touch: Touch, weight: Fraction, why: str) -> Part:
    return Part(touch.partner_id, touch.touch_id, weight, why)


def _equal(touches: Sequence[Touch]) -> list[Part]:
    """The same to each partner; the touches of one partner share what the partner gets."""
    count = Counter(touch.partner_id for touch in touches)
    why = "the only partner" if len(count) == 1 else f"one of {len(count)} partners"
    return [_part(touch, Fraction(1, count[touch.partner_id]), why) for touch in touches]


def _decayed(touch: Touch, closed_at: datetime) -> Part:
    """Half as much for every seven days between the touch and the close, by the second."""
    seconds = int((closed_at - touch.at).total_seconds())
    days = seconds // 86_400
    return _part(touch, Fraction(decayed(seconds)), f"{days} day{'' if days == 1 else 's'} before the close")


def decayed(seconds: int) -> int:
    """What is left of a million million million after some seconds: a product of what each power of two leaves."""
    seconds = min(seconds, _SECONDS * _MOST_HALVES)
    left = _FINE
    for bit, power in enumerate(_LEFT_AFTER):
        if seconds >> bit & 1:
            left = left * power // _FINE
    return (left + _FINE // _SCALE // 2) // (_FINE // _SCALE)


def _by_role(touches: Sequence[Touch], weights: Mapping[str, int]) -> list[Part]:
    """Each kind of touch that is there has its weight, whatever kinds are not; those of one kind share it."""
    count = Counter(touch.type for touch in touches)
    return [
        _part(
            touch,
            Fraction(weight, count[touch.type]),
            f"{TouchType(touch.type).label.lower()}, weight {weight}",
        )
        for touch in touches
        if (weight := weights.get(touch.type, 0)) > 0
    ]


@dataclass(frozen=True)
class Rate:
    """What a partner gets of what is attributed: basis points; floor and cap in minor units of the deal's currency."""

    basis_points: int
    floor_minor: int | None = None
    cap_minor: int | None = None


@dataclass(frozen=True)
class Rule:
    """One version of a commission rule. Empty conditions match everything; the lowest priority number comes first."""

    rule_id: int
    version: int
    label: str
    rate: Rate
    priority: int = 100
    program_id: int | None = None
    partner_type: str = ""
    tier: str = ""
    product: str = ""
    currency: str = ""
    least_deal_minor: int = 0
    # Counts for deals that close within so many months after the partner's first one; None: always.
    months: int | None = None
    valid_from: date | None = None
    is_active: bool = True
    version_id: int | None = None
    edited_by_id: int | None = None


@dataclass(frozen=True)
class Case:
    """What of a deal and a partner the rules look at."""

    program_id: int
    partner_type: str
    tier: str
    product: str
    deal: Money
    closed_on: date
    first_closed_on: date

    def fits(self, rule: Rule) -> bool:
        """Whether a rule is for it."""
        return (
            rule.program_id in (None, self.program_id)
            and rule.partner_type in ("", self.partner_type)
            and rule.tier in ("", self.tier)
            and rule.product.casefold() in ("", self.product.casefold())
            and rule.currency in ("", self.deal.currency)
            and self.deal.amount >= rule.least_deal_minor
            and (rule.months is None or self.closed_on < months_after(self.first_closed_on, rule.months))
        )


def months_after(day: date, months: int) -> date:
    """The same day some months later; the last of the month where it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), month_bounds(first)[1])


def in_force(rules: Iterable[Rule], on: date) -> list[Rule]:
    """Of each rule the newest version that has begun on a day, without those that ended."""
    newest: dict[int, Rule] = {}
    for rule in rules:
        if rule.valid_from is not None and rule.valid_from > on:
            continue
        if rule.rule_id not in newest or newest[rule.rule_id].version < rule.version:
            newest[rule.rule_id] = rule
    return [rule for rule in newest.values() if rule.is_active]


def find_rule(rules: Iterable[Rule], case: Case) -> Rule | None:
    """The first in force on the day of the close that fits: the lowest priority number, then the older rule."""
    fitting = (rule for rule in in_force(rules, case.closed_on) if case.fits(rule))
    return min(fitting, key=lambda rule: (rule.priority, rule.rule_id), default=None)


def commission(attributed: Money, rate: Rate) -> Money:
    """The rate of what is attributed, rounded half to even; at least the floor and at most the cap of a rule.

    Nothing is earned of nothing, whatever the floor.
    """
    if not attributed:
        return attributed
    exact = attributed.decimal * rate.basis_points / FULL
    earned = round_to_minor(exact, attributed.currency)
    if rate.floor_minor is not None:
        earned = max(earned, Money(rate.floor_minor, attributed.currency))
    if rate.cap_minor is not None:
        earned = min(earned, Money(rate.cap_minor, attributed.currency))
    return earned


@dataclass(frozen=True)
class Period:
    """A month or a quarter, as people write it: 2026-02, 2026-Q1."""

    first: date
    last: date
    text: str


def period(text: str) -> Period:
    """The month or quarter of a text such as 2026-02 or 2026-Q1. Raises Invalid."""
    if found := re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", text.strip()):
        first = date(int(found[1]), int(found[2]), 1)
        return Period(first, month_bounds(first)[1], text.strip())
    if found := re.fullmatch(r"(20\d\d)-Q([1-4])", text.strip().upper()):
        first = date(int(found[1]), int(found[2]) * 3 - 2, 1)
        return Period(first, month_bounds(add_months(first, 2))[1], text.strip().upper())
    raise Invalid("period", "Write a month or a quarter.", "2026-02 or 2026-Q1")


def period_of(day: date, kind: str) -> Period:
    """The period that a day lies in; `kind` is month or quarter."""
    return period(f"{day:%Y-%m}" if kind == "month" else f"{day.year}-Q{(day.month + 2) // 3}")
