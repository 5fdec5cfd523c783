"""What workers do for messages of providers: look at them, and find those that nobody looked at."""

from __future__ import annotations

from datetime import datetime

from webapp.inbox import handling
from webapp.outbox.service import Later


def process(reference_id: int) -> Later | None:
    """Look at message `reference_id`: the provider is asked, and its answer takes effect."""
    return handling.process(message_id=reference_id)


def recover(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: messages that are new for longer than a minute."""
    handling.recover(clock=lambda: now)
