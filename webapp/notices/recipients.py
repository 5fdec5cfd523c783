"""Who is written to: a payee under every address that is or lately was theirs, the admins, one user."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.notices.service import Recipient
from webapp.people.models import Organisation, Payee, User

# Somebody who takes an account over changes the address first: for so long the old one is told, too.
OLD_ADDRESS_DAYS = 90


def of_user(user: User) -> Recipient:
    """A user, at the address they sign in with."""
    return Recipient(user.email, user.name, user_id=user.id)


def of_payee(payee: Payee) -> Recipient | None:
    """A payee's own address, or that of the user behind them; None when nobody knows one."""
    user = db.session.get(User, payee.user_id) if payee.user_id else None
    address = payee.email or (user.email if user else "")
    return Recipient(address, payee.name, payee.user_id, payee.id) if address else None


def all_of_payee(payee: Payee, now: datetime) -> list[Recipient]:
    """The payee's address, their user's, and those replaced within OLD_ADDRESS_DAYS; each once.

    Only the present ones show the mail on the user's own pages.
    """
    user = db.session.get(User, payee.user_id) if payee.user_id else None
    found: dict[str, Recipient] = {}
    for address in (payee.email, user.email if user else ""):
        if address:
            found.setdefault(address.lower(), Recipient(address, payee.name, payee.user_id, payee.id))
    for address in _old_addresses(payee, now):
        found.setdefault(address.lower(), Recipient(address, payee.name, None, payee.id))
    return list(found.values())


def _old_addresses(payee: Payee, now: datetime) -> list[str]:
    query = select(AuditEvent.changes).where(
        AuditEvent.organisation_id == payee.organisation_id,
        AuditEvent.subject_type == "payee",
        AuditEvent.subject_id == payee.id,
        AuditEvent.at > now - timedelta(days=OLD_ADDRESS_DAYS),
    )
    changes = [changes["email"] for changes in db.session.scalars(query) if "email" in (changes or {})]
    return [str(change[0]) for change in changes if isinstance(change, list) and change[0]]


def organisation_of(user: User) -> Organisation | None:
    """The organisation whose zone and contact a mail about a user's account uses: the first they belong to."""
    memberships = sorted(user.memberships, key=lambda membership: membership.id)
    return memberships[0].organisation if memberships else None


def tell(organisation: Organisation) -> str:
    """How to reach the organisation, inside a sentence: “answer this mail or write to …”."""
    contact = organisation.contact_email
    return f"answer this mail or write to {contact}" if contact else f"tell {organisation.name}"
