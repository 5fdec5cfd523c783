"""Reading the ledger for its pages. Every function takes the organisation; what is not its own is NotFound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Select, func, or_, select

from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.people.models import Payee


@dataclass(frozen=True)
class SourceLink:
    """The record that an entry is about: its name and the address of its page."""

    label: str
    href: str


# Rooms above say how to show their records: source type -> function of (organisation id, source id).
source_links: dict[str, Callable[[int, int], SourceLink | None]] = {}


@dataclass(frozen=True)
class LegRow:
    """A leg as pages show it; one of debit and credit is None."""

    account_id: int
    code: str
    name: str
    debit: Money | None
    credit: Money | None
    balance_after: Money


def accounts(organisation_id: int, *, search: str = "", type: str = "") -> Select[Any]:
    """(Account, payee name, payee reference) of the accounts that match, to be paged by Account.id."""
    query = cast(
        Select[Any],
        select(Account, Payee.name.label("payee_name"), Payee.reference.label("payee_reference"))
        .outerjoin(Payee, Payee.id == Account.payee_id)
        .where(Account.organisation_id == organisation_id),
    )
    if type:
        query = query.where(Account.type == type)
    for word in search.split():
        query = query.where(or_(*(like(c, word) for c in (Account.code, Account.name, Payee.name))))
    return query


def totals_by_type(organisation_id: int, currency: str) -> dict[str, Money]:
    """Sum of the balances of each type of account in one currency, on the normal side."""
    rows = db.session.execute(
        select(Account.type, func.sum(Account.balance_minor))
        .where(Account.organisation_id == organisation_id, Account.currency == currency)
        .group_by(Account.type)
    )
    return {kind: Money(int(total or 0), currency) for kind, total in rows}


def get_account(organisation_id: int, account_id: int) -> Account:
    """An account. Raises NotFound."""
    account = db.session.scalar(
        select(Account).where(Account.organisation_id == organisation_id, Account.id == account_id)
    )
    if account is None:
        raise NotFound
    return account


def payee_of(account: Account) -> Payee | None:
    """The payee that an account belongs to."""
    return None if account.payee_id is None else db.session.get(Payee, account.payee_id)


def postings(account_id: int) -> Select[Any]:
    """The postings of an account with what the page shows of their entries, to be paged by Posting.id."""
    query = (
        select(
            Posting.id, Posting.amount_minor, Posting.balance_after_minor, Posting.currency, Posting.entry_id,
            JournalEntry.effective_on, JournalEntry.description, JournalEntry.kind, JournalEntry.reverses_id,
        )
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(Posting.account_id == account_id)
    )  # fmt: skip
    return cast(Select[Any], query)


def get_entry(organisation_id: int, entry_id: int) -> JournalEntry:
    """A journal entry. Raises NotFound."""
    entry = db.session.scalar(
        select(JournalEntry).where(
            JournalEntry.organisation_id == organisation_id, JournalEntry.id == entry_id
        )
    )
    if entry is None:
        raise NotFound
    return entry


def reversal_of(entry: JournalEntry) -> JournalEntry | None:
    """The entry that reverses this one, if there is one."""
    return db.session.scalar(select(JournalEntry).where(JournalEntry.reverses_id == entry.id))


def legs(entry: JournalEntry) -> Sequence[LegRow]:
    """The legs of an entry in the order of posting."""
    rows = db.session.execute(
        select(Account.id, Account.code, Account.name, Posting.amount_minor, Posting.balance_after_minor)
        .join(Account, Account.id == Posting.account_id)
        .where(Posting.entry_id == entry.id)
        .order_by(Posting.id)
    )
    return [
        LegRow(
            r.id,
            r.code,
            r.name,
            *debit_credit(r.amount_minor, entry.currency),
            Money(r.balance_after_minor, entry.currency),
        )
        for r in rows
    ]


def debit_credit(amount: int, currency: str) -> tuple[Money | None, Money | None]:
    """A signed amount as (debit, credit); the other one is None."""
    return (Money(amount, currency), None) if amount > 0 else (None, Money(-amount, currency))


def source_link(entry: JournalEntry) -> SourceLink | None:
    """Where the record is shown that an entry is about, if its room says so."""
    find = source_links.get(entry.source_type)
    return find(entry.organisation_id, entry.source_id) if find else None
