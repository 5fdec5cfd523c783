"""What the writers of all formats have in common: a payment to write, a file that was written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from webapp.kernel.money import Money


@dataclass(frozen=True)
class Setup:
    """How the organisation's bank wants files of a format. `account` is the clear own account; never printed."""

    format: str
    values: Mapping[str, Any]
    account: Mapping[str, str] = field(repr=False)
    masked: str = ""

    def get(self, name: str) -> str:
        """A value; empty when there is none."""
        return str(self.values.get(name) or "")


@dataclass(frozen=True)
class Entry:
    """One transfer to be written. `details` is the payee's clear account; never printed, logged or kept."""

    transfer_row_id: int
    transfer_id: str
    payout_id: int
    reference: str
    amount_minor: int
    currency: str
    name: str
    scheme: str
    masked: str
    # "bank_account", "upi": a file carries bank accounts only.
    kind: str = "bank_account"
    details: Mapping[str, str] = field(repr=False, default_factory=dict)
    # Which try of its payout it is.
    n: int = 1

    @property
    def try_reference(self) -> str:
        """The payout's reference, told apart from that of its earlier tries: PO-2026-000001-2."""
        return self.reference if self.n == 1 else f"{self.reference}-{self.n}"

    @property
    def amount(self) -> Money:
        """What is paid."""
        return Money(self.amount_minor, self.currency)


@dataclass(frozen=True)
class Making:
    """When and under which numbers a file is made."""

    message_id: str
    # In the organisation's own time.
    made_at: datetime
    day_number: int
    execute_on: date
    currency: str


@dataclass(frozen=True)
class Line:
    """What was written of one entry: the key by which the bank's answers name it, and what was changed."""

    entry: Entry
    key: str
    name: str
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Written:
    """A whole file. `controls` are the figures that people compare on the bank's own page."""

    data: bytes = field(repr=False)
    variant: str = ""
    extension: str = "txt"
    lines: tuple[Line, ...] = ()
    controls: Mapping[str, str] = field(default_factory=dict)


class Unwritable(Exception):
    """A file that came out wrong: its own check refused it. Nothing of it leaves."""


Fits = Callable[[Setup, Entry], str]
Write = Callable[[Setup, Sequence[Entry], Making], Written]


@dataclass(frozen=True)
class Writer:
    """A format: why an entry cannot go into it (empty: it can), and the file."""

    why_not: Fits
    write: Write


def total_of(entries: Sequence[Entry], currency: str) -> Money:
    """The sum of entries in one currency. Raises ValueError when one has another currency."""
    amount = Money(0, currency)
    for entry in entries:
        amount = amount + entry.amount
    return amount


def next_business_day(day: date, ahead: int) -> date:
    """The day `ahead` working days after a day, never a Saturday or a Sunday; holidays are the bank's own."""
    result = day
    steps = ahead
    while steps > 0 or result.weekday() >= 5:
        result += timedelta(days=1)
        if result.weekday() < 5:
            steps -= 1
    return result


def changed(field_name: str, was: str, text: str, is_changed: bool) -> tuple[tuple[str, str, str], ...]:
    """One change as it is kept, or none."""
    return ((field_name, was, text),) if is_changed else ()
