"""Exchange rates of an organisation, and what payouts in other currencies gained or lost until they were paid."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

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
    ScaledDecimal,
    UtcDateTime,
    known,
)
from webapp.payouts.models import Payout
from webapp.programs.partners.states import DifferenceState


class RateDecimal(ScaledDecimal):
    """An exchange rate, exact to ten decimals: what one đồng is worth in dollars has four zeros after the point."""

    cache_ok = True
    places = 10


class ExchangeRate(Base):
    """What one unit of a currency is worth in the organisation's, from a day on until a later rate.

    No row is ever edited: a correction is the next version of its day, and only one of them is current.
    """

    __tablename__ = "partners_exchange_rates"
    __table_args__ = (
        UniqueConstraint(
            "organisation_id", "currency", "base", "valid_from", "version", name="uq_partners_exchange_rates_day"
        ),
        CheckConstraint("rate > 0", name="rate_above_zero"),
        CheckConstraint("currency <> base", name="of_another_currency"),
        Index(
            "uq_partners_exchange_rates_current",
            "organisation_id",
            "base",
            "currency",
            "valid_from",
            unique=True,
            sqlite_where=text("is_current IS 1"),
            postgresql_where=text("is_current IS true"),
        ),
        Index("ix_partners_exchange_rates_organisation", "organisation_id", "valid_from", "id"),
    )  # fmt: skip

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    currency: Mapped[Currency]
    base: Mapped[Currency]
    rate: Mapped[Decimal] = mapped_column(RateDecimal)
    valid_from: Mapped[date]
    version: Mapped[int] = mapped_column(default=1)
    is_current: Mapped[bool] = mapped_column(default=True)
    # Where it is from, or why the one before it was wrong.
    note: Mapped[LongText] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    # When it was replaced or withdrawn.
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ExchangeDifference(Base):
    """What a payout in another currency cost more or less, in the organisation's, than it was worth at its approval.

    Above zero it cost more. One for each time that the payout was paid.
    """

    __tablename__ = "partners_exchange_differences"
    __table_args__ = (
        UniqueConstraint("payout_id", "round"),
        known("state", DifferenceState),
        CheckConstraint("currency <> base", name="of_another_currency"),
        CheckConstraint(
            "state NOT IN ('booked', 'returned') OR difference_minor IS NOT NULL",
            name="booked_has_its_amount",
        ),
        Index("ix_partners_exchange_differences_organisation", "organisation_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payout_id: Mapped[int] = mapped_column(BigId, ForeignKey("payouts.id"))
    round: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default=DifferenceState.WAITING.value)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    base: Mapped[Currency]
    approved_on: Mapped[date]
    paid_on: Mapped[date]
    approved_rate_id: Mapped[int | None] = mapped_column(ForeignKey("partners_exchange_rates.id"))
    paid_rate_id: Mapped[int | None] = mapped_column(ForeignKey("partners_exchange_rates.id"))
    approved_value_minor: Mapped[int | None] = mapped_column(BigInteger)
    paid_value_minor: Mapped[int | None] = mapped_column(BigInteger)
    difference_minor: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[Instant]
    booked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # The day on which the money came back.
    returned_on: Mapped[date | None]

    payout: Mapped[Payout] = relationship(lazy="select")
    approved_rate: Mapped[ExchangeRate | None] = relationship(lazy="select", foreign_keys=[approved_rate_id])
    paid_rate: Mapped[ExchangeRate | None] = relationship(lazy="select", foreign_keys=[paid_rate_id])
