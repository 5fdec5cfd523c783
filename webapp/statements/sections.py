"""What a program adds to a monthly statement: its records with their figures, and an account of its own beside them.

A program registers where its section comes from; this room freezes, checks, prints and exports it without knowing
the program. Amounts are minor units on the payee's side. A section leads from the opening to the closing balance of
the program's accounts, and both are the ledger's: what does not tie is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from webapp.kernel.money import Money
from webapp.statements.build import DoesNotAddUp

# In minor units; sums of a month may be some tens of times as much.
WIDE = 10**8


@dataclass(frozen=True)
class Scope:
    """Whose section of which days; both days are included."""

    organisation_id: int
    payee_id: int
    currency: str
    first: date
    last: date


@dataclass(frozen=True)
class Entry:
    """One movement of the section's account; `balance_minor` is what it holds after it.

    A record has `figures`, one for each column of its section, adding up to `amount_minor`; a mere movement has none.
    """

    day: date
    kind: str
    item: str
    amount_minor: int
    balance_minor: int = 0
    group: str = ""
    source: str = ""
    payout: str = ""
    figures: tuple[int, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A record that the section's account does not have, and why; `amount_minor` is what it is about."""

    day: date
    item: str
    why: str
    amount_minor: int


@dataclass(frozen=True)
class Section:
    """A program's part of a statement. `key` names the program's accounts when they are asked again."""

    key: str
    title: str
    words: str
    balance_title: str
    columns: tuple[str, ...]
    amount_label: str
    opening_minor: int
    closing_minor: int
    entries: tuple[Entry, ...]
    # What a negative closing balance means for the payee.
    negative_words: str = ""
    # What the payee may look for here in vain, as it stood when the statement was made.
    left_out: tuple[LeftOut, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether some figure needs more room than usual, so that its sums fit, too."""
        figures = (abs(value) for entry in self.records for value in (*entry.figures, entry.amount_minor))
        return max(figures, default=0) >= WIDE

    @property
    def records(self) -> tuple[Entry, ...]:
        """The entries that have figures."""
        return tuple(entry for entry in self.entries if entry.figures)

    @property
    def shown(self) -> tuple[int, ...]:
        """Positions of the columns that some record has a figure in; the first always."""
        used = (n for n in range(len(self.columns)) if any(entry.figures[n] for entry in self.records))
        return tuple(dict.fromkeys((0, *used)))

    @property
    def groups(self) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
        """The records by their group, in the order in which the groups come."""
        found: dict[str, list[Entry]] = {}
        for entry in self.records:
            found.setdefault(entry.group, []).append(entry)
        return tuple((name, tuple(entries)) for name, entries in found.items())

    @property
    def movements(self) -> tuple[tuple[str, int], ...]:
        """Sum of each kind of entry, in the order in which the kinds come."""
        sums: dict[str, int] = {}
        for entry in self.entries:
            sums[entry.kind] = sums.get(entry.kind, 0) + entry.amount_minor
        return tuple(sums.items())


def sums(entries: Iterable[Entry], columns: Iterable[int]) -> tuple[int, ...]:
    """The sum of each of the columns, and at the end that of the amounts."""
    rows = list(entries)
    return (*(sum(row.figures[n] for row in rows) for n in columns), sum(row.amount_minor for row in rows))


@dataclass(frozen=True)
class Maker:
    """Where a program's section comes from.

    `make` answers None where there is nothing to say; `balances` is what the ledger has at the start and the end;
    `concerned` the (payee id, currency) that have a balance or a movement between two days of an organisation.
    """

    make: Callable[[Scope], Section | None]
    balances: Callable[[Scope], tuple[int, int]]
    concerned: Callable[[int, date, date], Iterable[tuple[int, str]]]


_makers: dict[str, Maker] = {}


def register(key: str, maker: Maker) -> None:
    """Let a program's section stand in monthly statements; registering a key again replaces it."""
    _makers[key] = maker


def of(scope: Scope) -> tuple[Section, ...]:
    """Every program's section that has something to say. Raises DoesNotAddUp for one that contradicts itself."""
    found = []
    for key, maker in _makers.items():
        section = maker.make(scope)
        if section is not None:
            found.append(with_balances(replace(section, key=key)))
    return tuple(found)


def concerned(organisation_id: int, first: date, last: date) -> set[tuple[int, str]]:
    """Everybody (payee id, currency) of whom some program has something to say."""
    return {pair for maker in _makers.values() for pair in maker.concerned(organisation_id, first, last)}


def agrees(key: str, scope: Scope, opening_minor: int, closing_minor: int) -> bool:
    """Whether the ledger still has what a section says; a section of a program that is gone is not asked about."""
    maker = _makers.get(key)
    return maker is None or maker.balances(scope) == (opening_minor, closing_minor)


def with_balances(section: Section) -> Section:
    """The entries in their order, each with the balance after it."""
    balance, made = section.opening_minor, []
    for entry in section.entries:
        balance += entry.amount_minor
        made.append(replace(entry, balance_minor=balance))
    return replace(section, entries=tuple(made))


def check(section: Section, currency: str, first: date, last: date) -> None:
    """Refuse a section that contradicts itself. Raises DoesNotAddUp with the figures."""

    def say(minor: int) -> str:
        return f"{Money(minor, currency).plain} {currency}"

    balance = section.opening_minor
    for entry in section.entries:
        balance += entry.amount_minor
        if entry.figures and (
            len(entry.figures) != len(section.columns) or sum(entry.figures) != entry.amount_minor
        ):
            raise DoesNotAddUp(
                f"The figures of “{entry.item}” come to {say(sum(entry.figures))}; it says {say(entry.amount_minor)}."
            )
        if entry.balance_minor != balance:
            raise DoesNotAddUp(
                f"“{section.title}” holds {say(entry.balance_minor)} after “{entry.item}”; its entries up to there "
                f"come to {say(balance)}."
            )
        if not first <= entry.day <= last:
            raise DoesNotAddUp(f"“{entry.item}” is of {entry.day}, outside its month.")
    if balance != section.closing_minor:
        raise DoesNotAddUp(
            f"“{section.title}” opens with {say(section.opening_minor)} and its entries lead to {say(balance)}; it "
            f"says it closes with {say(section.closing_minor)}."
        )


def from_json(content: dict[str, Any]) -> Section:
    """A frozen section. Raises KeyError, TypeError or ValueError when it cannot be read."""
    entries = tuple(
        Entry(**{**entry, "day": date.fromisoformat(entry["day"]), "figures": tuple(entry["figures"])})
        for entry in content["entries"]
    )
    # Statements of before this was said have none.
    left_out = tuple(
        LeftOut(**{**each, "day": date.fromisoformat(each["day"])}) for each in content.get("left_out", ())
    )
    return Section(
        **{**content, "columns": tuple(content["columns"]), "entries": entries, "left_out": left_out}
    )
