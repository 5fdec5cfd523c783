"""What is recorded when a deal is won stays: its shares, its partners' terms, its currency and program."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY, commissions
from tests.factories.people import FACTORY
from tests.programs.partners.test_deals import shares, told
from tests.programs.partners.test_going_back import change_nothing
from webapp.database import transaction
from webapp.kernel.errors import Invalid
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import deals, earning, partners
from webapp.programs.partners.drafts import DealDraft, ProfileDraft, ProgramDraft
from webapp.programs.partners.models import Deal, PartnerProgram


def change(deal: Deal, **values: Any) -> None:
    """The same deal with other values."""
    names = (
        "program_id", "name", "currency", "amount_minor", "opened_at", "customer", "product", "registered_by_id",
    )  # fmt: skip
    draft = replace(DealDraft(**{name: getattr(deal, name) for name in names}), **values)
    with transaction():
        deals.change_deal(
            organisation_id=deal.organisation_id, reference=deal.reference, draft=draft, reason="A typo.",
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def become(payee: Payee, **values: Any) -> None:
    """The partner's profile, changed."""
    with transaction():
        partners.change_profile(
            organisation_id=payee.organisation_id, payee_id=payee.id, draft=ProfileDraft(**values), actor=FACTORY,
            now=TODAY,
        )  # fmt: skip


def test_a_name_that_is_mended_changes_no_share_and_no_commission(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    ben = factory.partner(base, 1_000, name="Ben")
    deal = factory.won(program, [ann, ben])
    before = told(commissions(deal)), shares(deal)
    become(ann, rate_bp=2_000, tier="gold")
    with transaction():
        partners.change_program(
            organisation_id=base.id, reference=program.reference, draft=ProgramDraft("P", model="last_touch"),
            actor=FACTORY, now=TODAY,
        )  # fmt: skip
    factory.rule(base, rate_bp=3_000, tier="gold")
    change(deal, name="Acme", customer="Acme Inc.", opened_at=OPENED - timedelta(days=1))
    assert (told(commissions(deal)), shares(deal)) == before


def test_another_amount_earns_by_the_terms_of_the_day_of_the_close(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    ben = factory.partner(base, 1_000, name="Ben")
    factory.rule(base, rate_bp=3_000, tier="gold")
    deal = factory.won(program, [ann, ben], 100_01)
    become(ann, rate_bp=2_000, tier="gold")
    with transaction():
        partners.change_program(
            organisation_id=base.id, reference=program.reference, draft=ProgramDraft("P", model="last_touch"),
            actor=FACTORY, now=TODAY,
        )  # fmt: skip
    for amount, expected in (
        (1, {ann.id: (500_000, 1), ben.id: (500_000, 0)}),
        (2_000_00, {ann.id: (500_000, 1_000_00), ben.id: (500_000, 1_000_00)}),
    ):
        change(deal, amount_minor=amount)
        assert shares(deal) == expected
    assert [(row.rate_bp, row.amount_minor) for row in commissions(deal) if row.state == "open"] == [
        (500, 50_00),
        (1_000, 100_00),
    ]


def test_a_touch_that_comes_later_shares_by_the_recorded_model_and_terms(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    ben = factory.partner(base, 1_000, name="Ben")
    deal = factory.won(program, [ann])
    become(ann, rate_bp=2_000)
    with transaction():
        partners.change_program(
            organisation_id=base.id, reference=program.reference, draft=ProgramDraft("P", model="last_touch"),
            actor=FACTORY, now=TODAY,
        )  # fmt: skip
    factory.touch(deal, ben, happened_at=OPENED)
    assert shares(deal) == {ann.id: (500_000, 500_00), ben.id: (500_000, 500_00)}
    assert sorted(row.rate_bp for row in commissions(deal)) == [500, 1_000]


def test_won_again_it_is_recorded_anew(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.lost(factory.won(program, [ann]))
    become(ann, rate_bp=2_000)
    with transaction():
        common: dict[str, Any] = {
            "organisation_id": base.id, "reference": deal.reference, "actor": FACTORY, "now": TODAY,
        }  # fmt: skip
        deals.reopen_deal(**common)
        deals.win_deal(**common, closed_at=CLOSED)
    assert told(commissions(deal))[1:] == [("sale", "open", 200_00)]


def test_another_rate_changes_nothing_of_what_a_payout_gives_back(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    factory.calculate(base)
    become(ann, rate_bp=2_000)
    change_nothing(base.id, deal.id)
    assert told(commissions(deal)) == [("sale", "claimed", 50_00)]


def test_a_deal_with_commissions_keeps_its_currency_and_program(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.won(program, [ann])
    factory.calculate(base)
    factory.lost(deal)
    with transaction():
        deals.reopen_deal(organisation_id=base.id, reference=deal.reference, actor=FACTORY, now=TODAY)
    other = factory.program(base)
    for field, value in (("currency", "JPY"), ("program_id", other.id)):
        with pytest.raises(Invalid) as refused:
            change(deal, **{field: value})
        assert refused.value.field == field.removesuffix("_id")


def test_a_deal_without_commissions_changes_both(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    deal = factory.lost(factory.won(program, [ann]))
    other = factory.program(base)
    with transaction():
        deals.reopen_deal(organisation_id=base.id, reference=deal.reference, actor=FACTORY, now=TODAY)
    change(deal, currency="JPY", program_id=other.id)
    assert (deal.currency, deal.program_id) == ("JPY", other.id)


def test_two_currencies_are_never_subtracted(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.won(program, [ann])
    factory.calculate(base)
    with pytest.raises(ValueError, match="JPY"), transaction():
        deal.currency = "JPY"
        earning.settle(organisation_id=base.id, deal_ids=[deal.id], reason="Again.", actor=FACTORY, now=TODAY)


def rates(deal: Deal) -> list[tuple[str, str, int]]:
    """Kind, state and rate of each commission."""
    return [(row.kind, row.state, row.rate_bp) for row in commissions(deal)]


def test_an_earlier_first_deal_ends_the_first_months_of_others(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    factory.rule(base, months=1)
    deal, last = (
        factory.won(program, [ann]),
        factory.won(program, [ann], closed_at=CLOSED + timedelta(days=20)),
    )
    assert rates(deal) == rates(last) == [("sale", "open", 1_000)]
    earlier = factory.won(
        program, [ann], opened_at=CLOSED - timedelta(days=30), closed_at=CLOSED - timedelta(days=16)
    )
    assert rates(earlier) == rates(deal) == [("sale", "open", 1_000)]
    assert rates(last) == [("sale", "open", 500)]
    factory.lost(earlier)
    assert rates(last) == [("sale", "open", 1_000)]


def test_an_earlier_first_deal_corrects_what_is_in_a_payout(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    factory.rule(base, months=1)
    deal = factory.won(program, [ann])
    factory.calculate(base)
    factory.won(
        program,
        [],
        opened_at=CLOSED - timedelta(days=90),
        registered_by_id=ann.id,
        closed_at=CLOSED - timedelta(days=60),
    )
    sale, back = commissions(deal)
    assert (sale.amount_minor, back.kind, back.amount_minor) == (100_00, "clawback", -50_00)
    assert back.reason == earning.FIRST_MOVED
