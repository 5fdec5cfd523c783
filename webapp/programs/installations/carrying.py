"""What payouts that were cancelled left of a part: released already, or charged. The next payout bears it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from webapp.database import among, ask, db, lock_row
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import Earlier, HeldBack, RetentionState

_release = aliased(Payout, name="release")
ENDED = (PayoutState.CANCELLED.value, PayoutState.REJECTED.value)


def earlier_of(organisation_id: int, installation_ids: Sequence[int]) -> dict[tuple[int, int], Earlier]:
    """(installation, payee) → what was released or charged of it with payouts that were rejected or cancelled.

    Whoever has the share now bears only what they had themselves: docs/decisions/0028 says what that comes to.
    """
    query = (
        select(
            Retention.installation_id, Retention.payee_id, Retention.id, Retention.version, Retention.currency,
            Retention.amount_minor, Retention.charged_minor, Retention.state, Retention.rate_bp, Retention.release_on,
            Retention.reason, Retention.edited_by_id, Payout.reference.label("payout"),
            _release.reference.label("released_with"),
        )
        .join(Payout, Payout.id == Retention.payout_id)
        .outerjoin(_release, _release.id == Retention.release_payout_id)
        .where(
            Retention.organisation_id == organisation_id,
            among(Retention.installation_id, installation_ids),
            Payout.state.in_(ENDED),
            or_(Retention.state == RetentionState.RELEASED.value, Retention.charged_minor > 0),
        )
        .order_by(Retention.id)
    )  # fmt: skip
    return {
        (row.installation_id, row.payee_id): Earlier(
            row.id, row.version, Money(row.amount_minor, row.currency), Money(row.charged_minor, row.currency),
            row.rate_bp, row.release_on, row.payout, row.released_with or "", row.reason, row.edited_by_id,
        )
        for row in ask(query)
    }  # fmt: skip


def take_over(payout: Payout, held: HeldBack, earlier: Earlier, now: datetime) -> None:
    """The row of a payout that was cancelled is that of the new one from now on. Raises Conflict if it just changed."""
    row = lock_row(
        Retention, Retention.organisation_id == payout.organisation_id, Retention.id == earlier.retention_id
    )
    if row.version != earlier.version:
        raise Conflict(f"What was held back with {earlier.payout} has just changed. Try again.")
    row.payout_id, row.version = payout.id, row.version + 1
    if not earlier.released_with:
        is_all = held.amount == earlier.charged
        row.amount_minor, row.rate_bp, row.release_on = held.amount.amount, held.basis_points, held.release_on
        row.state = (RetentionState.CHARGED if is_all else RetentionState.HELD).value
        row.settled_at = now if is_all else None
        row.offer, row.offer_reason = "open", ""
    db.session.flush()
