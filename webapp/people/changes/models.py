"""Asked-for changes of payment details, and who released a cool-off early."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import Base, Instant, LongText, PrimaryKey, ShortText, UtcDateTime
from webapp.people.models import MethodKind, Payee, PayoutMethod, User


def _values(members: object) -> str:
    return ", ".join(f"'{m}'" for m in members)  # type: ignore[attr-defined]


class MethodChange(Base):
    """New payment details of a payee that wait for a second person; verified, they become the next version."""

    __tablename__ = "method_changes"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        CheckConstraint(f"kind IN ({_values(MethodKind)})", name="kind_is_known"),
        CheckConstraint("state IN ('pending', 'verified', 'refused', 'withdrawn')", name="state_is_known"),
        CheckConstraint("kind = 'manual' OR details_encrypted IS NOT NULL", name="details_are_there"),
        CheckConstraint(
            "state <> 'verified' OR decided_by_id IS NULL OR requested_by_id IS NULL "
            "OR is_single_operator OR decided_by_id <> requested_by_id",
            name="second_person_verifies",
        ),
        Index(
            "uq_method_changes_pending",
            "payee_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_method_changes_queue", "organisation_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    reference: Mapped[ShortText]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    # Random and fixed before the row exists: the encrypted details are bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    old_method_id: Mapped[int | None] = mapped_column(ForeignKey("payout_methods.id"))
    kind: Mapped[str] = mapped_column(String(20))
    scheme: Mapped[str] = mapped_column(String(10), default="")
    name_at_bank: Mapped[str] = mapped_column(String(200), default="")
    bank_name: Mapped[str] = mapped_column(String(200), default="")
    masked: Mapped[str] = mapped_column(String(60), default="")
    details_encrypted: Mapped[str | None] = mapped_column(String(2000))
    blind_index: Mapped[str] = mapped_column(String(64), default="", index=True)
    # payee, admin, import or api.
    source: Mapped[ShortText]
    # What was found when it was asked for: name match, same account elsewhere, …
    findings: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(12), default="pending")
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    requested_by_label: Mapped[str] = mapped_column(String(254), default="")
    requested_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Who was called, on which number on file; or why it was refused.
    note: Mapped[LongText] = mapped_column(default="")
    is_single_operator: Mapped[bool] = mapped_column(default=False)
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payout_methods.id"))

    payee: Mapped[Payee] = relationship()
    old_method: Mapped[PayoutMethod | None] = relationship(foreign_keys=[old_method_id])
    method: Mapped[PayoutMethod | None] = relationship(foreign_keys=[method_id])
    requested_by: Mapped[User | None] = relationship(foreign_keys=[requested_by_id])


class CoolOffRelease(Base):
    """One admin's word that a changed method may be paid to before its cool-off is over; two are needed."""

    __tablename__ = "cool_off_releases"
    __table_args__ = (UniqueConstraint("method_id", "user_id"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    method_id: Mapped[int] = mapped_column(ForeignKey("payout_methods.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[LongText]
    at: Mapped[Instant]
