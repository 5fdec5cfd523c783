"""What workers do for e-mail: compose the mails that rooms ask for, send queued ones.

Each function is given the id of the row that the mail is about; called again, it writes no second mail.
"""

from __future__ import annotations

from flask import current_app

from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.notices import accounts, details, sending, service, stops, wanted, work
from webapp.notices import digest as digests
from webapp.notices.service import Desk
from webapp.outbox.service import Later
from webapp.programs.rentals import tenant_mails
from webapp.statements.models import Document


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _desk() -> Desk:
    return Desk(_settings().public_url, _settings().mail_from, utc_now())


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


def account_link(reference_id: int) -> None:
    """Mail the personal link `reference_id`: an invitation, or a way to a new password."""
    with transaction():
        accounts.account_link(reference_id, desk=_desk())


def new_device(reference_id: int) -> None:
    """Tell a user about session `reference_id`, begun in a browser that was not known."""
    with transaction():
        accounts.new_device(reference_id, desk=_desk())


def password_changed(reference_id: int) -> None:
    """Tell user `reference_id` that their password was changed."""
    with transaction():
        accounts.security("password_changed", reference_id, desk=_desk())


def factor_added(reference_id: int) -> None:
    """Tell user `reference_id` that a second factor was added."""
    with transaction():
        accounts.security("factor_added", reference_id, desk=_desk())


def factor_removed(reference_id: int) -> None:
    """Tell user `reference_id` that a second factor was removed."""
    with transaction():
        accounts.security("factor_removed", reference_id, desk=_desk())


def recovery_used(reference_id: int) -> None:
    """Tell user `reference_id` that one of their recovery codes was used."""
    with transaction():
        accounts.security("recovery_used", reference_id, desk=_desk())


def details_wanted(reference_id: int) -> None:
    """Ask payee `reference_id` for payment details, because money waits for them."""
    with transaction():
        wanted.details_wanted(reference_id, desk=_desk())


def rent_due(reference_id: int) -> None:
    """Ask the tenant for the month's rent of charge `reference_id`, with the link that pays it."""
    with transaction():
        tenant_mails.due(reference_id, desk=_desk())


def rent_received(reference_id: int) -> None:
    """Send the tenant the receipt of rent payment `reference_id`."""
    with transaction():
        tenant_mails.received(reference_id, desk=_desk())


def details_asked(reference_id: int) -> None:
    """Tell payee and admins that change `reference_id` of payment details waits for a second person."""
    with transaction():
        details.asked(reference_id, desk=_desk())


def details_verified(reference_id: int) -> None:
    """Tell the payee that change `reference_id` of their payment details is in force."""
    with transaction():
        details.verified(reference_id, desk=_desk())


def details_refused(reference_id: int) -> None:
    """Tell the payee that change `reference_id` of their payment details was refused."""
    with transaction():
        details.refused(reference_id, desk=_desk())


def details_changed(reference_id: int) -> None:
    """Tell the payee about version `reference_id` of their payment details."""
    with transaction():
        details.changed(reference_id, desk=_desk())


def contact_changed(reference_id: int) -> None:
    """Tell payee `reference_id`, at the former address too, that their e-mail address or phone was changed."""
    with transaction():
        details.contact_changed(reference_id, desk=_desk())


def cool_off_released(reference_id: int) -> None:
    """Tell payee and admins that nothing waits any more for payment details `reference_id`."""
    with transaction():
        details.released(reference_id, desk=_desk())


def admin_added(reference_id: int) -> None:
    """Tell the other admins about the new one of membership `reference_id`."""
    with transaction():
        work.admin_added(reference_id, desk=_desk())


def policy_changed(reference_id: int) -> None:
    """Tell the admins about version `reference_id` of the approval rules."""
    with transaction():
        work.policy_changed(reference_id, desk=_desk())


def policy_proposed(reference_id: int) -> None:
    """Tell the other admins that changed approval rules `reference_id` wait for one of them."""
    with transaction():
        work.policy_proposed(reference_id, desk=_desk())


def payments_stopped(reference_id: int) -> None:
    """Tell the admins about cause `reference_id`: payments stand still, or transfers have no answer."""
    with transaction():
        stops.stopped(reference_id, desk=_desk())


def payments_resumed(reference_id: int) -> None:
    """Tell the admins that cause `reference_id` is gone and payments go on."""
    with transaction():
        stops.resumed(reference_id, desk=_desk())


def lift_asked(reference_id: int) -> None:
    """Tell the other admins that wish `reference_id` to lift a halt waits for one of them."""
    with transaction():
        stops.lift_asked(reference_id, desk=_desk())


def bulk_result(reference_id: int) -> None:
    """Tell the person who started run `reference_id` what became of it."""
    with transaction():
        work.bulk_result(reference_id, desk=_desk())


def import_result(reference_id: int) -> None:
    """Tell the person who imported file `reference_id` what became of it."""
    with transaction():
        work.import_result(reference_id, desk=_desk())


def digest(reference_id: int) -> None:
    """Tell user `reference_id` which payouts wait for them."""
    with transaction():
        digests.digests(reference_id, desk=_desk())


def statement(reference_id: int) -> None:
    """Tell the payee that monthly statement `reference_id` is ready."""
    with transaction():
        work.statement(_statement_facts(reference_id), desk=_desk())


def _statement_facts(document_id: int) -> work.StatementFacts:
    """Rooms of the same level do not know one another: the job carries the facts from statements to notices."""
    document = db.session.get(Document, document_id)
    if document is None or document.period_start is None or document.period_end is None:
        raise NotFound
    return work.StatementFacts(
        document_id=document.id,
        organisation_id=document.organisation_id,
        payee_id=document.payee_id,
        number=document.number,
        period_start=document.period_start,
        period_end=document.period_end,
        currency=document.currency,
        closing_minor=document.closing_minor or 0,
        is_reissue=document.replaces_id is not None,
        balances=tuple(
            (section["balance_title"], section["closing_minor"])
            for section in (document.facts or {}).get("sections", ())
            if section["closing_minor"]
        ),
    )


def send_email(reference_id: int) -> Later | None:
    """Send mail `reference_id`; answers when to come back while the server is away or another worker has it."""
    return sending.send(reference_id, settings=_settings(), now=utc_now())
