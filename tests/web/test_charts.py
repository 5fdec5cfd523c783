"""Coordinates and words of the pictures: they add up, stay inside the frame, and hold for odd numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.web import charts

AMOUNTS = st.integers(min_value=-(10**12), max_value=10**12)


def say(value: int) -> str:
    """A wording that is easy to read back."""
    return f"{value} c"


def share(position: str) -> Fraction:
    """A position such as "12.5%" as a number."""
    return Fraction(position.removesuffix("%"))


def bars(*series: charts.Series, categories: tuple[str, ...] = ("Jun", "Jul")) -> charts.BarFigure:
    """A bar figure with everything filled in but its numbers."""
    return charts.bars(
        key="paid", title="Paid", finding="More each month.", categories=categories, series=series, say=say
    )


@pytest.mark.parametrize(
    ("span", "step"),
    [(0, 1), (1, 1), (4, 1), (5, 2), (9, 5), (39, 10), (90, 25), (101, 50), (5_120_000, 2_000_000)],
)
def test_nice_step_is_round_and_covers_the_span(span: int, step: int) -> None:
    assert charts.nice_step(span) == step


@given(AMOUNTS, AMOUNTS)
def test_ticks_enclose_the_values_and_hold_zero(first: int, second: int) -> None:
    low, high = sorted((first, second))
    ticks = charts.nice_ticks(low, high)
    assert ticks[0] <= min(low, 0)
    assert ticks[-1] >= max(high, 0)
    assert 0 in ticks
    assert 2 <= len(ticks) <= 7


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10_000, "0%"),
        (10_000, 10_000, "100%"),
        (1234, 10_000, "12.34%"),
        (1, 3, "33.33%"),
        (-5, 10_000, "-0.05%"),
    ],
)
def test_percent_is_exact_to_two_decimals(part: int, whole: int, text: str) -> None:
    assert charts.percent(part, whole) == text


def test_stacked_bars_stand_on_one_another() -> None:
    figure = bars(charts.Series("Solar", (100, 300)), charts.Series("Battery", (100, 100)))
    lower, upper = figure.segments[0], figure.segments[1]
    assert lower.x == upper.x
    assert lower.y + lower.height == figure.baseline
    assert upper.y + upper.height == lower.y
    assert [entry.name for entry in figure.legend] == ["Solar", "Battery"]
    assert figure.table.headers == ("Period", "Solar", "Battery", "Total")
    assert figure.table.rows[1] == ("Jul", "300 c", "100 c", "400 c")


def test_a_negative_value_hangs_below_zero() -> None:
    figure = bars(charts.Series("Earned", (200, -50)))
    assert figure.segments[0].y + figure.segments[0].height == figure.baseline
    assert figure.segments[1].y == figure.baseline
    assert figure.segments[1].words == "Jul, Earned: -50 c"
    assert figure.legend == ()


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=24))
def test_bars_stay_inside_the_frame(values: list[tuple[int, int]]) -> None:
    figure = bars(
        charts.Series("One", tuple(one for one, _ in values)),
        charts.Series("Two", tuple(two for _, two in values)),
        categories=tuple(f"M{n}" for n in range(len(values))),
    )
    for part in figure.segments:
        assert share(part.x) >= 0
        assert share(part.x) + share(part.width) <= 100
        assert part.y >= 0
        assert part.y + part.height <= charts.PLOT_TOP + charts.PLOT_HEIGHT + 1


def test_without_values_only_the_line_at_zero_is_named() -> None:
    figure = bars(charts.Series("Solar", (0, 0)))
    assert figure.segments == ()
    assert [tick.label for tick in figure.ticks] == ["0 c"]
    assert figure.ticks[0].y == figure.baseline


def test_many_long_labels_give_way_but_the_last_one_stays() -> None:
    names = tuple(f"Month {n:02d}" for n in range(12))
    figure = bars(charts.Series("Paid", tuple(range(12))), categories=names)
    shown = [label.text for label in figure.labels if not label.is_minor]
    assert shown[-1] == "Month 11"
    assert 2 <= len(shown) < 6
    assert figure.is_dense
    assert not any(label.is_minor for label in bars(charts.Series("Paid", (1, 2))).labels)


def test_bars_refuse_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="one value per category"):
        bars(charts.Series("Solar", (1,)))
    with pytest.raises(ValueError, match="At most 6"):
        bars(*(charts.Series(str(n), (1, 2)) for n in range(7)))
    with pytest.raises(ValueError, match="key"):
        charts.ranking(key="Not a key", title="", finding="", items=[], say=say)


def test_waterfall_ends_at_the_sum_and_names_every_line() -> None:
    figure = charts.waterfall(
        key="net",
        title="From gross to net",
        finding="",
        start=("Gross", 1000),
        changes=[("Bonus", 250), ("Tax", -125)],
        end_label="Net",
        say=say,
    )
    assert [row.value for row in figure.rows] == ["1000 c", "250 c", "-125 c", "1125 c"]
    assert [row.kind for row in figure.rows] == ["total", "addition", "deduction", "total"]
    assert figure.rows[1].x == "80%"
    assert figure.rows[1].width == "20%"
    assert figure.rows[2].x == "90%"
    assert figure.rows[2].width == "10%"
    assert figure.rows[3].width == "90%"
    assert figure.rows[3].link is None
    assert figure.table.rows[-1] == ("Net", "1125 c")


def test_waterfall_below_zero_moves_the_zero_line() -> None:
    figure = charts.waterfall(
        key="net",
        title="",
        finding="",
        start=("Gross", 300),
        changes=[("Clawback", -400)],
        end_label="Net",
        say=say,
    )
    assert figure.zero == "25%"
    assert (figure.rows[-1].x, figure.rows[-1].width, figure.rows[-1].value) == ("0%", "25%", "-100 c")


@given(AMOUNTS, st.lists(AMOUNTS, max_size=12))
def test_waterfall_stays_inside_the_frame(start: int, changes: list[int]) -> None:
    figure = charts.waterfall(
        key="net",
        title="",
        finding="",
        start=("Gross", start),
        changes=[("Line", change) for change in changes],
        end_label="Net",
        say=say,
    )
    for row in figure.rows:
        assert share(row.x) >= 0
        assert share(row.x) + share(row.width) <= 100
    assert figure.rows[-1].value == say(start + sum(changes))


def test_ranking_gives_the_longest_bar_the_full_width() -> None:
    figure = charts.ranking(
        key="age", title="", finding="", items=[("New", 8), ("Old", 2), ("None", 0)], say=say
    )
    assert [row.width for row in figure.rows] == ["100%", "25%", "0%"]
    assert figure.zero == "0%"
    assert figure.height == 3 * charts.ROW_HEIGHT


def test_steps_rise_where_the_value_changes() -> None:
    figure = charts.steps(
        key="rate",
        title="",
        finding="",
        points=[("1 Jan", 0, 5000), ("1 Apr", 90, 5500)],
        until=180,
        say=say,
    )
    first, second = figure.steps
    assert first.rise_from is None
    assert second.rise_from == first.y
    assert second.y < first.y
    assert first.x2 == second.x1 == "57%"
    assert second.x2 == "100%"


def test_steps_refuse_points_out_of_order() -> None:
    for points, until in (([("a", 5, 1), ("b", 5, 2)], 9), ([("a", 5, 1)], 5)):
        with pytest.raises(ValueError, match="in order"):
            charts.steps(key="rate", title="", finding="", points=points, until=until, say=say)


def test_a_long_label_has_a_short_form_for_narrow_pictures() -> None:
    figure = charts.ranking(
        key="age",
        title="",
        finding="",
        items=[("Safety equipment, instalment 2 of 6", 12730), ("Tax", 1)],
        say=say,
    )
    assert [row.short for row in figure.rows] == ["Safety equipment, instal…", None]
    assert figure.rows[0].label == "Safety equipment, instalment 2 of 6"
