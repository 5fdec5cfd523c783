"""What is held back of a technician's part until call-backs are unlikely. Pure: amounts and days in, amounts out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from webapp.kernel.labels import Label
from webapp.kernel.money import Money, round_to_minor

#: Half is the most: a payout is for work that is done.
MOST_BP = 5_000
MOST_DAYS = 3_650


class RetentionState(Label):
    """What became of a part that was held back; sentence = what it means for the technician."""

    HELD = "held", "Held back", "waiting", "waiting", "It is paid out after its day."
    RELEASED = "released", "Released", "done", "done", "It is in a payout of its own."
    CHARGED = (
        "charged",
        "Charged back",
        "rejected",
        "rejected",
        "All of it was kept, for the reason that is with it.",
    )
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "Its payout was rejected or cancelled."


@dataclass(frozen=True)
class RetentionTerms:
    """How much of each installation is held back (basis points), and for how many days after commissioning."""

    basis_points: int = 0
    days: int = 0

    @property
    def percent(self) -> Decimal:
        """The rate as people say it: 10 for 1,000 basis points."""
        return Decimal(self.basis_points) / 100


@dataclass(frozen=True)
class Earlier:
    """What a payout that was rejected or cancelled left of a part: released already, charged, or some of each.

    `amount` was held back with `payout`, `charged` of it was kept; the rest was paid with `released_with`, if that is
    not empty.
    """

    retention_id: int
    version: int
    amount: Money
    charged: Money
    basis_points: int
    release_on: date
    payout: str
    released_with: str
    reason: str
    edited_by_id: int | None


@dataclass(frozen=True)
class HeldBack:
    """What is taken off one technician's part of an installation, and until when it waits.

    With `earlier` it bears what was released or charged before; of that nothing is paid out later.
    """

    amount: Money
    basis_points: int
    release_on: date
    earlier: Earlier | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether any of it is still to be paid out."""
        return self.earlier is None or (not self.earlier.released_with and self.amount > self.earlier.charged)


def hold_back(
    part: Money, commissioned_on: date | None, terms: RetentionTerms, today: date
) -> HeldBack | None:
    """The part of an amount that waits, rounded half to even; None where nothing does.

    What would be released today or before is not held back at all: the payout was late, not the work.
    """
    if not terms.basis_points or commissioned_on is None or part.amount <= 0:
        return None
    release_on = commissioned_on + timedelta(days=terms.days)
    if release_on <= today:
        return None
    amount = round_to_minor(part.decimal * terms.basis_points / 10_000, part.currency)
    return HeldBack(amount, terms.basis_points, release_on) if amount else None


def bear(held: HeldBack | None, earlier: Earlier | None) -> HeldBack | None:
    """What is taken off a part that was in a payout before: what was released is not paid again, a charge stays.

    What was released is taken off, and nothing is held back a second time. A charge is a part of what is held back
    now, which is at least as much.
    """
    if earlier is None:
        return held
    if earlier.released_with or held is None or held.amount < earlier.charged:
        amount = earlier.amount if earlier.released_with else earlier.charged
        return HeldBack(amount, earlier.basis_points, earlier.release_on, earlier)
    return replace(held, earlier=earlier)
