"""Events that a CRM sent: each is kept with what it said and what became of it, so that it counts once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import Base, BigId, Instant, LongText, PrimaryKey, known
from webapp.kernel.labels import Label
from webapp.programs.partners.models import Deal


class EventType(Label):
    """What happened in the CRM."""

    CREATED = "deal.created", "Deal created"
    UPDATED = "deal.updated", "Deal changed"
    WON = "deal.won", "Deal won"
    LOST = "deal.lost", "Deal lost"
    REOPENED = "deal.reopened", "Deal open again"
    TOUCHED = "touchpoint.created", "Touch added"


class EventOutcome(Label):
    """What became of an event."""

    APPLIED = "applied", "Done", "done", "done", "What it says stands in the deal."
    SUPERSEDED = (
        "superseded",
        "Changes nothing",
        "cancelled",
        "cancelled",
        "Newer events stand; the note says which.",
    )


class CrmEvent(Base):
    """One event. The same id is the same event: another content is refused, the same is answered as at first."""

    __tablename__ = "partners_events"
    __table_args__ = (
        UniqueConstraint("organisation_id", "event_id"),
        known("type", EventType),
        known("outcome", EventOutcome),
        Index("ix_partners_events_deal", "deal_id", "occurred_at"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    event_id: Mapped[str] = mapped_column(String(120))
    type: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[Instant]
    # Of type, time and data.
    digest: Mapped[str] = mapped_column(String(64))
    # Which fields of the deal it said anew: an older event does not undo them.
    fields: Mapped[list[Any]] = mapped_column(JSON, default=list)
    outcome: Mapped[str] = mapped_column(String(12), default=EventOutcome.APPLIED.value)
    note: Mapped[LongText] = mapped_column(default="")
    deal_id: Mapped[int | None] = mapped_column(ForeignKey("partners_deals.id"))
    # Not a key: the touch may be removed later, the event stays.
    touch_id: Mapped[int | None] = mapped_column(BigId)
    received_at: Mapped[Instant]
    received_by_label: Mapped[str] = mapped_column(String(254))

    deal: Mapped[Deal | None] = relationship(lazy="select")
