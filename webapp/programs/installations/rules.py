"""Which rate prices an installation, and to what amount. Pure: no database, no Flask, no floats.

A rate configuration has versions. On a given day its newest version that has begun by then counts; the
other versions count on other days. Sizes and rates are exact decimals; an amount is rounded once per line,
half-even, to the minor unit of its currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise

from webapp.kernel.money import Money, round_to_minor, total
from webapp.programs.installations.terms import (
    BONUS,
    EARNING,
    FLAT,
    HALF_OPEN,
    PER_UNIT,
    PERCENTAGE,
    Attempt,
    Job,
    Line,
    Quote,
    Rule,
    say_money,
    say_number,
    say_range,
    say_rate,
    say_size,
)


@dataclass
class _Trial:
    """Rules sorted into those that fit, those that lack a figure of the installation, and the rest."""

    fitting: list[Rule] = field(default_factory=list)
    lacking: list[Attempt] = field(default_factory=list)
    refused: list[Attempt] = field(default_factory=list)


def governing(rules: Iterable[Rule], on: date) -> list[Rule]:
    """Of each configuration the version that counts on a day: the newest that has begun by then.

    A configuration that begins later is represented by its newest version, which says when.
    """
    chosen: dict[int, Rule] = {}
    for rule in sorted(rules, key=lambda r: (r.configuration_id, r.version)):
        has_begun = rule.effective_from is None or rule.effective_from <= on
        known = chosen.get(rule.configuration_id)
        known_begun = known is not None and (known.effective_from is None or known.effective_from <= on)
        if has_begun or not known_begun:
            chosen[rule.configuration_id] = rule
    return list(chosen.values())


def quote(
    job: Job, rules: Iterable[Rule], *, range_mode: str = HALF_OPEN, is_progressive: bool = False
) -> Quote:
    """Price a job: the lines, or the problem that stops it; each rule appears in `attempts` with its reason."""
    candidates = governing(rules, job.on)
    if is_progressive and job.size is not None:
        return _progressive(job, candidates, range_mode)
    trial = _try(job, candidates, range_mode)
    winner = max(trial.fitting, key=lambda r: r.rank, default=None)
    blocking = _blocking(trial, winner)
    if blocking is not None or winner is None:
        return _without_rate(job, trial, blocking, range_mode, is_progressive)
    lines = [_line(job, winner), *_bonus(job, [winner])]
    attempts = [Attempt(winner, "used", "It matches and comes first.")]
    attempts += [Attempt(r, "lost", why_first(winner, r)) for r in trial.fitting if r is not winner]
    return Quote(
        job.currency,
        tuple(lines),
        _ordered(attempts + trial.lacking + trial.refused),
        range_mode=range_mode,
        is_progressive=is_progressive,
    )


def _ordered(attempts: list[Attempt]) -> tuple[Attempt, ...]:
    """Used ones first, then by name: the order in which people look for them."""
    return tuple(sorted(attempts, key=lambda a: (a.outcome != "used", a.outcome != "lost", a.rule.name)))


def _try(job: Job, candidates: Iterable[Rule], range_mode: str, *, any_size: bool = False) -> _Trial:
    trial = _Trial()
    for rule in candidates:
        attempt = _refusal(job, rule, range_mode, any_size=any_size)
        if attempt is None:
            trial.fitting.append(rule)
        elif attempt.outcome in ("no_size", "no_order_value"):
            trial.lacking.append(attempt)
        else:
            trial.refused.append(attempt)
    return trial


def _refusal(job: Job, rule: Rule, range_mode: str, *, any_size: bool) -> Attempt | None:
    """Why a rule does not fit a job; None when it does."""
    checks = (
        (not rule.is_active, "inactive", "It is switched off."),
        (
            rule.effective_from is not None and job.on < rule.effective_from,
            "not_in_effect",
            f"It begins on {rule.effective_from}; the installation was commissioned on {job.on}.",
        ),
        (
            rule.effective_to is not None and job.on > rule.effective_to,
            "not_in_effect",
            f"It ended on {rule.effective_to}; the installation was commissioned on {job.on}.",
        ),
        (
            rule.installation_type not in (None, job.installation_type),
            "other_type",
            f"It is for the type {rule.installation_type}, not {job.installation_type}.",
        ),
        (
            rule.capacity_unit not in ("", job.capacity_unit),
            "other_unit",
            f"It counts {rule.capacity_unit}, not {job.capacity_unit or 'an installation without a unit'}.",
        ),
        (
            rule.currency != job.currency,
            "other_currency",
            f"It pays in {rule.currency}, not {job.currency}.",
        ),
    )
    for applies, outcome, reason in checks:
        if applies:
            return Attempt(rule, outcome, reason)
    return _size_refusal(job, rule, range_mode, any_size=any_size)


def _size_refusal(job: Job, rule: Rule, range_mode: str, *, any_size: bool) -> Attempt | None:
    if job.size is None and (rule.has_range or rule.rate_type == PER_UNIT):
        return Attempt(rule, "no_size", "It needs a size, and the installation has none.")
    if job.size is not None and not any_size and not rule.covers(job.size, range_mode):
        reason = (
            f"{say_size(job.size, job.capacity_unit)} is outside its range, {say_range(rule, range_mode)}."
        )
        return Attempt(rule, "outside_range", reason)
    if rule.rate_type == PERCENTAGE and job.order_value is None:
        return Attempt(rule, "no_order_value", "It needs an order value, and the installation has none.")
    return None


def _blocking(trial: _Trial, winner: Rule | None) -> Attempt | None:
    """A rule that would come first if only the installation had the missing figure: never guess around it."""
    first = max(trial.lacking, key=lambda a: a.rule.rank, default=None)
    if first is not None and (winner is None or first.rule.rank > winner.rank):
        return first
    return None


def _without_rate(
    job: Job, trial: _Trial, blocking: Attempt | None, range_mode: str, is_progressive: bool
) -> Quote:
    size = "no size" if job.size is None else say_size(job.size, job.capacity_unit)
    what = f"{job.installation_type}, {size}, commissioned on {job.on}"
    if blocking is not None:
        missing = "a size" if blocking.outcome == "no_size" else "an order value"
        problem = f"{blocking.rule.name} would price it, but the installation lacks {missing}."
    elif trial.refused or trial.fitting:
        problem = f"No rate matches ({what})."
    else:
        problem = "There are no rates yet."
    attempts = [
        Attempt(r, "lost", f"{blocking.rule.name} comes before it." if blocking else "Not used.")
        for r in trial.fitting
    ]
    return Quote(
        job.currency,
        (),
        _ordered(attempts + trial.lacking + trial.refused),
        problem,
        range_mode,
        is_progressive,
    )


def why_first(winner: Rule, loser: Rule) -> str:
    """Why one of two matching rules comes before the other."""
    if winner.priority != loser.priority:
        because = f"its priority {winner.priority} is higher than {loser.priority}"
    elif (winner.installation_type is None) != (loser.installation_type is None):
        because = "it names the type, this one is for any type"
    elif winner.rank[2] != loser.rank[2]:
        because = f"its range begins higher, at {say_number(winner.min_size or Decimal(0))}"
    else:
        because = "priority, type and lower bound are the same, and it is the older one"
    return f"It matches, but {winner.name} comes first: {because}."


# ---------------------------------------------------------------- amounts


def _line(job: Job, rule: Rule, slice_size: Decimal | None = None, description: str = "") -> Line:
    """The earning of one rule: for the whole size, or for one slice of it."""
    size = job.size if slice_size is None else slice_size
    rate = say_rate(rule)
    quantity, unit = None, ""
    if rule.rate_type == FLAT:
        amount = round_to_minor(rule.rate, job.currency)
        formula = f"flat {say_money(amount)}"
    elif rule.rate_type == PER_UNIT:
        assert size is not None  # noqa: S101 - a rule without its size does not fit
        amount = round_to_minor(rule.rate * size, job.currency)
        quantity, unit = size, job.capacity_unit
        formula = f"{say_size(size, unit)} × {rate} {job.currency} = {say_money(amount)}"
    else:
        assert job.order_value is not None  # noqa: S101 - as above
        amount, formula = _percentage(job, rule, slice_size)
    text = description or f"{rule.name}, version {rule.version}"
    return Line(EARNING, text, formula, amount, rule, quantity, unit, rule.rate)


def _percentage(job: Job, rule: Rule, slice_size: Decimal | None) -> tuple[Money, str]:
    assert job.order_value is not None  # noqa: S101 - checked by the caller
    base = job.order_value.decimal
    exact, part = rule.rate * base / 100, ""
    if slice_size is not None and job.size is not None and slice_size != job.size:
        exact = exact * slice_size / job.size
        part = f" × {say_number(slice_size)} ÷ {say_number(job.size)}"
    amount = round_to_minor(exact, job.currency)
    return amount, f"{say_rate(rule)} % of {say_money(job.order_value)}{part} = {say_money(amount)}"


def _bonus(job: Job, rules: Sequence[Rule]) -> list[Line]:
    """The quality bonus: of the bands used the largest, so that a bigger job never loses one."""
    rule = max(rules, key=lambda r: r.bonus_minor, default=None)
    if rule is None or not job.quality_passed or rule.bonus_minor <= 0:
        return []
    amount = Money(rule.bonus_minor, job.currency)
    formula = f"quality check passed: {say_money(amount)}"
    return [Line(BONUS, f"Quality bonus, {rule.name}, version {rule.version}", formula, amount, rule)]


@dataclass(frozen=True)
class _Slice:
    lower: Decimal
    upper: Decimal
    rule: Rule | None


def _progressive(job: Job, candidates: list[Rule], range_mode: str) -> Quote:
    """Each slice of the size at the rate of its own band; a flat rate is paid once."""
    assert job.size is not None  # noqa: S101 - checked by the caller
    trial = _try(job, candidates, range_mode, any_size=True)
    blocking = _blocking(trial, max(trial.fitting, key=lambda r: r.rank, default=None))
    slices = _slices(trial.fitting, job.size, range_mode)
    gaps = [s for s in slices if s.rule is None]
    if blocking is not None or not trial.fitting:
        return _without_rate(job, trial, blocking, range_mode, True)
    lines, used = [], []
    for part in slices:
        if part.rule is None or (part.rule.rate_type == FLAT and part.rule in used):
            continue
        words = f"{part.rule.name}, version {part.rule.version}, {_say_slice(part, job)}"
        lines.append(_line(job, part.rule, part.upper - part.lower, words))
        used.append(part.rule)
    problem = ""
    if gaps:
        missing = ", ".join(_say_slice(gap, job) for gap in gaps)
        problem = f"No rate covers the slice {missing}."
    attempts = [_slice_attempt(rule, used, job, range_mode) for rule in trial.fitting]
    return Quote(
        job.currency,
        () if problem else (*lines, *_bonus(job, used)),
        _ordered(attempts + trial.lacking + trial.refused),
        problem,
        range_mode,
        True,
    )


def _slice_attempt(rule: Rule, used: list[Rule], job: Job, range_mode: str) -> Attempt:
    assert job.size is not None  # noqa: S101 - checked by the caller
    if rule in used:
        return Attempt(rule, "used", "It prices its own slice of the size.")
    if rule.min_size is not None and rule.min_size >= job.size:
        size = say_size(job.size, job.capacity_unit)
        return Attempt(
            rule, "outside_range", f"{size} does not reach its range, {say_range(rule, range_mode)}."
        )
    return Attempt(rule, "lost", "It matches, but another rate comes first in each slice it covers.")


def _slices(rules: Sequence[Rule], size: Decimal, range_mode: str) -> list[_Slice]:
    """The size cut at the bounds of the rules; neighbours with the same rule are one slice."""
    bounds = {b for r in rules for b in (r.min_size, r.max_size) if b is not None and 0 < b < size}
    cuts = [Decimal(0), *sorted(bounds), size]
    slices: list[_Slice] = []
    for lower, upper in pairwise(cuts):
        middle = (lower + upper) / 2
        rule = max((r for r in rules if r.covers(middle, range_mode)), key=lambda r: r.rank, default=None)
        if slices and slices[-1].rule is rule:
            slices[-1] = _Slice(slices[-1].lower, upper, rule)
        else:
            slices.append(_Slice(lower, upper, rule))
    return slices


def _say_slice(part: _Slice, job: Job) -> str:
    return f"{say_number(part.lower)}–{say_size(part.upper, job.capacity_unit)}"


# ---------------------------------------------------------------- shares


def split(lines: Sequence[Line], weights: Sequence[int], currency: str) -> list[list[Money]]:
    """Each technician's part of each line: result[technician][line].

    The whole amount is shared by the largest-remainder method, the lines follow it: what a technician gets
    is the same whether the amount came in one line or in several, and nothing is lost or added.
    """
    whole = total((line.amount for line in lines), currency).allocate(weights)
    before = [Money(0, currency) for _ in weights]
    running = Money(0, currency)
    parts: list[list[Money]] = [[] for _ in weights]
    for number, line in enumerate(lines, start=1):
        running = running + line.amount
        after = whole if number == len(lines) else running.allocate(weights)
        for index in range(len(weights)):
            parts[index].append(after[index] - before[index])
        before = after
    if any(part.amount < 0 for row in parts for part in row):
        # A line of a few minor units can be too small to follow the whole; then each line is shared alone.
        rows = [line.amount.allocate(weights) for line in lines]
        return [[row[index] for row in rows] for index in range(len(weights))]
    return parts
