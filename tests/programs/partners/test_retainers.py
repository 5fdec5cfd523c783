"""Retainers: what partners get by the period, once, by the first rule that is for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY
from tests.rooms.payouts.test_races import together
from tests.support.books import clean
from webapp.database import db, transaction
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import commission_rules, retainers
from webapp.programs.partners.drafts import ProfileDraft, ProgramDraft, RuleDraft
from webapp.programs.partners.models import PartnerProgram, PartnerRuleVersion
from webapp.programs.partners.partners import change_profile, change_program

LONG_AGO = date(2025, 1, 1)


@pytest.fixture
def base(database: Flask) -> Organisation:
    """A company with partners and one program that pays by the month."""
    found = factory.partnerbase()
    factory.program(found)
    return found


def rule(organisation: Organisation, retainer_minor: int = 200_00, **values: Any) -> PartnerRuleVersion:
    """A rule that gives a retainer in dollars."""
    draft = RuleDraft(
        **{"name": "Retainer", "rate_bp": 0, "currency": "USD", "valid_from": LONG_AGO, **values},
        retainer_minor=retainer_minor,
    )
    with transaction():
        return commission_rules.create_rule(
            organisation_id=organisation.id, draft=draft, actor=FACTORY, now=TODAY
        )


def accrue(organisation: Organisation, until: str = "2026-03", now: datetime = TODAY) -> int:
    """How many retainers are new."""
    with transaction():
        return retainers.accrue(organisation_id=organisation.id, until=until, actor=FACTORY, now=now)


def since(payee: Payee, day: date) -> None:
    """A partner who has been there since a day."""
    with transaction():
        db.session.merge(payee).created_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def got(payee: Payee) -> list[tuple[str | None, int]]:
    """The periods and amounts of a partner's retainers."""
    return [(row.period, row.amount_minor) for row in commissions(payee)]


def test_a_retainer_is_earned_and_due_at_the_end_of_its_period(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 3, 10))
    assert accrue(base) == 1
    [row] = commissions(ann)
    assert (row.kind, row.period, row.amount_minor, row.currency) == ("retainer", "2026-03", 200_00, "USD")
    assert (row.earned_on, row.due_on) == (date(2026, 3, 31), date(2026, 3, 31))
    assert row.rule_label == "Retainer (version 1)"


def test_doing_it_again_makes_nothing(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 3, 10))
    assert [accrue(base), accrue(base)] == [1, 0]
    assert got(ann) == [("2026-03", 200_00)]


def test_two_at_once_make_each_once(database: Flask, base: Organisation) -> None:
    rule(base)
    people = [factory.partner(base) for _ in range(3)]
    for each in people:
        since(each, date(2026, 3, 10))
    organisation_id = base.id

    def make() -> int:
        with transaction():
            return retainers.accrue(
                organisation_id=organisation_id, until="2026-03", actor=FACTORY, now=TODAY
            )

    assert sorted(together(database, [make, make])) == [0, 3]
    assert [got(each) for each in people] == [[("2026-03", 200_00)]] * 3


def test_nothing_before_the_period_is_over(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 3, 10))
    assert accrue(base, now=TODAY - timedelta(days=1)) == 0


def test_a_quarter_has_the_months_of_a_program_that_pays_by_the_month(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 1, 2))
    # The program began on 15 January.
    accrue(base, "2026-Q1")
    assert got(ann) == [("2026-01", 200_00), ("2026-02", 200_00), ("2026-03", 200_00)]


def test_a_program_that_pays_by_the_quarter_has_one_a_quarter(database: Flask) -> None:
    base = factory.partnerbase()
    factory.program(base, period="quarter")
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 1, 2))
    assert accrue(base, "2026-02") == 0
    accrue(base, "2026-03")
    assert got(ann) == [("2026-Q1", 200_00)]


def pays_by(organisation: Organisation, period: str) -> None:
    """The organisation's program has other periods from now on."""
    row = db.session.scalars(select(PartnerProgram).filter_by(organisation_id=organisation.id)).one()
    with transaction():
        change_program(
            organisation_id=organisation.id, reference=row.reference, draft=ProgramDraft(row.name, period=period),
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def test_another_period_makes_nothing_twice(base: Organisation) -> None:
    rule(base)
    ann, ben = factory.partner(base), factory.partner(base)
    since(ann, date(2026, 1, 2))
    since(ben, date(2026, 3, 20))
    assert accrue(base, "2026-01") == 1
    pays_by(base, "quarter")
    # Ann has a month of it already; Ben, who came later, has none.
    [note] = retainers.planned(base.id, "2026-Q1", TODAY).notes
    assert note.endswith("whoever has a retainer for 2026-01 gets none for 2026-Q1.")
    assert accrue(base, "2026-Q1") == 1
    assert (got(ann), got(ben)) == ([("2026-01", 200_00)], [("2026-Q1", 200_00)])
    pays_by(base, "month")
    assert accrue(base, "2026-Q1") == 2
    assert got(ann) == [("2026-01", 200_00), ("2026-02", 200_00), ("2026-03", 200_00)]
    assert got(ben) == [("2026-Q1", 200_00)]


def test_a_quarter_is_not_made_up_for_by_its_months(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 1, 2))
    pays_by(base, "quarter")
    assert accrue(base, "2026-Q1") == 1
    pays_by(base, "month")
    later = TODAY + timedelta(days=31)
    assert accrue(base, "2026-04", later) == 1
    assert got(ann) == [("2026-Q1", 200_00), ("2026-04", 200_00)]
    assert retainers.planned(base.id, "2026-04", later).notes == ()


def test_a_month_that_was_left_out_is_made_up_for(base: Organisation) -> None:
    rule(base)
    ann = factory.partner(base)
    since(ann, date(2026, 1, 20))
    accrue(base, "2026-03")
    assert [period for period, _ in got(ann)] == ["2026-01", "2026-02", "2026-03"]


def test_whoever_came_back_has_nothing_of_months_that_others_were_paid_for(base: Organisation) -> None:
    rule(base)
    ann, ben = factory.partner(base), factory.partner(base)
    for each in (ann, ben):
        since(each, date(2026, 2, 1))
    with transaction():
        db.session.merge(ben).is_active = False
    accrue(base, "2026-02")
    with transaction():
        db.session.merge(ben).is_active = True
    accrue(base, "2026-03")
    assert [period for period, _ in got(ann)] == ["2026-02", "2026-03"]
    assert [period for period, _ in got(ben)] == ["2026-03"]


def test_the_first_rule_that_is_for_a_partner_counts(base: Organisation) -> None:
    rule(base, 100_00, priority=50)
    rule(base, 500_00, priority=10, tier="gold")
    ann, ben = factory.partner(base), factory.partner(base)
    with transaction():
        change_profile(
            organisation_id=base.id,
            payee_id=ann.id,
            draft=ProfileDraft(tier="gold"),
            actor=FACTORY,
            now=TODAY,
        )
    for each in (ann, ben):
        since(each, date(2026, 3, 10))
    accrue(base)
    assert (got(ann), got(ben)) == ([("2026-03", 500_00)], [("2026-03", 100_00)])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"product": "GTX Pro"}, "asks for a product"),
        ({"least_deal_minor": 1_00}, "asks for a product or a size of deals"),
    ],
)
def test_a_rule_that_asks_something_of_deals_gives_no_retainer(
    base: Organisation, values: dict[str, Any], words: str
) -> None:
    rule(base, **values)
    since(factory.partner(base), date(2026, 3, 10))
    plan = retainers.planned(base.id, "2026-03", TODAY)
    assert plan.retainers == ()
    assert words in plan.notes[0]


def test_a_rule_without_a_program_counts_where_there_is_one_alone(base: Organisation) -> None:
    rule(base)
    since(factory.partner(base), date(2026, 3, 10))
    assert retainers.planned(base.id, "2026-03", TODAY).sums == {"USD": Money(200_00, "USD")}
    factory.program(base)
    plan = retainers.planned(base.id, "2026-03", TODAY)
    assert plan.retainers == ()
    assert "names no program" in plan.notes[0]


def test_the_first_months_begin_with_the_first_deal(base: Organisation) -> None:
    rule(base, months=1, program_id=factory.program(base).id)
    ann, ben = factory.partner(base), factory.partner(base)
    for each in (ann, ben):
        since(each, date(2026, 3, 10))
    # Closed on 10 February: its month is over in March, but for the days up to the 10th.
    factory.won(factory.program(base), [ann])
    accrue(base, "2026-03")
    assert [row.period for row in commissions(ben)] == ["2026-03"]
    later = datetime(2026, 4, 30, 12, tzinfo=UTC)
    accrue(base, "2026-04", later)
    assert [row.period for row in commissions(ben)] == ["2026-03", "2026-04"]
    assert [row.period for row in commissions(ann) if row.kind == "retainer"] == ["2026-03"]


def test_nobody_has_one_of_a_time_before_the_rule(base: Organisation) -> None:
    rule(base, valid_from=date(2026, 3, 1))
    ann = factory.partner(base)
    since(ann, date(2026, 1, 2))
    accrue(base, "2026-Q1")
    assert got(ann) == [("2026-03", 200_00)]


def test_another_organisations_partners_have_none(base: Organisation) -> None:
    rule(base)
    theirs = factory.partnerbase()
    factory.program(theirs)
    bob = factory.partner(theirs)
    since(bob, date(2026, 3, 10))
    assert (accrue(base), accrue(theirs), got(bob)) == (0, 0, [])


def test_a_retainer_is_paid_with_what_else_is_due(database: Flask) -> None:
    base = factory.partnerbase()
    program = factory.program(base)
    rule(base, rate_bp=500)
    ann = factory.partner(base)
    since(ann, date(2026, 3, 10))
    factory.won(program, [ann])
    accrue(base)
    factory.calculate(base)
    [payout] = db.session.query(Payout).filter_by(organisation_id=base.id)
    assert payout.amount_minor == 250_00
    assert sorted(line.description for line in payout.lines)[-1] == "Retainer 2026-03"
    assert clean(base)
