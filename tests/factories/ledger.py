"""Ledger entries for tests, through the one door."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from webapp.kernel.actor import Actor
from webapp.ledger import service
from webapp.ledger.models import JournalEntry

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ACTOR = Actor(None, "test")


def leg(code: str, amount: int, payee_id: int | None = None) -> service.Leg:
    """A leg: a debit is positive, a credit negative."""
    return service.Leg(service.AccountKey(code, payee_id), amount)


def draft(key: str, *legs: service.Leg, **changes: Any) -> service.EntryDraft:
    """A draft entry of kind "test" in USD."""
    values: dict[str, Any] = {
        "kind": "test.moved",
        "currency": "USD",
        "effective_on": date(2026, 11, 20),
        "description": "A movement",
        "source_type": "test",
        "source_id": 1,
        "idempotency_key": key,
        "legs": legs,
    }
    return service.EntryDraft(**{**values, **changes})


def entry(organisation_id: int, key: str, *legs: service.Leg, **changes: Any) -> JournalEntry:
    """Post one entry in the open transaction."""
    values: dict[str, Any] = {
        "kind": "test.moved",
        "currency": "USD",
        "effective_on": date(2026, 11, 20),
        "description": "A movement",
        "source_type": "test",
        "source_id": 1,
        "actor": ACTOR,
        "now": NOW,
    }
    return service.post(
        organisation_id=organisation_id, idempotency_key=key, legs=legs, **{**values, **changes}
    )
