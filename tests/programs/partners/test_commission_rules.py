"""Rules of commissions: which rate counts for a deal, and who may change it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY, actor_of, user
from webapp.database import transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotAllowed
from webapp.people.models import Organisation
from webapp.programs.partners import commission_rules
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerRuleVersion


def rule(
    organisation: Organisation, rate_bp: int, actor: Actor = FACTORY, **values: Any
) -> PartnerRuleVersion:
    """A rule for everything, unless told otherwise."""
    with transaction():
        return commission_rules.create_rule(
            organisation_id=organisation.id, draft=RuleDraft(f"{rate_bp} bp", rate_bp, **values), actor=actor,
            now=TODAY,
        )  # fmt: skip


def earned(organisation: Organisation, **values: Any) -> list[tuple[int, str]]:
    """What a partner earns of a deal over 1,000.00, and by which rule."""
    deal = factory.won(factory.program(organisation), [factory.partner(organisation)], **values)
    return [(row.amount_minor, row.rule_label) for row in commissions(deal)]


def test_without_a_rule_the_partners_own_rate_counts(base: Organisation) -> None:
    assert earned(base) == [(50_00, "")]


def test_the_rule_with_the_lowest_number_counts(base: Organisation) -> None:
    rule(base, 1_000, priority=20)
    rule(base, 2_000, priority=10)
    assert earned(base) == [(200_00, "2000 bp (version 1)")]


def test_a_rule_of_another_product_does_not_count(base: Organisation) -> None:
    rule(base, 1_000, product="GTX Pro")
    assert earned(base, product="GTX Basic") == [(50_00, "")]
    assert earned(base, product="gtx pro") == [(100_00, "1000 bp (version 1)")]


def test_another_organisations_rules_do_not_count(base: Organisation) -> None:
    rule(factory.partnerbase(), 1_000)
    assert earned(base) == [(50_00, "")]


def test_a_rule_counts_from_its_first_day(base: Organisation) -> None:
    rule(base, 1_000, valid_from=date(2026, 2, 11))
    assert earned(base) == [(50_00, "")]


def test_a_rule_that_ended_does_not_count(base: Organisation) -> None:
    version = rule(base, 1_000)
    with transaction():
        commission_rules.end_rule(
            organisation_id=base.id,
            rule_id=version.rule_id,
            last_day=date(2026, 2, 9),
            actor=FACTORY,
            now=TODAY,
        )
    assert earned(base) == [(50_00, "")]


def test_a_second_admin_accepts_a_change(base: Organisation) -> None:
    first, second = (actor_of(user(organisation=base, role="admin")) for _ in range(2))
    version = rule(base, 1_000, first)
    assert (version.state, earned(base)) == ("proposed", [(50_00, "")])
    with pytest.raises(NotAllowed), transaction():
        commission_rules.accept(organisation_id=base.id, rule_id=version.rule_id, actor=first, now=TODAY)
    with transaction():
        commission_rules.accept(organisation_id=base.id, rule_id=version.rule_id, actor=second, now=TODAY)
    assert earned(base) == [(100_00, "1000 bp (version 1)")]


def test_one_change_waits_at_a_time(base: Organisation) -> None:
    version = rule(base, 1_000, actor_of(user(organisation=base, role="admin")))
    user(organisation=base, role="admin")
    asking = actor_of(user(organisation=base, role="admin"))
    with transaction():
        commission_rules.revise_rule(
            organisation_id=base.id, rule_id=version.rule_id, draft=RuleDraft("x", 1), actor=asking, now=TODAY
        )
    with pytest.raises(Conflict, match="waits for a second admin"), transaction():
        commission_rules.revise_rule(
            organisation_id=base.id, rule_id=version.rule_id, draft=RuleDraft("y", 2), actor=asking, now=TODAY
        )


def test_who_set_the_rate_does_not_approve_what_it_made(base: Organisation) -> None:
    admin = user(organisation=base, role="admin")
    rule(base, 1_000, actor_of(admin))
    deal = factory.won(factory.program(base), [factory.partner(base)])
    assert [row.edited_by_id for row in commissions(deal)] == [admin.id]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rate_bp": 10_001}, "rate"),
        ({"rate_bp": -1}, "rate"),
        ({"name": " "}, "name"),
        ({"tier": "tin"}, "tier"),
        ({"partner_type": "friend"}, "partner_type"),
        ({"priority": -1}, "priority"),
        ({"months": 0}, "months"),
        ({"cap_minor": 1}, "currency"),
        ({"floor_minor": 0}, "currency"),
        ({"cap_minor": 1, "floor_minor": 2, "currency": "USD"}, "cap"),
        ({"retainer_minor": -1, "currency": "USD"}, "retainer"),
        ({"currency": "XQZ"}, "currency"),
        ({"program_id": 10**9}, "program"),
    ],
)
def test_rules_that_are_refused(base: Organisation, values: dict[str, Any], field: str) -> None:
    draft = RuleDraft(**{"name": "Rule", "rate_bp": 500, **values})
    with pytest.raises(Invalid) as refused, transaction():
        commission_rules.create_rule(organisation_id=base.id, draft=draft, actor=FACTORY, now=TODAY)
    assert refused.value.field == field
