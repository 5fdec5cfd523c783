"""What workers do for rents: ask the gateway, share out, give back; write to tenants and owners."""

from __future__ import annotations

from flask import current_app

from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.notices.service import Desk
from webapp.programs.rentals import collecting, owner_mails, returns, tenant_mails


def check_payment(reference_id: int) -> None:
    """Ask the gateway what became of payment `reference_id`, as planned."""
    collecting.check(payment_id=reference_id, is_scheduled=True)


def share(reference_id: int) -> None:
    """Share the rent of payment `reference_id` out and pay the owners."""
    collecting.share(payment_id=reference_id)


def work_return(reference_id: int) -> None:
    """Order return `reference_id` at the gateway, or ask what became of it."""
    returns.work(return_id=reference_id)


def _desk() -> Desk:
    settings: Settings = current_app.config["SETTINGS"]
    return Desk(settings.public_url, settings.mail_from, utc_now())


def mail_reminder(reference_id: int) -> None:
    """Remind the tenant of a month's rent, as reminder `reference_id` says."""
    with transaction():
        tenant_mails.reminder(reference_id, desk=_desk())


def mail_refunded(reference_id: int) -> None:
    """Tell the tenant that the rent of return `reference_id` went back."""
    with transaction():
        tenant_mails.refunded(reference_id, desk=_desk())


def mail_went_back(reference_id: int) -> None:
    """Tell the owner what debt `reference_id` is about: rent that went back to the tenant."""
    with transaction():
        owner_mails.went_back(reference_id, desk=_desk())


def mail_shares_changed(reference_id: int) -> None:
    """Tell the owner of change `reference_id` that their part of a property is another one."""
    with transaction():
        owner_mails.shares_changed(reference_id, desk=_desk())
