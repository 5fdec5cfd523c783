"""Answers already given, by idempotency key."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, UtcDateTime


class IdempotentRequest(Base):
    """One unsafe call: what was asked under a key, and what was answered."""

    __tablename__ = "api_requests"
    __table_args__ = (
        UniqueConstraint("organisation_id", "user_id", "key"),
        CheckConstraint("state IN ('running', 'done')", name="state_is_known"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    key: Mapped[str] = mapped_column(String(255))
    # Hash of method, path and body: the same key with something else is refused.
    request_digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10), default="running")
    status: Mapped[int] = mapped_column(default=0)
    answer: Mapped[str] = mapped_column(Text, default="")
    content_type: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[Instant]
    # A call that died in the middle frees its key after this.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
