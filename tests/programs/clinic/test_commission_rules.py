"""Commission rules: versions, and the second admin."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories import clinic
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from webapp.people.models import Organisation
from webapp.programs.clinic import commission_rules
from webapp.programs.clinic.drafts import RuleDraft
from webapp.programs.clinic.models import CommissionRuleVersion
from webapp.programs.clinic.rules import find_rule


@pytest.fixture
def care(database: Flask) -> Organisation:
    """A clinic."""
    return clinic.carepoint()


def admin(care: Organisation) -> Actor:
    """One more admin."""
    return factories.actor_of(factories.user(organisation=care, role="admin"))


def make(care: Organisation, actor: Actor, now: datetime, **values: Any) -> CommissionRuleVersion:
    """Ask for a new rule."""
    with transaction():
        return commission_rules.create_rule(
            organisation_id=care.id, draft=RuleDraft("Physio", **values), actor=actor, now=now
        )


def act(
    function: Any, care: Organisation, row: CommissionRuleVersion, actor: Actor, now: datetime, **more: Any
) -> Any:
    """Do something to a rule."""
    with transaction():
        return function(organisation_id=care.id, rule_id=row.rule_id, actor=actor, now=now, **more)


def percent(care: Organisation, on: date) -> Decimal:
    """What counts for everybody on a day."""
    rules = commission_rules.load_rules(care.id)
    return find_rule(rules, payee_id=0, category="", on=on).commission.percent


DAY = date(2026, 11, 20)


def test_alone_an_admins_rule_counts_at_once(care: Organisation, now: datetime) -> None:
    assert make(care, admin(care), now, percent=Decimal(25)).state == "in_force"
    assert percent(care, DAY) == 25


def test_with_another_admin_a_rule_waits_for_that_person(care: Organisation, now: datetime) -> None:
    first, second = admin(care), admin(care)
    row = make(care, first, now, percent=Decimal(25))
    assert (row.state, percent(care, DAY)) == ("proposed", 10)
    with pytest.raises(NotAllowed, match="another admin must accept"):
        act(commission_rules.accept, care, row, first, now)
    assert act(commission_rules.accept, care, row, second, now).state == "in_force"
    assert percent(care, DAY) == 25
    with pytest.raises(Conflict, match="decided already"):
        act(commission_rules.accept, care, row, second, now)


def test_refused_and_withdrawn_versions_never_count(care: Organisation, now: datetime) -> None:
    first, second = admin(care), admin(care)
    refused, withdrawn = (make(care, first, now, percent=Decimal(n)) for n in (25, 30))
    with pytest.raises(Invalid):
        act(commission_rules.refuse, care, refused, second, now, reason=" ")
    act(commission_rules.refuse, care, refused, second, now, reason="We agreed on 12 %.")
    with pytest.raises(NotAllowed):
        act(commission_rules.withdraw, care, withdrawn, second, now)
    act(commission_rules.withdraw, care, withdrawn, first, now)
    assert percent(care, DAY) == 10


def test_a_revised_rule_counts_from_its_first_day(care: Organisation, now: datetime) -> None:
    actor = admin(care)
    row = make(care, actor, now, percent=Decimal(25))
    draft = RuleDraft("Physio", percent=Decimal(30), valid_from=date(2026, 12, 1))
    act(commission_rules.revise_rule, care, row, actor, now, draft=draft, expected_version=1)
    assert (percent(care, DAY), percent(care, date(2026, 12, 1))) == (25, 30)
    with pytest.raises(StaleVersion):
        act(commission_rules.revise_rule, care, row, actor, now, draft=draft, expected_version=1)
    same = act(commission_rules.revise_rule, care, row, actor, now, draft=draft, expected_version=2)
    assert same.version == 2


def test_an_ended_rule_counts_to_its_last_day(care: Organisation, now: datetime) -> None:
    actor = admin(care)
    row = make(care, actor, now, percent=Decimal(25))
    act(commission_rules.end_rule, care, row, actor, now, last_day=DAY)
    assert (percent(care, DAY), percent(care, date(2026, 11, 21))) == (25, 10)


def test_only_one_version_waits_at_a_time(care: Organisation, now: datetime) -> None:
    first, _ = admin(care), admin(care)
    row = make(care, first, now)
    with pytest.raises(Conflict, match="waits for a second admin already"):
        act(commission_rules.revise_rule, care, row, first, now, draft=RuleDraft("Other", percent=Decimal(5)))


def test_other_organisations_do_not_find_it(care: Organisation, now: datetime) -> None:
    row, other = make(care, admin(care), now), clinic.carepoint()
    with pytest.raises(NotFound):
        act(commission_rules.accept, other, row, admin(other), now)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("percent", {"percent": Decimal("100.1")}),
        ("percent", {"percent": Decimal(-1)}),
        ("cap", {"cap_minor": 5_00, "floor_minor": 6_00}),
        ("tiers", {"tiers": ((None, Decimal(5)), (None, Decimal(6)))}),
        ("tiers", {"tiers": ((0, Decimal(5)),)}),
        ("practitioner", {"payee_id": 999_999}),
    ],
)
def test_nonsense_is_refused_with_its_field(
    care: Organisation, now: datetime, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refused:
        make(care, admin(care), now, **values)
    assert refused.value.field == field
