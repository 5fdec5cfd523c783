"""Changes that lead a property's rents elsewhere: other owners, shares or terms.

One person makes them, so for as long as changed payment details would wait, no payout of the property goes out without
another person's approval, and every owner is told at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.outbox import service as outbox
from webapp.payouts import policies
from webapp.programs.rentals.models import Property, ShareChange


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
