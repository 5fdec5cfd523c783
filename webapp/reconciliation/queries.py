"""Reading findings, matches, files and runs. Every function takes the organisation; what is not its own is NotFound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from sqlalchemy import Select, and_, func, or_, select

from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.payouts.models import Payout, Transfer
from webapp.reconciliation.models import (
    ColumnMapping,
    Finding,
    Match,
    ReconciliationRun,
    StatementFile,
    StatementLine,
)
from webapp.reconciliation.states import UNSETTLED, Source

CANDIDATES = 25


@dataclass(frozen=True)
class Filter:
    """What a list of findings is narrowed to; empty says nothing."""

    q: str = ""
    kind: str = ""
    source: str = ""
    # "unsettled", a state, or "" for all
    state: str = "unsettled"
    # "me", "nobody", a user id, or ""
    owner: str = ""
    older_than: int = 0
    run: str = ""


def find_file_by_digest(organisation_id: int, digest: str) -> StatementFile | None:
    """The file with the same bytes, if it came before."""
    return db.session.scalar(
        select(StatementFile).where(
            StatementFile.organisation_id == organisation_id, StatementFile.sha256 == digest
        )
    )


def get_file(organisation_id: int, reference: str) -> StatementFile:
    """A file. Raises NotFound."""
    found = db.session.scalar(
        select(StatementFile).where(
            StatementFile.organisation_id == organisation_id, StatementFile.reference == reference
        )
    )
    if found is None:
        raise NotFound
    return found


def files(organisation_id: int) -> Select[Any]:
    """(file, run reference) of all files, to be paged by StatementFile.id."""
    return cast(
        Select[Any],
        select(StatementFile, ReconciliationRun.reference.label("run_reference"))
        .outerjoin(ReconciliationRun, ReconciliationRun.file_id == StatementFile.id)
        .where(StatementFile.organisation_id == organisation_id),
    )


def find_mapping(organisation_id: int, source: Source, header_digest: str) -> ColumnMapping | None:
    """Saved columns of lists with these columns."""
    return db.session.scalar(
        select(ColumnMapping).where(
            ColumnMapping.organisation_id == organisation_id,
            ColumnMapping.source == source.value,
            ColumnMapping.header_digest == header_digest,
        )
    )


def mappings(organisation_id: int) -> list[ColumnMapping]:
    """All saved columns, by name."""
    return list(
        db.session.scalars(
            select(ColumnMapping)
            .where(ColumnMapping.organisation_id == organisation_id)
            .order_by(ColumnMapping.name)
            .limit(100)
        )
    )


def get_run(organisation_id: int, reference: str) -> ReconciliationRun:
    """A comparison. Raises NotFound."""
    found = db.session.scalar(
        select(ReconciliationRun).where(
            ReconciliationRun.organisation_id == organisation_id, ReconciliationRun.reference == reference
        )
    )
    if found is None:
        raise NotFound
    return found


def run_of_file(file: StatementFile) -> ReconciliationRun | None:
    """The comparison of a file, once there is one."""
    return db.session.scalar(
        select(ReconciliationRun)
        .where(ReconciliationRun.file_id == file.id)
        .order_by(ReconciliationRun.id)
        .limit(1)
    )


def get_finding(organisation_id: int, finding_id: int) -> Finding:
    """A finding. Raises NotFound."""
    found = db.session.scalar(
        select(Finding).where(Finding.organisation_id == organisation_id, Finding.id == finding_id)
    )
    if found is None:
        raise NotFound
    return found


def findings(organisation_id: int, wanted: Filter, user_id: int | None, today: date) -> Select[Any]:
    """(Finding, our transfer id, payout reference) of the filter, to be paged by Finding.id."""
    query = cast(
        Select[Any],
        select(Finding, Transfer.transfer_id.label("our_id"), Payout.reference.label("payout_reference"))
        .outerjoin(Transfer, Transfer.id == Finding.transfer_id)
        .outerjoin(Payout, Payout.id == Transfer.payout_id)
        .where(Finding.organisation_id == organisation_id),
    )
    if wanted.state == "unsettled":
        query = query.where(Finding.state.in_([state.value for state in UNSETTLED]))
    elif wanted.state:
        query = query.where(Finding.state == wanted.state)
    for column, value in ((Finding.kind, wanted.kind), (Finding.source, wanted.source)):
        if value:
            query = query.where(column == value)
    query = _of_owner(query, wanted.owner, user_id)
    if wanted.older_than:
        query = query.where(Finding.happened_on <= date.fromordinal(today.toordinal() - wanted.older_than))
    if wanted.run:
        query = query.where(
            Finding.run_id.in_(
                select(ReconciliationRun.id).where(
                    ReconciliationRun.organisation_id == organisation_id,
                    ReconciliationRun.reference == wanted.run,
                )
            )
        )
    for word in wanted.q.split()[:5]:
        query = query.where(
            or_(*(like(c, word) for c in (Finding.label, Payout.reference, Transfer.transfer_id)))
        )
    return query


def _of_owner(query: Select[Any], owner: str, user_id: int | None) -> Select[Any]:
    if owner == "nobody":
        return query.where(Finding.owner_id.is_(None))
    if owner == "me":
        return query.where(Finding.owner_id == user_id)
    return query.where(Finding.owner_id == int(owner)) if owner.isdigit() and len(owner) < 18 else query


def matches(organisation_id: int, wanted: Filter) -> Select[Any]:
    """(Match, line, our transfer id, payout reference) of what agrees, to be paged by Match.id."""
    query = cast(
        Select[Any],
        select(
            Match,
            StatementLine,
            Transfer.transfer_id.label("our_id"),
            Payout.reference.label("payout_reference"),
        )
        .join(StatementLine, StatementLine.id == Match.line_id)
        .outerjoin(Transfer, Transfer.id == Match.transfer_id)
        .outerjoin(Payout, Payout.id == Transfer.payout_id)
        .where(Match.organisation_id == organisation_id, Match.ours_minor == Match.theirs_minor),
    )
    if wanted.source:
        query = query.where(Match.source == wanted.source)
    if wanted.run:
        query = query.where(
            Match.run_id.in_(
                select(ReconciliationRun.id).where(
                    ReconciliationRun.organisation_id == organisation_id,
                    ReconciliationRun.reference == wanted.run,
                )
            )
        )
    for word in wanted.q.split()[:5]:
        columns = (StatementLine.text, StatementLine.counterparty, Payout.reference, Transfer.transfer_id)
        query = query.where(or_(*(like(c, word) for c in columns)))
    return query


def counts_by_kind(organisation_id: int) -> Mapping[str, int]:
    """How many findings are not settled, by kind."""
    rows = db.session.execute(
        select(Finding.kind, func.count())
        .where(
            Finding.organisation_id == organisation_id,
            Finding.state.in_([state.value for state in UNSETTLED]),
        )
        .group_by(Finding.kind)
    )
    return {row[0]: row[1] for row in rows}


def in_batches(query: Select[Any], key: Any, size: int = 1_000) -> Iterator[Any]:
    """All rows of a query, a batch after the other by its key, oldest first."""
    last = 0
    while True:
        rows = db.session.execute(query.where(key > last).order_by(key).limit(size)).all()
        yield from rows
        if len(rows) < size:
            return
        last = rows[-1][0].id


@dataclass(frozen=True)
class Candidate:
    """What the other half of a finding may be."""

    id: int
    day: date
    amount_minor: int
    words: str


def entries_for(finding: Finding) -> list[Candidate]:
    """Entries of the bank account without a line that may be a line's other half, the same amount first."""
    amount = func.sum(Posting.amount_minor)
    wanted = finding.theirs_minor or 0
    rows = db.session.execute(
        select(JournalEntry.id, JournalEntry.effective_on, amount, JournalEntry.description)
        .join(Posting, Posting.entry_id == JournalEntry.id)
        .join(Account, Account.id == Posting.account_id)
        .where(
            JournalEntry.organisation_id == finding.organisation_id,
            JournalEntry.currency == finding.currency,
            Account.code == "bank",
            (Posting.amount_minor < 0) if wanted < 0 else (Posting.amount_minor > 0),
            ~select(Match.id).where(Match.entry_id == JournalEntry.id).exists(),
        )
        .group_by(JournalEntry.id, JournalEntry.effective_on, JournalEntry.description)
        .order_by(func.abs(amount - wanted), JournalEntry.id.desc())
        .limit(CANDIDATES)
    )
    return [Candidate(i, day, int(minor), words) for i, day, minor, words in rows]


def lines_for(finding: Finding) -> list[Candidate]:
    """Open lines of the bank that may be an entry's other half, the same amount first."""
    wanted = finding.ours_minor or 0
    line = StatementLine
    rows = db.session.execute(
        select(line.id, line.booked_on, line.amount_minor, line.counterparty, line.text)
        .where(
            and_(
                line.organisation_id == finding.organisation_id,
                line.source == Source.BANK.value,
                ~line.is_matched,
                line.currency == finding.currency,
                (line.amount_minor < 0) if wanted < 0 else (line.amount_minor > 0),
            )
        )
        .order_by(func.abs(line.amount_minor - wanted), line.id.desc())
        .limit(CANDIDATES)
    )
    return [Candidate(i, day, int(minor), f"{who} {text}".strip()) for i, day, minor, who, text in rows]


def line_of(finding: Finding) -> StatementLine | None:
    """The line that a finding is about."""
    return db.session.get(StatementLine, finding.line_id) if finding.line_id else None


def transfer_of(finding: Finding) -> tuple[Transfer, str] | None:
    """The transfer that a finding is about, and its payout's reference."""
    row = db.session.execute(
        select(Transfer, Payout.reference)
        .join(Payout, Payout.id == Transfer.payout_id)
        .where(Transfer.id == (finding.transfer_id or 0), Transfer.organisation_id == finding.organisation_id)
    ).one_or_none()
    return (row[0], row[1]) if row else None
