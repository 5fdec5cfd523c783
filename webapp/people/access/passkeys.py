"""Passkeys (WebAuthn): adding one, and proving with one. The person is verified by the authenticator itself.

The challenge of a ceremony is kept with the session that asked for it, is good for five minutes and once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound
from webapp.people import sessions
from webapp.people.access import second_factor
from webapp.people.access.models import Passkey
from webapp.people.models import User

VALID_FOR = timedelta(minutes=5)
MAXIMUM_PASSKEYS = 20
MAXIMUM_ANSWER = 20_000
NAME = "Paydesk"
# What reading an answer may raise that no honest browser sends.
_UNREADABLE = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, IndexError)
NOT_ADDED = "The passkey was not added. Try again; it must be set up on this page, within five minutes."


@dataclass(frozen=True)
class Site:
    """The address that passkeys belong to: browsers refuse them anywhere else."""

    host: str
    origin: str


def site_of(public_url: str) -> Site:
    """The site of a public address, such as https://pay.example.org or http://localhost:8000."""
    parts = urlsplit(public_url)
    return Site(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


def passkeys_of(user_id: int) -> list[Passkey]:
    """A user's passkeys, the oldest first."""
    return list(db.session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.id)))


def _described(rows: list[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential_id)) for row in rows]


def registration_options(*, user: User, session_id: int, site: Site, now: datetime) -> str:
    """What the browser needs to make a passkey, as JSON; keeps the challenge with the session."""
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=NAME,
        user_id=f"paydesk-{user.id}".encode(),
        user_name=user.email,
        user_display_name=user.name,
        exclude_credentials=_described(passkeys_of(user.id)),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    _keep(options.challenge, session_id, now)
    return webauthn.options_to_json(options)


def authentication_options(*, user_id: int, session_id: int, site: Site, now: datetime) -> str:
    """What the browser needs to prove with a passkey, as JSON. Raises NotFound for somebody without one."""
    rows = passkeys_of(user_id)
    if not rows:
        raise NotFound
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        allow_credentials=_described(rows),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(options.challenge, session_id, now)
    return webauthn.options_to_json(options)


def _keep(challenge: bytes, session_id: int, now: datetime) -> None:
    sessions.set_challenge(
        session_id=session_id, challenge=bytes_to_base64url(challenge), until=now + VALID_FOR
    )


def _take(client_data: bytes, session_id: int, now: datetime) -> bytes | None:
    """The challenge that an answer names, if it is the one this session waits for; it is used up."""
    challenge = parse_client_data_json(client_data).challenge
    fits = sessions.take_challenge(session_id=session_id, challenge=bytes_to_base64url(challenge), now=now)
    return challenge if fits else None


def add(
    *, user_id: int, session_id: int, answer: str, name: str, site: Site, actor: Actor, now: datetime
) -> list[str] | None:
    """Keep the passkey that a browser made; returns recovery codes to be shown once (none beside other factors).

    None when the answer is not one to this session's challenge; commit all the same, so that the challenge is
    used up. Raises Invalid for the name.
    """
    label = _name(name)
    if len(passkeys_of(user_id)) >= MAXIMUM_PASSKEYS:
        raise Invalid("name", f"There are {MAXIMUM_PASSKEYS} passkeys. Remove one that is not used any more.")
    verified = _verified_registration(answer[:MAXIMUM_ANSWER], session_id, site, now)
    if verified is None:
        return None
    row = Passkey(
        user_id=user_id,
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=bytes_to_base64url(verified.credential_public_key),
        sign_count=verified.sign_count,
        name=label,
        created_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError:
        # The same authenticator at two people: one person behind two approvers.
        return None
    return second_factor.added(
        user_id=user_id,
        session_id=session_id,
        what="passkey",
        uid=str(row.id),
        actor=actor,
        now=now,
        label=label,
    )


def _verified_registration(answer: str, session_id: int, site: Site, now: datetime) -> Any:
    try:
        credential = parse_registration_credential_json(answer)
        challenge = _take(credential.response.client_data_json, session_id, now)
        if challenge is None:
            return None
        return webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _UNREADABLE:
        return None


def check(*, user_id: int, session_id: int, answer: str, site: Site, actor: Actor, now: datetime) -> bool:
    """Whether the answer proves one of the user's passkeys, for the challenge this session waits for."""
    try:
        credential = parse_authentication_credential_json(answer[:MAXIMUM_ANSWER])
        challenge = _take(credential.response.client_data_json, session_id, now)
        row = _find(user_id, bytes_to_base64url(credential.raw_id))
        if challenge is None or row is None:
            return False
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(row.public_key),
            # The count is compared below: one that goes back is worth a word in the audit trail.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _UNREADABLE:
        return False
    return _count(row, verified.new_sign_count, actor, now)


def _find(user_id: int, credential_id: str) -> Passkey | None:
    return db.session.scalar(
        select(Passkey).where(Passkey.user_id == user_id, Passkey.credential_id == credential_id)
    )


def _count(row: Passkey, count: int, actor: Actor, now: datetime) -> bool:
    """Note the use. A counter that does not rise means that the key was copied: it is refused, and recorded."""
    rises = (Passkey.sign_count < count) if count else (Passkey.sign_count == 0)
    result: Any = db.session.execute(
        update(Passkey)
        .where(Passkey.id == row.id, rises)
        .values(sign_count=count, last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount == 1:
        return True
    audit.record(
        tag="people:passkey:counter_went_back",
        actor=actor,
        now=now,
        organisation_id=None,
        subject_type="passkey",
        subject_id=row.id,
        subject_label=row.name,
    )
    return False


def remove(*, user_id: int, passkey_id: int, session_id: int, actor: Actor, now: datetime) -> str:
    """Take one of the user's passkeys away; returns its name. Raises NotFound for anybody else's."""
    row = db.session.scalar(select(Passkey).where(Passkey.user_id == user_id, Passkey.id == passkey_id))
    if row is None:
        raise NotFound
    name = row.name
    db.session.delete(row)
    db.session.flush()
    second_factor.removed(
        user_id=user_id,
        session_id=session_id,
        what="passkey",
        uid=str(passkey_id),
        actor=actor,
        now=now,
        label=name,
    )
    return name


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 60:
        raise Invalid("name", "Enter a name of up to 60 characters.", "Work laptop")
    return name
