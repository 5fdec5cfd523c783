"""The authenticator app (TOTP) and the recovery codes of a user; passkeys are next door.

A code of the app is good once. Recovery codes are shown once, kept hashed, and burned on use. Every change of a
factor is told by e-mail and ends the person's sessions in other browsers.
"""

from __future__ import annotations

import hmac
import secrets as random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyotp
from sqlalchemy import delete, func, or_, select, update

from webapp import secrets
from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import ALPHABET, new_uid, token_hash
from webapp.outbox import service as outbox
from webapp.people import sessions
from webapp.people.access.models import Passkey, RecoveryCode, TotpSecret
from webapp.people.models import User

ISSUER = "Paydesk"
STEP_SECONDS = 30
DIGITS = 6
# Steps before and after the present one whose codes are taken, too: clocks differ.
TOLERANCE = 1
RECOVERY_CODES = 10
# Sixteen signs of 32 are 80 bits: even a plain hash of them cannot be searched.
_GROUPS, _GROUP = 4, 4
WRONG_CODE = "That code is not right."


@dataclass(frozen=True)
class Factors:
    """What a user can prove themselves with beside the password."""

    app_since: datetime | None
    n_passkeys: int
    n_recovery_codes: int

    @property
    def has_any(self) -> bool:
        """Whether sign-in asks for a second factor."""
        return self.app_since is not None or self.n_passkeys > 0


def factors_of(user_id: int) -> Factors:
    """The second factors of a user, and how many recovery codes are left."""
    app = select(TotpSecret.confirmed_at).where(TotpSecret.user_id == user_id).scalar_subquery()
    passkeys = select(func.count(Passkey.id)).where(Passkey.user_id == user_id).scalar_subquery()
    codes = select(func.count(RecoveryCode.id)).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return Factors(*db.session.execute(select(app, passkeys, codes.scalar_subquery())).one())


def binding_of(uid: str) -> str:
    """What the encrypted secret of one authenticator app is bound to."""
    return f"totp_secrets.{uid}"


def _app_of(user_id: int) -> TotpSecret | None:
    return db.session.scalar(select(TotpSecret).where(TotpSecret.user_id == user_id))


def begin_setup(*, user_id: int, now: datetime) -> TotpSecret:
    """A new secret that waits for its first code. Raises Conflict when an app is set up already."""
    # Pressed twice, the second press waits for the first and begins anew.
    db.session.get_one(User, user_id, with_for_update=True)
    row = _app_of(user_id)
    if row is not None and row.confirmed_at is not None:
        raise Conflict("An authenticator app is set up already. Remove it before you set up another one.")
    if row is not None:
        db.session.delete(row)
        db.session.flush()
    uid = new_uid()
    sealed = secrets.key_ring().encrypt({"secret": pyotp.random_base32()}, binding_of(uid))
    row = TotpSecret(uid=uid, user_id=user_id, secret_encrypted=sealed, created_at=now)
    db.session.add(row)
    db.session.flush()
    return row


@dataclass(frozen=True, repr=False)
class Setup:
    """What the page of the setup shows: the secret in groups of four, and the address for the QR code."""

    secret: str
    address: str


def setup_of(user_id: int, email: str) -> Setup | None:
    """The setup that waits for its first code, if there is one."""
    row = _app_of(user_id)
    if row is None or row.confirmed_at is not None:
        return None
    secret = _secret(row)
    address = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    return Setup(" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)), address)


def _secret(row: TotpSecret) -> str:
    return secrets.key_ring().decrypt(row.secret_encrypted, binding_of(row.uid)).reveal()["secret"]


def _matching_step(row: TotpSecret, code: str, now: datetime) -> int | None:
    """The time step whose code this is, if it is one of those that count now."""
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return None
    app = pyotp.TOTP(_secret(row), interval=STEP_SECONDS, digits=DIGITS)
    present = int(now.timestamp()) // STEP_SECONDS
    steps = range(present - TOLERANCE, present + TOLERANCE + 1)
    # Every one is compared, so that the time taken says nothing.
    matches = [step for step in steps if hmac.compare_digest(app.generate_otp(step), typed)]
    return matches[-1] if matches else None


def _burn_step(row: TotpSecret, step: int | None) -> bool:
    """Use the code of a step up, for every process at once; False when it or a later one was used before."""
    if step is None:
        return False
    result: Any = db.session.execute(
        update(TotpSecret)
        .where(TotpSecret.id == row.id, or_(TotpSecret.last_step.is_(None), TotpSecret.last_step < step))
        .values(last_step=step)
    )
    return bool(result.rowcount == 1)


def check_code(*, user_id: int, code: str, now: datetime) -> bool:
    """Whether this is a code of the user's app that was not used before; using it burns it."""
    row = _app_of(user_id)
    if row is None or row.confirmed_at is None:
        return False
    return _burn_step(row, _matching_step(row, code, now))


def confirm_setup(*, user_id: int, session_id: int, code: str, actor: Actor, now: datetime) -> list[str]:
    """Make the app count, proved by a code of it; returns the recovery codes where new ones were made.

    Raises Invalid for a wrong code and NotFound when no setup is under way.
    """
    row = _app_of(user_id)
    if row is None or row.confirmed_at is not None:
        raise NotFound
    if not _burn_step(row, _matching_step(row, code, now)):
        raise Invalid("code", WRONG_CODE)
    row.confirmed_at = now
    return added(user_id=user_id, session_id=session_id, what="totp", uid=row.uid, actor=actor, now=now)


def remove_app(*, user_id: int, session_id: int, actor: Actor, now: datetime) -> None:
    """Take the authenticator app away. Raises NotFound when there is none."""
    row = _app_of(user_id)
    if row is None or row.confirmed_at is None:
        raise NotFound
    uid = row.uid
    db.session.delete(row)
    db.session.flush()
    removed(user_id=user_id, session_id=session_id, what="totp", uid=uid, actor=actor, now=now)


def added(
    *, user_id: int, session_id: int, what: str, uid: str, actor: Actor, now: datetime, label: str = ""
) -> list[str]:
    """Tell of a new factor; the first one brings recovery codes, which are returned to be shown once."""
    sessions.set_factor(session_id=session_id, factor=what)
    sessions.end_all(user_id=user_id, reason="second factor added", now=now, except_session_id=session_id)
    _tell("factor_added", user_id, uid, actor, now, f"people:{what}:added", label)
    if factors_of(user_id).n_recovery_codes:
        return []
    return new_recovery_codes(user_id=user_id, actor=actor, now=now)


def removed(
    *, user_id: int, session_id: int, what: str, uid: str, actor: Actor, now: datetime, label: str = ""
) -> None:
    """Tell of a factor that is gone; with the last one the recovery codes go, too."""
    if not factors_of(user_id).has_any:
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        sessions.set_factor(session_id=session_id, factor="password")
    sessions.end_all(user_id=user_id, reason="second factor removed", now=now, except_session_id=session_id)
    _tell("factor_removed", user_id, uid, actor, now, f"people:{what}:removed", label)


def remove_all(*, user_id: int, actor: Actor, now: datetime, note: str = "") -> None:
    """Take every factor of a user away and sign them out everywhere: for somebody who lost them all."""
    for model in (TotpSecret, Passkey, RecoveryCode):
        db.session.execute(delete(model).where(model.user_id == user_id))
    sessions.end_all(user_id=user_id, reason="second factor removed", now=now)
    _tell("factor_removed", user_id, new_uid(), actor, now, "people:factors:removed", note=note)


def _tell(
    kind: str,
    user_id: int,
    uid: str,
    actor: Actor,
    now: datetime,
    tag: str,
    label: str = "",
    note: str = "",
) -> None:
    user = db.session.get_one(User, user_id)
    audit.record(
        tag=tag,
        actor=actor,
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user_id,
        subject_label=user.email,
        changes={"name": [None, label] if kind == "factor_added" else [label, None]} if label else None,
        note=note,
    )
    outbox.ask_mail(kind=f"notice.security.{kind}", reference_id=user_id, now=now, part=f":{uid}")


def new_recovery_codes(*, user_id: int, actor: Actor, now: datetime) -> list[str]:
    """Ten new codes, to be shown once; those of before stop working."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = ["-".join(_group() for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)]
    db.session.add_all(
        RecoveryCode(user_id=user_id, code_hash=_hash(user_id, code), created_at=now) for code in codes
    )
    db.session.flush()
    _record("people:recovery_codes:made", user_id, actor, now)
    return codes


def _group() -> str:
    return "".join(random.choice(ALPHABET) for _ in range(_GROUP))


def _hash(user_id: int, code: str) -> str:
    """Hash of a code however it was typed: small letters, spaces and hyphens make no difference."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return token_hash(f"{user_id}:{plain}")


def use_recovery_code(*, user_id: int, code: str, actor: Actor, now: datetime) -> bool:
    """Whether this is an unused recovery code of the user; it is burned, and the person is told."""
    code_hash = _hash(user_id, code)
    unused = (
        RecoveryCode.user_id == user_id,
        # The database looks it up; no clock tells where two hashes differ.
        RecoveryCode.code_hash.in_([code_hash]),
        RecoveryCode.used_at.is_(None),
    )
    result: Any = db.session.execute(update(RecoveryCode).where(*unused).values(used_at=now))
    if result.rowcount != 1:
        return False
    _tell("recovery_used", user_id, code_hash[:32], actor, now, "people:recovery_codes:used")
    return True


def _record(tag: str, user_id: int, actor: Actor, now: datetime) -> None:
    audit.record(
        tag=tag,
        actor=actor,
        now=now,
        organisation_id=None,
        subject_type="user",
        subject_id=user_id,
        subject_label=actor.label,
    )
