"""Which optional mail a person does not want. Mail about money and security has no such choice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, or_, select

from webapp.audit import service as audit
from webapp.database import db, insert_ignoring_conflict
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.notices import catalogue
from webapp.notices.marks import Subscription
from webapp.notices.models import NoticeOptOut
from webapp.people.models import Payee, User


def _payees_of(user_id: int) -> list[int]:
    return list(db.session.scalars(select(Payee.id).where(Payee.user_id == user_id)))


def _rows(subscription: Subscription) -> list[NoticeOptOut]:
    """The rows that stand against a kind of mail: the user's, and those of the payees that the user is."""
    clauses = []
    if subscription.user_id is not None:
        clauses.append(NoticeOptOut.user_id == subscription.user_id)
        clauses.append(NoticeOptOut.payee_id.in_(_payees_of(subscription.user_id)))
    if subscription.payee_id is not None:
        clauses.append(NoticeOptOut.payee_id == subscription.payee_id)
    query = select(NoticeOptOut).where(NoticeOptOut.notice == subscription.notice, or_(*clauses))
    return list(db.session.scalars(query))


def wants(notice: str, *, user_id: int | None = None, payee_id: int | None = None) -> bool:
    """Whether mail of this kind goes to the person; always, unless it is optional and was switched off."""
    if not catalogue.is_optional(notice) or (user_id is None and payee_id is None):
        return True
    return not _rows(Subscription(notice, user_id, payee_id))


def switched_off(user_id: int) -> frozenset[str]:
    """The kinds of mail that a user has switched off."""
    mine = or_(NoticeOptOut.user_id == user_id, NoticeOptOut.payee_id.in_(_payees_of(user_id)))
    return frozenset(db.session.scalars(select(NoticeOptOut.notice).where(mine)))


def exists(subscription: Subscription) -> bool:
    """Whether the user or payee of a signed link is still there."""
    if subscription.user_id is not None:
        return db.session.get(User, subscription.user_id) is not None
    return db.session.get(Payee, subscription.payee_id) is not None


def choose(*, subscription: Subscription, is_wanted: bool, actor: Actor, now: datetime) -> bool:
    """Switch one kind of optional mail on or off; True when that changed something. Raises Invalid for other mail."""
    if not catalogue.is_optional(subscription.notice):
        raise Invalid("notice", "Mail about your money and your account is always sent.")
    if is_wanted:
        rows = _rows(subscription)
        db.session.execute(delete(NoticeOptOut).where(NoticeOptOut.id.in_([row.id for row in rows])))
        changed = bool(rows)
    else:
        values = {
            "user_id": subscription.user_id,
            "payee_id": subscription.payee_id if subscription.user_id is None else None,
            "notice": subscription.notice,
            "created_at": now,
        }
        changed = insert_ignoring_conflict(db.session(), NoticeOptOut, values)
    if changed:
        _note(subscription, is_wanted, actor, now)
    return changed


def choose_all(
    *, user_id: int, offered: Iterable[str], wanted: Iterable[str], actor: Actor, now: datetime
) -> bool:
    """Keep a user's whole choice among the optional kinds they were shown; True when anything changed."""
    kept, changed, off = set(wanted), False, switched_off(user_id)
    for notice in offered:
        if catalogue.is_optional(notice) and (notice in kept) == (notice in off):
            subscription = Subscription(notice, user_id=user_id)
            changed |= choose(subscription=subscription, is_wanted=notice in kept, actor=actor, now=now)
    return changed


def _note(subscription: Subscription, is_wanted: bool, actor: Actor, now: datetime) -> None:
    is_user = subscription.user_id is not None
    payee = None if is_user else db.session.get(Payee, subscription.payee_id)
    label = catalogue.LABELS[subscription.notice]
    audit.record(
        tag=f"notices:choice:{'on' if is_wanted else 'off'}",
        actor=actor,
        now=now,
        organisation_id=payee.organisation_id if payee else None,
        subject_type="user" if is_user else "payee",
        subject_id=subscription.user_id if is_user else subscription.payee_id,
        subject_label=label,
        note=f"Mail of the kind “{label}” is switched {'on' if is_wanted else 'off'}.",
    )
