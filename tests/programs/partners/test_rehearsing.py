"""A draft of a rule replayed over the past: the same numbers as if it had counted, and nothing stored."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY
from webapp.database import db, transaction
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import commission_rules, deals, rehearsing, rule_order
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import Commission, PartnerProgram, PartnerRuleVersion
from webapp.programs.partners.rehearsing import Rehearsal
from webapp.programs.partners.rules import Rate, Rule, period

Q1 = (period("2026-Q1"), period("2026-Q1"))


def rehearse(organisation: Organisation, draft: RuleDraft, **how: Any) -> Rehearsal:
    """A replay of the first quarter."""
    first, last = how.pop("span", Q1)
    return rehearsing.rehearse(organisation.id, draft, first=first, last=last, **how)


def stored_rule(organisation: Organisation, draft: RuleDraft) -> PartnerRuleVersion:
    """A rule that counts."""
    with transaction():
        return commission_rules.create_rule(
            organisation_id=organisation.id, draft=draft, actor=FACTORY, now=TODAY
        )


def won_on(
    program: PartnerProgram, payees: list[Payee], day: datetime, amount: int = 1_000_00, **values: Any
) -> None:
    """A deal that was won at an instant."""
    row = factory.deal(program, payees, amount, **values)
    with transaction():
        deals.win_deal(
            organisation_id=program.organisation_id, reference=row.reference, closed_at=day, actor=FACTORY, now=TODAY
        )  # fmt: skip


def said(found: Rehearsal) -> list[tuple[str, str, int, str, str]]:
    """Currency, partner, deals that differ, before and after."""
    return [
        (one.currency, row.name, row.deals, row.before.plain, row.after.plain)
        for one in found.currencies
        for row in one.rows
    ]


def test_each_partner_has_before_and_after_by_currency(base: Organisation) -> None:
    program = factory.program(base)
    ada, ben = factory.partner(base, name="Ada"), factory.partner(base, name="Ben", rate_bp=2_000)
    factory.won(program, [ada, ben], 1_000_00)
    factory.won(program, [ada], 100_00, currency="EUR")
    found = rehearse(base, RuleDraft("Ten", 1_000))
    assert said(found) == [
        ("EUR", "Ada", 1, "5.00", "10.00"),
        ("USD", "Ben", 1, "100.00", "50.00"),
        ("USD", "Ada", 1, "25.00", "50.00"),
    ]
    assert [(one.before.plain, one.after.plain, one.change.plain) for one in found.currencies] == [
        ("5.00", "10.00", "5.00"), ("125.00", "100.00", "-25.00"),
    ]  # fmt: skip
    assert (found.looked_at, found.changed) == (3, 3)


def test_what_it_says_is_what_the_rule_makes(base: Organisation) -> None:
    """The replay of past deals equals what the same deals earn once the rule counts."""
    program = factory.program(base)
    people = [factory.partner(base, rate_bp=rate) for rate in (300, 700, 1_100)]
    draft = RuleDraft(
        "Large",
        1_250,
        currency="USD",
        least_deal_minor=500_00,
        floor_minor=20_00,
        cap_minor=90_00,
        priority=5,
    )

    def sell() -> int:
        before = db.session.scalar(select(func.coalesce(func.sum(Commission.amount_minor), 0)))
        for n, amount in enumerate((100_01, 499_99, 500_00, 777_77, 9_999_99)):
            factory.won(program, people[: 1 + n % 3], amount)
        after = db.session.scalar(select(func.coalesce(func.sum(Commission.amount_minor), 0)))
        return int(after or 0) - int(before or 0)

    as_it_was = sell()
    [found] = rehearse(base, draft).currencies
    assert found.before.amount == as_it_was
    stored_rule(base, draft)
    assert sell() == found.after.amount != as_it_was


def test_a_next_version_takes_the_place_of_its_rule(base: Organisation) -> None:
    ada = factory.partner(base)
    factory.won(factory.program(base), [ada])
    rule = stored_rule(base, RuleDraft("Ten", 1_000, valid_from=date(2030, 1, 1)))
    counts = stored_rule(base, RuleDraft("Eight", 800))
    assert said(rehearse(base, RuleDraft("Nine", 900), rule_id=counts.rule_id)) == [
        ("USD", ada.name, 1, "80.00", "90.00")
    ]
    # As a new rule it comes behind the older one of the same number.
    assert said(rehearse(base, RuleDraft("Nine", 900))) == []
    ended = RuleDraft("Eight", 800, is_active=False)
    assert said(rehearse(base, ended, rule_id=counts.rule_id)) == [("USD", ada.name, 1, "80.00", "50.00")]
    assert rule.rule_id != counts.rule_id


def test_a_rule_that_counts_is_compared_with_what_would_be_without_it(base: Organisation) -> None:
    ada = factory.partner(base)
    factory.won(factory.program(base), [ada])
    counts = stored_rule(base, RuleDraft("Eight", 800))
    draft = RuleDraft("Eight", 800)
    assert said(rehearse(base, draft, rule_id=counts.rule_id)) == []
    found = rehearse(base, draft, rule_id=counts.rule_id, is_without=True)
    assert said(found) == [("USD", ada.name, 1, "50.00", "80.00")]


def test_a_rule_for_the_first_months_goes_by_the_first_deal_of_all(base: Organisation) -> None:
    program, ada = factory.program(base), factory.partner(base)
    won_on(program, [ada], datetime(2026, 1, 20, 12, tzinfo=UTC))
    won_on(program, [ada], datetime(2026, 3, 10, 12, tzinfo=UTC))
    march = (period("2026-03"), period("2026-03"))
    assert rehearse(base, RuleDraft("First", 1_000, months=1), span=march).changed == 0
    assert rehearse(base, RuleDraft("First", 1_000, months=2), span=march).changed == 1


def test_months_are_those_of_the_organisation(base: Organisation) -> None:
    """One o'clock at night in Greenwich is still the day before in New York."""
    won_on(factory.program(base), [factory.partner(base)], datetime(2026, 3, 1, 1, tzinfo=UTC))
    draft = RuleDraft("Ten", 1_000)
    assert rehearse(base, draft, span=(period("2026-02"), period("2026-02"))).looked_at == 1
    assert rehearse(base, draft, span=(period("2026-03"), period("2026-03"))).looked_at == 0


def test_open_and_lost_deals_and_those_of_others_are_left_out(base: Organisation) -> None:
    program, ada = factory.program(base), factory.partner(base)
    factory.deal(program, [ada])
    factory.lost(factory.won(program, [ada]))
    other = factory.partnerbase()
    factory.won(factory.program(other), [factory.partner(other)])
    found = rehearse(base, RuleDraft("Ten", 1_000))
    assert (found.looked_at, found.currencies) == (0, ())


def test_nothing_is_stored(base: Organisation) -> None:
    deal = factory.won(factory.program(base), [factory.partner(base)])
    rehearse(base, RuleDraft("Ten", 1_000))
    assert not db.session.new
    assert not db.session.dirty
    assert [row.amount_minor for row in commissions(deal)] == [50_00]
    assert db.session.scalar(select(func.count()).select_from(PartnerRuleVersion)) == 0


def test_too_many_months_or_deals_are_refused(base: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = RuleDraft("Ten", 1_000)
    with pytest.raises(Invalid, match="at most 24 months") as error:
        rehearse(base, draft, span=(period("2024-01"), period("2026-01")))
    assert error.value.field == "since"
    assert rehearse(base, draft, span=(period("2024-02"), period("2026-01"))).looked_at == 0
    monkeypatch.setattr(rehearsing, "MOST_SHARES", 1)
    program = factory.program(base)
    factory.won(program, [factory.partner(base), factory.partner(base)])
    with pytest.raises(Invalid, match="choose fewer months"):
        rehearse(base, draft)


def test_the_last_whole_months() -> None:
    first, last = rehearsing.last_months(date(2026, 1, 31))
    assert (first.text, last.text) == ("2025-10", "2025-12")


# ---- Rules beside each other -----------------------------------------------------------------------------------


def rule(number: int, **values: Any) -> Rule:
    """A rule of ten per cent."""
    return Rule(number, 1, f"R{number}", Rate(1_000), **values)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"priority": 1}, {"priority": 2, "tier": "gold"}, "for no deal"),
        ({"priority": 1, "tier": "gold"}, {"priority": 2}, ""),
        ({"priority": 1, "tier": "gold"}, {"priority": 2, "tier": "gold", "product": "Seats"}, "for no deal"),
        ({"priority": 1, "product": "SEATS"}, {"priority": 2, "product": "seats"}, "for no deal"),
        ({"priority": 1, "currency": "USD", "least_deal_minor": 500}, {"priority": 2, "currency": "USD"}, ""),
        ({"priority": 1, "currency": "USD"}, {"priority": 2, "currency": "USD", "least_deal_minor": 5}, "for no deal"),
        ({"priority": 1, "months": 3}, {"priority": 2}, ""),
        ({"priority": 1, "months": 3}, {"priority": 2, "months": 2}, "for no deal"),
        ({"priority": 1, "program_id": 1}, {"priority": 2, "program_id": 2}, ""),
        ({"tier": "gold"}, {"product": "Seats"}, "same number"),
        ({"tier": "gold"}, {"tier": "silver"}, ""),
        ({"valid_from": date(2030, 1, 1)}, {}, ""),
        ({"is_active": False}, {}, ""),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_win_is_told(first: dict[str, Any], second: dict[str, Any], words: str) -> None:
    found = rule_order.warnings([rule(2, **second), rule(1, **first)], date(2026, 11, 1))
    assert set(found) == ({2} if words else set())
    assert words in found.get(2, "")
    assert not words or "R1" in found[2]
