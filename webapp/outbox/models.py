"""Effects that must happen outside the database, written in the transaction that causes them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, BigId, Instant, PrimaryKey, ShortText, UtcDateTime


class OutboxMessage(Base):
    """One effect: its kind, the id of the row it is about, when it is due, who works on it."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "not_before",
            "id",
            sqlite_where=text("done_at IS NULL AND gave_up_at IS NULL"),
            postgresql_where=text("done_at IS NULL AND gave_up_at IS NULL"),
        ),
        Index(
            "ix_outbox_gave_up",
            "organisation_id",
            "id",
            sqlite_where=text("gave_up_at IS NOT NULL"),
            postgresql_where=text("gave_up_at IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[ShortText]
    reference_id: Mapped[int] = mapped_column(BigId)
    # The same effect asked for twice is one row.
    dedupe_key: Mapped[str] = mapped_column(String(200), unique=True)
    queue: Mapped[str] = mapped_column(String(20))
    not_before: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_by: Mapped[ShortText] = mapped_column(default="")
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    gave_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[Instant]
