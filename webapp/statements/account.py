"""What the ledger says of what is owed to payees: balances and movements of a period. Reads only.

Days are the entries' effective days, which the rooms that post have placed in the organisation's own time zone.
Balances are on the account's normal side: what is owed to a payee is positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Select, and_, case, func, or_, select

from webapp.database import db
from webapp.ledger.models import Account, JournalEntry, Posting

PAYABLE = "payable:"


@dataclass(frozen=True)
class Standing:
    """One payee's account in one currency over a period."""

    account_id: int
    payee_id: int
    currency: str
    opening_minor: int
    closing_minor: int
    movements: int


@dataclass(frozen=True)
class Movement:
    """One posting of the account with what its entry says."""

    day: date
    kind: str
    description: str
    source_type: str
    source_id: int
    idempotency_key: str
    amount_minor: int


def _standings(organisation_id: int, first: date, last: date) -> Select[Any]:
    amount = Posting.amount_minor * Account.normal_side
    opening = func.sum(case((JournalEntry.effective_on < first, amount), else_=0))
    closing = func.sum(amount)
    movements = func.sum(case((JournalEntry.effective_on >= first, 1), else_=0))
    query = cast(
        Select[Any],
        select(Account.id, Account.payee_id, Account.currency, opening, closing, movements)
        .join(Posting, Posting.account_id == Account.id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(
            Account.organisation_id == organisation_id,
            Account.payee_id.is_not(None),
            Account.code.startswith(PAYABLE, autoescape=True),
            JournalEntry.effective_on <= last,
        )
        .group_by(Account.id, Account.payee_id, Account.currency)
        .having(or_(opening != 0, movements > 0))
        .order_by(Account.payee_id, Account.currency),
    )
    return query


def _read(query: Select[Any]) -> list[Standing]:
    # PostgreSQL answers sums as decimals.
    return [
        Standing(account_id, payee_id, currency, int(opening), int(closing), int(count))
        for account_id, payee_id, currency, opening, closing, count in db.session.execute(query)
    ]


def standings(organisation_id: int, first: date, last: date) -> list[Standing]:
    """Every payee of the organisation with a balance or a movement between two days, in one query."""
    return _read(_standings(organisation_id, first, last))


def standing_of(
    organisation_id: int, payee_id: int, currency: str, first: date, last: date
) -> Standing | None:
    """One payee's account in one currency; None when there is neither a balance nor a movement."""
    query = _standings(organisation_id, first, last).where(
        Account.payee_id == payee_id, Account.currency == currency
    )
    found = _read(query)
    return found[0] if found else None


def hold(organisation_id: int, payee_id: int, currency: str) -> None:
    """Keep a payee's accounts as they are until the end of the transaction: several readings then agree.

    Whoever posts to it meanwhile waits. On SQLite the writing transaction alone does this.
    """
    db.session.execute(
        select(Account.id)
        .where(
            Account.organisation_id == organisation_id,
            Account.payee_id == payee_id,
            Account.currency == currency,
        )
        .order_by(Account.id)
        .with_for_update(key_share=True)
    ).all()


def balances(organisation_id: int, payee_id: int, currency: str, first: date, last: date) -> tuple[int, int]:
    """What the ledger has at the start of one day and at the end of another: (opening, closing)."""
    found = standing_of(organisation_id, payee_id, currency, first, last)
    return (found.opening_minor, found.closing_minor) if found else (0, 0)


def movements(account_id: int, first: date, last: date) -> Sequence[Movement]:
    """The postings of an account between two days, in the order of their days."""
    rows = db.session.execute(
        select(
            JournalEntry.effective_on,
            JournalEntry.kind,
            JournalEntry.description,
            JournalEntry.source_type,
            JournalEntry.source_id,
            JournalEntry.idempotency_key,
            Posting.amount_minor * Account.normal_side,
        )
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .join(Account, Account.id == Posting.account_id)
        .where(
            Posting.account_id == account_id,
            and_(JournalEntry.effective_on >= first, JournalEntry.effective_on <= last),
        )
        .order_by(JournalEntry.effective_on, Posting.id)
    )
    return [Movement(*row) for row in rows]
