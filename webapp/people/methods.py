"""Payout methods: every change is a new version; the old ones stay for history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import NotFound, StaleVersion
from webapp.kernel.ids import new_uid
from webapp.people import secrets
from webapp.people.accounts import Destination
from webapp.people.models import Payee, PayoutMethod

# How long a change of payment details waits, unless the organisation's policy says otherwise.
DEFAULT_COOL_OFF_HOURS = 48
_cool_off_policy: list[Callable[[int], int]] = []


def register_cool_off(policy: Callable[[int], int]) -> None:
    """Let a room above this one say how many hours an organisation (by id) lets a change wait."""
    _cool_off_policy[:] = [policy]


def cool_off_hours(organisation_id: int) -> int:
    """Hours that a change of payment details waits before it is paid to."""
    return _cool_off_policy[0](organisation_id) if _cool_off_policy else DEFAULT_COOL_OFF_HOURS


def blind_index(organisation_id: int, destination: Destination) -> str:
    """Hash that is equal for equal accounts of one organisation; empty when paid by hand."""
    if not destination.identity:
        return ""
    return secrets.key_ring().blind_index(f"{organisation_id}:{destination.identity}")


def set_payout_method(
    *,
    organisation_id: int,
    payee_id: int,
    destination: Destination,
    actor: Actor,
    now: datetime,
    cool_off_hours: int = 0,
    expected_version: int | None = None,
) -> PayoutMethod:
    """Make `destination` where the payee's money goes. The same as now changes nothing.

    A change (not a first method) waits `cool_off_hours` before it is paid to. `expected_version` is the
    version that the person saw (0: none). Raises NotFound, StaleVersion.
    """
    payee = db.session.scalar(
        select(Payee).where(Payee.organisation_id == organisation_id, Payee.id == payee_id).with_for_update()
    )
    if payee is None:
        raise NotFound
    old = db.session.scalar(
        select(PayoutMethod).where(PayoutMethod.payee_id == payee_id, PayoutMethod.is_current.is_(True))
    )
    seen = old.version if old else 0
    if expected_version is not None and expected_version != seen:
        raise StaleVersion(
            f"Somebody else changed the payment details of {payee.name} since you opened this page."
        )
    index = blind_index(organisation_id, destination)
    if old is not None and _is_same(old, destination, index):
        return old
    if old is not None:
        old.is_current, old.replaced_at = False, now
        db.session.flush()
    method = _new_version(payee, destination, index, seen + 1, actor, now)
    if old is not None and cool_off_hours > 0:
        method.cool_off_until = now + timedelta(hours=cool_off_hours)
    db.session.add(method)
    db.session.flush()
    db.session.expire(payee, ["current_method", "methods"])
    audit.record(
        tag="people:payout_method:changed" if old else "people:payout_method:added",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="payee",
        subject_id=payee_id,
        subject_label=f"{payee.reference} {payee.name}",
        changes={
            "payout method": [old.masked if old else None, method.masked],
            "version": [seen or None, method.version],
        },
    )
    return method


def _is_same(old: PayoutMethod, destination: Destination, index: str) -> bool:
    return (old.kind, old.scheme, old.name_at_bank, old.bank_name, old.blind_index) == (
        destination.kind,
        destination.scheme,
        destination.name_at_bank,
        destination.bank_name,
        index,
    )


def _new_version(
    payee: Payee, destination: Destination, index: str, version: int, actor: Actor, now: datetime
) -> PayoutMethod:
    uid = new_uid()
    sealed = None
    if destination.details:
        sealed = secrets.key_ring().encrypt(destination.details, secrets.binding_of(uid))
    return PayoutMethod(
        uid=uid,
        organisation_id=payee.organisation_id,
        payee_id=payee.id,
        version=version,
        kind=destination.kind,
        scheme=destination.scheme,
        name_at_bank=destination.name_at_bank,
        bank_name=destination.bank_name,
        masked=destination.masked,
        details_encrypted=sealed,
        blind_index=index,
        created_by_id=actor.user_id,
        created_at=now,
    )
