"""Proofs of who somebody is: the second step of sign-in, and the question before a money action."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.people import passwords, sessions
from webapp.people.access import devices, passkeys, second_factor
from webapp.people.access.passkeys import Site
from webapp.people.models import User, UserSession


@dataclass(frozen=True, repr=False)
class Proof:
    """What a person sent to prove who they are: one of the three."""

    password: str = ""
    code: str = ""
    passkey: str = ""


def _second_factor(
    user_id: int, session_id: int, proof: Proof, site: Site, actor: Actor, now: datetime
) -> str:
    """The factor that the proof is of: "passkey", "totp", "recovery_code"; empty when it is not right."""
    if proof.passkey:
        is_right = passkeys.check(
            user_id=user_id, session_id=session_id, answer=proof.passkey, site=site, actor=actor, now=now
        )
        return "passkey" if is_right else ""
    if second_factor.check_code(user_id=user_id, code=proof.code, now=now):
        return "totp"
    if second_factor.use_recovery_code(user_id=user_id, code=proof.code, actor=actor, now=now):
        return "recovery_code"
    return ""


def complete_sign_in(
    *, row: UserSession, proof: Proof, site: Site, origin: Actor, now: datetime, device: str = ""
) -> str | None:
    """Open the doors for a pending session whose second factor is right; its new token, or None.

    `device` is the browser's own token: of a sign-in from an unknown one the person is told.
    """
    actor = replace(origin, user_id=row.user_id, label=row.user.email)
    factor = _second_factor(row.user_id, row.id, proof, site, actor, now)
    token = sessions.complete(session_id=row.id, factor=factor, now=now) if factor else None
    if token is None:
        # Nobody is signed in yet: the event is about the account, and names no actor.
        _record("second_factor_failed", row, replace(origin, user_id=None), now)
        return None
    _record("signed_in", row, actor, now, note=factor)
    if device:
        devices.note(session=row, token=device, now=now)
    return token


def confirm(*, row: UserSession, proof: Proof, site: Site, actor: Actor, now: datetime) -> str | None:
    """Take a password, a code or a passkey of somebody signed in; the session's new token, or None.

    Recovery codes are for signing in: one is not burned on a question that the password answers.
    """
    factor = _confirmed_by(row, proof, site, actor, now)
    token = sessions.renew(session_id=row.id, now=now) if factor else None
    _record("confirmed" if token else "confirm_failed", row, actor, now, note=factor)
    return token


def _confirmed_by(row: UserSession, proof: Proof, site: Site, actor: Actor, now: datetime) -> str:
    if proof.passkey:
        return _second_factor(row.user_id, row.id, proof, site, actor, now)
    if proof.code:
        return "totp" if second_factor.check_code(user_id=row.user_id, code=proof.code, now=now) else ""
    stored = db.session.get_one(User, row.user_id).password_hash
    return "password" if proof.password and passwords.verify(proof.password, stored) else ""


def _record(action: str, row: UserSession, actor: Actor, now: datetime, note: str = "") -> None:
    audit.record(
        tag=f"people:session:{action}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id if action in ("signed_in", "confirmed") else None,
        subject_type="session",
        subject_id=row.id,
        subject_label=row.user.email,
        note=note,
    )
