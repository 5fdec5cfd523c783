"""The partner's part of a monthly statement: each commission with its deal, base and rate, and what was taken back.

Its account is what was ever approved for the partner to be paid, as the ledger booked it; a payout that was cancelled
is taken off again. The lines of each payout are compared with what was booked; what differs is refused before anything
is drawn. Commissions of the month that no approved payout has are named with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, exists, select

from webapp.database import among, ask, db
from webapp.kernel.money import Money
from webapp.kernel.words import day_range
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.payouts.models import Payout, PayoutLine
from webapp.people.models import Payee, Role
from webapp.programs.partners.drafts import PROGRAM, SOURCE
from webapp.programs.partners.models import Commission, Deal, PartnerProgram
from webapp.programs.partners.standing import Standing, standing
from webapp.programs.partners.states import CommissionKind, CommissionState
from webapp.statements import booked, sections
from webapp.statements.build import DoesNotAddUp, clean
from webapp.statements.sections import Entry, LeftOut, Maker, Scope, Section

APPROVED, TAKEN_BACK = "payout.approved", "payout.approved.reversed"
COLUMNS = ("Commission", "Retainer", "Taken back", "Correction")
_COLUMN_OF = {
    CommissionKind.SALE: 0,
    CommissionKind.RETAINER: 1,
    CommissionKind.CLAWBACK: 2,
    CommissionKind.CORRECTION: 3,
}
#: What the sum of each column is called among the movements.
MOVEMENTS = ("Commissions approved", "Retainers approved", "Taken back", "Corrections")
CANCELLED = "Payouts cancelled after approval"


def _mine(query: Any, organisation_id: int, last: date) -> Any:
    """A query of journal entries, narrowed to approvals of partners' payouts, and their reversals, until a day."""
    is_its_payout = and_(JournalEntry.source_type == "payout", JournalEntry.source_id == Payout.id)
    return (
        query.join(Posting, Posting.entry_id == JournalEntry.id)
        .join(Account, Account.id == Posting.account_id)
        .join(Payout, is_its_payout)
        .where(
            JournalEntry.organisation_id == organisation_id,
            JournalEntry.kind.in_([APPROVED, TAKEN_BACK]),
            JournalEntry.effective_on <= last,
            Payout.program == PROGRAM,
            Account.payee_id == Payout.payee_id,
            Account.code.startswith("payable:", autoescape=True),
        )
    )


def balances(scope: Scope) -> tuple[int, int]:
    """What the ledger had approved for the partner until the start of the period, and until its end."""
    return booked.balances(_mine, scope)


def concerned(organisation_id: int, first: date, last: date) -> Iterable[tuple[int, str]]:
    """Partners for whom something was approved, or taken off again, between two days."""
    query = _mine(select(Account.payee_id, Account.currency).select_from(JournalEntry), organisation_id, last)
    found = db.session.execute(query.where(JournalEntry.effective_on >= first).distinct())
    return {(int(payee_id), currency) for payee_id, currency in found}


@dataclass(frozen=True)
class _Moved:
    """An approval or its reversal, with what it does to the account."""

    entry_id: int
    day: date
    kind: str
    payout_id: int
    payout: str
    amount_minor: int


def _moved(scope: Scope) -> list[_Moved]:
    query = booked.in_period(
        _mine, scope, JournalEntry.id, JournalEntry.effective_on, JournalEntry.kind, Payout.id, Payout.reference,
        booked.total(),
    )  # fmt: skip
    rows = db.session.execute(
        query.group_by(JournalEntry.id, Payout.id).order_by(JournalEntry.effective_on, JournalEntry.id)
    )
    return [
        _Moved(entry_id, day, kind, payout_id, payout, int(amount))
        for entry_id, day, kind, payout_id, payout, amount in rows
    ]


def make(scope: Scope) -> Section | None:
    """The partner's section; None for who is no partner, and for a month without anything. Raises DoesNotAddUp."""
    if db.session.get_one(Payee, scope.payee_id).kind != Role.PARTNER.value:
        return None
    moved, left_out = _moved(scope), _left_out(scope)
    if not moved and not left_out:
        return None
    opening, closing = balances(scope)
    return Section(
        key=PROGRAM,
        title="Your commissions",
        words="Each commission that was approved: the deal, your part of it, the rate and what it comes to.",
        balance_title="Commissions approved for you, in all",
        columns=COLUMNS,
        amount_label="For you",
        opening_minor=opening,
        closing_minor=closing,
        entries=tuple(_entries(scope, moved)),
        negative_words="More was taken back than approved. It is netted in your next payouts.",
        left_out=left_out,
    )


def _entries(scope: Scope, moved: Sequence[_Moved]) -> Iterable[Entry]:
    lines = _lines([row.payout_id for row in moved if row.kind == APPROVED])
    for row in moved:
        if row.kind == TAKEN_BACK:
            yield Entry(row.day, CANCELLED, f"{row.payout} cancelled", row.amount_minor, payout=row.payout)
            continue
        found = lines[row.payout_id]
        total = sum(line.amount_minor for line in found)
        if total != row.amount_minor:
            said, has = (Money(minor, scope.currency).plain for minor in (total, row.amount_minor))
            raise DoesNotAddUp(
                f"The commissions of {row.payout} come to {said} {scope.currency}; the ledger booked {has}."
            )
        yield from (_record(row, line) for line in found)


def _lines(payout_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The lines of payouts with the commissions that they pay for; amounts are those of the lines."""
    found: dict[int, list[Any]] = defaultdict(list)
    for row in ask(
        select(
            PayoutLine.payout_id, PayoutLine.description, PayoutLine.formula, PayoutLine.amount_minor,
            PayoutLine.source_label, Commission.kind, Deal.reference.label("deal"),
            PartnerProgram.name.label("program"),
        )
        .outerjoin(
            Commission, and_(PayoutLine.source_type == SOURCE, Commission.id == PayoutLine.source_id)
        )
        .outerjoin(Deal, Deal.id == Commission.deal_id)
        .outerjoin(PartnerProgram, PartnerProgram.id == Commission.program_id)
        .where(among(PayoutLine.payout_id, payout_ids))
        .order_by(PayoutLine.id)
    ):  # fmt: skip
        found[row.payout_id].append(row)
    return found


def _record(moved: _Moved, line: Any) -> Entry:
    # What was changed by hand in a payout pays for no commission: it is a correction.
    column = _COLUMN_OF[CommissionKind(line.kind)] if line.kind else _COLUMN_OF[CommissionKind.CORRECTION]
    figures = tuple(line.amount_minor if n == column else 0 for n in range(len(COLUMNS)))
    worked_out = f": {line.formula}" if line.formula else ""
    return Entry(
        day=moved.day,
        kind=MOVEMENTS[column],
        item=clean(f"{line.description}{worked_out}"),
        amount_minor=line.amount_minor,
        group=clean(line.program or "Other"),
        source=" · ".join(part for part in (line.deal or "", line.source_label) if part),
        payout=moved.payout,
        figures=figures,
    )


# ---------------------------------------------------------------------------------------------- left out
_WHY = {
    Standing.DISPUTED: "You disputed it; it waits for an answer.",
    Standing.REJECTED: "Its payout was not approved; it is looked at again.",
    Standing.DISMISSED: "It is not paid. Ask if you do not agree.",
    Standing.DUE: "It is due and in the next payout.",
}


def _left_out(scope: Scope) -> tuple[LeftOut, ...]:
    """As it stands now: commissions earned in the month that no payout approved until its end has."""
    is_approved = exists().where(
        JournalEntry.organisation_id == scope.organisation_id,
        JournalEntry.kind == APPROVED,
        JournalEntry.source_type == "payout",
        JournalEntry.source_id == Commission.payout_id,
        JournalEntry.effective_on <= scope.last,
    )
    rows = ask(
        select(
            Commission.reference, Commission.state, Commission.offer, Commission.is_disputed, Commission.due_on,
            Commission.earned_on, Commission.amount_minor, Commission.period, Deal.name,
            Payout.reference.label("payout"), Payout.approved_at,
        )
        .outerjoin(Deal, Deal.id == Commission.deal_id)
        .outerjoin(Payout, Payout.id == Commission.payout_id)
        .where(
            Commission.organisation_id == scope.organisation_id,
            Commission.payee_id == scope.payee_id,
            Commission.currency == scope.currency,
            Commission.state != CommissionState.CANCELLED.value,
            Commission.earned_on.between(scope.first, scope.last),
            ~is_approved,
        )
        .order_by(Commission.earned_on, Commission.id)
    )  # fmt: skip
    return tuple(
        LeftOut(
            row.earned_on,
            clean(f"{row.name or row.period}, {row.reference}"),
            _why(row, scope),
            row.amount_minor,
        )
        for row in rows
    )


def _why(row: Any, scope: Scope) -> str:
    found = standing(
        state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=scope.last
    )
    if found is Standing.HOLDING:
        return f"Its holding period is not over: it is due on {day_range(row.due_on, row.due_on)}."
    if found in _WHY:
        return _WHY[found]
    later = "was approved after this month" if row.approved_at else "waits for approval"
    return f"{row.payout} {later}."


def register() -> None:
    """Let partners' statements have this section; once, at start-up."""
    sections.register(PROGRAM, Maker(make, balances, concerned))


register()
