"""What the ledger booked for payees: the questions that the programs' sections of monthly statements have in common.

A program says which movements are its own; amounts are on the payee's side: what is theirs is positive, what they owe
negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import case, func, or_, select

from webapp.database import db
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.statements.sections import Scope

#: (query of journal entries, organisation id, day): the query, narrowed to what moves a program's accounts of payees
#: until that day. It joins Posting and Account.
Mine = Callable[[Any, int, date], Any]


def of_payees(role: Role, prefixes: Sequence[str]) -> Mine:
    """What moves accounts whose codes begin with one of `prefixes`, of payees of one kind.

    The kind, because other programs hold money for their payees under the same words.
    """

    def mine(query: Any, organisation_id: int, last: date) -> Any:
        return (
            query.join(Posting, Posting.entry_id == JournalEntry.id)
            .join(Account, Account.id == Posting.account_id)
            .join(Payee, Payee.id == Account.payee_id)
            .where(
                Account.organisation_id == organisation_id,
                Payee.kind == role.value,
                or_(*(Account.code.startswith(prefix, autoescape=True) for prefix in prefixes)),
                JournalEntry.effective_on <= last,
            )
        )

    return mine


def total(condition: Any = None) -> Any:
    """The sum of postings in minor units, or of those that meet a condition."""
    amount = -Posting.amount_minor
    return func.coalesce(func.sum(amount if condition is None else case((condition, amount), else_=0)), 0)


def _until(mine: Mine, scope: Scope, columns: Sequence[Any]) -> Any:
    query = mine(select(*columns).select_from(JournalEntry), scope.organisation_id, scope.last)
    return query.where(Account.payee_id == scope.payee_id, Account.currency == scope.currency)


def balances(mine: Mine, scope: Scope) -> tuple[int, int]:
    """What the ledger has of a payee at the start of the period and at its end, in minor units."""
    query = _until(mine, scope, [total(JournalEntry.effective_on < scope.first), total()])
    opening, closing = db.session.execute(query).one()
    return int(opening), int(closing)


def in_period(mine: Mine, scope: Scope, *columns: Any) -> Any:
    """A query of what moved a payee's accounts within the period; to be grouped where it has a total."""
    return _until(mine, scope, columns).where(JournalEntry.effective_on >= scope.first)


def concerned(
    mine: Mine, organisation_id: int, first: date, last: date, *, each_account: bool = False
) -> set[tuple[int, str]]:
    """(payee id, currency) with a balance, or a movement between two days.

    `each_account`: also where the balances of several accounts come to nothing together.
    """
    movements = func.sum(case((JournalEntry.effective_on >= first, 1), else_=0))
    query = mine(select(Account.payee_id, Account.currency).select_from(JournalEntry), organisation_id, last)
    groups = [Account.payee_id, Account.currency, *([Account.id] if each_account else [])]
    found = db.session.execute(query.group_by(*groups).having(or_(total() != 0, movements > 0)))
    return {(int(payee_id), currency) for payee_id, currency in found}


def payout_references(entries: Iterable[Any]) -> dict[int, str]:
    """The references, by id, of the payouts that entries (source_type, source_id) were booked for."""
    ids = {entry.source_id for entry in entries if entry.source_type == "payout"}
    if not ids:
        return {}
    rows = db.session.execute(select(Payout.id, Payout.reference).where(Payout.id.in_(ids)))
    return {row.id: row.reference for row in rows}
