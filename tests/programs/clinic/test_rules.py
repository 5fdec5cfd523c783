"""What an invoice adds up to, and what of it a practitioner gets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.money import Money
from webapp.programs.clinic.rules import (
    DEFAULT_RULE,
    Commission,
    Paid,
    Rule,
    Tier,
    base_of,
    cut,
    fee_part,
    find_rule,
    line_figures,
    next_cut,
    split,
    take_back,
)


def cad(minor: int) -> Money:
    return Money(minor, "CAD")


@pytest.mark.parametrize(
    ("base", "commission", "amount"),
    [(100_00, 10_00, 90_00), (99_99, 10_00, 89_99), (5, 1, 4), (4, 0, 4), (15, 2, 13), (0, 0, 0), (1, 0, 1)],
)
def test_ten_per_cent_is_rounded_half_up_and_the_rest_is_paid(
    base: int, commission: int, amount: int
) -> None:
    found = cut(cad(base), Commission())
    assert (found.commission.amount, found.amount.amount) == (commission, amount)


@pytest.mark.parametrize(
    ("rule", "base", "commission"),
    [
        (Commission(Decimal(10), flat_minor=250), 100_00, 12_50),
        (Commission(Decimal(10), floor_minor=15_00), 100_00, 15_00),
        (Commission(Decimal(10), cap_minor=8_00), 100_00, 8_00),
        (Commission(Decimal(10), floor_minor=15_00), 9_00, 9_00),
        (Commission(Decimal(0), flat_minor=5_00), 4_00, 4_00),
        (Commission(Decimal("33.3333")), 100_00, 33_33),
        (Commission(Decimal(100)), 77_77, 77_77),
        (Commission(Decimal(0)), 77_77, 0),
    ],
)
def test_flat_floor_and_cap(rule: Commission, base: int, commission: int) -> None:
    assert cut(cad(base), rule).commission.amount == commission


@pytest.mark.parametrize(
    ("volume", "percent"), [(0, 20), (4_999_99, 20), (5_000_00, 15), (9_999_99, 15), (10_000_00, 10)]
)
def test_tiers_go_by_the_volume_before(volume: int, percent: int) -> None:
    tiers = (Tier(None, Decimal(10)), Tier(10_000_00, Decimal(15)), Tier(5_000_00, Decimal(20)))
    found = cut(cad(100_00), Commission(Decimal(50), tiers=tiers), volume_minor=volume)
    assert found.percent == percent


def test_above_the_last_bounded_tier_the_rule_itself_counts() -> None:
    commission = Commission(Decimal(12), tiers=(Tier(1_000_00, Decimal(20)),))
    assert commission.percent_at(1_000_00) == 12


def test_the_highest_priority_counts_first_then_the_older_rule() -> None:
    rules = [
        Rule(1, 1, "everybody", Commission(), priority=0),
        Rule(2, 1, "physio", Commission(), priority=5, category="Physio"),
        Rule(3, 1, "physio, later", Commission(), priority=5, category="Physio"),
        Rule(4, 1, "Ada", Commission(), priority=9, payee_id=7),
    ]

    def label(payee_id: int, category: str) -> str:
        return find_rule(rules, payee_id=payee_id, category=category, on=date(2026, 11, 1)).label

    assert [label(7, "Physio"), label(8, "Physio"), label(8, "Dental")] == ["Ada", "physio", "everybody"]


def test_without_a_match_the_default_of_ten_per_cent_counts() -> None:
    rules = [Rule(4, 1, "Ada", Commission(), payee_id=7)]
    found = find_rule(rules, payee_id=8, category="", on=date(2026, 11, 1))
    assert found is DEFAULT_RULE
    assert found.commission.percent == 10


def test_a_version_counts_from_its_first_day_and_replaces_those_before() -> None:
    rules = [
        Rule(1, 1, "first", Commission(Decimal(10)), valid_from=date(2026, 1, 1)),
        Rule(1, 2, "second", Commission(Decimal(20)), valid_from=date(2026, 6, 1)),
        Rule(1, 3, "ended", Commission(), valid_from=date(2026, 9, 1), is_active=False),
    ]

    def label(on: date) -> str:
        return find_rule(rules, payee_id=1, category="", on=on).label

    days = [date(2025, 12, 31), date(2026, 5, 31), date(2026, 6, 1), date(2026, 9, 1)]
    assert [label(day) for day in days] == ["Default", "first", "second", "Default"]


def test_line_is_quantity_times_price_less_discount_plus_tax() -> None:
    found = line_figures(
        quantity=Decimal("1.5"), unit_price=cad(99_99), discount_minor=10_00, tax_percent=Decimal(13)
    )
    # 149.985 is half-way: to the even cent, 149.98; 139.98 × 13 % = 18.1974.
    assert (found.gross_minor, found.net_minor, found.tax_minor, found.total_minor) == (
        149_98,
        139_98,
        18_20,
        158_18,
    )


def test_a_discount_above_the_line_is_refused() -> None:
    with pytest.raises(ValueError, match="discount"):
        line_figures(quantity=Decimal(1), unit_price=cad(10_00), discount_minor=10_01)


@pytest.mark.parametrize(
    ("received", "refunded", "is_gross", "base"),
    [
        (113_00, 0, False, 100_00),
        (113_00, 0, True, 113_00),
        (56_50, 0, False, 50_00),
        (113_00, 113_00, False, 0),
        (113_00, 13_00, True, 100_00),
        (0, 0, False, 0),
    ],
)
def test_base_is_what_stayed_less_its_part_of_the_tax(
    received: int, refunded: int, is_gross: bool, base: int
) -> None:
    found = base_of(
        total=cad(113_00),
        tax_minor=13_00,
        received_minor=received,
        refunded_minor=refunded,
        is_gross=is_gross,
    )
    assert found.amount == base


def test_split_by_largest_remainder() -> None:
    assert [part.plain for part in split(cad(100_01), [1, 1, 1])] == ["33.34", "33.34", "33.33"]


def test_what_is_taken_back_wholly_gives_back_exactly_the_commission() -> None:
    line = Paid(1, 99_99, 10_00)
    (found,) = take_back([line], base_left=cad(0))
    assert (found.base_minor, found.commission_minor, found.amount_minor) == (99_99, 10_00, 89_99)


def test_a_part_is_taken_back_at_the_lines_own_rate() -> None:
    (found,) = take_back([Paid(1, 100_00, 25_00)], base_left=cad(60_00))
    assert (found.base_minor, found.commission_minor, found.amount_minor) == (40_00, 10_00, 30_00)


def test_nothing_is_taken_back_while_the_base_still_stands() -> None:
    assert take_back([Paid(1, 50_00, 5_00)], base_left=cad(50_00)) == []


def test_the_gateways_fee_goes_by_what_is_refunded() -> None:
    assert fee_part(cad(3_00), refund_minor=50_00, received_minor=100_00).amount == 1_50


AMOUNTS = st.integers(0, 10**9)
PERCENTS = st.decimals(0, 100, places=4)
COMMISSIONS = st.builds(
    Commission, percent=PERCENTS, flat_minor=st.integers(0, 5_000), floor_minor=st.none() | st.integers(0, 2_000),
    cap_minor=st.none() | st.integers(2_000, 50_000),
)  # fmt: skip


@given(AMOUNTS, COMMISSIONS)
def test_commission_and_amount_always_add_up(base: int, commission: Commission) -> None:
    found = cut(cad(base), commission)
    assert found.commission + found.amount == found.base
    assert 0 <= found.commission.amount <= base


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=6), PERCENTS)
def test_parts_of_an_invoice_add_up_to_the_cut_of_the_whole(parts: list[int], percent: Decimal) -> None:
    commission, base, kept = Commission(percent), 0, 0
    for part in parts:
        found = next_cut(cad(part), commission, base_before=base, commission_before=kept)
        assert found.commission + found.amount == found.base
        base, kept = base + part, kept + found.commission.amount
    assert kept == cut(cad(base), commission).commission.amount


@given(st.data())
def test_taken_back_in_steps_is_taken_back_once_and_wholly(data: st.DataObject) -> None:
    lines = []
    for key in range(data.draw(st.integers(1, 4))):
        base = data.draw(st.integers(1, 10**6))
        lines.append(Paid(key, base, data.draw(st.integers(0, base))))
    left = sum(line.base_minor for line in lines)
    while left:
        left = data.draw(st.integers(0, left - 1))
        for found in take_back(lines, base_left=cad(left)):
            assert found.base_minor == found.commission_minor + found.amount_minor
            assert found.commission_minor >= 0 <= found.amount_minor
            n, line = next((n, line) for n, line in enumerate(lines) if line.key == found.key)
            lines[n] = Paid(
                line.key, line.base_minor, line.commission_minor,
                line.taken_base_minor + found.base_minor, line.taken_commission_minor + found.commission_minor,
            )  # fmt: skip
        assert sum(line.net_base_minor for line in lines) == left
    assert all(line.net_commission_minor == 0 for line in lines)
