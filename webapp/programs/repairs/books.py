"""What drivers are charged and earn, what covers what, their weekly receipts, and the runs that make them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

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
    known,
)
from webapp.people.models import Payee
from webapp.programs.repairs.models import DriverLease
from webapp.programs.repairs.states import AdjustmentKind, Category, DisputeState


class Charge(Base):
    """One debt of a driver. It counts for the first receipt that is made of its week or a later one."""

    __tablename__ = "repairs_charges"
    __table_args__ = (
        UniqueConstraint("organisation_id", "idempotency_key"),
        known("category", Category),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("paid_minor >= 0 AND credited_minor >= 0", name="parts_not_negative"),
        CheckConstraint("paid_minor + credited_minor <= amount_minor", name="covered_at_most_the_amount"),
        Index(
            "ix_repairs_charges_open",
            "payee_id",
            "id",
            sqlite_where=text("paid_minor + credited_minor < amount_minor"),
            postgresql_where=text("paid_minor + credited_minor < amount_minor"),
        ),
        Index(
            "ix_repairs_charges_to_count",
            "payee_id",
            "week_start",
            sqlite_where=text("receipt_id IS NULL"),
            postgresql_where=text("receipt_id IS NULL"),
        ),
        Index("ix_repairs_charges_instalment", "instalment_id", unique=True),
        Index("ix_repairs_charges_organisation", "organisation_id", "payee_id", "charged_on"),
        Index("ix_repairs_charges_receipt", "receipt_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    # The lease that it was charged under, where there is one.
    lease_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_leases.id"))
    instalment_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_instalments.id"))
    category: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(String(300))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    paid_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    credited_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    charged_on: Mapped[date]
    week_start: Mapped[date]
    idempotency_key: Mapped[str] = mapped_column(String(200))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_receipts.id"))
    # The driver does not agree with it: no receipt covers it until that is decided.
    is_disputed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")

    @property
    def open_minor(self) -> int:
        """What nothing covers yet."""
        return self.amount_minor - self.paid_minor - self.credited_minor


class Earning(Base):
    """What a driver earned; imported, with the name of where it comes from."""

    __tablename__ = "repairs_earnings"
    __table_args__ = (
        UniqueConstraint("organisation_id", "source", "external_ref"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index(
            "ix_repairs_earnings_to_count",
            "payee_id",
            "week_start",
            sqlite_where=text("receipt_id IS NULL"),
            postgresql_where=text("receipt_id IS NULL"),
        ),
        Index("ix_repairs_earnings_receipt", "receipt_id"),
        Index("ix_repairs_earnings_payee", "payee_id", "earned_on"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    source: Mapped[ShortText]
    external_ref: Mapped[ShortText]
    description: Mapped[str] = mapped_column(String(300), default="")
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    earned_on: Mapped[date]
    week_start: Mapped[date]
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_receipts.id"))
    created_at: Mapped[Instant]


class Adjustment(Base):
    """What makes a driver's balance grow other than earnings: a payment, a credit, a payout that came back."""

    __tablename__ = "repairs_adjustments"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "idempotency_key"),
        known("kind", AdjustmentKind),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("applied_minor BETWEEN 0 AND amount_minor", name="applied_at_most_the_amount"),
        Index(
            "ix_repairs_adjustments_to_count",
            "payee_id",
            "happened_on",
            sqlite_where=text("receipt_id IS NULL"),
            postgresql_where=text("receipt_id IS NULL"),
        ),
        Index("ix_repairs_adjustments_receipt", "receipt_id"),
        Index("ix_repairs_adjustments_payee", "payee_id", "happened_on"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    kind: Mapped[str] = mapped_column(String(15))
    method: Mapped[str] = mapped_column(String(15), default="")
    description: Mapped[str] = mapped_column(String(300))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    # What of it went straight to certain charges; the rest is for the week's debts.
    applied_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    happened_on: Mapped[date]
    payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_receipts.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")


class Allocation(Base):
    """That a receipt's money, or an adjustment, covered a charge wholly or in part; never changed."""

    __tablename__ = "repairs_allocations"
    __table_args__ = (
        UniqueConstraint("charge_id", "receipt_id"),
        UniqueConstraint("charge_id", "adjustment_id"),
        CheckConstraint("(receipt_id IS NULL) <> (adjustment_id IS NULL)", name="has_one_cause"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_repairs_allocations_receipt", "receipt_id"),
        Index("ix_repairs_allocations_adjustment", "adjustment_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    charge_id: Mapped[int] = mapped_column(ForeignKey("repairs_charges.id"))
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_receipts.id"))
    adjustment_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_adjustments.id"))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    created_at: Mapped[Instant]


class Receipt(Base):
    """The weekly driver receipt (DTR) of a lease; once issued it is never changed, a correction is issued anew."""

    __tablename__ = "repairs_receipts"
    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        UniqueConstraint("lease_id", "week_start", "revision"),
        CheckConstraint(
            "net_minor = opening_credit_minor - opening_debt_minor + earnings_minor - charges_minor"
            " + adjustments_minor",
            name="net_adds_up",
        ),
        CheckConstraint(
            "closing_credit_minor - closing_debt_minor = net_minor - paid_minor - difference_minor",
            name="closing_adds_up",
        ),
        CheckConstraint(
            "earnings_minor >= 0 AND charges_minor >= 0 AND adjustments_minor >= 0 AND paid_minor >= 0"
            " AND opening_credit_minor >= 0 AND opening_debt_minor >= 0"
            " AND closing_credit_minor >= 0 AND closing_debt_minor >= 0",
            name="figures_not_negative",
        ),
        CheckConstraint("(revision = 1) = (replaces_id IS NULL)", name="correction_names_what_it_corrects"),
        CheckConstraint("revision > 1 OR difference_minor = 0", name="only_a_correction_differs"),
        Index("ix_repairs_receipts_organisation", "organisation_id", "week_start", "id"),
        Index("ix_repairs_receipts_payee", "payee_id", "week_start"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    number: Mapped[ShortText]
    lease_id: Mapped[int] = mapped_column(ForeignKey("repairs_leases.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    week_start: Mapped[date]
    revision: Mapped[int] = mapped_column(default=1)
    # The lease ended in this week or before it.
    is_final: Mapped[bool] = mapped_column(default=False)
    currency: Mapped[Currency]
    opening_credit_minor: Mapped[MinorUnits]
    opening_debt_minor: Mapped[MinorUnits]
    earnings_minor: Mapped[MinorUnits]
    charges_minor: Mapped[MinorUnits]
    adjustments_minor: Mapped[MinorUnits]
    net_minor: Mapped[MinorUnits]
    paid_minor: Mapped[MinorUnits]
    closing_credit_minor: Mapped[MinorUnits]
    closing_debt_minor: Mapped[MinorUnits]
    # Of a correction: by how much the net changed; it is settled in the week that runs.
    difference_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    reason: Mapped[LongText] = mapped_column(default="")
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_receipts.id"), unique=True)
    payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"), unique=True)
    issued_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    issued_by_label: Mapped[str] = mapped_column(String(254))
    issued_at: Mapped[Instant]

    lease: Mapped[DriverLease] = relationship(lazy="select")
    payee: Mapped[Payee] = relationship(lazy="select")
    lines: Mapped[list[ReceiptLine]] = relationship(order_by="ReceiptLine.position", back_populates="receipt")

    @property
    def opening_minor(self) -> int:
        """What the week began with; below zero: owed by the driver."""
        return self.opening_credit_minor - self.opening_debt_minor

    @property
    def closing_minor(self) -> int:
        """What the next week begins with."""
        return self.closing_credit_minor - self.closing_debt_minor


class ReceiptLine(Base):
    """One line of a receipt. `carried` lines explain the opening balance and are not added up."""

    __tablename__ = "repairs_receipt_lines"
    __table_args__ = (
        UniqueConstraint("receipt_id", "position"),
        CheckConstraint("kind IN ('earning', 'charge', 'adjustment', 'carried')", name="kind_is_known"),
    )

    id: Mapped[PrimaryKey]
    receipt_id: Mapped[int] = mapped_column(ForeignKey("repairs_receipts.id"))
    position: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    # The category of a charge, the source of an earning, the kind of an adjustment.
    category: Mapped[ShortText]
    description: Mapped[str] = mapped_column(String(300))
    day: Mapped[date]
    # Signed: what it adds to the driver's balance.
    amount_minor: Mapped[MinorUnits]

    receipt: Mapped[Receipt] = relationship(back_populates="lines")


class Dispute(Base):
    """That a driver does not agree with one charge, and what was decided; a charge is disputed once."""

    __tablename__ = "repairs_disputes"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("charge_id"),
        known("state", DisputeState),
        CheckConstraint("reason <> ''", name="reason_is_given"),
        CheckConstraint(
            "state = 'open' OR (decided_at IS NOT NULL AND decided_by_id IS NOT NULL"
            " AND decided_by_id <> created_by_id AND answer <> '')",
            name="another_person_answers",
        ),
        Index("ix_repairs_disputes_organisation", "organisation_id", "state", "id"),
        Index("ix_repairs_disputes_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    charge_id: Mapped[int] = mapped_column(ForeignKey("repairs_charges.id"))
    state: Mapped[str] = mapped_column(String(10), default=DisputeState.OPEN.value)
    reason: Mapped[LongText]
    answer: Mapped[LongText] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    charge: Mapped[Charge] = relationship(lazy="select")
    payee: Mapped[Payee] = relationship(lazy="select")


class WeeklyRun(Base):
    """One week's work: instalments charged, receipts made. Its figures are counted from the records."""

    __tablename__ = "repairs_weekly_runs"
    __table_args__ = (UniqueConstraint("organisation_id", "week_start"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    # The week that begins: its instalments are charged; the receipts are those of the week before.
    week_start: Mapped[date]
    posted: Mapped[int] = mapped_column(default=0)
    receipts: Mapped[int] = mapped_column(default=0)
    payouts: Mapped[int] = mapped_column(default=0)
    problems: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[Instant]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class WeeklyProblem(Base):
    """A driver for whom a part of a run could not be done, and why; tried again when the run is repeated."""

    __tablename__ = "repairs_weekly_problems"
    __table_args__ = (UniqueConstraint("run_id", "payee_id", "step"),)

    id: Mapped[PrimaryKey]
    run_id: Mapped[int] = mapped_column(ForeignKey("repairs_weekly_runs.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    step: Mapped[str] = mapped_column(String(15))
    message: Mapped[LongText]
    happened_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")
