"""Bank files: how an organisation's bank wants them, the files, their items, and the bank's return files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.bankfiles.states import FileState, Format, Word
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
from webapp.kernel.money import Money
from webapp.payouts.models import Payout, Transfer


def _one_of(column: str, members: object) -> str:
    values = ", ".join(f"'{m}'" for m in members)  # type: ignore[attr-defined]
    return f"{column} IN ({values})"


class BankFileSetup(Base):
    """How the bank of an organisation wants files of one format: originator, account, columns."""

    __tablename__ = "bank_file_setups"
    __table_args__ = (
        UniqueConstraint("organisation_id", "format"),
        CheckConstraint(_one_of("format", Format), name="format_is_known"),
    )

    id: Mapped[PrimaryKey]
    # Random and fixed before the row exists: the encrypted account is bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    format: Mapped[str] = mapped_column(String(20))
    # See webapp.bankfiles.setups for the fields; the account is not among them.
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    # The organisation's own account: IBAN or number.
    account_encrypted: Mapped[str | None] = mapped_column(String(2000))
    account_masked: Mapped[str] = mapped_column(String(60), default="")
    version: Mapped[int] = mapped_column(default=1)
    changed_by_label: Mapped[str] = mapped_column(String(254))
    changed_at: Mapped[Instant]


class BankFile(Base):
    """One file, from making it to the bank's last word. Its bytes lie sealed in the storage and never change."""

    __tablename__ = "bank_files"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        # The n-th file of a format on a day; also the modifier that tells a day's NACHA files apart.
        UniqueConstraint("organisation_id", "format", "made_on", "day_number"),
        CheckConstraint(_one_of("format", Format), name="format_is_known"),
        CheckConstraint(_one_of("state", FileState), name="state_is_known"),
        CheckConstraint("item_count > 0 AND total_minor > 0", name="is_not_empty"),
        CheckConstraint(
            "approved_by_id IS NULL OR approved_by_id <> made_by_id OR is_single_operator",
            name="approver_is_not_maker",
        ),
        CheckConstraint(
            "cancelled_by_id IS NULL OR first_downloaded_at IS NULL"
            " OR (cancel_asked_by_id IS NOT NULL"
            " AND (cancelled_by_id <> cancel_asked_by_id OR is_single_operator))",
            name="two_people_cancel_what_was_downloaded",
        ),
        Index("ix_bank_files_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    rail: Mapped[str] = mapped_column(String(20))
    format: Mapped[str] = mapped_column(String(20))
    # "pain.001.001.09", "NACHA PPD", the name of the column template.
    variant: Mapped[str] = mapped_column(String(60))
    currency: Mapped[Currency]
    item_count: Mapped[int]
    total_minor: Mapped[MinorUnits]
    # What the bank's own page shows beside count and sum: entry hash, batches, lines.
    controls: Mapped[dict[str, str]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    file_name: Mapped[ShortText]
    storage_key: Mapped[str] = mapped_column(String(200))
    # The key of the bytes, itself sealed by the installation's field keys.
    data_key_encrypted: Mapped[str] = mapped_column(String(2000))
    debit_masked: Mapped[str] = mapped_column(String(60))
    made_on: Mapped[date]
    day_number: Mapped[int]
    # The day on which the bank is asked to pay.
    execute_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(20), default=FileState.MADE.value)
    version: Mapped[int] = mapped_column(default=1)
    is_single_operator: Mapped[bool] = mapped_column(default=False)
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_by_label: Mapped[str] = mapped_column(String(254))
    made_at: Mapped[Instant]
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    approved_by_label: Mapped[str] = mapped_column(String(254), default="")
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    first_downloaded_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    downloads: Mapped[int] = mapped_column(default=0)
    sent_by_label: Mapped[str] = mapped_column(String(254), default="")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # The bank's own number of the upload, where it gave one.
    bank_reference: Mapped[ShortText] = mapped_column(default="")
    cancel_asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    cancel_asked_by_label: Mapped[str] = mapped_column(String(254), default="")
    cancel_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    cancel_reason: Mapped[LongText] = mapped_column(default="")
    cancelled_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    cancelled_by_label: Mapped[str] = mapped_column(String(254), default="")
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    items: Mapped[list[BankFileItem]] = relationship(order_by="BankFileItem.position", viewonly=True)

    @property
    def total(self) -> Money:
        """The sum of its payments."""
        return Money(self.total_minor, self.currency)


class BankFileItem(Base):
    """One transfer in one file. A transfer is in at most one live file, whatever else happens."""

    __tablename__ = "bank_file_items"
    __table_args__ = (
        UniqueConstraint("file_id", "position"),
        Index(
            "uq_bank_file_items_live_transfer",
            "transfer_row_id",
            unique=True,
            sqlite_where=text("is_live"),
            postgresql_where=text("is_live"),
        ),
        Index(
            "uq_bank_file_items_live_key",
            "organisation_id",
            "key",
            unique=True,
            sqlite_where=text("is_live"),
            postgresql_where=text("is_live"),
        ),
        CheckConstraint("amount_minor > 0", name="amount_minor_positive"),
        CheckConstraint(_one_of("word", Word), name="word_is_known"),
        Index("ix_bank_file_items_payout", "payout_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    file_id: Mapped[int] = mapped_column(ForeignKey("bank_files.id"))
    position: Mapped[int]
    transfer_row_id: Mapped[int] = mapped_column(BigId, ForeignKey("transfers.id"))
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    # False once the file is cancelled: the transfer may go into another one.
    is_live: Mapped[bool] = mapped_column(default=True)
    # By which the bank's return file names it: our transfer id, or the trace number.
    key: Mapped[str] = mapped_column(String(40))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    # As it stands in the file; `changes` lists [field, ours, in the file] where the bank's letters forced a change.
    written_name: Mapped[str] = mapped_column(String(200))
    account_masked: Mapped[str] = mapped_column(String(60))
    changes: Mapped[list[list[str]]] = mapped_column(JSON, default=list)
    word: Mapped[str] = mapped_column(String(20), default=Word.NONE.value)
    code: Mapped[ShortText] = mapped_column(default="")
    message: Mapped[str] = mapped_column(String(500), default="")
    utr: Mapped[ShortText] = mapped_column(default="")
    # What the bank has booked, where its file says so; another amount than ours stops the rail.
    booked_minor: Mapped[MinorUnits | None]
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Reference of the return file, or who said it.
    answered_by: Mapped[str] = mapped_column(String(254), default="")

    @property
    def amount(self) -> Money:
        """What is paid."""
        return Money(self.amount_minor, self.currency)

    file: Mapped[BankFile] = relationship(viewonly=True)
    payout: Mapped[Payout] = relationship(viewonly=True)
    transfer: Mapped[Transfer] = relationship(viewonly=True)


class BankReturn(Base):
    """A file that the bank gave back, as it came, and what each of its lines led to."""

    __tablename__ = "bank_returns"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "sha256"),
    )

    id: Mapped[PrimaryKey]
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    # pain.002, NACHA return, CSV
    kind: Mapped[str] = mapped_column(String(20))
    file_name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    storage_key: Mapped[str] = mapped_column(String(200))
    data_key_encrypted: Mapped[str] = mapped_column(String(2000))
    # How many lines had which effect; see webapp.bankfiles.returns.Effect.
    counts: Mapped[dict[str, int]] = mapped_column(JSON)
    # One mapping per line: key, payout, word, code, text, effect.
    lines: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    brought_by_label: Mapped[str] = mapped_column(String(254))
    brought_at: Mapped[Instant]
