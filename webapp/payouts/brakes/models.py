"""What stands in the way of payments and was told to people; who asked to lift a halt that takes two."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, LongText, PrimaryKey, UtcDateTime


class Alert(Base):
    """One cause that stops payments of an organisation, or did; raised again, it is the same row."""

    __tablename__ = "payment_alerts"
    __table_args__ = (UniqueConstraint("organisation_id", "kind", "rail"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    # See webapp.payouts.brakes.alerts.AlertKind.
    kind: Mapped[str] = mapped_column(String(20))
    # "*": all of them.
    rail: Mapped[str] = mapped_column(String(20))
    reason: Mapped[LongText]
    raised_at: Mapped[Instant]
    # None while it stands.
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # When people are told that it began, or that it is over: the newest, which may be ahead.
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    told_end_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class HaltLift(Base):
    """A person's wish to lift a halt that takes two; another one confirms it."""

    __tablename__ = "halt_lifts"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'confirmed', 'withdrawn')", name="state_is_known"),
        CheckConstraint(
            "state <> 'confirmed' OR is_alone OR (decided_by_id IS NOT NULL AND decided_by_id <> asked_by_id)",
            name="second_person_confirms",
        ),
        Index(
            "uq_halt_lifts_pending",
            "organisation_id",
            "rail",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    rail: Mapped[str] = mapped_column(String(20))
    reason: Mapped[LongText]
    state: Mapped[str] = mapped_column(String(12), default="pending")
    # One person runs the organisation: a delay stands in for the second one.
    is_alone: Mapped[bool] = mapped_column(default=False)
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    asked_by_label: Mapped[str] = mapped_column(String(254), default="")
    asked_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
