"""A letter to people of an organisation: to one user, to all its admins, to a payee."""

from __future__ import annotations

from dataclasses import replace

from webapp.notices import preferences, recipients, service
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Attachment, Desk
from webapp.people import members
from webapp.people.models import Organisation, Payee, User


def to_user(letter: Letter, user: User, key: str, organisation: Organisation, desk: Desk) -> Email | None:
    """Write to a user of the organisation; None when they are switched off or do not want such mail.

    The letter's folder is the kind of mail.
    """
    if not user.is_active or not preferences.wants(letter.folder, user_id=user.id):
        return None
    return service.write(
        notice=letter.folder,
        key=key,
        letter=letter,
        to=recipients.of_user(user),
        desk=desk,
        organisation_id=organisation.id,
    )


def to_admins(
    letter: Letter, key: str, organisation: Organisation, desk: Desk, *, without: int | None = None
) -> list[Email]:
    """Write the same letter to every active admin, each by name."""
    made = [
        to_user(replace(letter, name=admin.name), admin, key, organisation, desk)
        for admin in members.active_admins(organisation.id, without=without)
    ]
    return [email for email in made if email is not None]


def to_payee(
    letter: Letter,
    payee: Payee,
    key: str,
    organisation: Organisation,
    desk: Desk,
    *,
    attachment: Attachment | None = None,
) -> Email | None:
    """Write to a payee by name, who answers to the organisation; None when nobody knows an address.

    The letter's folder is the kind of mail.
    """
    to = recipients.of_payee(payee)
    if to is None:
        return None
    return service.write(
        notice=letter.folder,
        key=key,
        letter=replace(letter, name=payee.name, contact=organisation.contact_email),
        to=to,
        desk=desk,
        organisation_id=organisation.id,
        attachment=attachment,
    )
