"""What this program does when one of its payouts comes to a turn."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from webapp.database import db
from webapp.payouts.models import Payout, SourceClaim
from webapp.programs.installations import retaining
from webapp.programs.installations.models import InstallationShare
from webapp.programs.installations.pricing import SOURCE_TYPE


class InstallationsSubscriber:
    """A rejected or cancelled payout blocks its installations until a person chooses to fix or dismiss them."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The claim of the payout already says that it is paid."""

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """It stays in the same payout, which is tried again."""

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """The payout is re-issued; its installations stay in it."""

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """Not offered again by itself: that would only be rejected again."""
        retaining.cancel(payout)
        self._block(payout, "rejected")

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """As when it is rejected."""
        retaining.cancel(payout)
        self._block(payout, "cancelled")

    def _block(self, payout: Payout, word: str) -> None:
        reason = f"{payout.reference} was {word}: {payout.reason or 'no reason given'}"[:2000]
        claimed = select(SourceClaim.source_id).where(
            SourceClaim.payout_id == payout.id, SourceClaim.source_type == SOURCE_TYPE
        )
        db.session.execute(
            update(InstallationShare)
            .where(
                InstallationShare.payee_id == payout.payee_id,
                InstallationShare.installation_id.in_(claimed),
            )
            .values(offer="blocked", offer_reason=reason)
            .execution_options(synchronize_session="fetch")
        )
