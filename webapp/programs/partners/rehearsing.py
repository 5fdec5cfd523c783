"""A draft of a commission rule, replayed over deals of the past: who would have got how much more or less.

Both sides are worked out from the recorded shares: by the rules and rates as they are now, and by the same with
the draft, as if it had counted all along. Nothing is stored. A few questions, whatever the number of deals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select

from webapp.database import among, ask
from webapp.kernel.clock import add_months, local_date, start_of_day
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.programs.partners import trail
from webapp.programs.partners.commission_rules import load_rules
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import Attribution, Deal, PartnerProfile
from webapp.programs.partners.rules import Case, Period, Rate, Rule, commission, in_force, period
from webapp.programs.partners.states import DealState

#: A replay is of so many months at most, and of so many shares of deals.
MOST_MONTHS = 24
MOST_SHARES = 100_000


@dataclass(frozen=True)
class Difference:
    """One partner in one currency: what the rules as they are give, and what the draft would give."""

    payee_id: int
    reference: str
    name: str
    deals: int
    before: Money
    after: Money

    @property
    def change(self) -> Money:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True)
class InCurrency:
    """All partners in one currency; `rows` are those for whom something differs, the largest difference first."""

    currency: str
    shares: int
    before: Money
    after: Money
    rows: tuple[Difference, ...]

    @property
    def change(self) -> Money:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True)
class Rehearsal:
    """The outcome of a replay. `looked_at` and `changed` count shares of deals that were won."""

    first: Period
    last: Period
    looked_at: int
    changed: int
    currencies: tuple[InCurrency, ...]
    # Whether "before" is without any version of the rule, instead of with the one that counts.
    is_without: bool


class _Finder:
    """The rule that counts, as `rules.find_rule` finds it; what is in force on a day is put in order once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._on: dict[date, list[Rule]] = {}

    def find(self, case: Case) -> Rule | None:
        day = case.closed_on
        if day not in self._on:
            self._on[day] = sorted(in_force(self._rules, day), key=lambda rule: (rule.priority, rule.rule_id))
        return next((rule for rule in self._on[day] if case.fits(rule)), None)


def last_months(today: date, months: int = 3) -> tuple[Period, Period]:
    """The last whole months before a day."""
    return (period(f"{add_months(today, -months):%Y-%m}"), period(f"{add_months(today, -1):%Y-%m}"))


def rehearse(
    organisation_id: int,
    draft: RuleDraft,
    *,
    first: Period,
    last: Period,
    rule_id: int | None = None,
    is_without: bool = False,
) -> Rehearsal:
    """Replay the deals that were won from the first to the last period; `rule_id` is the rule that the draft changes.

    `is_without` compares with the rules as they would be without that rule: for one that counts already. Raises
    Invalid of `since` for more months or more shares than are replayed at once.
    """
    months = (last.last.year - first.first.year) * 12 + last.last.month - first.first.month + 1
    if months > MOST_MONTHS:
        raise Invalid("since", f"Choose at most {MOST_MONTHS} months.", f"{add_months(last.last, -2):%Y-%m}")
    timezone = trail.timezone_of(organisation_id)
    rows = _shares(organisation_id, first.first, last.last, timezone)
    if len(rows) > MOST_SHARES:
        raise Invalid(
            "since",
            f"More than {MOST_SHARES:,} shares of deals; choose fewer months.",
            f"{last.last:%Y-%m}",
        )
    rules = load_rules(organisation_id)
    others = [rule for rule in rules if rule.rule_id != rule_id]
    newest = 1 + max((rule.rule_id for rule in rules), default=0)
    # In place of the versions of its own rule, from the beginning of all days.
    mine = replace(rule_of_draft(draft, rule_id or newest), valid_from=None)
    first_closed = _first_closed(organisation_id, timezone) if _has_months(rules, draft) else {}
    changed, currencies = _replay(
        rows, _Finder(others if is_without else rules), _Finder([*others, mine]), first_closed, timezone
    )
    return Rehearsal(first, last, len(rows), changed, currencies, is_without)


def rule_of_draft(draft: RuleDraft, rule_id: int) -> Rule:
    """A draft as the pure rules take it."""
    return Rule(
        rule_id=rule_id,
        version=0,
        label=draft.name,
        rate=Rate(draft.rate_bp, draft.floor_minor, draft.cap_minor),
        priority=draft.priority,
        program_id=draft.program_id,
        partner_type=draft.partner_type,
        tier=draft.tier,
        product=" ".join(draft.product.split()),
        currency=draft.currency,
        least_deal_minor=draft.least_deal_minor,
        months=draft.months,
        valid_from=draft.valid_from,
        is_active=draft.is_active,
    )


def _has_months(rules: Sequence[Rule], draft: RuleDraft) -> bool:
    return draft.months is not None or any(rule.months is not None for rule in rules)


def _shares(organisation_id: int, first: date, last: date, timezone: str) -> Sequence[Any]:
    """The shares of deals that were won in these days; one more than is replayed tells that there are too many."""
    return ask(
        select(
            Attribution.payee_id, Attribution.amount_minor.label("part_minor"), Deal.program_id, Deal.product,
            Deal.currency, Deal.amount_minor, Deal.closed_at, PartnerProfile.type, PartnerProfile.tier,
            PartnerProfile.rate_bp,
        )
        .join(Deal, Deal.id == Attribution.deal_id)
        .outerjoin(PartnerProfile, PartnerProfile.payee_id == Attribution.payee_id)
        .where(
            Deal.organisation_id == organisation_id,
            Deal.state == DealState.WON.value,
            Deal.closed_at >= start_of_day(first, timezone),
            Deal.closed_at < start_of_day(last + timedelta(days=1), timezone),
        )
        .order_by(Attribution.id)
        .limit(MOST_SHARES + 1)
    )  # fmt: skip


def _first_closed(organisation_id: int, timezone: str) -> dict[int, date]:
    """The day on which each partner's first deal was won: rules for the first months go by it."""
    rows = ask(
        select(Attribution.payee_id, func.min(Deal.closed_at))
        .join(Deal, Deal.id == Attribution.deal_id)
        .where(Deal.organisation_id == organisation_id, Deal.state == DealState.WON.value)
        .group_by(Attribution.payee_id)
    )
    return {payee_id: local_date(closed_at, timezone) for payee_id, closed_at in rows}


def _replay(
    rows: Sequence[Any],
    as_it_is: _Finder,
    with_draft: _Finder,
    first_closed: dict[int, date],
    timezone: str,
) -> tuple[int, tuple[InCurrency, ...]]:
    """(shares that differ, the sums and differences of each currency)."""
    before: dict[tuple[str, int], int] = defaultdict(int)
    after: dict[tuple[str, int], int] = defaultdict(int)
    touched: dict[tuple[str, int], int] = defaultdict(int)
    shares: dict[str, int] = defaultdict(int)
    changed, closed_at, closed_on = 0, None, date.min
    for row in rows:
        # The shares of a deal stand beside each other.
        if row.closed_at != closed_at:
            closed_at, closed_on = row.closed_at, local_date(row.closed_at, timezone)
        case = Case(
            row.program_id, row.type or "", row.tier or "", row.product, Money(row.amount_minor, row.currency),
            closed_on, first_closed.get(row.payee_id, closed_on),
        )  # fmt: skip
        own = Rate(row.rate_bp or 0)
        old, new = as_it_is.find(case), with_draft.find(case)
        base, rate, other = (
            Money(row.part_minor, row.currency),
            old.rate if old else own,
            new.rate if new else own,
        )
        was = commission(base, rate).amount
        will = was if other == rate else commission(base, other).amount
        key = (row.currency, row.payee_id)
        before[key] += was
        after[key] += will
        touched[key] += was != will
        shares[row.currency] += 1
        changed += was != will
    people = _people({payee_id for (_, payee_id), n in touched.items() if n})
    return changed, tuple(
        _in_currency(currency, shares[currency], before, after, touched, people)
        for currency in sorted(shares)
    )


def _people(payee_ids: set[int]) -> dict[int, tuple[str, str]]:
    rows = ask(select(Payee.id, Payee.reference, Payee.name).where(among(Payee.id, sorted(payee_ids))))
    return {row.id: (row.reference, row.name) for row in rows}


def _in_currency(
    currency: str,
    shares: int,
    before: dict[tuple[str, int], int],
    after: dict[tuple[str, int], int],
    touched: dict[tuple[str, int], int],
    people: dict[int, tuple[str, str]],
) -> InCurrency:
    keys = [key for key in before if key[0] == currency]
    rows = [
        Difference(
            key[1], *people[key[1]], touched[key], Money(before[key], currency), Money(after[key], currency)
        )
        for key in keys
        if touched[key]
    ]
    rows.sort(key=lambda row: (-abs(row.change.amount), row.name, row.payee_id))
    total_before, total_after = (sum(sums[key] for key in keys) for sums in (before, after))
    return InCurrency(
        currency, shares, Money(total_before, currency), Money(total_after, currency), tuple(rows)
    )
