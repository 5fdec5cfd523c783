"""What the books are to say of a payout, and how: bills, names, references, delays. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.accounting.states import Wanted
from webapp.providers.bookkeeping import BillLine

# Longer than a payout's calls take, with a token that another worker fetches and one's turn to wait for.
LEASE = timedelta(minutes=3)
# A call that goes out later than so long before the end of the lease could be on its way when another worker comes.
NEARLY_OVER = timedelta(seconds=80)
# So long a payment whose answer was lost may still arrive.
ON_ITS_WAY = timedelta(minutes=10)
# After so many tries without a clear answer a person looks.
MOST_TRIES = 8
# So many lines a bill has at the most.
MOST_LINES = 100
_LONGEST_DELAY = timedelta(minutes=30)
_OWED = frozenset({"approved", "processing", "failed", "retry_scheduled", "reversed"})
_DROPPED = frozenset({"rejected", "cancelled"})


def wanted(payout_state: str) -> Wanted:
    """What the books are to say of a payout in a state."""
    if payout_state == "paid":
        return Wanted.PAID
    if payout_state in _OWED:
        return Wanted.OPEN
    return Wanted.VOID if payout_state in _DROPPED else Wanted.NOTHING


def becomes_a_bill(
    program: str,
    payout_state: str,
    approved_at: datetime | None,
    *,
    programs: Collection[str],
    since: datetime,
) -> bool:
    """Whether a payout without a bill gets one by itself: its program is on, it was approved since the start."""
    if program not in programs or approved_at is None or approved_at < since:
        return False
    return wanted(payout_state) in (Wanted.OPEN, Wanted.PAID)


def vendor_names(name: str, reference: str, currency: str) -> list[str]:
    """Display names that a payee may have in the books, the plainest first: another's name is not taken."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:150] or reference
    return [plain, f"{plain} ({reference})", f"{plain} ({reference}, {currency})"]


def payment_reference(bank_reference: str | None, payout_reference: str, round_: int) -> str:
    """Under which reference a payment stands in the books: the bank's own where there is one."""
    said = " ".join((bank_reference or "").split())[:100]
    return said or f"{payout_reference}-{round_}"


def bill_mark(payout_reference: str, mark: str) -> str:
    """What the books keep as a bill's reference: nobody else's bill has it, though it may have the number."""
    return f"{payout_reference}/{mark}" if mark else payout_reference


@dataclass(frozen=True)
class Line:
    """A line of a payout, as far as a bill says it."""

    description: str
    formula: str
    source: str
    amount_minor: int


def bill_lines(lines: Sequence[Line]) -> list[BillLine]:
    """One line of the bill for each line of the payout; what is nothing is left out, what is deducted is below zero.

    The amount is the line's own: a quantity times a rate might be rounded another way than ours. What does not fit is
    one line with the sum of the rest.
    """
    said = [
        BillLine(
            _tidy(line.description, 100) or "Payout",
            _tidy(f"{line.source} {line.formula}", 1000),
            line.amount_minor,
        )
        for line in lines
        if line.amount_minor
    ]
    if len(said) <= MOST_LINES:
        return said
    rest = said[MOST_LINES - 1 :]
    total = sum(line.amount_minor for line in rest)
    return said[: MOST_LINES - 1] + (
        [BillLine(f"and {len(rest):,} further lines", "", total)] if total else []
    )


def _tidy(text: str, most: int) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:most]


def delay(tries: int) -> timedelta:
    """How long to wait after so many tries without a clear answer: 15 seconds, doubling, half an hour at the most."""
    return min(_LONGEST_DELAY, timedelta(seconds=15 * 2 ** min(max(tries - 1, 0), 10)))
