"""What was tried, and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_NUMBERS = ("runs", "deaths", "events", "doubles", "lost", "ledger_checks")


@dataclass(frozen=True)
class Case:
    """What is tried: the step, the bank's fault, what becomes of the transfer."""

    stage: str
    fault: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.stage} / {self.fault or 'no fault'} / {self.outcome}"


@dataclass
class Figures:
    """Runs are stories that were carried on to their end and compared; deaths are events at which a process ended."""

    runs: int = 0
    deaths: int = 0
    events: int = 0
    doubles: int = 0
    lost: int = 0
    ledger_checks: int = 0
    problems: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Count another's trials here."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems
        self.faults += other.faults
