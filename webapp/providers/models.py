"""The sandbox bank's own books. Paydesk reads them only through the sandbox adapter."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import (
    Base,
    Currency,
    Instant,
    MinorUnits,
    PrimaryKey,
    ShortText,
    UtcDateTime,
)


class SandboxTransfer(Base):
    """A transfer as the simulated bank knows it."""

    __tablename__ = "sandbox_transfers"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'success', 'failed', 'reversed')",
            name="state_is_known",
        ),
        Index("ix_sandbox_transfers_state", "state", "settle_at"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    transfer_id: Mapped[str] = mapped_column(String(40), unique=True)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    beneficiary: Mapped[str] = mapped_column(String(200))
    account_masked: Mapped[str] = mapped_column(String(60))
    remarks: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(10), default="pending")
    # settle, fail:CODE, time_out, reverse, hang: what the rule or the person asked for.
    behaviour: Mapped[ShortText] = mapped_column(default="settle")
    code: Mapped[ShortText] = mapped_column(default="")
    message: Mapped[str] = mapped_column(String(300), default="")
    utr: Mapped[ShortText] = mapped_column(default="")
    received_at: Mapped[Instant]
    settle_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    changed_at: Mapped[Instant]


class SandboxCall(Base):
    """Every call that reached the simulated bank, so that "one POST" can be counted."""

    __tablename__ = "sandbox_calls"

    id: Mapped[PrimaryKey]
    transfer_id: Mapped[str] = mapped_column(String(40), index=True)
    method: Mapped[str] = mapped_column(String(10))
    answer: Mapped[str] = mapped_column(String(200))
    at: Mapped[Instant]


class SandboxOrder(Base):
    """What the simulated bank shall do with the next transfer of an organisation, on request."""

    __tablename__ = "sandbox_orders"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    behaviour: Mapped[ShortText]
    created_at: Mapped[Instant]
