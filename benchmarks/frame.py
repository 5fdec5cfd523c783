"""What all benchmarks share: measuring in turns, medians, ratios, the exponent of growth, the table.

A machine is faster on some days than on others. So every figure that matters is a ratio of two things measured
in turns within one run, and the middle one of several.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

AT_MOST, AT_LEAST = "≤", "≥"
# Growth counts as flat up to this exponent (ten times the data takes 1.4 times as long), as linear up to that one.
FLAT, LINEAR = 0.15, 1.15


@dataclass(frozen=True)
class Goal:
    """A bound for the ratio, or for our own figure where there is nothing to compare it with."""

    sense: str
    limit: float
    of: str = "ratio"

    def is_met(self, value: float) -> bool:
        """Whether a value keeps the bound, as precisely as it is printed."""
        value = float(f"{value:.3g}")
        return value <= self.limit if self.sense == AT_MOST else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sense} {self.limit:g}" + (" ×" if self.of == "ratio" else "")


def at_most(limit: float, of: str = "ratio") -> Goal:
    """The smaller the better."""
    return Goal(AT_MOST, limit, of)


def at_least(limit: float, of: str = "ratio") -> Goal:
    """The larger the better."""
    return Goal(AT_LEAST, limit, of)


@dataclass(frozen=True)
class Figure:
    """One measurement: what of, on which database, ours, the floor's, the ratio of the two, and the goal."""

    benchmark: str
    name: str
    engine: str
    ours: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    note: str = ""
    # What helps to understand a miss: the dearest query and its plan.
    detail: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of == "ratio" else self.ours
        return None if value is None else self.goal.is_met(value)

    @property
    def verdict(self) -> str:
        """ "met", "missed", or nothing."""
        return {True: "met", False: "missed", None: ""}[self.is_met]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "goal": str(self.goal) if self.goal else None, "met": self.is_met}


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_of(work: Callable[[], object], runs: int) -> float:
    """Seconds of the middle one of several calls."""
    return statistics.median(timed(work) for _ in range(runs))


@dataclass(frozen=True)
class Pair:
    """Seconds of ours and of the floor (medians), and the median of their ratios."""

    ours: float
    floor: float
    ratio: float


def pair_of(times: Sequence[tuple[float, float]]) -> Pair:
    """The middle of measurements (ours, floor) that were taken in turns. Raises ValueError for none."""
    if not times:
        raise ValueError("nothing was measured")
    ours, floor = (statistics.median(t[side] for t in times) for side in (0, 1))
    return Pair(ours, floor, statistics.median(mine / theirs for mine, theirs in times))


def in_turns(ours: Callable[[int], object], floor: Callable[[int], object], rounds: int) -> Pair:
    """Measure two things in turns; each is called with the number of the round, the order changes every time."""
    times = []
    for n in range(rounds):
        if n % 2:
            theirs = timed(lambda n=n: floor(n))  # type: ignore[misc]
            mine = timed(lambda n=n: ours(n))  # type: ignore[misc]
        else:
            mine = timed(lambda n=n: ours(n))  # type: ignore[misc]
            theirs = timed(lambda n=n: floor(n))  # type: ignore[misc]
        times.append((mine, theirs))
    return pair_of(times)


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """How a cost grows with the size of the data: 0 not at all, 1 in proportion, 2 with the square.

    The slope of the line through the logarithms of (size, cost). Raises ValueError for fewer than two sizes.
    """
    if len({size for size, _ in points}) < 2:
        raise ValueError("growth needs two sizes at least")
    xs, ys = ([math.log(p[side]) for p in points] for side in (0, 1))
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / sum(
        (x - x_mean) ** 2 for x in xs
    )


def growth(
    benchmark: str, name: str, engine: str, points: Sequence[tuple[float, float]], limit: float
) -> Figure:
    """The exponent of growth as a figure of the table."""
    sizes = " → ".join(f"{size:,.0f}" for size, _ in points)
    return Figure(benchmark, f"{name}, growth over {sizes}", engine, exponent(points), "exponent",
                  goal=at_most(limit, "ours"))  # fmt: skip


def number(value: float | None) -> str:
    """A figure with three digits that matter."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def line(figure: Figure) -> str:
    """One measurement in one line."""
    parts = [f"{figure.engine:<10} {figure.name}: {number(figure.ours)} {figure.unit}"]
    if figure.floor is not None:
        parts.append(f"floor {number(figure.floor)}")
    if figure.ratio is not None:
        parts.append(f"{number(figure.ratio)} ×")
    if figure.goal is not None:
        parts.append(f"goal {figure.goal} {figure.verdict}")
    return ", ".join(parts) + (f" ({figure.note})" if figure.note else "")


HEADERS = ("benchmark", "measurement", "database", "ours", "unit", "floor", "ratio", "goal", "")


def table(figures: Sequence[Figure]) -> str:
    """All measurements under one another, columns of numbers to the right."""
    rows = [HEADERS] + [
        (f.benchmark, f.name, f.engine, number(f.ours), f.unit, number(f.floor), number(f.ratio),
         str(f.goal) if f.goal else "", f.verdict)
        for f in figures
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADERS))]
    right = {3, 5, 6}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
