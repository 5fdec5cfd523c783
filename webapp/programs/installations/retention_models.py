"""Parts of technicians' payouts that are held back until call-backs are unlikely."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import (
    Base,
    BigId,
    Currency,
    Instant,
    LongText,
    MinorUnits,
    PrimaryKey,
    UtcDateTime,
    known,
)
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.programs.installations.models import Installation
from webapp.programs.installations.retention_rules import RetentionState


class Retention(Base):
    """What was held back of one installation in one payout. It is no debt before it is released: it may be charged."""

    __tablename__ = "installation_retentions"
    __table_args__ = (
        UniqueConstraint("payout_id", "installation_id"),
        known("state", RetentionState),
        CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        CheckConstraint("charged_minor BETWEEN 0 AND amount_minor", name="charged_at_most_all"),
        CheckConstraint("state <> 'charged' OR charged_minor = amount_minor", name="charged_is_all"),
        CheckConstraint("charged_minor = 0 OR reason <> ''", name="charged_has_its_reason"),
        CheckConstraint(
            "(state = 'released') = (release_payout_id IS NOT NULL)", name="released_has_its_payout"
        ),
        CheckConstraint("offer IN ('open', 'blocked', 'dismissed')", name="offer_is_known"),
        Index("ix_installation_retentions_due", "organisation_id", "state", "release_on", "id"),
        Index("ix_installation_retentions_payee", "payee_id", "id"),
        Index("ix_installation_retentions_installation", "installation_id"),
        Index("ix_installation_retentions_release_payout", "release_payout_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id"))
    # What it was held back of, and what it was paid out with.
    payout_id: Mapped[int] = mapped_column(BigId, ForeignKey("payouts.id"))
    release_payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    rate_bp: Mapped[int]
    charged_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    release_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(10), default=RetentionState.HELD.value)
    # Whether the next release takes it: not while a person decides about one whose release was rejected.
    offer: Mapped[str] = mapped_column(String(10), default="open")
    offer_reason: Mapped[str] = mapped_column(String(300), default="")
    # Why it was charged; the technician reads it.
    reason: Mapped[LongText] = mapped_column(default="")
    # Who set its day or what was charged: they do not approve its release.
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")
    installation: Mapped[Installation] = relationship(lazy="select")
    payout: Mapped[Payout] = relationship(foreign_keys=[payout_id], lazy="select")
    release_payout: Mapped[Payout | None] = relationship(foreign_keys=[release_payout_id], lazy="select")
