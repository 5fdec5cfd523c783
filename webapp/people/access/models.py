"""Links sent by mail, second factors, known browsers, API tokens, and what a person chose for themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import Base, BigId, Instant, PrimaryKey, ShortText, UtcDateTime
from webapp.people.models import Organisation, User


class AccountLink(Base):
    """A single-use link that is sent by mail. Only the mail holds its token: it is signed, never stored."""

    __tablename__ = "account_links"
    __table_args__ = (
        CheckConstraint("kind IN ('invitation', 'reset')", name="kind_is_known"),
        Index("ix_account_links_user", "user_id", "id"),
    )

    id: Mapped[PrimaryKey]
    # What the signed token names; random, so that a link cannot be guessed from another one.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    organisation: Mapped[Organisation | None] = relationship()


class TotpSecret(Base):
    """The authenticator app of one user; counts as a second factor once a code of it was confirmed."""

    __tablename__ = "totp_secrets"

    id: Mapped[PrimaryKey]
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), unique=True)
    secret_encrypted: Mapped[str] = mapped_column(String(500))
    # The time step of the code used last: a code is good once.
    last_step: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[Instant]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RecoveryCode(Base):
    """One of the codes that stand in for a lost second factor; kept hashed, burned on use."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Instant]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class Passkey(Base):
    """A WebAuthn credential of a user."""

    __tablename__ = "passkeys"

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    # base64url, as browsers write it; one authenticator belongs to one person only.
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[str] = mapped_column(Text)
    sign_count: Mapped[int] = mapped_column(BigId, default=0)
    name: Mapped[ShortText]
    created_at: Mapped[Instant]
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class KnownDevice(Base):
    """A browser that a user signed in from before; its cookie's hash."""

    __tablename__ = "known_devices"
    __table_args__ = (UniqueConstraint("user_id", "token_hash"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[str] = mapped_column(String(64))
    ip: Mapped[ShortText] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(String(300), default="")
    first_seen_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]


class ApiToken(Base):
    """A token for the API: acts as one user in one organisation, within its scopes, until it expires."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index("ix_api_tokens_organisation", "organisation_id", "id"),)

    id: Mapped[PrimaryKey]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # The first signs of the token: enough to tell tokens apart, useless to anybody else.
    hint: Mapped[ShortText]
    name: Mapped[ShortText]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    # Words separated by spaces, such as "payouts:read payouts:approve".
    scopes: Mapped[str] = mapped_column(String(1000))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    user: Mapped[User] = relationship(foreign_keys=[user_id], lazy="joined")
    organisation: Mapped[Organisation] = relationship(lazy="joined")


class SavedView(Base):
    """A list's filters under a name: one person's, in one organisation."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("user_id", "organisation_id", "endpoint", "name"),)

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    endpoint: Mapped[ShortText]
    name: Mapped[ShortText]
    # The query string of the filters, without position and size.
    query: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[Instant]
