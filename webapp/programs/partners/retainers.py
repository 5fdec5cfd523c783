"""Retainers: what partners get by the period, whatever they bring.

A partner has one retainer for each program and period: of the rules with a retainer that fit the partner and ask
nothing of a deal, the first counts, the lowest priority number first. It is earned and due on the period's last day. A
period whose calculation was left out is made up for, from the day on which partner, program and rule were there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from webapp.database import among, ask, db, insert_many
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.ids import digest
from webapp.kernel.money import Money
from webapp.people.models import Payee, Role
from webapp.people.numbers import next_numbers
from webapp.people.rule_book import RuleState
from webapp.programs.partners import trail
from webapp.programs.partners.commission_rules import rule_of
from webapp.programs.partners.drafts import ProfileDraft
from webapp.programs.partners.firsts import first_closed
from webapp.programs.partners.models import Commission, PartnerProfile, PartnerProgram, PartnerRuleVersion
from webapp.programs.partners.rules import Case, Period, Rule, in_force, period, period_of
from webapp.programs.partners.states import CommissionKind, CommissionState

#: How far back a period is made up for.
MOST_BACK = timedelta(days=366)


@dataclass(frozen=True)
class Retainer:
    """What a partner gets for a period, and by which rule."""

    payee_id: int
    program_id: int
    period: Period
    rule: Rule
    amount: Money


@dataclass(frozen=True)
class Plan:
    """What an accrual would make; `notes` name the rules whose retainer counts for nobody, and why."""

    retainers: tuple[Retainer, ...]
    notes: tuple[str, ...]

    @property
    def sums(self) -> dict[str, Money]:
        """What they come to, by currency."""
        found: dict[str, Money] = {}
        for each in self.retainers:
            currency = each.amount.currency
            found[currency] = found.get(currency, Money(0, currency)) + each.amount
        return found


@dataclass(frozen=True)
class _Partner:
    payee_id: int
    type: str
    tier: str
    since: date


@dataclass(frozen=True)
class _Books:
    """What retainers are counted with; `retainers` are amounts by version, `since` the first day of each rule."""

    rules: list[Rule]
    retainers: dict[int, Money]
    since: dict[int, date]
    partners: list[_Partner]
    first_closed: dict[int, date]


def planned(
    organisation_id: int, until: str, now: datetime, payee_ids: Collection[int] | None = None
) -> Plan:
    """What `accrue` would make up to the end of a period. Raises Invalid for a period that is none."""
    span, timezone = period(until), trail.timezone_of(organisation_id)
    programs = _programs(organisation_id)
    versions = _versions(organisation_id)
    if not any(row.retainer_minor for row in versions) or not programs:
        return Plan((), ())
    books = _load(organisation_id, versions, timezone, payee_ids)
    notes = list(_notes(books, programs))
    today = local_date(now, timezone)
    found: list[Retainer] = []
    for program in programs:
        since = local_date(program.created_at, timezone)
        made = _made(program.id, since)
        for each in _periods(program, span, since, today, made):
            overlapping = [(other, payees) for other, payees in made if _overlap(each, other)]
            have = {payee for _, payees in overlapping for payee in payees}
            found += _of_period(books, program, each, have, len(programs))
            if others := [other.text for other, _ in overlapping if other != each]:
                notes.append(
                    f"{program.name} had other periods before: "
                    f"whoever has a retainer for {', '.join(others)} gets none for {each.text}."
                )
    return Plan(tuple(found), tuple(notes))


def accrue(
    *,
    organisation_id: int,
    until: str,
    actor: Actor,
    now: datetime,
    payee_ids: Collection[int] | None = None,
) -> int:
    """Make the retainers of the periods that have ended up to the end of one; answers how many are new.

    Of active partners (all, or those given). Doing it again makes nothing. Raises Invalid for a period that is none.
    """
    # Two at once would each find nothing made yet.
    db.session.execute(_locked(organisation_id))
    plan = planned(organisation_id, until, now, payee_ids)
    if not plan.retainers:
        return 0
    references = next_numbers(organisation_id, "CM", 6, len(plan.retainers))
    rows = [
        _row(organisation_id, reference, each, now)
        for reference, each in zip(references, plan.retainers, strict=True)
    ]
    insert_many(db.session(), Commission, rows)
    told = digest([[row["reference"], row["payee_id"], row["period"], row["amount_minor"]] for row in rows])
    changes = {"commissions": [None, len(rows)], "digest": [None, told]}
    label = f"{references[0]} to {references[-1]}"
    trail.record_many("retainer", "made", organisation_id, label, actor, now, changes)
    return len(rows)


def _locked(organisation_id: int) -> Any:
    query = select(PartnerProgram.id).where(PartnerProgram.organisation_id == organisation_id)
    # Not against references: a deal that is won meanwhile has its numbers, and names its program in its commissions.
    return query.order_by(PartnerProgram.id).with_for_update(key_share=True)


def _programs(organisation_id: int) -> list[PartnerProgram]:
    query = select(PartnerProgram).where(
        PartnerProgram.organisation_id == organisation_id, PartnerProgram.is_active
    )
    return list(db.session.scalars(query.order_by(PartnerProgram.id)))


def _versions(organisation_id: int) -> list[PartnerRuleVersion]:
    query = select(PartnerRuleVersion).where(
        PartnerRuleVersion.organisation_id == organisation_id,
        PartnerRuleVersion.state == RuleState.IN_FORCE.value,
    )
    return list(db.session.scalars(query.order_by(PartnerRuleVersion.id)))


def _load(
    organisation_id: int,
    versions: Sequence[PartnerRuleVersion],
    timezone: str,
    payee_ids: Collection[int] | None,
) -> _Books:
    since: dict[int, date] = {}
    for row in versions:
        day = row.valid_from or local_date(row.decided_at or row.created_at, timezone)
        since[row.rule_id] = min(since.get(row.rule_id, day), day)
    partners = _partners(organisation_id, timezone, payee_ids)
    has_months = any(row.retainer_minor and row.months for row in versions)
    closed = first_closed([each.payee_id for each in partners], timezone) if has_months else {}
    retainers = {row.id: Money(row.retainer_minor, row.currency) for row in versions if row.retainer_minor}
    return _Books([rule_of(row) for row in versions], retainers, since, partners, closed)


def _partners(organisation_id: int, timezone: str, payee_ids: Collection[int] | None) -> list[_Partner]:
    """The active ones; whoever has no profile is what a profile begins as."""
    query = (
        select(Payee.id, PartnerProfile.type, PartnerProfile.tier, Payee.created_at)
        .outerjoin(PartnerProfile, PartnerProfile.payee_id == Payee.id)
        .where(Payee.organisation_id == organisation_id, Payee.kind == Role.PARTNER.value, Payee.is_active)
        .order_by(Payee.id)
    )
    if payee_ids is not None:
        query = query.where(among(Payee.id, payee_ids))
    least = ProfileDraft()
    return [
        _Partner(ident, kind or least.type, tier or least.tier, local_date(created_at, timezone))
        for ident, kind, tier, created_at in ask(query)
    ]


def _asks_of_deals(rule: Rule) -> bool:
    return bool(rule.product or rule.least_deal_minor)


def _notes(books: _Books, programs: Sequence[PartnerProgram]) -> Iterator[str]:
    for rule in in_force(books.rules, date.max):
        if rule.version_id not in books.retainers:
            continue
        if _asks_of_deals(rule):
            yield f"{rule.label} asks for a product or a size of deals; its retainer counts for nobody."
        elif rule.program_id is None and len(programs) > 1:
            yield f"{rule.label} names no program, and there are several; its retainer counts for nobody."


def _made(program_id: int, since: date) -> list[tuple[Period, set[int]]]:
    """Who has a retainer of a program already, by period in their order; the program may have had other periods."""
    query = select(Commission.period, Commission.payee_id).where(
        Commission.program_id == program_id,
        Commission.kind == CommissionKind.RETAINER.value,
        Commission.earned_on >= since - MOST_BACK,
    )
    found: dict[str, set[int]] = defaultdict(set)
    for text, payee_id in ask(query):
        found[text].add(payee_id)
    return [(period(text), found[text]) for text in sorted(found)]


def _overlap(one: Period, other: Period) -> bool:
    return one.first <= other.last and other.first <= one.last


def _periods(
    program: PartnerProgram, span: Period, since: date, today: date, made: Sequence[tuple[Period, set[int]]]
) -> Iterator[Period]:
    """Those of the program that ended within the span; before it those for which nothing was made at all."""
    day = max(since, span.first - MOST_BACK)
    while (each := period_of(day, program.period)).last <= min(span.last, today):
        if each.last >= span.first or not any(_overlap(each, other) for other, _ in made):
            yield each
        day = each.last + timedelta(days=1)


def _of_period(
    books: _Books, program: PartnerProgram, each: Period, have: Collection[int], programs: int
) -> Iterator[Retainer]:
    fitting = [
        rule
        for rule in sorted(in_force(books.rules, each.last), key=lambda rule: (rule.priority, rule.rule_id))
        if rule.version_id in books.retainers
        and not _asks_of_deals(rule)
        and (rule.program_id == program.id or (rule.program_id is None and programs == 1))
        and books.since[rule.rule_id] <= each.last
    ]
    for partner in books.partners if fitting else ():
        if partner.payee_id in have or partner.since > each.last:
            continue
        rule = next((rule for rule in fitting if _fits(books, program, partner, rule, each)), None)
        if rule is not None:
            amount = books.retainers[rule.version_id or 0]
            yield Retainer(partner.payee_id, program.id, each, rule, amount)


def _fits(books: _Books, program: PartnerProgram, partner: _Partner, rule: Rule, each: Period) -> bool:
    """Whether a rule is for a partner; its first months begin with the partner's first deal."""
    case = Case(
        program.id, partner.type, partner.tier, "", Money(0, rule.currency), each.first,
        books.first_closed.get(partner.payee_id, each.first),
    )  # fmt: skip
    return case.fits(rule)


def _row(organisation_id: int, reference: str, each: Retainer, now: datetime) -> dict[str, Any]:
    return {
        "organisation_id": organisation_id,
        "reference": reference,
        "payee_id": each.payee_id,
        "program_id": each.program_id,
        "deal_id": None,
        "kind": CommissionKind.RETAINER.value,
        "sequence": 0,
        "period": each.period.text,
        "rule_id": each.rule.rule_id,
        "rule_version_id": each.rule.version_id,
        "rule_label": each.rule.label,
        "rate_bp": 0,
        "currency": each.amount.currency,
        "base_minor": 0,
        "amount_minor": each.amount.amount,
        "earned_on": each.period.last,
        "due_on": each.period.last,
        "state": CommissionState.OPEN.value,
        "payout_id": None,
        "paid_at": None,
        "offer": "open",
        "offer_reason": "",
        "is_disputed": False,
        "reason": "",
        "edited_by_id": each.rule.edited_by_id,
        "created_at": now,
        "version": 1,
    }
