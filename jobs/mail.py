"""What workers do for e-mail: compose the mails about a payout, send queued ones."""

from __future__ import annotations

from flask import current_app

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices import sending, service
from webapp.outbox.service import Later


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _compose(event: str, payout_id: int) -> None:
    settings = _settings()
    with transaction():
        service.compose_payout(
            event, payout_id, now=utc_now(), public_url=settings.public_url, mail_from=settings.mail_from
        )


def payout_approved(reference_id: int) -> None:
    """Tell the payee that payout `reference_id` is approved."""
    _compose("approved", reference_id)


def payout_rejected(reference_id: int) -> None:
    """Tell the payee that payout `reference_id` is rejected, and why."""
    _compose("rejected", reference_id)


def payout_paid(reference_id: int) -> None:
    """Tell the payee that payout `reference_id` is paid, and under which reference."""
    _compose("paid", reference_id)


def payout_failed(reference_id: int) -> None:
    """Tell the payee that the bank did not take payout `reference_id`, and what happens next."""
    _compose("failed", reference_id)


def payout_reversed(reference_id: int) -> None:
    """Tell the payee that the bank returned payout `reference_id`."""
    _compose("reversed", reference_id)


def send_email(reference_id: int) -> Later | None:
    """Send mail `reference_id`; answers when to come back while the server is away or another worker has it."""
    return sending.send(reference_id, settings=_settings(), now=utc_now())
