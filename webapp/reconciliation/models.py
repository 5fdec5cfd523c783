"""Files of other people's books, their lines, what was matched, what was found."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import (
    Base,
    BigId,
    Currency,
    Instant,
    LongText,
    MinorUnits,
    PrimaryKey,
    ShortText,
    UtcDateTime,
)
from webapp.reconciliation.states import UNSETTLED, FileFormat, FileState, FindingKind, FindingState, Source


def _values(members: object) -> str:
    return ", ".join(f"'{m}'" for m in sorted(members))  # type: ignore[call-overload]


def _partial(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class ColumnMapping(Base):
    """Which column of somebody's list is which; found again by the columns, or by its name."""

    __tablename__ = "reconciliation_mappings"
    __table_args__ = (
        UniqueConstraint("organisation_id", "name"),
        UniqueConstraint(
            "organisation_id", "source", "header_digest", name="uq_reconciliation_mappings_columns"
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    name: Mapped[ShortText]
    source: Mapped[str] = mapped_column(String(10))
    # Of a provider's list: whose.
    provider: Mapped[str] = mapped_column(String(20), default="")
    header_digest: Mapped[str] = mapped_column(String(64))
    # Our field -> their column; how they write days and numbers; the account that the list is of.
    columns: Mapped[dict[str, Any]] = mapped_column(JSON)
    reading: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    account: Mapped[ShortText] = mapped_column(default="")
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[Instant]


class BankAccount(Base):
    """The account at the bank that the ledger's `bank` account of a currency is compared with."""

    __tablename__ = "reconciliation_accounts"
    __table_args__ = (
        UniqueConstraint(
            "organisation_id", "account_digest", "currency", name="uq_reconciliation_accounts_number"
        ),
        Index("uq_reconciliation_accounts_current", "organisation_id", "currency", unique=True,
              **_partial("is_current")),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    currency: Mapped[Currency]
    account_digest: Mapped[str] = mapped_column(String(64))
    label: Mapped[ShortText]
    is_current: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[Instant]


class StatementFile(Base):
    """One uploaded file. The same bytes come in once per organisation."""

    __tablename__ = "reconciliation_files"
    __table_args__ = (
        UniqueConstraint("organisation_id", "sha256"),
        UniqueConstraint("organisation_id", "reference"),
        CheckConstraint(f"state IN ({_values(FileState)})", name="state_is_known"),
        CheckConstraint(f"format IN ({_values(FileFormat)})", name="format_is_known"),
        Index("ix_reconciliation_files_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    file_name: Mapped[ShortText]
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(10))
    format: Mapped[str] = mapped_column(String(20))
    provider: Mapped[str] = mapped_column(String(20), default="")
    state: Mapped[str] = mapped_column(String(10), default=FileState.CHECKED.value)
    columns: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    reading: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    account: Mapped[ShortText] = mapped_column(default="")
    # What the dry run counted; what it is about.
    figures: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    lines: Mapped[int] = mapped_column(default=0)
    new_lines: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class Statement(Base):
    """One statement of one account with its balances."""

    __tablename__ = "reconciliation_statements"
    __table_args__ = (Index("ix_reconciliation_statements_account", "account_id", "closing_on"),)

    id: Mapped[PrimaryKey]
    file_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_files.id"), index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_accounts.id"))
    number: Mapped[ShortText] = mapped_column(default="")
    currency: Mapped[Currency]
    # The first day whose movements it shows; its balances, where it says them.
    begins_on: Mapped[date | None]
    opening_minor: Mapped[int | None] = mapped_column(BigInteger)
    closing_minor: Mapped[int | None] = mapped_column(BigInteger)
    closing_on: Mapped[date | None]


class StatementLine(Base):
    """One movement in somebody else's book: in > 0, out < 0. The same movement in two files is one line."""

    __tablename__ = "reconciliation_lines"
    __table_args__ = (
        UniqueConstraint("organisation_id", "source", "line_key"),
        CheckConstraint("amount_minor <> 0", name="amount_is_not_zero"),
        Index(
            "ix_reconciliation_lines_open", "organisation_id", "source", "id", **_partial("NOT is_matched")
        ),
        Index("ix_reconciliation_lines_file", "file_id", "id"),
        Index("ix_reconciliation_lines_account", "account_id", "booked_on"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    source: Mapped[str] = mapped_column(String(10))
    file_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_files.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_accounts.id"))
    line_key: Mapped[str] = mapped_column(String(64))
    booked_on: Mapped[date]
    value_on: Mapped[date | None]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    our_id: Mapped[ShortText] = mapped_column(default="")
    payout_reference: Mapped[ShortText] = mapped_column(default="")
    utr: Mapped[ShortText] = mapped_column(default="")
    bank_reference: Mapped[ShortText] = mapped_column(default="")
    end_to_end: Mapped[ShortText] = mapped_column(default="")
    batch_reference: Mapped[ShortText] = mapped_column(default="")
    batch_count: Mapped[int] = mapped_column(default=0)
    counterparty: Mapped[str] = mapped_column(String(200), default="")
    text: Mapped[str] = mapped_column(String(500), default="")
    # A provider's own word, and what it means for the money.
    status: Mapped[str] = mapped_column(String(60), default="")
    meaning: Mapped[str] = mapped_column(String(10), default="")
    is_matched: Mapped[bool] = mapped_column(default=False)


class ReconciliationRun(Base):
    """One comparison: of a file, or of what a provider answers."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        Index("ix_reconciliation_runs_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    source: Mapped[str] = mapped_column(String(10))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_files.id"))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    by_label: Mapped[str] = mapped_column(String(254))
    at: Mapped[Instant]


class Match(Base):
    """A line and what it is in our books: a transfer, and the journal entry that moved the bank account.

    A line belongs to one transfer, unless it is the booking of a batch; a transfer has one line per source and
    direction ("out", "in"), an entry one line.
    """

    __tablename__ = "reconciliation_matches"
    __table_args__ = (
        Index("uq_reconciliation_matches_line", "line_id", unique=True, **_partial("NOT is_batch")),
        Index("uq_reconciliation_matches_transfer", "transfer_id", "source", "direction", unique=True,
              **_partial("transfer_id IS NOT NULL")),
        Index("uq_reconciliation_matches_entry", "entry_id", unique=True, **_partial("entry_id IS NOT NULL")),
        CheckConstraint("transfer_id IS NOT NULL OR entry_id IS NOT NULL", name="has_our_side"),
        CheckConstraint("direction IN ('out', 'in')", name="direction_is_known"),
        Index("ix_reconciliation_matches_organisation", "organisation_id", "id"),
        Index("ix_reconciliation_matches_all_lines", "line_id"),
        Index("ix_reconciliation_matches_unbooked", "organisation_id", "id",
              **_partial("entry_id IS NULL AND source = 'bank'")),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    source: Mapped[str] = mapped_column(String(10))
    line_id: Mapped[int] = mapped_column(ForeignKey("reconciliation_lines.id"))
    direction: Mapped[str] = mapped_column(String(3))
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfers.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("journal_entries.id"))
    is_batch: Mapped[bool] = mapped_column(default=False)
    # transfer_id, provider_reference, utr, payment_reference, payout, batch, hand, correction
    how: Mapped[str] = mapped_column(String(20))
    currency: Mapped[Currency]
    ours_minor: Mapped[MinorUnits]
    theirs_minor: Mapped[MinorUnits]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_runs.id"))
    by_label: Mapped[str] = mapped_column(String(254), default="")
    at: Mapped[Instant]


class Finding(Base):
    """Something in which the two books differ, until it is settled; one per subject."""

    __tablename__ = "reconciliation_findings"
    __table_args__ = (
        UniqueConstraint("organisation_id", "subject_key"),
        CheckConstraint(f"kind IN ({_values(FindingKind)})", name="kind_is_known"),
        CheckConstraint(f"state IN ({_values(FindingState)})", name="state_is_known"),
        CheckConstraint(f"source IN ({_values(Source)})", name="source_is_known"),
        CheckConstraint("state <> 'resolved' OR resolution <> ''", name="resolved_says_how"),
        Index("ix_reconciliation_findings_organisation", "organisation_id", "id"),
        Index("ix_reconciliation_findings_unsettled", "organisation_id", "kind", "id",
              **_partial(f"state IN ({_values(UNSETTLED)})")),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    # line:7, entry:7, match:7, status:7, missing:7, webhook:7, opening:7, gap:7
    subject_key: Mapped[ShortText]
    kind: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_accounts.id"))
    line_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_lines.id"), index=True)
    match_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_matches.id"))
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfers.id"), index=True)
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("journal_entries.id"), index=True)
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhook_messages.id"))
    # The entry that may be the other half of a line: same amount, few days apart, the only one.
    suggested_entry_id: Mapped[int | None] = mapped_column(ForeignKey("journal_entries.id"))
    label: Mapped[str] = mapped_column(String(300), default="")
    currency: Mapped[str] = mapped_column(String(3), default="")
    ours_minor: Mapped[int | None] = mapped_column(BigInteger)
    theirs_minor: Mapped[int | None] = mapped_column(BigInteger)
    ours_words: Mapped[ShortText] = mapped_column(default="")
    theirs_words: Mapped[ShortText] = mapped_column(default="")
    # The day of the movement itself: what age is counted from.
    happened_on: Mapped[date]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("reconciliation_runs.id"))
    found_at: Mapped[Instant]
    state: Mapped[str] = mapped_column(String(10), default=FindingState.OPEN.value)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    owner_label: Mapped[str] = mapped_column(String(254), default="")
    resolution: Mapped[str] = mapped_column(String(10), default="")
    note: Mapped[LongText] = mapped_column(default="")
    # A correction that waits for its second person: account, amount, day.
    proposal: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    proposed_by_label: Mapped[str] = mapped_column(String(254), default="")
    proposed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    booked_entry_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("journal_entries.id"))
    resolved_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    resolved_by_label: Mapped[str] = mapped_column(String(254), default="")
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(default=1)
