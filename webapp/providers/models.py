"""Accounts at providers and their tokens, kept for adapters; and the books of the sandbox bank, read by its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
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


PROVIDERS = ("cashfree", "phonepe", "zoho")
ENVIRONMENTS = ("sandbox", "production")


class ProviderAccount(Base):
    """An organisation's account at a payment provider: which of its two worlds, and the keys, encrypted."""

    __tablename__ = "provider_accounts"
    __table_args__ = (
        UniqueConstraint("organisation_id", "provider"),
        CheckConstraint("provider IN ('cashfree', 'phonepe', 'zoho')", name="provider_is_known"),
        CheckConstraint("environment IN ('sandbox', 'production')", name="environment_is_known"),
    )

    id: Mapped[PrimaryKey]
    # Random and fixed before the row exists: the keys are bound to it, and the address of webhooks names it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    provider: Mapped[str] = mapped_column(String(20))
    environment: Mapped[str] = mapped_column(String(10))
    is_enabled: Mapped[bool] = mapped_column(default=True)
    # "••4f2a": the end of the client id, for people.
    masked: Mapped[ShortText] = mapped_column(default="")
    credentials_encrypted: Mapped[str] = mapped_column(String(4000))
    tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Empty: the last test of the connection went well.
    test_problem: Mapped[str] = mapped_column(String(300), default="")
    version: Mapped[int] = mapped_column(default=1)
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]


class ProviderToken(Base):
    """A short-lived access token of an account, shared by all workers; one of them renews it."""

    __tablename__ = "provider_tokens"
    __table_args__ = (UniqueConstraint("account_id", "purpose"),)

    id: Mapped[PrimaryKey]
    # The encrypted token is bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("provider_accounts.id"))
    # Several kinds of tokens of one account: "payments", "balance".
    purpose: Mapped[str] = mapped_column(String(20))
    # NULL: there is none yet.
    token_encrypted: Mapped[str | None] = mapped_column(String(4000))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # NULL: nobody knows, it was long ago.
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Whoever set this renews the token until then; the others use the old one, or wait.
    renewing_until: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ProviderBeneficiary(Base):
    """That a version of payment details is known at a provider, and under which id."""

    __tablename__ = "provider_beneficiaries"
    __table_args__ = (UniqueConstraint("account_id", "beneficiary_key"),)

    id: Mapped[PrimaryKey]
    account_id: Mapped[int] = mapped_column(ForeignKey("provider_accounts.id"))
    beneficiary_key: Mapped[str] = mapped_column(String(40))
    beneficiary_id: Mapped[str] = mapped_column(String(50))
    created_at: Mapped[Instant]
