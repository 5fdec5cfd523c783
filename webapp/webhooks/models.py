"""Other systems that are told of payouts, what they are told, and how it went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import Base, BigId, Instant, LongText, PrimaryKey, ShortText, UtcDateTime, known
from webapp.webhooks.rules import ANSWER_LENGTH, URL_LENGTH, DeliveryState, EndpointState


class WebhookEndpoint(Base):
    """An address of the organisation's own choice that is told of events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        known("state", EndpointState),
        CheckConstraint("failures >= 0", name="failures_not_negative"),
        CheckConstraint(
            "(old_secret_encrypted IS NULL) = (old_secret_until IS NULL)", name="old_secret_has_its_end"
        ),
        Index("ix_webhook_endpoints_organisation", "organisation_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    # The encrypted secrets are bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    name: Mapped[ShortText] = mapped_column(default="")
    # Values of EventType.
    events: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default=EndpointState.ON.value)
    secret_encrypted: Mapped[str] = mapped_column(String(1000))
    # The secret from before the last one, which signs too until it ends.
    old_secret_encrypted: Mapped[str | None] = mapped_column(String(1000))
    old_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Tries that failed since the last one that did not, and when the first of them was.
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Nothing is sent before it, but tests: it gave no answer, or was slow.
    quiet_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    stop_reason: Mapped[LongText] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class WebhookEvent(Base):
    """One thing that happened, in the words that every endpoint gets; its uid is the `webhook-id`."""

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_created", "created_at", "id"),)

    id: Mapped[PrimaryKey]
    uid: Mapped[str] = mapped_column(String(40), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    type: Mapped[str] = mapped_column(String(40))
    # The payout's reference; empty for a test.
    subject: Mapped[ShortText] = mapped_column(default="")
    # The bytes that are signed and sent.
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]


class WebhookDelivery(Base):
    """One event for one endpoint."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        known("state", DeliveryState),
        CheckConstraint("tries >= 0", name="tries_not_negative"),
        Index("ix_webhook_deliveries_organisation", "organisation_id", "id"),
        Index("ix_webhook_deliveries_state", "organisation_id", "state", "id"),
        Index("ix_webhook_deliveries_endpoint", "endpoint_id", "state", "id"),
        Index("ix_webhook_deliveries_event", "event_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    endpoint_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhook_events.id"))
    state: Mapped[str] = mapped_column(String(10), default=DeliveryState.WAITING.value)
    # Failed ones since it was last asked for.
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Whoever set this is sending it now.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # The newest try: the answer's code (NULL: no answer), and what went wrong.
    last_code: Mapped[int | None]
    last_problem: Mapped[str] = mapped_column(String(200), default="")
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[Instant]

    endpoint: Mapped[WebhookEndpoint] = relationship(lazy="select")
    event: Mapped[WebhookEvent] = relationship(lazy="select")


class WebhookTry(Base):
    """One call of an endpoint; append-only."""

    __tablename__ = "webhook_tries"
    __table_args__ = (Index("ix_webhook_tries_delivery", "delivery_id", "id"),)

    id: Mapped[PrimaryKey]
    delivery_id: Mapped[int] = mapped_column(BigId, ForeignKey("webhook_deliveries.id"))
    at: Mapped[Instant]
    milliseconds: Mapped[int]
    code: Mapped[int | None]
    problem: Mapped[str] = mapped_column(String(200), default="")
    # The beginning of what was answered.
    answer: Mapped[str] = mapped_column(String(ANSWER_LENGTH), default="")
