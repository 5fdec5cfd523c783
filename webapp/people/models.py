"""Organisations, users and their roles, sessions, payees and their payout methods."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import (
    Base,
    BigId,
    Currency,
    Instant,
    LongText,
    PrimaryKey,
    ShortText,
    UtcDateTime,
)
from webapp.kernel.labels import Label

if TYPE_CHECKING:
    from webapp.people.changes.models import MethodChange


class Role(Label):
    """What a person may be in an organisation; the value is also the name of the portal."""

    ADMIN = "admin", "Admin"
    ACCOUNTANT = "accountant", "Accountant"
    TECHNICIAN = "technician", "Technician"
    OWNER = "owner", "Owner"
    PRACTITIONER = "practitioner", "Practitioner"
    DRIVER = "driver", "Driver"
    PARTNER = "partner", "Partner"


PAYEE_KINDS = (
    Role.TECHNICIAN,
    Role.OWNER,
    Role.PRACTITIONER,
    Role.DRIVER,
    Role.PARTNER,
)


class MethodKind(Label):
    """Where a payee's money goes."""

    BANK_ACCOUNT = "bank_account", "Bank account"
    UPI = "upi", "UPI address"
    MANUAL = "manual", "By hand"


def _one_of(column: str, values: object) -> str:
    return f"{column} IN ({', '.join(repr(str(v)) for v in values)})"  # type: ignore[attr-defined]


class Organisation(Base):
    """A tenant: the scope of every record."""

    __tablename__ = "organisations"
    __table_args__ = (
        CheckConstraint("week_start BETWEEN 0 AND 6", name="week_start_is_a_weekday"),
        CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name="currency_format",
        ),
    )

    id: Mapped[PrimaryKey]
    slug: Mapped[ShortText] = mapped_column(unique=True)
    name: Mapped[ShortText]
    legal_name: Mapped[ShortText]
    address: Mapped[LongText] = mapped_column(default="")
    tax_id: Mapped[ShortText] = mapped_column(default="")
    contact_email: Mapped[ShortText] = mapped_column(default="")
    country: Mapped[str] = mapped_column(String(2), default="US")
    currency: Mapped[Currency]
    timezone: Mapped[ShortText]
    locale: Mapped[ShortText] = mapped_column(default="en_US")
    # 0 is Monday, 6 is Sunday.
    week_start: Mapped[int] = mapped_column(default=0)
    is_demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Instant]

    programs: Mapped[list[OrganisationProgram]] = relationship()


class OrganisationProgram(Base):
    """A program that an organisation has switched on."""

    __tablename__ = "organisation_programs"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    program: Mapped[ShortText] = mapped_column(primary_key=True)


class User(Base):
    """A person who signs in."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_is_lower_case"),)

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[ShortText]
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    is_active: Mapped[bool] = mapped_column(default=True)
    is_demo: Mapped[bool] = mapped_column(default=False)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # What the person chose for themselves; an empty locale is the organisation's.
    locale: Mapped[ShortText] = mapped_column(default="", server_default="")
    hides_amounts: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    has_shortcuts: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    created_at: Mapped[Instant]

    memberships: Mapped[list[Membership]] = relationship(back_populates="user", lazy="selectin")


class Membership(Base):
    """One role of one user in one organisation."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("organisation_id", "user_id", "role"),
        CheckConstraint(_one_of("role", Role), name="role_is_known"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[Instant]

    user: Mapped[User] = relationship(back_populates="memberships")
    organisation: Mapped[Organisation] = relationship(lazy="joined")


class UserSession(Base):
    """A signed-in browser. The cookie holds a random token; the database keeps only its hash."""

    __tablename__ = "user_sessions"

    id: Mapped[PrimaryKey]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    ip: Mapped[ShortText] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    reauthenticated_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    # The password was right, the second factor is still to come: such a session opens no door.
    is_pending: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # How the person proved who they are: password, totp, recovery_code, passkey.
    factor: Mapped[ShortText] = mapped_column(default="password", server_default="password")
    # The WebAuthn challenge of the ceremony under way, good once until the instant beside it.
    challenge: Mapped[ShortText] = mapped_column(default="", server_default="")
    challenge_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    end_reason: Mapped[ShortText] = mapped_column(default="")

    user: Mapped[User] = relationship(lazy="joined")
    organisation: Mapped[Organisation | None] = relationship(lazy="joined")


class NumberSeries(Base):
    """The next number of a kind of reference (`PO` of 2026, `BA`, …) in one organisation."""

    __tablename__ = "number_series"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    prefix: Mapped[ShortText] = mapped_column(primary_key=True)
    next_number: Mapped[int] = mapped_column(BigId)


class Payee(Base):
    """A person or company that an organisation pays or charges."""

    __tablename__ = "payees"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "kind", "external_ref"),
        UniqueConstraint("organisation_id", "id"),
        CheckConstraint(_one_of("kind", PAYEE_KINDS), name="kind_is_known"),
        Index("ix_payees_organisation_id_name", "organisation_id", "name", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254), default="")
    phone: Mapped[ShortText] = mapped_column(default="")
    address: Mapped[LongText] = mapped_column(default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    external_ref: Mapped[str | None] = mapped_column(String(120))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]

    methods: Mapped[list[PayoutMethod]] = relationship(
        back_populates="payee", order_by="PayoutMethod.version.desc()"
    )
    current_method: Mapped[PayoutMethod | None] = relationship(
        primaryjoin="and_(Payee.id == PayoutMethod.payee_id, PayoutMethod.is_current.is_(True))",
        viewonly=True,
        uselist=False,
    )
    # Asked-for payment details that wait for a second person.
    pending_change: Mapped[MethodChange | None] = relationship(
        "MethodChange",
        primaryjoin="and_(Payee.id == MethodChange.payee_id, MethodChange.state == 'pending')",
        viewonly=True,
        uselist=False,
    )


class PayoutMethod(Base):
    """One version of where a payee's money goes; a change makes a new version, old ones stay."""

    __tablename__ = "payout_methods"
    __table_args__ = (
        UniqueConstraint("payee_id", "version"),
        CheckConstraint(_one_of("kind", MethodKind), name="kind_is_known"),
        CheckConstraint("kind = 'manual' OR details_encrypted IS NOT NULL", name="details_are_there"),
        Index(
            "uq_payout_methods_current",
            "payee_id",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
    )

    id: Mapped[PrimaryKey]
    # Random and fixed before the row exists: the encrypted details are bound to it.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    version: Mapped[int]
    is_current: Mapped[bool] = mapped_column(default=True)
    kind: Mapped[str] = mapped_column(String(20))
    # ifsc, iban, aba for a bank account; empty otherwise.
    scheme: Mapped[str] = mapped_column(String(10), default="")
    name_at_bank: Mapped[str] = mapped_column(String(200), default="")
    bank_name: Mapped[str] = mapped_column(String(200), default="")
    # "••4821", "r•••@okbank": what pages, e-mails and files show.
    masked: Mapped[str] = mapped_column(String(60), default="")
    details_encrypted: Mapped[str | None] = mapped_column(String(2000))
    # Keyed hash of the account: finds the same account at another payee without decrypting.
    blind_index: Mapped[str] = mapped_column(String(64), default="", index=True)
    cool_off_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    payee: Mapped[Payee] = relationship(back_populates="methods")


# A payee is related to its wanted change of details: whoever knows payees knows those too, however it came to them.
from webapp.people.changes import models as _changes  # noqa: E402, F401
