"""How a partner's commissions of one deal stand, and what is missing so that they come to what they should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.programs.partners.models import Commission
from webapp.programs.partners.states import CommissionState


@dataclass(frozen=True)
class Balance:
    """The commissions of a deal and a partner that are not cancelled, in minor units of the deal's currency.

    `opened` are in no payout, the oldest first; `claimed` is in payouts that are not paid yet. `dismissed` a person
    decided not to pay, `forgiven` (below zero) not to take back.
    """

    opened: tuple[Commission, ...] = ()
    claimed: int = 0
    paid: int = 0
    dismissed: int = 0
    forgiven: int = 0
    currencies: frozenset[str] = frozenset()

    @property
    def booked(self) -> int:
        """What payouts have."""
        return self.claimed + self.paid

    @property
    def waiting(self) -> int:
        """What is in no payout yet."""
        return sum(row.amount_minor for row in self.opened)

    def rest(self, earned: int, *, is_final: bool) -> int:
        """What has to be in no payout, so that all of it comes to `earned`.

        `is_final`: what was paid does not become less, but for what was begun to be taken back in time. What was
        dismissed is neither paid nor taken back, and what was forgiven is not taken back again.
        """
        if is_final:
            earned = max(earned, min(self.paid, self.booked + self.waiting))
        missing = earned - self.booked
        if missing < 0:
            return missing - max(missing, self.forgiven)
        # What payouts took back and never gave is owed, whatever else was dismissed.
        return missing - min(max(0, earned - max(0, self.booked)), self.dismissed)


def balance_of(rows: Iterable[Commission]) -> Balance:
    """The balance of a deal and a partner, from all their commissions in the order in which they were made."""
    live = [row for row in rows if row.state != CommissionState.CANCELLED]
    opened = [row for row in live if row.state == CommissionState.OPEN]
    set_aside = [row.amount_minor for row in opened if row.offer == "dismissed"]
    return Balance(
        opened=tuple(row for row in opened if row.offer != "dismissed"),
        claimed=sum(row.amount_minor for row in live if row.state == CommissionState.CLAIMED),
        paid=sum(row.amount_minor for row in live if row.state == CommissionState.PAID),
        dismissed=sum(minor for minor in set_aside if minor > 0),
        forgiven=sum(minor for minor in set_aside if minor < 0),
        currencies=frozenset(row.currency for row in live),
    )
