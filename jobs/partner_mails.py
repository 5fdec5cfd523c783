"""What workers write to partners and admins about registered deals and disputed commissions."""

from __future__ import annotations

from flask import current_app

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices.service import Desk
from webapp.programs.partners import partner_mails


def _desk() -> Desk:
    settings: Settings = current_app.config["SETTINGS"]
    return Desk(settings.public_url, settings.mail_from, utc_now())


def registration_made(reference_id: int) -> None:
    """Tell the admins that registration `reference_id` waits for a decision."""
    with transaction():
        partner_mails.registration_made(reference_id, desk=_desk())


def registration_decided(reference_id: int) -> None:
    """Tell the partner what was decided about registration `reference_id`."""
    with transaction():
        partner_mails.registration_decided(reference_id, desk=_desk())


def commission_disputed(reference_id: int) -> None:
    """Tell the admins that dispute `reference_id` about a commission waits for an answer."""
    with transaction():
        partner_mails.commission_disputed(reference_id, desk=_desk())


def commission_decided(reference_id: int) -> None:
    """Tell the partner what was decided about dispute `reference_id`."""
    with transaction():
        partner_mails.commission_decided(reference_id, desk=_desk())
