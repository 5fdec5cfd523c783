"""Prices: the known amounts to the cent, the reasons, and what must hold for every set of rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.money import Money
from webapp.programs.installations import rules
from webapp.programs.installations.terms import Job, Line, Quote, Rule

ON = date(2026, 11, 20)


def rule(configuration_id: int = 1, **values: Any) -> Rule:
    defaults: dict[str, Any] = {
        "configuration_id": configuration_id,
        "version": 1,
        "name": f"Rate {configuration_id}",
        "installation_type": "solar",
        "capacity_unit": "kW",
        "min_size": None,
        "max_size": None,
        "rate_type": "per_unit",
        "rate": Decimal("50"),
        "currency": "USD",
    }
    for name in ("rate", "min_size", "max_size"):
        if values.get(name) is not None:
            values[name] = Decimal(values[name])
    return Rule(**{**defaults, **values})


def job(size: str | None = None, **values: Any) -> Job:
    defaults: dict[str, Any] = {
        "installation_type": "solar",
        "capacity_unit": "kW",
        "size": None if size is None else Decimal(size),
        "on": ON,
        "currency": "USD",
    }
    return Job(**{**defaults, **values})


SOLAR_A = rule(1, name="Solar A", min_size="0", max_size="10", rate="50.00", priority=1)
SOLAR_B = rule(2, name="Solar B", min_size="10", rate="45.00", priority=2)
STARLINK = rule(
    3, name="Starlink", installation_type="starlink", capacity_unit="", rate_type="flat", rate="75.00"
)
KNOWN = [SOLAR_A, SOLAR_B, STARLINK]


def plain(quote: Quote) -> str | None:
    return None if quote.amount is None else quote.amount.plain


@pytest.mark.parametrize("mode", ["half_open", "inclusive"])
@pytest.mark.parametrize(
    ("size", "amount", "name"),
    [
        ("5", "250.00", "Solar A"),
        ("9.99", "499.50", "Solar A"),
        ("10", "450.00", "Solar B"),
        ("10.01", "450.45", "Solar B"),
    ],
)
def test_known_solar_amounts(mode: str, size: str, amount: str, name: str) -> None:
    quote = rules.quote(job(size), KNOWN, range_mode=mode)
    assert plain(quote) == amount
    assert [r.name for r in quote.rules_used] == [name]


@pytest.mark.parametrize("size", [None, "1", "9.99", "10", "250"])
@pytest.mark.parametrize("unit", ["Mbps", "units", ""])
def test_starlink_is_flat_whatever_the_size(size: str | None, unit: str) -> None:
    quote = rules.quote(job(size, installation_type="starlink", capacity_unit=unit), KNOWN)
    assert plain(quote) == "75.00"
    assert quote.lines[0].formula == "flat 75.00 USD"


def test_a_size_and_a_rate_with_odd_cents() -> None:
    quote = rules.quote(job("3.33"), [rule(rate="33.33")])
    assert plain(quote) == "110.99"
    assert quote.lines[0].formula == "3.33 kW × 33.33 USD = 110.99 USD"


def test_progressive_pays_each_slice_at_its_own_rate() -> None:
    quote = rules.quote(job("12"), KNOWN, is_progressive=True)
    assert plain(quote) == "590.00"
    assert [line.formula for line in quote.lines] == [
        "10 kW × 50.00 USD = 500.00 USD",
        "2 kW × 45.00 USD = 90.00 USD",
    ]


def test_progressive_leaves_flat_rates_without_a_size_alone() -> None:
    starlink = job(None, installation_type="starlink", capacity_unit="Mbps")
    assert plain(rules.quote(starlink, KNOWN, is_progressive=True)) == "75.00"


def test_progressive_pays_a_flat_band_once() -> None:
    bands = [
        rule(1, rate_type="flat", rate="100"),
        rule(2, min_size="5", max_size="10", rate="20", priority=2),
    ]
    quote = rules.quote(job("12"), bands, is_progressive=True)
    assert [line.amount.plain for line in quote.lines] == ["100.00", "100.00"]


def test_progressive_names_the_slice_without_a_rate() -> None:
    bands = [rule(1, max_size="5"), rule(2, min_size="8")]
    quote = rules.quote(job("10"), bands, is_progressive=True)
    assert quote.amount is None
    assert quote.lines == ()
    assert "5–8 kW" in quote.problem


@pytest.mark.parametrize(
    ("rate", "size", "amount"),
    [("0.005", "1", "0.00"), ("0.015", "1", "0.02"), ("0.025", "1", "0.02"), ("1.005", "1", "1.00")],
)
def test_rounds_half_to_even(rate: str, size: str, amount: str) -> None:
    assert plain(rules.quote(job(size), [rule(rate=rate)])) == amount


def test_percentage_of_the_order_value() -> None:
    percentage = rule(rate_type="percentage", rate="2.5")
    quote = rules.quote(job("5", order_value=Money(1_000_010, "USD")), [percentage])
    assert quote.lines[0].formula == "2.5 % of 10000.10 USD = 250.00 USD"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "17"), ("KWD", "16.650"), ("INR", "16.65")])
def test_minor_units_of_other_currencies(currency: str, amount: str) -> None:
    quote = rules.quote(job("3.33", currency=currency), [rule(rate="5", currency=currency)])
    assert plain(quote) == amount


def test_bonus_only_when_the_check_passed() -> None:
    with_bonus = rule(bonus_minor=2500)
    assert plain(rules.quote(job("5"), [with_bonus])) == "250.00"
    quote = rules.quote(job("5", quality_passed=True), [with_bonus])
    assert plain(quote) == "275.00"
    assert [line.kind for line in quote.lines] == ["earning", "bonus"]


@pytest.mark.parametrize(
    ("values", "outcome", "words"),
    [
        ({"is_active": False}, "inactive", "switched off"),
        ({"effective_from": date(2026, 11, 21)}, "not_in_effect", "begins on 2026-11-21"),
        ({"effective_to": date(2026, 11, 19)}, "not_in_effect", "ended on 2026-11-19"),
        ({"installation_type": "hybrid"}, "other_type", "for the type hybrid, not solar"),
        ({"capacity_unit": "Mbps"}, "other_unit", "counts Mbps, not kW"),
        ({"currency": "INR"}, "other_currency", "pays in INR, not USD"),
        ({"max_size": "10"}, "outside_range", "10 kW is outside its range, below 10 kW"),
        ({"min_size": "10.01"}, "outside_range", "10 kW is outside its range, from 10.01 kW"),
        ({"rate_type": "percentage"}, "no_order_value", "needs an order value"),
        ({"priority": 0}, "lost", "priority 5 is higher than 0"),
        ({"priority": 5, "installation_type": None}, "lost", "names the type"),
        ({"priority": 5, "min_size": None}, "lost", "begins higher, at 1"),
        ({"priority": 5, "min_size": "1"}, "lost", "the older one"),
    ],
)
def test_every_rule_tried_has_its_reason(values: dict[str, Any], outcome: str, words: str) -> None:
    winner = rule(1, name="Winner", priority=5, min_size="1")
    quote = rules.quote(job("10"), [winner, rule(2, **values)])
    tried = {attempt.rule.configuration_id: attempt for attempt in quote.attempts}
    assert len(tried) == 2
    assert tried[1].outcome == "used"
    assert tried[2].outcome == outcome
    assert words in tried[2].reason


def test_inclusive_ranges_hold_both_bounds_and_priority_decides() -> None:
    low, high = rule(1, max_size="10", priority=3), rule(2, min_size="10", priority=1)
    assert rules.quote(job("10"), [low, high], range_mode="inclusive").rules_used == (low,)
    assert rules.quote(job("10"), [low, high], range_mode="half_open").rules_used == (high,)


def test_no_size_is_told_apart_from_no_rate() -> None:
    assert "lacks a size" in rules.quote(job(None), KNOWN).problem
    assert "No rate matches (hybrid, 5 kW" in rules.quote(job("5", installation_type="hybrid"), KNOWN).problem
    assert rules.quote(job("5"), []).problem == "There are no rates yet."


def test_a_missing_figure_is_never_guessed_around() -> None:
    fallback = rule(9, rate_type="flat", rate="10", priority=0)
    assert "lacks a size" in rules.quote(job(None), [*KNOWN, fallback]).problem
    first = rule(9, rate_type="flat", rate="10", priority=9)
    assert plain(rules.quote(job(None), [*KNOWN, first])) == "10.00"


def test_versions_count_on_their_own_days() -> None:
    old = rule(1, version=1, rate="50")
    new = rule(1, version=2, rate="60", effective_from=ON)
    assert plain(rules.quote(job("1"), [old, new])) == "60.00"
    assert plain(rules.quote(job("1", on=date(2026, 11, 19)), [old, new])) == "50.00"


def test_an_ended_rate_does_not_fall_back_to_an_earlier_version() -> None:
    old = rule(1, version=1)
    ended = rule(1, version=2, effective_to=date(2026, 11, 1))
    assert rules.quote(job("1"), [old, ended]).amount is None
    assert plain(rules.quote(job("1", on=date(2026, 11, 1)), [old, ended])) == "50.00"


# ---------------------------------------------------------------- what always holds

sizes = st.decimals(min_value="0.01", max_value="500", places=2)
money_rates = st.decimals(min_value="0.01", max_value="999", places=2)


@st.composite
def bands(draw: st.DrawFn) -> list[Rule]:
    cuts = sorted(draw(st.sets(st.decimals(min_value="0.5", max_value="400", places=1), max_size=5)))
    edges = [None, *cuts, None]
    return [
        rule(
            n,
            min_size=edges[n],
            max_size=edges[n + 1],
            rate=draw(money_rates),
            priority=draw(st.integers(0, 3)),
            bonus_minor=draw(st.integers(0, 5000)),
            rate_type=draw(st.sampled_from(["per_unit", "per_unit", "flat"])),
        )
        for n in range(len(edges) - 1)
    ]


@given(bands(), sizes, sizes, st.booleans())
def test_progressive_never_pays_less_for_a_bigger_job(
    table: list[Rule], one: Decimal, other: Decimal, passed: bool
) -> None:
    small, big = sorted((one, other))
    amounts = [
        rules.quote(job(str(size), quality_passed=passed), table, is_progressive=True).amount
        for size in (small, big)
    ]
    assert amounts[0] is not None
    assert amounts[1] is not None
    assert amounts[0] <= amounts[1]


@given(bands(), sizes)
def test_half_open_bands_hold_every_size_exactly_once(table: list[Rule], size: Decimal) -> None:
    bounds = {r.min_size for r in table} | {r.max_size for r in table}
    for each in {size, *(b for b in bounds if b is not None)}:
        assert sum(r.covers(each, "half_open") for r in table) == 1


@given(bands(), sizes)
def test_slices_add_up_to_the_size(table: list[Rule], size: Decimal) -> None:
    quote = rules.quote(job(str(size)), table, is_progressive=True)
    per_unit = [line.quantity for line in quote.lines if line.quantity is not None]
    assert sum(per_unit, Decimal(0)) <= size
    if all(r.rate_type == "per_unit" for r in table):
        assert sum(per_unit, Decimal(0)) == size


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=6),
)
def test_shares_add_up_line_by_line_and_in_all(amounts: list[int], weights: list[int]) -> None:
    lines = [Line("earning", "", "", Money(amount, "USD"), SOLAR_A) for amount in amounts]
    parts = rules.split(lines, weights, "USD")
    assert len(parts) == len(weights)
    for index, line in enumerate(lines):
        assert sum(row[index].amount for row in parts) == line.amount.amount
    assert all(part.amount >= 0 for row in parts for part in row)


def test_the_whole_amount_is_shared_by_largest_remainder() -> None:
    lines = [
        Line("earning", "", "", Money(3334, "USD"), SOLAR_A),
        Line("bonus", "", "", Money(1001, "USD"), SOLAR_A),
    ]
    parts = rules.split(lines, [1, 1, 1], "USD")
    assert [sum(p.amount for p in row) for row in parts] == [1445, 1445, 1445]
    assert [row[0].amount for row in rules.split(lines[:1], [6000, 4000], "USD")] == [2000, 1334]


@given(bands(), sizes, st.sampled_from(["half_open", "inclusive"]), st.booleans())
def test_a_price_is_explained_whole(table: list[Rule], size: Decimal, mode: str, progressive: bool) -> None:
    quote = rules.quote(job(str(size)), table, range_mode=mode, is_progressive=progressive)
    assert len(quote.attempts) == len(table)
    assert {a.rule for a in quote.attempts if a.outcome == "used"} == set(quote.rules_used)
    assert all(a.reason for a in quote.attempts)
