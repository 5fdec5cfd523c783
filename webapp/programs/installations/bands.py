"""What a set of rates leaves open or says twice: overlaps, gaps, and rates that can never win. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from webapp.programs.installations.terms import HALF_OPEN, Rule, say_number, say_size

OVERLAP, GAP, NEVER_WINS = "overlap", "gap", "never_wins"


@dataclass(frozen=True)
class Sizes:
    """A range of sizes; `upper` None: without end."""

    lower: Decimal
    upper: Decimal | None
    has_lower: bool
    has_upper: bool

    def say(self, unit: str) -> str:
        """The range in words: "10 kW", "5 kW up to, not including, 10 kW", "above 20 kW"."""
        low = say_size(self.lower, unit)
        if self.upper is None:
            if self.lower == 0:
                return "all sizes"
            return f"{low} and above" if self.has_lower else f"above {low}"
        high = say_size(self.upper, unit)
        if self.lower == self.upper:
            return f"exactly {low}"
        if self.lower == 0:
            return f"up to {high}" if self.has_upper else f"below {high}"
        start = say_number(self.lower) if self.has_lower else f"above {say_number(self.lower)}"
        return f"{start} up to {high}" if self.has_upper else f"{start} up to, not including, {high}"


@dataclass(frozen=True)
class Finding:
    """Something a person should know before saving; `kind` is overlap, gap or never_wins."""

    kind: str
    text: str
    unit: str
    types: tuple[str, ...]
    sizes: tuple[Sizes, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Atom:
    """A single size (a bound) or the open stretch between two bounds: the same rules cover all of it."""

    lower: Decimal
    upper: Decimal | None
    is_point: bool

    @property
    def sample(self) -> Decimal:
        """Any size in it."""
        if self.is_point:
            return self.lower
        return self.lower + 1 if self.upper is None else (self.lower + self.upper) / 2


def atoms(rules: Iterable[Rule]) -> list[Atom]:
    """All sizes above zero, cut into pieces on which nothing changes."""
    bounds = sorted({b for r in rules for b in (r.min_size, r.max_size) if b is not None and b > 0})
    pieces = []
    previous = Decimal(0)
    for bound in bounds:
        pieces += [Atom(previous, bound, False), Atom(bound, bound, True)]
        previous = bound
    return [*pieces, Atom(previous, None, False)]


def _merge(atoms: Sequence[Atom]) -> Sizes:
    first, last = atoms[0], atoms[-1]
    return Sizes(first.lower, last.upper, first.is_point, last.is_point)


def analyse(rules: Iterable[Rule], *, types: Iterable[str], range_mode: str = HALF_OPEN) -> list[Finding]:
    """Overlaps, gaps and hopeless rules among the versions that count on one day (see `rules.governing`).

    `types` are the installation types that exist. Every (type, unit, currency) with a rate is looked at;
    types with the same finding share one line.
    """
    active = [rule for rule in rules if rule.is_active]
    known = sorted({*types, *(r.installation_type for r in active if r.installation_type)})
    units = sorted({r.capacity_unit for r in active} - {""}) or [""]
    found: dict[tuple[object, ...], list[str]] = {}
    winners: set[Rule] = set()
    for currency in sorted({r.currency for r in active}):
        for unit in units:
            for kind in known:
                scope = [
                    r
                    for r in active
                    if r.currency == currency
                    and r.capacity_unit in ("", unit)
                    and r.installation_type in (None, kind)
                ]
                winners |= {winner(scope, a, range_mode) for a in atoms(scope)} - {None}  # type: ignore[arg-type]
                for key in _scope_findings(scope, unit, range_mode):
                    found.setdefault((*key, unit), []).append(kind)
    findings = [_worded(key, tuple(kinds)) for key, kinds in found.items()]
    return findings + [_hopeless(rule, active) for rule in active if rule not in winners]


def winner(scope: Sequence[Rule], atom: Atom, range_mode: str) -> Rule | None:
    """The rule that comes first in a piece, if any covers it."""
    covering = (r for r in scope if r.covers(atom.sample, range_mode))
    return max(covering, key=lambda r: r.rank, default=None)


def _scope_findings(scope: Sequence[Rule], unit: str, range_mode: str) -> list[tuple[object, ...]]:
    """Runs of neighbouring sizes that two or more rules cover, or none."""
    # Unit-free rates alone say nothing about the sizes of this unit.
    if not any(r.capacity_unit == unit for r in scope):
        return []
    result: list[tuple[object, ...]] = []

    def covering(atom: Atom) -> tuple[Rule, ...]:
        return tuple(
            sorted(
                (r for r in scope if r.covers(atom.sample, range_mode)), key=lambda r: r.rank, reverse=True
            )
        )

    for rules, run in groupby(atoms(scope), key=covering):
        sizes = _merge(list(run))
        if not rules:
            result.append((GAP, (), sizes))
        elif len(rules) > 1:
            result.append((OVERLAP, rules, sizes))
    return result


def _worded(key: tuple[object, ...], types: tuple[str, ...]) -> Finding:
    kind, rules, sizes, unit = key
    assert isinstance(sizes, Sizes)  # noqa: S101
    assert isinstance(rules, tuple)  # noqa: S101
    assert isinstance(unit, str)  # noqa: S101
    where = f"{', '.join(types)}: {sizes.say(unit)}"
    if kind == GAP:
        return Finding(
            GAP, f"No rate for {where}. Such installations wait under “Needs a rate”.", unit, types, (sizes,)
        )
    names = " and ".join((", ".join(r.name for r in rules[:-1]), rules[-1].name))
    text = f"{names} overlap for {where}. {rules[0].name} wins there."
    return Finding(OVERLAP, text, unit, types, (sizes,), rules)


def _hopeless(rule: Rule, active: Sequence[Rule]) -> Finding:
    rivals = sorted(
        r.name
        for r in active
        if r is not rule
        and r.currency == rule.currency
        and (not r.capacity_unit or not rule.capacity_unit or r.capacity_unit == rule.capacity_unit)
        and (r.installation_type is None or rule.installation_type in (None, r.installation_type))
        and r.rank > rule.rank
    )
    because = (
        f"{', '.join(rivals)} comes first at every size it covers" if rivals else "its range holds no size"
    )
    text = f"{rule.name} can never win: {because}."
    types = (rule.installation_type,) if rule.installation_type else ()
    return Finding(NEVER_WINS, text, rule.capacity_unit, types, (), (rule,))
