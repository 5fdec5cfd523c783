"""The practitioner's part of a monthly statement: the wallet with each invoice's payout, what went back, rent and fees.

Three accounts of the ledger, each a section of its own: the wallet; what was asked for and is not approved yet; what is
owed to the clinic. Every record is compared with what the ledger booked for it; what differs is refused before anything
is drawn. Customers are not named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from webapp.database import db
from webapp.kernel.money import Money
from webapp.ledger.models import JournalEntry
from webapp.people.models import Payee, Role
from webapp.programs.clinic import statement_records as records
from webapp.programs.clinic.drafts import PROGRAM
from webapp.programs.clinic.statement_left_out import left_out
from webapp.programs.clinic.statement_records import COLUMNS, Record
from webapp.statements import booked, sections
from webapp.statements.build import DoesNotAddUp, clean
from webapp.statements.sections import Entry, Maker, Scope, Section

WALLET, HELD, OWED = "wallet:", "held:", "receivable:"
TITLE = "Your invoices and your part of them"
#: What a movement of the wallet is called, by the kind of its entry; records have the words of their own.
MOVEMENTS = {
    "clinic.withdrawal": "Withdrawals to your bank",
    "clinic.given_back": "Withdrawals that came back",
}
HELD_MOVEMENTS = {
    "clinic.withdrawal": "Withdrawals asked for",
    "clinic.given_back": "Given back to your wallet",
    "payout.approved": "Approved for your bank",
    "payout.approved.reversed": "Approval taken back",
}
OWED_MOVEMENTS = {
    "clinic.refunded": "Refunds that your wallet did not hold",
    "clinic.deducted": "Rent and fees that your wallet did not hold",
    "clinic.set_off": "Set off against your payouts",
}


@dataclass(frozen=True)
class Moved:
    """A journal entry that touches an account of the practitioner, with what it does to it."""

    id: int
    day: date
    kind: str
    description: str
    source_type: str
    source_id: int
    amount_minor: int


def _mine(*prefixes: str) -> booked.Mine:
    return booked.of_payees(Role.PRACTITIONER, prefixes)


def balances(prefix: str, scope: Scope) -> tuple[int, int]:
    """What the ledger has on an account at the start of the period and at its end."""
    return booked.balances(_mine(prefix), scope)


def concerned(organisation_id: int, first: date, last: date) -> Iterable[tuple[int, str]]:
    """Practitioners with a balance on one of the three accounts, or a movement between two days."""
    mine = _mine(WALLET, HELD, OWED)
    return booked.concerned(mine, organisation_id, first, last, each_account=True)


def moved(prefix: str, scope: Scope) -> list[Moved]:
    """The journal entries of the period that touch an account, in the order of their days."""
    query = booked.in_period(
        _mine(prefix), scope, JournalEntry.id, JournalEntry.effective_on, JournalEntry.kind, JournalEntry.description,
        JournalEntry.source_type, JournalEntry.source_id, booked.total(),
    )  # fmt: skip
    rows = db.session.execute(
        query.group_by(JournalEntry.id).order_by(JournalEntry.effective_on, JournalEntry.id)
    )
    return [
        Moved(ident, day, kind, said, source, source_id, int(amount))
        for ident, day, kind, said, source, source_id, amount in rows
    ]


def _is_practitioner(scope: Scope) -> bool:
    """Whose statement is made is known to the session already: others' cost nothing here."""
    return db.session.get_one(Payee, scope.payee_id).kind == Role.PRACTITIONER.value


def make(scope: Scope) -> Section | None:
    """The wallet's section; None without a balance, a movement and a record. Raises DoesNotAddUp."""
    if not _is_practitioner(scope):
        return None
    opening, closing = balances(WALLET, scope)
    entries = moved(WALLET, scope)
    found = records.collect(scope, entries)
    _check(found, {entry.id: entry.amount_minor for entry in entries}, scope.currency)
    with_records = {record.entry_id for record in found}
    references = booked.payout_references(entries)
    rows = [(record.day, record.entry_id, record.entry) for record in found]
    rows += [
        (entry.day, entry.id, _movement(entry, MOVEMENTS, references))
        for entry in entries
        if entry.id not in with_records and entry.amount_minor
    ]
    if not rows and not opening and not closing:
        return None
    return Section(
        key=PROGRAM,
        title=TITLE,
        words="What came into your wallet for each invoice, what went back, and what was charged.",
        balance_title="In your wallet",
        columns=COLUMNS,
        amount_label="Wallet",
        opening_minor=opening,
        closing_minor=closing,
        entries=tuple(entry for _, _, entry in sorted(rows, key=lambda row: row[:2])),
        left_out=left_out(scope),
    )


def _check(found: Sequence[Record], booked: dict[int, int], currency: str) -> None:
    """What the records of an entry come to is what the ledger booked. Raises DoesNotAddUp that names the first."""
    sums: Counter[int] = Counter()
    for record in found:
        sums[record.entry_id] += record.entry.amount_minor
    for record in found:
        ours, theirs = sums[record.entry_id], booked.get(record.entry_id, 0)
        if ours != theirs:
            said, has = (Money(minor, currency).plain for minor in (ours, theirs))
            raise DoesNotAddUp(
                f"The records of “{record.entry.item}” come to {said} {currency}; the ledger booked {has}."
            )


def _movement(entry: Moved, names: dict[str, str], references: dict[int, str]) -> Entry:
    payout = references.get(entry.source_id, "") if entry.source_type == "payout" else ""
    return Entry(
        day=entry.day,
        kind=names.get(entry.kind, "Other entries"),
        item=clean(entry.description),
        amount_minor=entry.amount_minor,
        payout=payout,
    )


def make_account(
    scope: Scope, *, prefix: str, names: dict[str, str], title: str, negative: str, always: bool
) -> Section | None:
    """A section without records: one account with its movements; None while there is nothing on it.

    `always`: also where what came on it went from it again within the month.
    """
    if not _is_practitioner(scope):
        return None
    opening, closing = balances(prefix, scope)
    if not opening and not closing and not always:
        return None
    entries = moved(prefix, scope)
    if not entries and not opening and not closing:
        return None
    references = booked.payout_references(entries)
    return Section(
        key=f"{PROGRAM}.{prefix.rstrip(':')}",
        title=title,
        words="",
        balance_title=title,
        columns=(),
        amount_label="",
        opening_minor=opening,
        closing_minor=closing,
        entries=tuple(_movement(entry, names, references) for entry in entries if entry.amount_minor),
        negative_words=negative,
    )


def _nobody(organisation_id: int, first: date, last: date) -> Iterable[tuple[int, str]]:
    return ()


def _register_account(
    prefix: str, names: dict[str, str], title: str, *, negative: str = "", always: bool = False
) -> None:
    make_it = partial(make_account, prefix=prefix, names=names, title=title, negative=negative, always=always)
    sections.register(f"{PROGRAM}.{prefix.rstrip(':')}", Maker(make_it, partial(balances, prefix), _nobody))


def register() -> None:
    """Let practitioners' statements have these sections; once, at start-up."""
    sections.register(PROGRAM, Maker(make, partial(balances, WALLET), concerned))
    _register_account(HELD, HELD_MOVEMENTS, "Withdrawals that wait for approval")
    _register_account(
        OWED,
        OWED_MOVEMENTS,
        "Owed to the clinic",
        negative="It is taken from your next payouts.",
        always=True,
    )


register()
