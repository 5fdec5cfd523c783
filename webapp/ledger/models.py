"""Accounts, journal entries, postings. The database itself refuses what is unbalanced or changed.

`ledger_zero` holds the single value 0. An entry's `imbalance` and `legs_missing` are foreign keys to it,
checked when the transaction commits: triggers add every posting to them, so only a complete, balanced
entry can be committed, on SQLite and on PostgreSQL alike. The triggers stand in the first migration.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import (
    Base,
    BigId,
    Currency,
    Instant,
    MinorUnits,
    PrimaryKey,
    ShortText,
)

ACCOUNT_TYPES = ("asset", "liability", "income", "expense", "equity")


class Zero(Base):
    """The one-row table that only a sum of zero can point to."""

    __tablename__ = "ledger_zero"
    __table_args__ = (CheckConstraint("value = 0", name="value_is_zero"),)

    value: Mapped[int] = mapped_column(BigInteger().with_variant(BigInteger, "sqlite"), primary_key=True,
                                       autoincrement=False)  # fmt: skip


class Account(Base):
    """A ledger account in one currency. `balance_minor` is on the normal side: money in a wallet is > 0."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("organisation_id", "code", "currency"),
        UniqueConstraint("id", "currency"),
        CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name="currency_format",
        ),
        CheckConstraint(
            "type IN ('asset', 'liability', 'income', 'expense', 'equity')",
            name="type_is_known",
        ),
        CheckConstraint("normal_side IN (1, -1)", name="normal_side_is_a_sign"),
        CheckConstraint(
            "minimum_balance_minor IS NULL OR balance_minor >= minimum_balance_minor",
            name="balance_at_minimum",
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    code: Mapped[ShortText]
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(10))
    currency: Mapped[Currency]
    payee_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"), index=True)
    # 1: debits increase it (asset, expense); -1: credits do (liability, income, equity).
    normal_side: Mapped[int]
    minimum_balance_minor: Mapped[int | None] = mapped_column(BigInteger)
    balance_minor: Mapped[MinorUnits] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Instant]


class JournalEntry(Base):
    """A balanced movement in one currency; never changed, corrected only by a reversing entry."""

    __tablename__ = "journal_entries"
    __table_args__ = (
        UniqueConstraint("organisation_id", "idempotency_key"),
        UniqueConstraint("id", "currency"),
        CheckConstraint("legs >= 2", name="two_postings_at_least"),
        Index("ix_journal_entries_source", "organisation_id", "source_type", "source_id"),
        Index("ix_journal_entries_effective", "organisation_id", "effective_on", "id"),
        Index(
            "uq_journal_entries_reverses",
            "reverses_id",
            unique=True,
            sqlite_where=text("reverses_id IS NOT NULL"),
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[ShortText]
    currency: Mapped[Currency]
    effective_on: Mapped[date]
    description: Mapped[str] = mapped_column(String(300))
    source_type: Mapped[ShortText]
    source_id: Mapped[int] = mapped_column(BigId)
    idempotency_key: Mapped[str] = mapped_column(String(200))
    content_digest: Mapped[str] = mapped_column(String(64))
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("journal_entries.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    legs: Mapped[int]
    legs_missing: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("ledger_zero.value", deferrable=True, initially="DEFERRED"),
    )
    imbalance: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("ledger_zero.value", deferrable=True, initially="DEFERRED"),
        default=0,
    )

    postings: Mapped[list[Posting]] = relationship(
        back_populates="entry",
        primaryjoin="JournalEntry.id == Posting.entry_id",
        foreign_keys="Posting.entry_id",
        order_by="Posting.id",
    )


class Posting(Base):
    """One leg of an entry: debit > 0, credit < 0. `balance_after_minor` is on the account's normal side."""

    __tablename__ = "postings"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_is_not_zero"),
        ForeignKeyConstraint(["entry_id", "currency"], ["journal_entries.id", "journal_entries.currency"]),
        ForeignKeyConstraint(["account_id", "currency"], ["accounts.id", "accounts.currency"]),
        Index("ix_postings_account", "account_id", "id"),
        Index("ix_postings_entry", "entry_id"),
    )

    id: Mapped[PrimaryKey]
    entry_id: Mapped[int] = mapped_column(BigId)
    account_id: Mapped[int] = mapped_column(BigId)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    balance_after_minor: Mapped[MinorUnits]

    entry: Mapped[JournalEntry] = relationship(
        back_populates="postings",
        primaryjoin="JournalEntry.id == Posting.entry_id",
        foreign_keys="Posting.entry_id",
    )
    account: Mapped[Account] = relationship(
        primaryjoin="Account.id == Posting.account_id",
        foreign_keys="Posting.account_id",
        viewonly=True,
    )
