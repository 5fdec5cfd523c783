"""Messages that providers sent, each stored once whatever becomes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, ShortText, UtcDateTime
from webapp.kernel.labels import Label


class MessageState(Label):
    """Where a message stands."""

    NEW = "new", "New", "waiting", "waiting", "A worker looks at it within seconds."
    APPLIED = "applied", "Applied", "done", "done", "The provider was asked, and its answer has taken effect."
    IGNORED = "ignored", "Nothing to do", "done", "done", "It says nothing that Paydesk acts on."
    UNMATCHED = (
        "unmatched",
        "Not ours",
        "todo",
        "todo",
        "It names nothing that Paydesk knows. A person must look.",
    )
    FAILED = (
        "failed",
        "Failed",
        "failed",
        "failed",
        "It could not be applied. A person must look and replay it.",
    )


class WebhookMessage(Base):
    """One message as it arrived. Its signature was right: what cannot be verified is not stored."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        UniqueConstraint("account_id", "body_sha256"),
        CheckConstraint(
            "state IN ('new', 'applied', 'ignored', 'unmatched', 'failed')", name="state_is_known"
        ),
        CheckConstraint("times_received > 0", name="received_at_least_once"),
        Index("ix_webhook_messages_organisation", "organisation_id", "id"),
        Index("ix_webhook_messages_state", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    # The encrypted body is bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("provider_accounts.id"))
    provider: Mapped[str] = mapped_column(String(20))
    body_sha256: Mapped[str] = mapped_column(String(64))
    # The raw bytes, which hold account numbers.
    body_encrypted: Mapped[str] = mapped_column(Text)
    # The few headers that say something; never a signature or a key.
    headers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    event: Mapped[ShortText] = mapped_column(default="")
    # Our own id that it speaks of: a transfer's, an order's, a refund's.
    subject: Mapped[ShortText] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(10), default=MessageState.NEW.value)
    note: Mapped[str] = mapped_column(String(500), default="")
    times_received: Mapped[int] = mapped_column(default=1)
    received_at: Mapped[Instant]
    last_received_at: Mapped[Instant]
    processed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
