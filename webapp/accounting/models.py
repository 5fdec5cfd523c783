"""Which books an organisation keeps, how fast they may be asked, which vendor is whom, and the bill of each payout."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.accounting.states import SyncState
from webapp.database import Base, Currency, Instant, PrimaryKey, ShortText, UtcDateTime, known


class AccountingSetup(Base):
    """What of an organisation goes into which books; one row for each organisation that has any."""

    __tablename__ = "accounting_setups"
    __table_args__ = (
        UniqueConstraint("organisation_id"),
        CheckConstraint("due_days BETWEEN 0 AND 90", name="due_days_range"),
        CheckConstraint("calls_a_day BETWEEN 100 AND 100000", name="calls_a_day_range"),
        CheckConstraint(
            "NOT is_on OR (books_id <> '' AND bill_account_id <> '' AND paid_through_id <> '')",
            name="on_needs_books_and_accounts",
        ),
        # Numbers of bills are unique in an organisation alone: two in the same books would take them for one another's.
        Index(
            "uq_accounting_setups_books",
            "books_id",
            unique=True,
            sqlite_where=text("books_id <> ''"),
            postgresql_where=text("books_id <> ''"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    is_on: Mapped[bool] = mapped_column(default=False)
    # The keeper's own ids; empty until they are chosen.
    books_id: Mapped[str] = mapped_column(String(60), default="")
    books_name: Mapped[str] = mapped_column(String(200), default="")
    bill_account_id: Mapped[str] = mapped_column(String(60), default="")
    bill_account_name: Mapped[str] = mapped_column(String(200), default="")
    paid_through_id: Mapped[str] = mapped_column(String(60), default="")
    paid_through_name: Mapped[str] = mapped_column(String(200), default="")
    # Names of the programs whose payouts become bills.
    programs: Mapped[list[str]] = mapped_column(JSON, default=list)
    # Payouts that were approved before this day are in the books already, by hand.
    starts_on: Mapped[date]
    # Days from the bill to when it is due.
    due_days: Mapped[int] = mapped_column(default=0)
    # What the plan at the keeper allows.
    calls_a_day: Mapped[int] = mapped_column(default=1000)
    # What the keeper said there is to choose from: {"books": [...], "accounts": [...]}.
    choices: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What an admin must put right before anything goes on; empty: nothing.
    problem: Mapped[str] = mapped_column(String(500), default="")
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(default=1)
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class AccountingPace(Base):
    """How fast an organisation's books may be asked, counted for all workers together."""

    __tablename__ = "accounting_paces"
    __table_args__ = (CheckConstraint("day_calls >= 0", name="day_calls_not_negative"),)

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    # When the calls made so far would have been made one by one, in milliseconds since 1970.
    booked_until_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    day: Mapped[date]
    day_calls: Mapped[int] = mapped_column(default=0)
    # The last one of the line that forms when no turn is free comes then, in milliseconds since 1970.
    line_until_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    # The keeper asked to be left alone until then.
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime())


class AccountingVendor(Base):
    """Which vendor of the books a payee is, for each currency; found or made once."""

    __tablename__ = "accounting_vendors"
    __table_args__ = (
        UniqueConstraint(
            "organisation_id", "books_id", "payee_id", "currency", name="uq_accounting_vendors_payee_currency"
        ),
        UniqueConstraint("organisation_id", "books_id", "vendor_id"),
        Index("ix_accounting_vendors_payee", "payee_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    books_id: Mapped[str] = mapped_column(String(60))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    currency: Mapped[Currency]
    vendor_id: Mapped[str] = mapped_column(String(60))
    vendor_name: Mapped[str] = mapped_column(String(250))
    # It was there before; else we made it.
    was_found: Mapped[bool]
    created_at: Mapped[Instant]


class AccountingBill(Base):
    """The bill of one payout: what the books are to say of it, and how far they say it."""

    __tablename__ = "accounting_bills"
    __table_args__ = (
        UniqueConstraint("payout_id"),
        known("state", SyncState),
        CheckConstraint("tries >= 0 AND asks >= 0", name="counts_not_negative"),
        CheckConstraint("state <> 'synced' OR bill_id <> ''", name="synced_has_a_bill"),
        Index("ix_accounting_bills_state", "organisation_id", "state", "payout_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    books_id: Mapped[str] = mapped_column(String(60), default="")
    # Goes with the bill: one of its number that does not carry it is somebody else's. Empty: it was made without.
    mark: Mapped[str] = mapped_column(String(20), default="")
    state: Mapped[str] = mapped_column(String(20), default=SyncState.QUEUED.value)
    vendor_id: Mapped[str] = mapped_column(String(60), default="")
    bill_id: Mapped[str] = mapped_column(String(60), default="")
    payment_id: Mapped[str] = mapped_column(String(60), default="")
    # Under which reference a payment was sent, before anybody knows whether it arrived; empty: none may be there.
    payment_reference: Mapped[ShortText] = mapped_column(default="")
    payment_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # How often somebody or something asked; what a worker did for an older ask does not end the newest.
    asks: Mapped[int] = mapped_column(default=0)
    # Tries without a clear answer since the last ask.
    tries: Mapped[int] = mapped_column(default=0)
    # The keeper's own words and code, as they came.
    error: Mapped[str] = mapped_column(String(500), default="")
    error_code: Mapped[ShortText] = mapped_column(default="")
    asked_at: Mapped[Instant]
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # The version of the payout that the books say.
    synced_version: Mapped[int] = mapped_column(default=0)
    # Who works on it, and until when another must not.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_by: Mapped[ShortText] = mapped_column(default="")
