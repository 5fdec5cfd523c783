"""What workers do for the organisation's books: bring them in line with one payout."""

from __future__ import annotations

from webapp.accounting import sync
from webapp.outbox.service import Later


def sync_payout(reference_id: int) -> Later | None:
    """Bring the books in line with payout `reference_id`, as it stands now."""
    return sync.work(reference_id)
