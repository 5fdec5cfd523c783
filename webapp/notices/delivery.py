"""A letter to people of an organisation: to one user, or to all its admins."""

from __future__ import annotations

from dataclasses import replace

from webapp.notices import preferences, recipients, service
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.people import members
from webapp.people.models import Organisation, User


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
