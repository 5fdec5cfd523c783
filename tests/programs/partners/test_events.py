"""Events of a CRM at once: each counts once, and a deal that several tell of is made once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import func, select

from tests.factories import FACTORY, partners
from tests.rooms.payouts.test_races import together
from webapp.database import db, transaction
from webapp.programs.partners import events
from webapp.programs.partners.events import EventDraft
from webapp.programs.partners.models import Deal
from webapp.programs.partners.models_events import CrmEvent

FEBRUARY = datetime(2026, 2, 10, 12, tzinfo=UTC)


def _told(event_id: str, kind: str, at: datetime, amount: int) -> EventDraft:
    return EventDraft(event_id, kind, at, "crm-1", {"name": "Acme", "amount": (amount, "USD")})


def _send(organisation_id: int, draft: EventDraft) -> Callable[[], bool]:
    def call() -> bool:
        with transaction():
            return events.receive(
                organisation_id=organisation_id, draft=draft, actor=FACTORY, now=partners.TODAY
            )[1]

    return call


def _count(model: type[Deal] | type[CrmEvent]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_the_same_event_at_once_counts_once(database: Flask) -> None:
    home = partners.partnerbase()
    partners.program(home)
    call = _send(home.id, _told("evt-1", "deal.won", FEBRUARY, 1_000_00))
    db.session.rollback()
    said = together(database, [call] * 4)
    assert sorted(said) == [False, True, True, True]
    assert (_count(Deal), _count(CrmEvent)) == (1, 1)


def test_events_that_tell_of_a_new_deal_at_once_make_one(database: Flask) -> None:
    home = partners.partnerbase()
    partners.program(home)
    drafts = [
        _told("evt-1", "deal.created", partners.OPENED, 500_00),
        _told("evt-2", "deal.updated", partners.CLOSED, 800_00),
        _told("evt-3", "deal.won", partners.TODAY, 1_000_00),
    ]
    calls = [_send(home.id, draft) for draft in drafts]
    db.session.rollback()
    assert together(database, calls) == [False, False, False]
    assert (_count(Deal), _count(CrmEvent)) == (1, 3)
    row = db.session.scalars(select(Deal)).one()
    assert (row.state, row.amount_minor, row.closed_at) == ("won", 1_000_00, partners.TODAY)
