"""The ledger templates of partners: what payouts in other currencies cost more or less. The only file that posts."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.ledger import service as ledger
from webapp.ledger.models import JournalEntry
from webapp.ledger.service import AccountKey, Leg
from webapp.programs.partners.models_rates import ExchangeDifference

#: What it cost more, and what it cost less, each as the profit and loss account has it.
COST, GAIN = AccountKey("expense:exchange_difference"), AccountKey("income:exchange_difference")
#: The books of a currency balance in themselves; what they are worth in another one stands here.
POSITION = AccountKey("exchange")
SOURCE = "partners_exchange"


def key_of(row: ExchangeDifference) -> str:
    """The key under which a difference is booked once."""
    return f"partners:exchange:{row.id}"


def booked(row: ExchangeDifference, words: str, actor: Actor, now: datetime) -> None:
    """A difference that is not nothing, on the day of the payment, in the organisation's currency."""
    difference = row.difference_minor or 0
    account = COST if difference > 0 else GAIN
    ledger.post(
        organisation_id=row.organisation_id,
        kind="partners.exchange",
        currency=row.base,
        effective_on=row.paid_on,
        description=words,
        source_type=SOURCE,
        source_id=row.id,
        idempotency_key=key_of(row),
        legs=[Leg(account, difference), Leg(POSITION, -difference)],
        actor=actor,
        now=now,
    )


def taken_back(row: ExchangeDifference, words: str, on: date, actor: Actor, now: datetime) -> None:
    """The payment came back: the opposite of what was booked."""
    entry = db.session.scalars(
        select(JournalEntry).where(
            JournalEntry.organisation_id == row.organisation_id, JournalEntry.idempotency_key == key_of(row)
        )
    ).one()
    ledger.reverse(
        entry=entry,
        description=words,
        idempotency_key=f"{key_of(row)}:returned",
        effective_on=on,
        actor=actor,
        now=now,
    )
