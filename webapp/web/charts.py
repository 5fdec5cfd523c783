"""Shapes of the pictures: numbers in, coordinates and words out. No Flask, no database, no floats.

Values are whole numbers (minor units, counts, days). Positions are texts such as ``"12.34%"``:
a picture keeps its letters the same size at 320 px, on a wide screen and in a PDF, because only
the places are relative. ``components/charts.html`` draws what these functions return.

Every figure carries a ``key`` (letters, digits, hyphens; unique on its page, used for ids), a
``title``, a one-sentence ``finding`` and the ``table`` of its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from webapp.web.charts_shapes import (
    AXIS_HEIGHT,
    COLUMN_PX,
    FULL,
    GUTTER,
    MAX_SERIES,
    NARROW_PX,
    PLOT_HEIGHT,
    PLOT_TOP,
    AxisLabel,
    BarFigure,
    LegendEntry,
    NumbersTable,
    Row,
    RowFigure,
    Segment,
    Series,
    Step,
    StepFigure,
    Tick,
    Wording,
)

__all__ = [
    "MAX_SERIES",
    "AxisLabel",
    "BarFigure",
    "LegendEntry",
    "NumbersTable",
    "Row",
    "RowFigure",
    "Segment",
    "Series",
    "Step",
    "StepFigure",
    "Tick",
    "Wording",
    "bars",
    "nice_step",
    "nice_ticks",
    "percent",
    "ranking",
    "steps",
    "waterfall",
]

_KEY = re.compile(r"[a-z][a-z0-9-]*\Z")


def nice_step(span: int, wanted: int = 4) -> int:
    """Smallest step of the form 1, 2, 2.5 or 5 times a power of ten that covers ``span`` in ``wanted`` steps."""
    if span <= 0:
        return 1
    power = 1
    while True:
        for factor in (10, 20, 25, 50):
            step, rest = divmod(factor * power, 10)
            if rest == 0 and step * wanted >= span:
                return step
        power *= 10


def nice_ticks(lowest: int, highest: int, wanted: int = 4) -> tuple[int, ...]:
    """Round values from at or below ``lowest`` to at or above ``highest``, always with zero among them."""
    low, high = min(lowest, 0), max(highest, 0)
    step = nice_step(high - low, wanted)
    first = -(-low // step) if low >= 0 else low // step
    last = -(-high // step)
    if first == last:
        last = first + 1
    return tuple(step * n for n in range(first, last + 1))


def percent(part: int, whole: int = FULL) -> str:
    """``part`` of ``whole`` as a percentage with two decimals, rounded down; whole must be positive."""
    hundredths = part * FULL // whole
    sign = "-" if hundredths < 0 else ""
    units, rest = divmod(abs(hundredths), 100)
    return f"{sign}{units}.{rest:02d}%" if rest else f"{sign}{units}%"


def _checked_key(key: str) -> str:
    if not _KEY.match(key):
        raise ValueError(f"A figure's key is lower-case letters, digits and hyphens, not {key!r}.")
    return key


def _height(value: int, low: int, high: int) -> int:
    """Distance of a value from the top of the picture, in px."""
    return PLOT_TOP + PLOT_HEIGHT - (value - low) * PLOT_HEIGHT // (high - low)


def _ticks(marks: Sequence[int], values: Sequence[int], say: Wording) -> tuple[Tick, ...]:
    """The lines across the plot; without any value there is only the one at zero."""
    shown = marks if any(values) else (0,)
    return tuple(Tick(y=_height(mark, marks[0], marks[-1]), label=say(mark)) for mark in shown)


def _label_px(names: Sequence[str]) -> int:
    """Room one word below the axis takes at most, at 11 px letters."""
    return 6 * max((len(name) for name in names), default=1) + 8


def _axis_labels(names: Sequence[str], centres: Sequence[int]) -> tuple[AxisLabel, ...]:
    """Words below the bars; where they do not all fit at 320 px, the ones between are minor."""
    fitting = max(NARROW_PX // _label_px(names), 1)
    every = max(-(-len(names) // fitting), 1)
    return tuple(
        AxisLabel(
            x=percent(centre),
            text=name,
            is_minor=(len(names) - 1 - number) % every != 0,
        )
        for number, (name, centre) in enumerate(zip(names, centres, strict=True))
    )


def bars(
    *,
    key: str,
    title: str,
    finding: str,
    categories: Sequence[str],
    series: Sequence[Series],
    say: Wording,
    say_tick: Wording | None = None,
    category_header: str = "Period",
) -> BarFigure:
    """Vertical bars over categories, stacked by series (at most six).

    ``say`` words a value exactly, ``say_tick`` shortly for the axis (default: the same).
    Negative values hang below zero. Raises ValueError for a bad key, more than six series, or a
    series whose length is not that of the categories.
    """
    if len(series) > MAX_SERIES:
        raise ValueError(f"At most {MAX_SERIES} series can be told apart, not {len(series)}.")
    if any(len(one.values) != len(categories) for one in series):
        raise ValueError("Every series needs one value per category.")
    stacks = [[one.values[n] for one in series] for n in range(len(categories))]
    highest = max((sum(v for v in stack if v > 0) for stack in stacks), default=0)
    lowest = min((sum(v for v in stack if v < 0) for stack in stacks), default=0)
    marks = nice_ticks(lowest, highest)
    low, high = marks[0], marks[-1]
    slot = (FULL - GUTTER) // max(len(categories), 1)
    width = slot * 68 // 100
    segments: list[Segment] = []
    for number, stack in enumerate(stacks):
        left = GUTTER + slot * number + (slot - width) // 2
        above = below = 0
        for place, value in enumerate(stack, start=1):
            if value == 0:
                continue
            start = above if value > 0 else below
            end = start + value
            top, bottom = (
                _height(max(start, end), low, high),
                _height(min(start, end), low, high),
            )
            segments.append(
                Segment(
                    x=percent(left),
                    width=percent(width),
                    y=top,
                    height=max(bottom - top, 1),
                    series=place,
                    words=f"{categories[number]}, {series[place - 1].name}: {say(value)}",
                )
            )
            above, below = (end, below) if value > 0 else (above, end)
    return BarFigure(
        key=_checked_key(key),
        title=title,
        finding=finding,
        table=_bars_table(categories, series, say, category_header),
        height=PLOT_TOP + PLOT_HEIGHT + AXIS_HEIGHT,
        baseline=_height(0, low, high),
        ticks=_ticks(marks, (lowest, highest), say_tick or say),
        segments=tuple(segments),
        labels=_axis_labels(categories, [GUTTER + slot * n + slot // 2 for n in range(len(categories))]),
        is_dense=len(categories) * _label_px(categories) > COLUMN_PX,
        legend=tuple(LegendEntry(one.name, n) for n, one in enumerate(series, start=1))
        if len(series) > 1
        else (),
    )


def _bars_table(
    categories: Sequence[str],
    series: Sequence[Series],
    say: Wording,
    category_header: str,
) -> NumbersTable:
    """The stacked values by category, with the total of each where there are several series."""
    several = len(series) > 1
    rows = []
    for number, name in enumerate(categories):
        values = [one.values[number] for one in series]
        cells = [say(value) for value in values] + ([say(sum(values))] if several else [])
        rows.append((name, *cells))
    headers = (
        category_header,
        *(one.name for one in series),
        *(("Total",) if several else ()),
    )
    return NumbersTable(headers=headers, rows=tuple(rows))


ROW_HEIGHT = 44
#: Letters of 13 px that fit on the line above a bar at 320 px, label and value together.
ROW_LETTERS = 32


def _short(label: str, value: str) -> str | None:
    """The label cut so that it fits beside its value at 320 px; None where it fits as it is."""
    room = max(ROW_LETTERS - len(value), 6)
    return None if len(label) <= room else label[: room - 1].rstrip(" ,;–-(") + "…"


def _row_scale(low: int, high: int) -> Callable[[int], int]:
    """Position of a value between the picture's left and right edge, in hundredths of a per cent."""
    span = max(high - low, 1)
    return lambda value: (value - low) * FULL // span


def ranking(
    *,
    key: str,
    title: str,
    finding: str,
    items: Sequence[tuple[str, int]],
    say: Wording,
    item_header: str = "Item",
    value_header: str = "Value",
    full: int = 0,
) -> RowFigure:
    """Horizontal bars in the order given: a ranking, the causes of failures, the age of a queue.

    ``full`` is the value that fills a row where none is larger, such as all of a share. Raises ValueError for a bad
    key.
    """
    values = [value for _, value in items]
    low, high = min([0, *values]), max([full, *values])
    place = _row_scale(low, high)
    rows = tuple(
        Row(
            y=n * ROW_HEIGHT,
            label=name,
            value=say(value),
            x=percent(place(min(value, 0))),
            width=percent(place(max(value, 0)) - place(min(value, 0))),
            kind="negative" if value < 0 else "value",
            short=_short(name, say(value)),
        )
        for n, (name, value) in enumerate(items)
    )
    return RowFigure(
        key=_checked_key(key),
        title=title,
        finding=finding,
        table=NumbersTable(
            (item_header, value_header),
            tuple((name, say(value)) for name, value in items),
        ),
        height=max(len(items), 1) * ROW_HEIGHT,
        zero=percent(place(0)),
        rows=rows,
    )


def waterfall(
    *,
    key: str,
    title: str,
    finding: str,
    start: tuple[str, int],
    changes: Sequence[tuple[str, int]],
    end_label: str,
    say: Wording,
    line_header: str = "Line",
    value_header: str = "Amount",
) -> RowFigure:
    """From one amount through additions and deductions to what is left, one row each.

    ``changes`` are signed. The last row is the sum, computed here, so picture and arithmetic
    cannot differ. Raises ValueError for a bad key.
    """
    levels = [start[1]]
    for _, change in changes:
        levels.append(levels[-1] + change)
    place = _row_scale(min(0, *levels), max(0, *levels))
    steps = [(start[0], 0, start[1], "total")]
    steps += [
        (name, levels[n], levels[n + 1], "deduction" if change < 0 else "addition")
        for n, (name, change) in enumerate(changes)
    ]
    steps.append((end_label, 0, levels[-1], "total"))
    rows = []
    for n, (name, before, after, kind) in enumerate(steps):
        left, right = sorted((place(before), place(after)))
        amount = after if kind == "total" else after - before
        rows.append(
            Row(
                y=n * ROW_HEIGHT,
                label=name,
                value=say(amount),
                x=percent(left),
                width=percent(right - left),
                kind=kind,
                short=_short(name, say(amount)),
                link=percent(place(after)) if n + 1 < len(steps) else None,
            )
        )
    return RowFigure(
        key=_checked_key(key),
        title=title,
        finding=finding,
        table=NumbersTable((line_header, value_header), tuple((row.label, row.value) for row in rows)),
        height=len(rows) * ROW_HEIGHT,
        zero=percent(place(0)),
        rows=tuple(rows),
    )


def steps(
    *,
    key: str,
    title: str,
    finding: str,
    points: Sequence[tuple[str, int, int]],
    until: int,
    say: Wording,
    say_tick: Wording | None = None,
    point_header: str = "From",
    value_header: str = "Value",
) -> StepFigure:
    """A value over time: ``points`` are (label, position, value) in order of position.

    Positions are any whole numbers that grow with time (day numbers, for example); ``until`` is the
    position of the right edge. Raises ValueError for a bad key, for points out of order, or where
    ``until`` does not lie behind the last one.
    """
    places = [position for _, position, _ in points] + [until]
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise ValueError("The points of a step figure must be in order, and end before its right edge.")
    values = [value for _, _, value in points]
    marks = nice_ticks(min(values, default=0), max(values, default=0))
    low, high = marks[0], marks[-1]
    span = max(until - places[0], 1)
    xs = [GUTTER + (place - places[0]) * (FULL - GUTTER) // span for place in places]
    heights = [_height(value, low, high) for value in values]
    return StepFigure(
        key=_checked_key(key),
        title=title,
        finding=finding,
        table=NumbersTable(
            (point_header, value_header),
            tuple((name, say(value)) for name, _, value in points),
        ),
        height=PLOT_TOP + PLOT_HEIGHT + AXIS_HEIGHT,
        baseline=_height(0, low, high),
        ticks=_ticks(marks, values, say_tick or say),
        steps=tuple(
            Step(
                x1=percent(xs[n]),
                x2=percent(xs[n + 1]),
                y=heights[n],
                rise_from=heights[n - 1] if n else None,
                label=say(values[n]),
                anchor="start" if xs[n] < FULL * 85 // 100 else "end",
            )
            for n in range(len(points))
        ),
        labels=_step_labels(points, xs),
    )


def _step_labels(points: Sequence[tuple[str, int, int]], xs: Sequence[int]) -> tuple[AxisLabel, ...]:
    """Words below the steps; one that would stand on its neighbour is minor."""
    labels = []
    last_shown = -FULL
    for (name, _, _), x in zip(points, xs, strict=False):
        is_minor = x - last_shown < FULL * 22 // 100
        labels.append(AxisLabel(x=percent(x), text=name, is_minor=is_minor))
        last_shown = last_shown if is_minor else x
    return tuple(labels)
