"""The e-mail log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, ShortText, UtcDateTime


class Email(Base):
    """One e-mail: what was said to whom about what, and whether it left."""

    __tablename__ = "emails"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'kept', 'failed')", name="state_is_known"),
        Index("ix_emails_organisation", "organisation_id", "id"),
        Index("ix_emails_payout", "payout_id"),
        Index("ix_emails_user", "user_id", "id"),
        # What has not left, for whoever watches the installation.
        Index(
            "ix_emails_not_sent",
            "state",
            sqlite_where=text("state IN ('queued', 'failed')"),
            postgresql_where=text("state IN ('queued', 'failed')"),
        ),
    )

    id: Mapped[PrimaryKey]
    # None for mail about a person's own account; only they see it.
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    # The same notice asked for twice is one e-mail.
    dedupe_key: Mapped[str] = mapped_column(String(200), unique=True)
    notice: Mapped[ShortText]
    to_address: Mapped[str] = mapped_column(String(254))
    to_name: Mapped[str] = mapped_column(String(200), default="")
    payee_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"))
    payout_id: Mapped[int | None] = mapped_column(ForeignKey("payouts.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    # The personal link that is put in place of its mark only while the mail is sent; the log never holds it.
    link_id: Mapped[int | None] = mapped_column(ForeignKey("account_links.id"))
    subject: Mapped[str] = mapped_column(String(300))
    body_text: Mapped[str] = mapped_column(Text)
    body_html: Mapped[str] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(String(200))
    # A stored file that goes with it: where it is kept, what it is called, and its hash.
    attachment_key: Mapped[str] = mapped_column(String(200), default="", server_default="")
    attachment_name: Mapped[str] = mapped_column(String(120), default="", server_default="")
    attachment_sha256: Mapped[str] = mapped_column(String(64), default="", server_default="")
    # kept: there is no mail server (demo); it is shown in the built-in outbox.
    state: Mapped[str] = mapped_column(String(10), default="queued")
    tries: Mapped[int] = mapped_column(default=0)
    # While a worker talks to the mail server; nobody else sends it until then.
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[Instant]
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class NoticeOptOut(Base):
    """A kind of optional mail that a user or a payee does not want. Money and security mail has no such row."""

    __tablename__ = "notice_opt_outs"
    __table_args__ = (
        UniqueConstraint("user_id", "notice"),
        UniqueConstraint("payee_id", "notice"),
        CheckConstraint("(user_id IS NULL) <> (payee_id IS NULL)", name="belongs_to_one"),
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    payee_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"))
    notice: Mapped[ShortText]
    created_at: Mapped[Instant]
