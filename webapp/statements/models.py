"""Documents: PDFs made by workers, frozen with their hash."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, ShortText, UtcDateTime


class Document(Base):
    """A remittance advice of one payout (and other statements). Ready bytes are never changed."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        UniqueConstraint("payout_id", "kind", "variant"),
        UniqueConstraint("payee_id", "kind", "currency", "period_start", "variant"),
        CheckConstraint("state IN ('queued', 'ready', 'failed')", name="state_is_known"),
        CheckConstraint(
            "state <> 'ready' OR (sha256 <> '' AND storage_key <> '')",
            name="ready_has_bytes",
        ),
        Index("ix_documents_payee", "organisation_id", "payee_id", "id"),
        Index("ix_documents_organisation", "organisation_id", "id"),
        # Every row of a list asks what replaced it.
        Index("ix_documents_replaces", "replaces_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[ShortText]
    number: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    payout_id: Mapped[int | None] = mapped_column(ForeignKey("payouts.id"))
    # Which state of the payout it shows, one document per payout, state and round; "1", "2", … for the
    # issues of a monthly statement; "<what it is about>:<which issue>" for a program's.
    variant: Mapped[ShortText] = mapped_column(default="")
    # A monthly statement: its period (both days included), currency and balances in minor units. Of a program's
    # document the second is what it comes to.
    period_start: Mapped[date | None]
    period_end: Mapped[date | None]
    currency: Mapped[str] = mapped_column(String(3), default="", server_default="")
    opening_minor: Mapped[int | None] = mapped_column(BigInteger)
    closing_minor: Mapped[int | None] = mapped_column(BigInteger)
    # The public verification page finds the document by this random code.
    code: Mapped[str | None] = mapped_column(String(40), unique=True)
    # What the document says, frozen: the PDF, CSV and XLSX are all made from it.
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    # Why it was issued again, on the one that replaces.
    reissue_reason: Mapped[str] = mapped_column(String(500), default="", server_default="")
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("documents.id"))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    error: Mapped[str] = mapped_column(String(500), default="")
    storage_key: Mapped[str] = mapped_column(String(200), default="")
    sha256: Mapped[str] = mapped_column(String(64), default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Instant]
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
