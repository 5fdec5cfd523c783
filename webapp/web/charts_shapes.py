"""What a picture consists of: bars, rows, steps, ticks and labels, with their places and words already worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: How a value is written: exact in tables and labels, or shortened at the ticks of an axis.
Wording = Callable[[int], str]

MAX_SERIES = 6
#: Drawing area of the vertical pictures, in px; the x positions are relative.
PLOT_TOP = 22
PLOT_HEIGHT = 180
AXIS_HEIGHT = 22
#: Left share of a vertical picture, in hundredths of a per cent, kept free for the tick labels.
GUTTER = 1400
FULL = 10_000
#: Room for the words below the axis on a phone, and where a picture stands in a column.
NARROW_PX, COLUMN_PX = 230, 410


@dataclass(frozen=True)
class Series:
    """One row of values with its name; as many values as there are categories."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class NumbersTable:
    """The figures behind a picture, as text: the first column is the row's name."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tick:
    """One line across the plot: its height in px and its label."""

    y: int
    label: str


@dataclass(frozen=True)
class Segment:
    """One rectangle of a vertical bar; ``series`` counts from 1 and chooses colour and pattern."""

    x: str
    width: str
    y: int
    height: int
    series: int
    words: str


@dataclass(frozen=True)
class AxisLabel:
    """A word below the plot; minor ones are left out where the picture is narrow."""

    x: str
    text: str
    is_minor: bool


@dataclass(frozen=True)
class LegendEntry:
    """Name of a series and the number that chooses its colour and pattern."""

    name: str
    series: int


@dataclass(frozen=True)
class BarFigure:
    """Vertical bars, stacked where there are several series."""

    key: str
    title: str
    finding: str
    table: NumbersTable
    height: int
    baseline: int
    ticks: tuple[Tick, ...]
    segments: tuple[Segment, ...]
    labels: tuple[AxisLabel, ...]
    is_dense: bool
    legend: tuple[LegendEntry, ...]


@dataclass(frozen=True)
class Row:
    """One horizontal bar with the line of text above it.

    ``short`` is the label for a narrow picture where the whole one would run into the value;
    ``link`` is where the next bar takes over.
    """

    y: int
    label: str
    value: str
    x: str
    width: str
    kind: str
    short: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class RowFigure:
    """Horizontal bars: a ranking, an ageing, or a waterfall. ``zero`` is where nothing is."""

    key: str
    title: str
    finding: str
    table: NumbersTable
    height: int
    zero: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Step:
    """A stretch in which the value stands still; ``rise_from`` is the height it came from."""

    x1: str
    x2: str
    y: int
    rise_from: int | None
    label: str
    anchor: str


@dataclass(frozen=True)
class StepFigure:
    """A value that changes at known moments and stands still between them (a rate, a limit)."""

    key: str
    title: str
    finding: str
    table: NumbersTable
    height: int
    baseline: int
    ticks: tuple[Tick, ...]
    steps: tuple[Step, ...]
    labels: tuple[AxisLabel, ...]
