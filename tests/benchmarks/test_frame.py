"""The arithmetic of the benchmarks: ratios, medians, growth, goals, the table. Nothing here takes time."""

from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import frame
from benchmarks.frame import Figure, at_least, at_most


def test_a_ratio_is_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() -> None:
    pair = frame.pair_of([(1.0, 1.0), (4.0, 2.0), (9.0, 3.0)])
    assert (pair.ours, pair.floor, pair.ratio) == (4.0, 2.0, 2.0)
    skewed = frame.pair_of([(10.0, 1.0), (2.0, 4.0), (3.0, 3.0)])
    assert (skewed.ours, skewed.floor, skewed.ratio) == (3.0, 3.0, 1.0)


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        frame.pair_of([])


def test_two_things_are_measured_in_turns_and_the_order_changes() -> None:
    seen: list[tuple[str, int]] = []
    frame.in_turns(lambda n: seen.append(("ours", n)), lambda n: seen.append(("floor", n)), 2)
    assert seen == [("ours", 0), ("floor", 0), ("floor", 1), ("ours", 1)]


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        ([(1, 5.0), (10, 5.0), (100, 5.0)], 0.0),
        ([(1, 2.0), (10, 20.0)], 1.0),
        ([(10, 1.0), (100, 100.0), (1000, 10_000.0)], 2.0),
    ],
)
def test_the_exponent_says_how_a_cost_grows(points: list[tuple[float, float]], wanted: float) -> None:
    assert frame.exponent(points) == pytest.approx(wanted)


def test_growth_needs_two_sizes() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        frame.exponent([(10, 1.0), (10, 2.0)])


@pytest.mark.parametrize(
    ("goal", "value", "is_met"),
    [(at_most(2), 2.0, True), (at_most(2), 2.004, True), (at_most(2), 2.01, False),
     (at_least(0.8), 0.8, True), (at_least(0.8), 0.79, False)],
)  # fmt: skip
def test_a_goal_is_judged_as_precisely_as_it_is_printed(goal: frame.Goal, value: float, is_met: bool) -> None:
    assert goal.is_met(value) is is_met


def test_a_figure_is_judged_by_its_ratio_or_by_itself() -> None:
    assert Figure("b", "n", "sqlite", 9.0, "s", 3.0, 3.0, at_most(2)).verdict == "missed"
    assert Figure("b", "n", "sqlite", 9.0, "ms", goal=at_most(10, "ours")).verdict == "met"
    assert Figure("b", "n", "sqlite", 9.0, "ms").verdict == ""


def test_the_table_has_a_row_for_every_figure_and_columns_under_one_another() -> None:
    figures = [
        Figure("lists", "first page", "sqlite", 1.234, "ms", goal=at_most(10, "ours")),
        Figure("ledger posting", "at once", "postgresql", 12_345.0, "per s", 20_000.0, 1.62, at_most(2)),
    ]
    lines = frame.table(figures).splitlines()
    assert len(lines) == 3
    assert lines[2].split() == [
        "ledger", "posting", "at", "once", "postgresql", "12,345", "per", "s", "20,000", "1.62", "≤", "2", "×", "met",
    ]  # fmt: skip
    assert lines[1].index("1.23") + 4 == lines[2].index("12,345") + 6


def test_an_unknown_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["nonsense"])
    assert ended.value.code == 2
    assert "no benchmark is called nonsense" in capsys.readouterr().err


def test_a_quick_run_prints_its_figures_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["hot_wallet", "--quick", "--database", "sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [f["benchmark"] for f in figures] == ["hot wallet", "hot wallet"]
    assert all(f["ours"] > 0 and f["ratio"] > 0 for f in figures)
