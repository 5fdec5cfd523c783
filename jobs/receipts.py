"""What workers do for drivers' weekly receipts and disputes: write receipts down for drawing, tell people by e-mail."""

from __future__ import annotations

from flask import current_app

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices.service import Desk
from webapp.programs.repairs import driver_mails, receipt_document


def freeze_receipts(reference_id: int) -> None:
    """Write down what the receipts of weekly run `reference_id` say; each is then drawn for itself."""
    receipt_document.make_of_run(run_id=reference_id, now=utc_now())


def freeze_receipt(reference_id: int) -> None:
    """Write down what receipt `reference_id` says, unless that is done."""
    receipt_document.make_one(receipt_id=reference_id, now=utc_now())


def _desk() -> Desk:
    settings: Settings = current_app.config["SETTINGS"]
    return Desk(settings.public_url, settings.mail_from, utc_now())


def mail_receipt(reference_id: int) -> None:
    """Send the driver the weekly receipt of document `reference_id`, with the PDF."""
    with transaction():
        driver_mails.receipt(reference_id, desk=_desk())


def mail_dispute_opened(reference_id: int) -> None:
    """Tell the admins that dispute `reference_id` waits for a decision."""
    with transaction():
        driver_mails.dispute_opened(reference_id, desk=_desk())


def mail_dispute_decided(reference_id: int) -> None:
    """Tell the driver what was decided about dispute `reference_id`."""
    with transaction():
        driver_mails.dispute_decided(reference_id, desk=_desk())
