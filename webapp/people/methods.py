"""Payout methods: every change is a new version; the old ones stay for history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from webapp import secrets
from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import StaleVersion
from webapp.kernel.ids import new_uid
from webapp.people.accounts import Destination
from webapp.people.models import Payee, PayoutMethod

# How long a change of payment details waits, unless the organisation's policy says otherwise.
DEFAULT_COOL_OFF_HOURS = 48
_cool_off_policy: list[Callable[[int], int]] = []
_single_operator: list[Callable[[int], int | None]] = []


def register_cool_off(policy: Callable[[int], int]) -> None:
    """Let a room above this one say how many hours an organisation (by id) lets a change wait."""
    _cool_off_policy[:] = [policy]


def cool_off_hours(organisation_id: int) -> int:
    """Hours that a change of payment details waits before it is paid to."""
    return _cool_off_policy[0](organisation_id) if _cool_off_policy else DEFAULT_COOL_OFF_HOURS


def register_single_operator(policy: Callable[[int], int | None]) -> None:
    """Let a room above this one say how many hours replace the second person in a one-person organisation.

    It answers None for an organisation (by id) where two people are needed.
    """
    _single_operator[:] = [policy]


def single_operator_hours(organisation_id: int) -> int | None:
    """Hours that replace the second person; None where two people are needed."""
    return _single_operator[0](organisation_id) if _single_operator else None


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
    entered_by: Actor | None = None,
) -> PayoutMethod:
    """Make `destination` where the payee's money goes. The same as now changes nothing.

    Whoever sets details calls `changes.service.ask`, which asks for a second person; this is its last step.
    A change (not a first method) waits `cool_off_hours` before it is paid to. `expected_version` is the
    version that the person saw (0: none). `entered_by` is who asked for the details, where that is not the
    actor. Raises NotFound, StaleVersion.
    """
    payee = lock_payee(organisation_id, payee_id)
    old = current_version(payee_id)
    check_seen(payee, old, expected_version)
    seen = old.version if old else 0
    index = blind_index(organisation_id, destination)
    if old is not None and is_same(old, destination, index):
        return old
    if old is not None:
        old.is_current, old.replaced_at = False, now
        db.session.flush()
    method = _new_version(payee, destination, index, seen + 1, (entered_by or actor).user_id, now)
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


def lock_payee(organisation_id: int, payee_id: int) -> Payee:
    """The payee's row, locked until the transaction ends: whoever changes where money goes takes it first.

    Raises NotFound, also for another organisation's.
    """
    return lock_row(Payee, Payee.organisation_id == organisation_id, Payee.id == payee_id)


def current_version(payee_id: int) -> PayoutMethod | None:
    """Where the payee's money goes now, read afresh."""
    return db.session.scalar(
        select(PayoutMethod)
        .where(PayoutMethod.payee_id == payee_id, PayoutMethod.is_current.is_(True))
        .execution_options(populate_existing=True)
    )


def check_seen(payee: Payee, current: PayoutMethod | None, expected_version: int | None) -> None:
    """Refuse when the person saw other details than there are (0: none). Raises StaleVersion."""
    if expected_version is not None and expected_version != (current.version if current else 0):
        raise StaleVersion(
            f"Somebody else changed the payment details of {payee.name} since you opened this page."
        )


def start_cool_off(*, payee: Payee, now: datetime) -> PayoutMethod | None:
    """Let the present details wait, because the way to reach the payee has changed; None without details.

    A longer wait stays; who released an earlier one is asked again.
    """
    method = current_version(payee.id)
    hours = cool_off_hours(payee.organisation_id)
    if method is None or hours <= 0:
        return None
    until = now + timedelta(hours=hours)
    if method.cool_off_until is None or method.cool_off_until < until:
        method.cool_off_until = until
    return method


def is_same(old: PayoutMethod, destination: Destination, index: str) -> bool:
    """Whether a destination is what a version says already."""
    return (old.kind, old.scheme, old.name_at_bank, old.bank_name, old.blind_index) == (
        destination.kind,
        destination.scheme,
        destination.name_at_bank,
        destination.bank_name,
        index,
    )


def _new_version(
    payee: Payee, destination: Destination, index: str, version: int, entered_by_id: int | None, now: datetime
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
        created_by_id=entered_by_id,
        created_at=now,
    )
