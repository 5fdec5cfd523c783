"""The audit trail: append-only events, each chained to the one before it in its organisation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, BigId, Instant, PrimaryKey, ShortText


class AuditEvent(Base):
    """Who did what to what, when, from where, and what changed. Never updated or deleted (triggers)."""

    __tablename__ = "audit_events"
    __table_args__ = (
        UniqueConstraint("chain", "seq"),
        Index(
            "ix_audit_events_subject",
            "organisation_id",
            "subject_type",
            "subject_id",
            "id",
        ),
        Index("ix_audit_events_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    # Organisation id, or 0 for events of the whole installation (sign-ins before one is chosen).
    chain: Mapped[int] = mapped_column(BigId)
    seq: Mapped[int] = mapped_column(BigId)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    at: Mapped[Instant]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    actor_label: Mapped[str] = mapped_column(String(254))
    ip: Mapped[ShortText] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(String(300), default="")
    # source:subject:action, such as payouts:payout:approved.
    tag: Mapped[ShortText]
    subject_type: Mapped[ShortText]
    subject_id: Mapped[int | None] = mapped_column(BigId)
    subject_label: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(String(2000), default="")
    changes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class AuditHead(Base):
    """The last link of a chain; its row lock puts concurrent writers in order."""

    __tablename__ = "audit_heads"

    chain: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigId)
    hash: Mapped[str] = mapped_column(String(64))
