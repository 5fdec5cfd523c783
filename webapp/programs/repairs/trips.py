"""Trips as the taximeter recorded them, and what a driver's week of them comes to: cards, cash, tips, tolls, taxes.

A trip is known by its driver and the moment of pickup: the same trip cannot be there twice. Card fares become earnings,
taxes and tolls of all trips become charges (`metering` books them by driver and day); cash stays with the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    case,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import (
    Base,
    Currency,
    Instant,
    MinorUnits,
    PrimaryKey,
    ScaledDecimal,
    UtcDateTime,
    db,
    known,
)
from webapp.kernel.labels import Label
from webapp.kernel.money import Money
from webapp.programs.repairs.rules import Week


class TripPayment(Label):
    """How the passenger paid."""

    CARD = "card", "Card"
    CASH = "cash", "Cash"
    NO_CHARGE = "no_charge", "No charge"
    DISPUTED = "disputed", "Disputed"
    UNKNOWN = "unknown", "Not known"


class Trip(Base):
    """One trip of a driver. Its total is the sum of its parts, which the database checks."""

    __tablename__ = "repairs_trips"
    __table_args__ = (
        UniqueConstraint("payee_id", "picked_up_at"),
        known("payment", TripPayment),
        CheckConstraint(
            "fare_minor >= 0 AND surcharge_minor >= 0 AND tax_minor >= 0 AND tip_minor >= 0 AND tolls_minor >= 0",
            name="parts_not_negative",
        ),
        CheckConstraint(
            "total_minor = fare_minor + surcharge_minor + tax_minor + tip_minor + tolls_minor",
            name="total_adds_up",
        ),
        CheckConstraint("dropped_off_at >= picked_up_at", name="times_in_order"),
        Index("ix_repairs_trips_week", "payee_id", "week_start"),
        # What is not booked yet, for the run that books it.
        Index(
            "ix_repairs_trips_unbooked",
            "organisation_id",
            "payee_id",
            sqlite_where=text("booked_at IS NULL"),
            postgresql_where=text("booked_at IS NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    # The medallion as the meter names it: it need not be one of the fleet's.
    medallion: Mapped[str] = mapped_column(String(40), default="")
    vendor: Mapped[str] = mapped_column(String(20), default="")
    payment: Mapped[str] = mapped_column(String(10))
    currency: Mapped[Currency]
    fare_minor: Mapped[MinorUnits]
    surcharge_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tax_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tip_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tolls_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    total_minor: Mapped[MinorUnits]
    rate_code: Mapped[str] = mapped_column(String(10), default="")
    picked_up_at: Mapped[Instant]
    dropped_off_at: Mapped[Instant]
    # The organisation's calendar day of the pickup, and the first day of its week.
    day: Mapped[date]
    week_start: Mapped[date]
    passengers: Mapped[int] = mapped_column(Integer, default=0)
    # In miles, as meters record it.
    distance: Mapped[Decimal] = mapped_column(ScaledDecimal, default=Decimal(0))
    created_at: Mapped[Instant]
    # When its money went into the driver's earnings and charges.
    booked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


@dataclass(frozen=True)
class TripLine:
    """A trip as receipts and lists show it; `picked_up_at` is UTC, `day` the organisation's."""

    picked_up_at: datetime
    dropped_off_at: datetime
    day: date
    medallion: str
    payment: TripPayment
    fare: Money
    surcharge: Money
    tax: Money
    tip: Money
    tolls: Money
    total: Money
    distance: Decimal
    is_booked: bool


def trips_of(organisation_id: int, payee_id: int, week: Week) -> list[TripLine]:
    """The trips of a driver whose pickup lies in a week, in their order; none for another organisation's driver."""
    rows = db.session.execute(
        select(
            Trip.picked_up_at, Trip.dropped_off_at, Trip.day, Trip.medallion, Trip.payment, Trip.currency,
            Trip.fare_minor, Trip.surcharge_minor, Trip.tax_minor, Trip.tip_minor, Trip.tolls_minor,
            Trip.total_minor, Trip.distance, Trip.booked_at,
        )
        .where(
            Trip.organisation_id == organisation_id,
            Trip.payee_id == payee_id,
            Trip.week_start == week.start,
        )
        .order_by(Trip.picked_up_at)
    ).all()  # fmt: skip
    return [
        TripLine(
            picked_up_at=row.picked_up_at,
            dropped_off_at=row.dropped_off_at,
            day=row.day,
            medallion=row.medallion,
            payment=TripPayment(row.payment),
            fare=Money(row.fare_minor, row.currency),
            surcharge=Money(row.surcharge_minor, row.currency),
            tax=Money(row.tax_minor, row.currency),
            tip=Money(row.tip_minor, row.currency),
            tolls=Money(row.tolls_minor, row.currency),
            total=Money(row.total_minor, row.currency),
            distance=row.distance,
            is_booked=row.booked_at is not None,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Gross:
    """What a driver's trips of a week came to. `card` is earned, `cash` the driver has already, `other` nobody paid.

    `total` = card + cash + other; tips, taxes and tolls are parts of it.
    """

    trips: int
    card: Money
    cash: Money
    other: Money
    total: Money
    tips: Money
    taxes: Money
    tolls: Money


def gross_of(organisation_id: int, payee_id: int, week: Week, currency: str) -> Gross:
    """The week's trips added up; zeros where there are none, or where the driver is another organisation's."""

    def paid_by(kind: TripPayment) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((Trip.payment == kind.value, Trip.total_minor), else_=0)), 0)

    row = db.session.execute(
        select(
            func.count(),
            paid_by(TripPayment.CARD),
            paid_by(TripPayment.CASH),
            *(
                func.coalesce(func.sum(part), 0)
                for part in (Trip.total_minor, Trip.tip_minor, Trip.tax_minor, Trip.tolls_minor)
            ),
        ).where(
            Trip.organisation_id == organisation_id,
            Trip.payee_id == payee_id,
            Trip.week_start == week.start,
            Trip.currency == currency,
        )
    ).one()
    count, card, cash, total, tips, taxes, tolls = (int(each) for each in row)
    sums = (Money(each, currency) for each in (card, cash, total - card - cash, total, tips, taxes, tolls))
    return Gross(count, *sums)


def drivers_with_unbooked(
    organisation_id: int, until: date, after: int = 0, limit: int = 500
) -> Sequence[int]:
    """Drivers with trips up to a day that are not booked, by id after one of them."""
    return db.session.scalars(
        select(Trip.payee_id)
        .where(
            Trip.organisation_id == organisation_id,
            Trip.booked_at.is_(None),
            Trip.payee_id > after,
            Trip.day <= until,
        )
        .distinct()
        .order_by(Trip.payee_id)
        .limit(limit)
    ).all()
