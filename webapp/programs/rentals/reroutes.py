"""Changes that lead a property's rents elsewhere: other owners, shares or terms.

One person makes them, so for as long as changed payment details would wait, no payout of the property goes out without
another person's approval, and every owner is told at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import or_, select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.outbox import service as outbox
from webapp.payouts import policies
from webapp.programs.rentals.models import ManagementTerms, Property, ShareChange


def waits_until(place: Property) -> datetime | None:
    """Until when a person approves the property's payouts; None when nothing was ever changed."""
    if place.rerouted_at is None:
        return None
    policy, _ = policies.current_policy(place.organisation_id)
    return place.rerouted_at + timedelta(hours=policy.cool_off_hours)


def is_waiting(place: Property, now: datetime) -> bool:
    """Whether a person approves the property's payouts now."""
    until = waits_until(place)
    return until is not None and now < until


def mark(place: Property, actor: Actor, now: datetime) -> datetime:
    """Owners, shares or terms of a property were changed. Returns until when its payouts need a person."""
    place.rerouted_by_id, place.rerouted_at = actor.user_id, now
    return waits_until(place) or now


def changers(place: Property, now: datetime) -> set[int]:
    """Ids of everybody whose change of the owners, shares or terms still needs another person's look.

    The property itself names only whoever came last.
    """
    if place.rerouted_at is None:
        return set()
    policy, _ = policies.current_policy(place.organisation_id)
    since = now - timedelta(hours=policy.cool_off_hours)
    shares = select(ShareChange.changed_by_id).where(
        ShareChange.property_id == place.id,
        or_(ShareChange.waits_until > now, ShareChange.changed_at > since),
    )
    terms = select(ManagementTerms.created_by_id).where(
        ManagementTerms.organisation_id == place.organisation_id,
        ManagementTerms.property_id == place.id,
        ManagementTerms.created_at > since,
    )
    found = {*db.session.scalars(shares), *db.session.scalars(terms)}
    return {user_id for user_id in found if user_id is not None}


def record_shares(
    place: Property, before: dict[int, int], after: dict[int, int], actor: Actor, now: datetime
) -> list[ShareChange]:
    """Write down whose part changed (payee id → weight), and have each of them told."""
    until = mark(place, actor, now)
    totals = sum(before.values()), sum(after.values())
    rows = [
        ShareChange(
            organisation_id=place.organisation_id,
            property_id=place.id,
            payee_id=payee_id,
            weight_before=before.get(payee_id, 0),
            total_before=totals[0],
            weight_after=after.get(payee_id, 0),
            total_after=totals[1],
            changed_by_id=actor.user_id,
            changed_by_label=actor.label,
            changed_at=now,
            waits_until=until,
        )
        for payee_id in sorted(before.keys() | after.keys())
        # Where nobody owned it before, each new owner's part is another one.
        if Fraction(before.get(payee_id, 0), totals[0] or 1)
        != Fraction(after.get(payee_id, 0), totals[1] or 1)
    ]
    db.session.add_all(rows)
    db.session.flush()
    for row in rows:
        outbox.ask_mail(
            kind="notice.owner.shares_changed",
            reference_id=row.id,
            organisation_id=place.organisation_id,
            now=now,
        )
    return rows
