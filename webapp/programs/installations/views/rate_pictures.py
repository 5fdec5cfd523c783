"""Pictures of rates: bands over size, a rate over time, the differences of a rehearsal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from webapp.kernel.money import Money, exponent
from webapp.programs.installations.bands import atoms, winner
from webapp.programs.installations.models import RateVersion
from webapp.programs.installations.rehearsal import Rehearsal
from webapp.programs.installations.terms import PER_UNIT, Rule, say_number
from webapp.programs.installations.views import common
from webapp.web import charts

MAXIMUM_FIGURES = 4
SCALE = 1_000_000


def _minor(rate: Decimal, currency: str) -> int:
    return int((rate * 10 ** exponent(currency)).to_integral_value())


def bands(rules: Sequence[Rule], labels: Mapping[str, str], range_mode: str) -> list[charts.StepFigure]:
    """For each type and unit the rate per unit over the size; a gap stands at zero."""
    figures = []
    scopes = sorted(
        {(r.installation_type or "", r.capacity_unit, r.currency) for r in rules if r.rate_type == PER_UNIT}
    )
    for kind, unit, currency in scopes[:MAXIMUM_FIGURES]:
        scope = [
            r for r in rules
            if r.currency == currency and r.capacity_unit in ("", unit) and r.installation_type in (None, kind or None)
        ]  # fmt: skip
        points = _points(scope, unit, range_mode)
        if points:
            figures.append(_band_figure(points, kind, unit, currency, labels))
    return figures


def _points(scope: Sequence[Rule], unit: str, range_mode: str) -> list[tuple[str, int, int]]:
    """(label, position, rate in minor units) where the rate changes; only stretches, single sizes do not show."""
    points: list[tuple[str, int, int]] = []
    for atom in atoms(scope):
        if atom.is_point:
            continue
        first = winner(scope, atom, range_mode)
        value = _minor(first.rate, first.currency) if first and first.rate_type == PER_UNIT else 0
        if not points or points[-1][2] != value:
            points.append((f"{say_number(atom.lower)} {unit}", int(atom.lower * SCALE), value))
    return points


def _band_figure(
    points: list[tuple[str, int, int]], kind: str, unit: str, currency: str, labels: Mapping[str, str]
) -> charts.StepFigure:
    say = common.wording(currency)
    name = labels.get(kind, kind) or "Any type"
    last = points[-1][1]
    highest = max(points, key=lambda point: point[2])
    return charts.steps(
        key="bands-" + re.sub(r"[^a-z0-9]+", "-", f"{kind or 'any'}-{unit}-{currency}".lower()),
        title=f"{name}: rate per {unit} by size",
        finding=f"The highest rate per {unit} is {say(highest[2])}, from {highest[0]} on."
        if len(points) > 1
        else f"One rate for every size: {say(highest[2])} per {unit}.",
        points=points,
        until=last + max(last // 2, SCALE),
        say=say,
        point_header="From size",
        value_header=f"Rate per {unit}",
    )


def history(versions: Sequence[RateVersion], today: date) -> charts.StepFigure | None:
    """How the rate stood over time, as the versions say now; None where there is only one step."""
    points: list[tuple[str, int, int]] = []
    for version in sorted(versions, key=lambda v: v.version):
        start = version.effective_from or date.min
        points = [point for point in points if point[1] < start.toordinal()]
        value = _minor(version.rate, version.currency) if version.is_active else 0
        label = "Always" if version.effective_from is None else start.isoformat()
        if not points or points[-1][2] != value:
            points.append((label, start.toordinal(), value))
    if len(points) < 2:
        return None
    # "Always" would stretch the picture over two thousand years: it begins a while before the second step.
    if points[0][1] == date.min.toordinal():
        points[0] = (points[0][0], points[1][1] - 90, points[0][2])
    currency = versions[0].currency
    say = (lambda v: f"{v / 100:g} %") if versions[0].rate_type == "percentage" else common.wording(currency)
    return charts.steps(
        key="rate-over-time",
        title="The rate over time",
        finding=f"It stands at {say(points[-1][2])} since {points[-1][0]}.",
        points=points,
        until=max(today.toordinal(), points[-1][1]) + 30,
        say=say,
        point_header="From",
        value_header="Rate",
    )


def differences(outcome: Rehearsal) -> charts.RowFigure | None:
    """Who would have got how much more or less."""
    rows = [row for row in outcome.rows if row.change][:12]
    if not rows:
        return None
    say = common.wording(outcome.change.currency)
    word = "more" if outcome.change.amount >= 0 else "less"
    total = Money(abs(outcome.change.amount), outcome.change.currency).amount
    return charts.ranking(
        key="rehearsal",
        title="Difference by technician",
        finding=f"In all {say(total)} {word}.",
        items=[(row.name, row.change.amount) for row in rows],
        say=say,
        item_header="Technician",
        value_header="Difference",
    )
