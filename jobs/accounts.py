"""What workers do for accounts."""

from __future__ import annotations

from webapp.database import transaction
from webapp.kernel.actor import WORKER
from webapp.kernel.clock import utc_now
from webapp.people.access import links


def reset_asked(reference_id: int) -> None:
    """Mail user `reference_id` the reset link that somebody asked for; 0 stands for an unknown address."""
    with transaction():
        links.send_asked_reset(user_id=reference_id, actor=WORKER, now=utc_now())
