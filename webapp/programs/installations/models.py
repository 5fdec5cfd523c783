"""Installed systems, who installed them, and the rate configurations that price them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import (
    Base,
    BigId,
    Currency,
    Instant,
    LongText,
    PrimaryKey,
    ScaledDecimal,
    ShortText,
    UtcDateTime,
)
from webapp.kernel.labels import Label
from webapp.people.models import Payee


class InstallationStatus(Label):
    """Only commissioned and active installations are paid for."""

    PENDING = "pending", "Pending", "waiting"
    IN_PROGRESS = "in_progress", "In progress", "progress"
    COMMISSIONED = "commissioned", "Commissioned", "ok"
    ACTIVE = "active", "Active", "done"
    DECOMMISSIONED = "decommissioned", "Decommissioned", "cancelled"


class RateType(Label):
    """How a rate turns an installation into an amount."""

    FLAT = "flat", "Flat"
    PER_UNIT = "per_unit", "Per unit"
    PERCENTAGE = "percentage", "Percentage of the order value"


class RangeMode(Label):
    """How a size range is read."""

    HALF_OPEN = "half_open", "From the minimum up to, not including, the maximum"
    INCLUSIVE = "inclusive", "From the minimum to the maximum, both included"


class QualityCheck(Label):
    """Outcome of the quality check; the bonus is paid only when it passed."""

    NOT_DONE = "not_done", "Not done"
    PASSED = "passed", "Passed"
    NOT_PASSED = "not_passed", "Not passed"


CAPACITY_UNITS = ("kW", "Mbps", "units")


class InstallationSettings(Base):
    """How an organisation runs this program."""

    __tablename__ = "installation_settings"
    __table_args__ = (
        CheckConstraint("range_mode IN ('half_open', 'inclusive')", name="range_mode_is_known"),
        CheckConstraint("retention_bp BETWEEN 0 AND 5000", name="retention_in_range"),
        CheckConstraint("retention_days BETWEEN 0 AND 3650", name="retention_days_in_range"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    range_mode: Mapped[str] = mapped_column(String(20), default=RangeMode.HALF_OPEN.value)
    is_progressive: Mapped[bool] = mapped_column(default=False)
    is_automatic: Mapped[bool] = mapped_column(default=True)
    minimum_payout_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # Held back of each installation, in basis points, for so many days after commissioning.
    retention_bp: Mapped[int] = mapped_column(default=0, server_default="0")
    retention_days: Mapped[int] = mapped_column(default=0, server_default="0")


class InstallationType(Base):
    """A kind of system; each organisation can add its own."""

    __tablename__ = "installation_types"
    __table_args__ = (UniqueConstraint("organisation_id", "code"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    code: Mapped[ShortText]
    label: Mapped[ShortText]


class RateConfiguration(Base):
    """A rate that keeps its identity while its versions change."""

    __tablename__ = "rate_configurations"
    __table_args__ = (UniqueConstraint("organisation_id", "external_ref"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    external_ref: Mapped[str | None] = mapped_column(String(120))
    current_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Instant]

    versions: Mapped[list[RateVersion]] = relationship(
        order_by="RateVersion.version.desc()", back_populates="configuration"
    )


class RateVersion(Base):
    """What a rate configuration says; never edited, a change makes the next version."""

    __tablename__ = "rate_versions"
    __table_args__ = (
        UniqueConstraint("configuration_id", "version"),
        CheckConstraint("rate_type IN ('flat', 'per_unit', 'percentage')", name="rate_type_is_known"),
        CheckConstraint("rate > 0", name="rate_positive"),
        CheckConstraint("bonus_minor >= 0", name="bonus_not_negative"),
        CheckConstraint("min_size IS NULL OR min_size >= 0", name="min_size_not_negative"),
        CheckConstraint(
            "min_size IS NULL OR max_size IS NULL OR min_size <= max_size",
            name="range_not_empty",
        ),
        CheckConstraint(
            "effective_from IS NULL OR effective_to IS NULL OR effective_from <= effective_to",
            name="effective_range_not_empty",
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    configuration_id: Mapped[int] = mapped_column(ForeignKey("rate_configurations.id"))
    version: Mapped[int]
    name: Mapped[ShortText]
    # NULL: any type.
    installation_type: Mapped[str | None] = mapped_column(String(120))
    capacity_unit: Mapped[str] = mapped_column(String(20))
    min_size: Mapped[Decimal | None] = mapped_column(ScaledDecimal)
    max_size: Mapped[Decimal | None] = mapped_column(ScaledDecimal)
    rate_type: Mapped[str] = mapped_column(String(20))
    # Major units of `currency` for flat and per unit, per cent for percentage.
    rate: Mapped[Decimal] = mapped_column(ScaledDecimal)
    currency: Mapped[Currency]
    has_bonus: Mapped[bool] = mapped_column(default=False)
    bonus_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    priority: Mapped[int] = mapped_column(default=1)
    effective_from: Mapped[date | None]
    # The last day on which it counts.
    effective_to: Mapped[date | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]

    configuration: Mapped[RateConfiguration] = relationship(back_populates="versions")


class Installation(Base):
    """An installed system."""

    __tablename__ = "installations"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        CheckConstraint("size IS NULL OR size > 0", name="size_positive"),
        CheckConstraint(
            "order_value_minor IS NULL OR order_value_minor >= 0",
            name="order_value_not_negative",
        ),
        CheckConstraint(
            "status IN ('pending', 'in_progress', 'commissioned', 'active', 'decommissioned')",
            name="status_is_known",
        ),
        CheckConstraint(
            "status NOT IN ('commissioned', 'active') OR commissioned_on IS NOT NULL",
            name="commissioned_has_a_date",
        ),
        Index(
            "ix_installations_organisation_commissioned",
            "organisation_id",
            "commissioned_on",
            "id",
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    installation_type: Mapped[ShortText]
    customer_name: Mapped[str] = mapped_column(String(200), default="")
    site: Mapped[str] = mapped_column(String(300), default="")
    size: Mapped[Decimal | None] = mapped_column(ScaledDecimal)
    capacity_unit: Mapped[str] = mapped_column(String(20))
    currency: Mapped[Currency]
    order_value_minor: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20), default=InstallationStatus.PENDING.value)
    commissioned_on: Mapped[date | None]
    quality_check: Mapped[str] = mapped_column(String(20), default=QualityCheck.NOT_DONE.value)
    # Who last changed what an amount could come from; never an approver of its payout.
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    shares: Mapped[list[InstallationShare]] = relationship(
        order_by="InstallationShare.id",
        cascade="all, delete-orphan",
        back_populates="installation",
    )
    files: Mapped[list[InstallationFile]] = relationship(order_by="InstallationFile.id")


class InstallationShare(Base):
    """A technician's part of an installation. Parts are weights: 1 and 1 is half each, 6000 and 4000 is 60/40."""

    __tablename__ = "installation_shares"
    __table_args__ = (
        UniqueConstraint("installation_id", "payee_id"),
        CheckConstraint("weight > 0", name="weight_positive"),
        CheckConstraint("offer IN ('open', 'blocked', 'dismissed')", name="offer_is_known"),
        Index("ix_installation_shares_payee", "payee_id", "installation_id"),
    )

    id: Mapped[PrimaryKey]
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    weight: Mapped[int] = mapped_column(BigInteger, default=1)
    # blocked: its payout was rejected or cancelled and nobody chose "fix" or "dismiss" yet.
    offer: Mapped[str] = mapped_column(String(10), default="open")
    offer_reason: Mapped[LongText] = mapped_column(default="")

    installation: Mapped[Installation] = relationship(back_populates="shares")
    payee: Mapped[Payee] = relationship(lazy="select")


class InstallationFile(Base):
    """A photo or certificate that belongs to an installation."""

    __tablename__ = "installation_files"

    id: Mapped[PrimaryKey]
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    content_type: Mapped[ShortText]
    size_bytes: Mapped[int] = mapped_column(BigId)
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(200))
    uploaded_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime())
