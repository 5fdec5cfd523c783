"""Vehicles, leases, repairs with their instalments, loans; money that is charged and earned is in `books`."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import (
    Base,
    Currency,
    Instant,
    LongText,
    MinorUnits,
    PrimaryKey,
    ScaledDecimal,
    ShortText,
    UtcDateTime,
    known,
)
from webapp.people.models import Payee
from webapp.programs.repairs.states import InstalmentState, RepairState, ReplanState, Shift, Workshop


class RepairsSettings(Base):
    """How an organisation runs this program."""

    __tablename__ = "repairs_settings"
    __table_args__ = (
        CheckConstraint("protected_minor >= 0", name="protected_not_negative"),
        CheckConstraint("excess_to IN ('lease', 'credit')", name="excess_is_known"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    # Codes of categories, in the order in which earnings cover them.
    category_order: Mapped[list[Any]] = mapped_column(JSON)
    # {category: the most that a week's earnings cover of it}
    weekly_caps: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What a driver keeps of a week before debts are covered.
    protected_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # Weeks that were missed are caught up one a week, not all at once.
    is_one_a_week: Mapped[bool] = mapped_column(default=True)
    # Where a payment goes that is more than the debts it is for.
    excess_to: Mapped[str] = mapped_column(String(10), default="lease")
    version: Mapped[int] = mapped_column(default=1)


class MatrixVersion(Base):
    """The payment matrix as it was from a moment on; versions are never changed."""

    __tablename__ = "repairs_matrix_versions"
    __table_args__ = (
        UniqueConstraint("organisation_id", "version"),
        CheckConstraint("fold_below_minor >= 0", name="fold_not_negative"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    version: Mapped[int]
    currency: Mapped[Currency]
    # [[over_minor, weekly_minor or null]]: null is in full.
    bands: Mapped[list[Any]] = mapped_column(JSON)
    fold_below_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class Vehicle(Base):
    """A vehicle that drivers lease."""

    __tablename__ = "repairs_vehicles"
    __table_args__ = (
        UniqueConstraint("organisation_id", "plate"),
        UniqueConstraint("organisation_id", "vin"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    plate: Mapped[ShortText]
    vin: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[Instant]


class Medallion(Base):
    """The licence that a vehicle drives under."""

    __tablename__ = "repairs_medallions"
    __table_args__ = (UniqueConstraint("organisation_id", "number"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    number: Mapped[ShortText]
    created_at: Mapped[Instant]


class DriverLease(Base):
    """A driver's contract: so much a week for a vehicle. Drivers who share a vehicle have a lease each."""

    __tablename__ = "repairs_leases"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        known("shift", Shift),
        CheckConstraint("weekly_minor >= 0", name="weekly_not_negative"),
        CheckConstraint("ends_on IS NULL OR starts_on <= ends_on", name="dates_in_order"),
        Index("ix_repairs_leases_payee", "payee_id", "starts_on"),
        Index("ix_repairs_leases_organisation", "organisation_id", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    medallion_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_medallions.id"))
    shift: Mapped[str] = mapped_column(String(10), default=Shift.FULL.value)
    currency: Mapped[Currency]
    weekly_minor: Mapped[MinorUnits]
    # Whether repairs of its vehicle may be charged to the driver.
    takes_repairs: Mapped[bool] = mapped_column(default=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    end_reason: Mapped[LongText] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")
    medallion: Mapped[Medallion | None] = relationship(lazy="select")
    vehicles: Mapped[list[LeaseVehicle]] = relationship(
        order_by="LeaseVehicle.from_on", back_populates="lease"
    )

    @property
    def vehicle(self) -> Vehicle:
        """The vehicle that is on it now, or was last."""
        return self.vehicles[-1].vehicle


class LeaseVehicle(Base):
    """From when to when a vehicle is on a lease."""

    __tablename__ = "repairs_lease_vehicles"
    __table_args__ = (
        UniqueConstraint("lease_id", "from_on"),
        CheckConstraint("until_on IS NULL OR from_on <= until_on", name="dates_in_order"),
        Index("ix_repairs_lease_vehicles_vehicle", "vehicle_id"),
    )

    id: Mapped[PrimaryKey]
    lease_id: Mapped[int] = mapped_column(ForeignKey("repairs_leases.id"))
    vehicle_id: Mapped[int] = mapped_column(ForeignKey("repairs_vehicles.id"))
    from_on: Mapped[date]
    until_on: Mapped[date | None]

    lease: Mapped[DriverLease] = relationship(back_populates="vehicles")
    vehicle: Mapped[Vehicle] = relationship(lazy="select")


class Repair(Base):
    """A workshop's invoice that a driver pays back by the week."""

    __tablename__ = "repairs"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        known("state", RepairState),
        known("workshop", Workshop),
        CheckConstraint("starts IN ('CURRENT', 'NEXT')", name="starts_is_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("weekly_minor > 0", name="weekly_positive"),
        CheckConstraint("paid_minor >= 0 AND credited_minor >= 0", name="parts_not_negative"),
        CheckConstraint("paid_minor + credited_minor <= amount_minor", name="paid_at_most_the_amount"),
        CheckConstraint("state NOT IN ('hold', 'cancelled') OR reason <> ''", name="reason_is_given"),
        # The same invoice is charged once; a cancelled one may be entered again.
        Index(
            "uq_repairs_invoice",
            "organisation_id",
            "vehicle_id",
            "invoice_number",
            "invoice_date",
            unique=True,
            sqlite_where=text("state <> 'cancelled'"),
            postgresql_where=text("state <> 'cancelled'"),
        ),
        Index("ix_repairs_organisation_state", "organisation_id", "state", "id"),
        Index("ix_repairs_organisation_invoice", "organisation_id", "invoice_date", "id"),
        Index("ix_repairs_payee", "payee_id", "id"),
        Index("ix_repairs_lease", "lease_id"),
        Index("ix_repairs_vehicle", "vehicle_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    lease_id: Mapped[int] = mapped_column(ForeignKey("repairs_leases.id"))
    vehicle_id: Mapped[int] = mapped_column(ForeignKey("repairs_vehicles.id"))
    medallion_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_medallions.id"))
    invoice_number: Mapped[ShortText]
    invoice_date: Mapped[date]
    workshop: Mapped[str] = mapped_column(String(15))
    description: Mapped[LongText] = mapped_column(default="")
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    starts: Mapped[str] = mapped_column(String(10))
    weekly_minor: Mapped[MinorUnits]
    # NULL: the matrix that organisations have who made none.
    matrix_version_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_matrix_versions.id"))
    # What allocations have covered of its instalments; what was cancelled, taken back or written off.
    paid_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    credited_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(10), default=RepairState.DRAFT.value)
    reason: Mapped[LongText] = mapped_column(default="")
    document_key: Mapped[str | None] = mapped_column(String(200))
    document_name: Mapped[str] = mapped_column(String(200), default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")
    lease: Mapped[DriverLease] = relationship(lazy="select")
    vehicle: Mapped[Vehicle] = relationship(lazy="select")
    instalments: Mapped[list[Instalment]] = relationship(
        order_by="Instalment.number", cascade="all, delete-orphan", back_populates="repair"
    )

    @property
    def outstanding_minor(self) -> int:
        """What is not paid, cancelled, taken back or written off."""
        return self.amount_minor - self.paid_minor - self.credited_minor


class Loan(Base):
    """Money lent to a driver and paid back by the week, with simple interest on what is left."""

    __tablename__ = "repairs_loans"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "idempotency_key"),
        CheckConstraint("principal_minor > 0", name="principal_positive"),
        CheckConstraint("percent BETWEEN 0 AND 100000000", name="percent_in_range"),
        Index("ix_repairs_loans_payee", "payee_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    currency: Mapped[Currency]
    principal_minor: Mapped[MinorUnits]
    percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    lent_on: Mapped[date]
    note: Mapped[LongText] = mapped_column(default="")
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")
    instalments: Mapped[list[Instalment]] = relationship(order_by="Instalment.number", back_populates="loan")


class Instalment(Base):
    """One week's part of a repair or a loan. Its amount is principal and interest."""

    __tablename__ = "repairs_instalments"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("repair_id", "number"),
        UniqueConstraint("loan_id", "number"),
        known("state", InstalmentState),
        CheckConstraint("(repair_id IS NULL) <> (loan_id IS NULL)", name="of_a_repair_or_a_loan"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("interest_minor BETWEEN 0 AND amount_minor", name="interest_in_range"),
        CheckConstraint("balance_after_minor >= 0", name="balance_not_negative"),
        CheckConstraint(
            "(state IN ('posted', 'paid')) = (posted_for IS NOT NULL)", name="posted_has_its_week"
        ),
        Index(
            "ix_repairs_instalments_unposted",
            "organisation_id",
            "week_start",
            "id",
            sqlite_where=text("state = 'scheduled'"),
            postgresql_where=text("state = 'scheduled'"),
        ),
        Index(
            "ix_repairs_instalments_driver",
            "payee_id",
            "week_start",
            sqlite_where=text("state = 'scheduled'"),
            postgresql_where=text("state = 'scheduled'"),
        ),
        Index("ix_repairs_instalments_posted", "organisation_id", "posted_for"),
        Index("ix_repairs_instalments_week", "organisation_id", "week_start", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    repair_id: Mapped[int | None] = mapped_column(ForeignKey("repairs.id"))
    loan_id: Mapped[int | None] = mapped_column(ForeignKey("repairs_loans.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    number: Mapped[int]
    week_start: Mapped[date]
    due_on: Mapped[date]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    interest_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    balance_after_minor: Mapped[MinorUnits]
    state: Mapped[str] = mapped_column(String(10), default=InstalmentState.SCHEDULED.value)
    # The week that it was charged in: its own, or a later one that catches up.
    posted_for: Mapped[date | None]
    posted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    repair: Mapped[Repair | None] = relationship(back_populates="instalments")
    loan: Mapped[Loan | None] = relationship(back_populates="instalments")
    payee: Mapped[Payee] = relationship(lazy="select")


class Replan(Base):
    """Another weekly amount for what is left of a repair; it counts once a second person accepts it."""

    __tablename__ = "repairs_replans"
    __table_args__ = (
        known("state", ReplanState),
        CheckConstraint("weekly_minor > 0", name="weekly_positive"),
        CheckConstraint(
            "state <> 'accepted' OR (decided_by_id IS NOT NULL AND decided_by_id <> created_by_id)",
            name="second_person_accepts",
        ),
        Index(
            "uq_repairs_replans_proposed",
            "repair_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    repair_id: Mapped[int] = mapped_column(ForeignKey("repairs.id"))
    weekly_minor: Mapped[MinorUnits]
    reason: Mapped[LongText]
    state: Mapped[str] = mapped_column(String(10), default=ReplanState.PROPOSED.value)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    decision_note: Mapped[LongText] = mapped_column(default="")

    repair: Mapped[Repair] = relationship(lazy="select")
