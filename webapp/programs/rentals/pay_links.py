"""Links by which a tenant pays one month's rent without an account: signed, for a time, and revocable.

A link names the charge by its random uid. Revoking gives the charge a new uid, so every link that was sent opens
nothing any more. A link that was damaged or made up is not told apart from one of another installation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.audit import service as audit
from webapp.config import Settings
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.ids import new_uid
from webapp.programs.rentals.models import Lease, RentCharge, Unit

# After the due day, or after the link was made where that is later: arrears are paid by the same link.
VALID_FOR = timedelta(days=60)
_LONGEST_TOKEN = 300


@dataclass(frozen=True)
class Ticket:
    """What a signed token says: which charge, and until when it opens its page."""

    charge_uid: str
    expires_at: datetime


def _serializer() -> URLSafeSerializer:
    settings: Settings = current_app.config["SETTINGS"]
    return URLSafeSerializer(settings.signing_keys, salt="rent-pay-link")


def token_of(charge: RentCharge, now: datetime) -> str:
    """A token that opens the pay page of a charge; it belongs into a mail to its tenant and nowhere else."""
    due = datetime.combine(charge.due_on, time(), UTC)
    expires_at = max(due, now) + VALID_FOR
    token: str | bytes = _serializer().dumps([charge.uid, int(expires_at.timestamp())])
    return token if isinstance(token, str) else token.decode()


def url_of(charge: RentCharge, public_url: str, now: datetime) -> str:
    """The address to send to the tenant; `public_url` is the site's own, without a slash at the end."""
    return f"{public_url}/rent/{token_of(charge, now)}"


def read(token: str) -> Ticket | None:
    """What a token says, whether it still opens anything or not; None for a token that we never signed."""
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        uid, seconds = _serializer().loads(token)
        return Ticket(str(uid), datetime.fromtimestamp(int(seconds), UTC))
    except (BadSignature, ValueError, TypeError, OverflowError, OSError):
        return None


def find(ticket: Ticket, now: datetime) -> RentCharge | None:
    """The charge that a ticket opens; None when it has run out or was revoked."""
    if now >= ticket.expires_at:
        return None
    return db.session.scalars(
        select(RentCharge)
        .where(RentCharge.uid == ticket.charge_uid)
        .options(joinedload(RentCharge.lease).joinedload(Lease.unit).joinedload(Unit.property))
    ).one_or_none()


def revoke(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> RentCharge:
    """Make every pay link of a charge worthless; a new one can be sent at once. Raises NotFound."""
    charge = lock_row(
        RentCharge, RentCharge.organisation_id == organisation_id, RentCharge.reference == reference
    )
    charge.uid = new_uid()
    charge.version += 1
    audit.record(
        tag="rentals:rent_charge:pay_links_revoked",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="rent_charge",
        subject_id=charge.id,
        subject_label=reference,
        changes={},
    )
    db.session.flush()
    return charge
