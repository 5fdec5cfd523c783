"""What workers do for webhooks: send what waits, tell admins of an endpoint that was stopped, forget what is old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import current_app

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices.service import Desk
from webapp.outbox.service import Later
from webapp.webhooks import deliveries, forgetting, mails


def deliver(reference_ids: Sequence[int]) -> dict[int, Later | None]:
    """Send deliveries `reference_ids`; answers, by delivery, when to look again."""
    settings: Settings = current_app.config["SETTINGS"]
    return deliveries.deliver(reference_ids, is_trial=settings.environment != "production", clock=utc_now)


def mail_stopped(reference_id: int) -> None:
    """Tell the admins that endpoint `reference_id` was stopped."""
    settings: Settings = current_app.config["SETTINGS"]
    with transaction():
        mails.stopped(reference_id, desk=Desk(settings.public_url, settings.mail_from, utc_now()))


def forget(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic: what was settled long ago is removed."""
    forgetting.forget(now=now)
