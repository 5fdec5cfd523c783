"""What a program hands over to make a payout: lines, the records they pay for, who may not approve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

# Kinds of lines that add up to the gross amount; deductions and taxes come off it.
GROSS_KINDS = frozenset({"earning", "bonus"})
LINE_KINDS = (*sorted(GROSS_KINDS, reverse=True), "deduction", "tax", "adjustment")


@dataclass(frozen=True)
class LineDraft:
    """One line: what it is for, how it was calculated, its signed amount in minor units."""

    kind: str
    description: str
    amount_minor: int
    occurred_on: date | None = None
    quantity: Decimal | None = None
    unit: str = ""
    # Major units per quantity, or per cent of a base, as the formula says.
    rate: Decimal | None = None
    formula: str = ""
    source_type: str = ""
    source_id: int | None = None
    source_label: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceDraft:
    """A source record that the payout pays for; it can be in one live payout per payee only."""

    source_type: str
    source_id: int


@dataclass(frozen=True)
class ExclusionDraft:
    """A person who may not approve the payout; `reason` completes "You …" ("imported the installation")."""

    user_id: int
    reason: str


def gross_of(lines: list[LineDraft]) -> int:
    """Sum of the lines that earn, in minor units; an adjustment counts when it adds."""
    return sum(
        line.amount_minor
        for line in lines
        if line.kind in GROSS_KINDS or (line.kind == "adjustment" and line.amount_minor > 0)
    )


def amount_of(lines: list[LineDraft]) -> int:
    """What is left of the lines to be paid, in minor units."""
    return sum(line.amount_minor for line in lines)
