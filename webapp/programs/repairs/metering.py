"""Trips become money: what cards paid is earned, taxes and tolls of all trips are charged, cash stays where it is.

One earning and at most two charges for each driver and day. A trip is marked in the statement that finds it, so each is
booked once, whatever is brought in at the same time; one that comes later makes a booking of its own for its day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import update

from webapp.database import among, db
from webapp.kernel.actor import Actor
from webapp.people.models import Payee
from webapp.programs.repairs import charging, trail
from webapp.programs.repairs.drafts import ChargeDraft, EarningDraft
from webapp.programs.repairs.states import Category
from webapp.programs.repairs.trips import Trip, TripPayment

#: Where the earning comes from, as receipts name it.
CARD_FARES = "Card fares"


@dataclass
class _Sum:
    """How many trips had it, and what they come to; the first one's id names the booking."""

    first: int = 0
    trips: int = 0
    minor: int = 0

    def add(self, trip_id: int, minor: int) -> None:
        """One more trip, unless it has none of it."""
        if minor:
            self.first = min(self.first or trip_id, trip_id)
            self.trips += 1
            self.minor += minor

    @property
    def words(self) -> str:
        """How many trips."""
        return f"{self.trips:,} trip{'' if self.trips == 1 else 's'}"


Sums = dict[tuple[int, date], dict[str, _Sum]]


def book_trips(
    *, organisation_id: int, payee_ids: Sequence[int], until: date, actor: Actor, now: datetime
) -> int:
    """Book what drivers' trips up to a day come to; returns how many trips, 0 when all of them are booked already.

    Raises NotFound for a driver who is none of the organisation's.
    """
    payees = trail.lock_drivers(organisation_id, payee_ids)
    rows = db.session.execute(
        update(Trip)
        .where(
            Trip.organisation_id == organisation_id,
            among(Trip.payee_id, list(payees)),
            Trip.booked_at.is_(None),
            Trip.day <= until,
        )
        .values(booked_at=now)
        .returning(Trip.id, Trip.payee_id, Trip.day, Trip.payment, Trip.tax_minor, Trip.tolls_minor, Trip.total_minor)
        .execution_options(synchronize_session=False)
    ).all()  # fmt: skip
    if not rows:
        return 0
    sums = _added_up(rows)
    charging.record_earnings(
        organisation_id=organisation_id, drafts=list(_earnings(sums, payees)), actor=actor, now=now
    )
    charging.add_charges(
        organisation_id=organisation_id, drafts=list(_charges(sums, payees)), actor=actor, now=now
    )
    return len(rows)


def _added_up(rows: Sequence[Any]) -> Sums:
    sums: Sums = defaultdict(lambda: {"card": _Sum(), Category.TAXES: _Sum(), Category.TOLLS: _Sum()})
    for row in rows:
        mine = sums[row.payee_id, row.day]
        mine["card"].add(row.id, row.total_minor if row.payment == TripPayment.CARD else 0)
        mine[Category.TAXES].add(row.id, row.tax_minor)
        mine[Category.TOLLS].add(row.id, row.tolls_minor)
    return dict(sorted(sums.items()))


def _name(payee: Payee, day: date, first: int) -> str:
    return f"{payee.reference} {day.isoformat()} #{first}"


def _earnings(sums: Sums, payees: dict[int, Payee]) -> Iterator[EarningDraft]:
    for (payee_id, day), mine in sums.items():
        card = mine["card"]
        if card.minor:
            name = _name(payees[payee_id], day, card.first)
            yield EarningDraft(payee_id, CARD_FARES, name, card.minor, day, card.words)


def _charges(sums: Sums, payees: dict[int, Payee]) -> Iterator[ChargeDraft]:
    for (payee_id, day), mine in sums.items():
        for category in (Category.TAXES, Category.TOLLS):
            part = mine[category]
            if part.minor:
                words = f"{category.label} of {part.words}"
                key = f"trips:{_name(payees[payee_id], day, part.first)}:{category}"
                yield ChargeDraft(payee_id, category.value, words, part.minor, day, key)
