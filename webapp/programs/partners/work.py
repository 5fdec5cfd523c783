"""What this program does by itself: hearing of payouts, comparing its records with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import text

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.money import Money
from webapp.ledger.check import Finding, position_checks
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.programs.partners import (
    calculating,
    calculation_runs,  # noqa: F401 - registers its run and its nightly task
    exchange,
    reattributing,  # noqa: F401 - registers its run
)
from webapp.programs.partners.drafts import PROGRAM

#: Who brings commissions up to what they should be once their payout has ended.
PAYOUTS = Actor(None, "payouts")

# Payouts that are not rejected or cancelled, beside the commissions that are in them.
_UNEQUAL = """
    SELECT p.reference, p.currency, p.amount_minor AS ours,
        (SELECT coalesce(sum(c.amount_minor), 0) FROM partners_commissions c WHERE c.payout_id = p.id) AS booked
    FROM payouts p
    WHERE p.program = 'partners' AND p.state NOT IN ('rejected', 'cancelled')
        AND (CAST(:organisation AS BIGINT) IS NULL OR p.organisation_id = CAST(:organisation AS BIGINT))
    ORDER BY p.id
"""


class PartnersSubscriber:
    """Rejected or cancelled: the commissions wait for a person. Failed or reversed: they stay in the payout."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The partner has the money."""
        calculating.mark_paid(payout.organisation_id, payout.id, now)
        exchange.note_paid(payout, now)

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """It is tried again."""

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """It came back; it is sent again, or cancelled."""
        calculating.mark_paid(payout.organisation_id, payout.id, None)
        exchange.note_returned(payout, now)

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """Not offered again by itself: that would only be rejected again."""
        self._release(payout, "rejected", now)

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """As when it is rejected."""
        self._release(payout, "cancelled", now)

    def _release(self, payout: Payout, word: str, now: datetime) -> None:
        words = f"{payout.reference} was {word}: {payout.reason or 'no reason given'}"
        calculating.release(payout.organisation_id, payout.id, words, PAYOUTS, now)


def positions(organisation_id: int | None) -> Iterator[Finding]:
    """One finding per payout that is not the sum of its commissions."""
    for row in db.session.execute(text(_UNEQUAL), {"organisation": organisation_id}).mappings():
        if row["ours"] == row["booked"]:
            continue
        ours, booked = (Money(int(row[name]), row["currency"]).plain for name in ("ours", "booked"))
        message = f"It is over {ours} {row['currency']}, its commissions come to {booked}"
        yield Finding("partners' payouts", row["reference"], message)


def register() -> None:
    """Tell the engine what this program does; once, at start-up."""
    payouts.register_subscriber(PROGRAM, PartnersSubscriber())
    if positions not in position_checks:
        position_checks.append(positions)


# Importing this module is enough, as with the other programs.
register()
