"""What is said about a set of rates before it is saved."""

from __future__ import annotations

from webapp.programs.installations.bands import analyse
from webapp.programs.installations.terms import Rule

from .test_rules import KNOWN, SOLAR_A, SOLAR_B, rule


def said(*table: Rule, mode: str = "half_open", types: tuple[str, ...] = ("solar",)) -> list[str]:
    return [finding.text for finding in analyse(table, types=types, range_mode=mode)]


def test_the_known_rates_leave_nothing_open() -> None:
    assert said(*KNOWN, types=("solar", "starlink")) == []


def test_inclusive_reading_meets_at_one_size() -> None:
    assert said(*KNOWN, mode="inclusive", types=("solar", "starlink")) == [
        "Solar B and Solar A overlap for solar: exactly 10 kW. Solar B wins there."
    ]


def test_an_overlap_names_its_sizes_and_the_winner() -> None:
    wide = rule(5, name="Wide", min_size="5", max_size="12", priority=0)
    assert said(SOLAR_A, SOLAR_B, wide)[:2] == [
        "Solar A and Wide overlap for solar: 5 up to, not including, 10 kW. Solar A wins there.",
        "Solar B and Wide overlap for solar: 10 up to, not including, 12 kW. Solar B wins there.",
    ]


def test_a_rate_that_can_never_win_is_named() -> None:
    wide = rule(5, name="Wide", min_size="5", max_size="12", priority=0)
    assert said(SOLAR_A, SOLAR_B, wide)[-1] == (
        "Wide can never win: Solar A, Solar B comes first at every size it covers."
    )


def test_gaps_below_between_and_above() -> None:
    assert said(rule(1, min_size="2", max_size="5"), rule(2, min_size="8", max_size="20")) == [
        "No rate for solar: below 2 kW. Such installations wait under “Needs a rate”.",
        "No rate for solar: 5 up to, not including, 8 kW. Such installations wait under “Needs a rate”.",
        "No rate for solar: 20 kW and above. Such installations wait under “Needs a rate”.",
    ]


def test_the_mode_decides_whether_a_bound_is_a_gap() -> None:
    assert said(rule(1, max_size="5"), rule(2, min_size="5.01"), mode="inclusive") == [
        "No rate for solar: above 5 up to, not including, 5.01 kW. Such installations wait under “Needs a rate”.",
    ]


def test_an_empty_range_holds_no_size() -> None:
    assert said(rule(1, min_size="5", max_size="5"), rule(2)) == [
        "Rate 1 can never win: its range holds no size."
    ]


def test_types_with_the_same_finding_share_a_line() -> None:
    texts = said(rule(1, installation_type=None, max_size="5"), types=("hybrid", "solar"))
    assert texts == [
        "No rate for hybrid, solar: 5 kW and above. Such installations wait under “Needs a rate”."
    ]


def test_switched_off_rates_are_left_out() -> None:
    assert said(rule(1), rule(2, is_active=False)) == []
