"""Properties and who owns them, leases and their tenants, rent asked for and paid, and how it was shared out."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
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
    MinorUnits,
    PrimaryKey,
    ScaledDecimal,
    ShortText,
    UtcDateTime,
    known,
    one_of,
)
from webapp.kernel.labels import Label
from webapp.people.models import Payee


class LeaseState(Label):
    """Whether rent is asked for."""

    ACTIVE = "active", "Active", "ok", "ok", "Rent is asked for every month."
    ENDED = "ended", "Ended", "done", "done", "No more rent is asked for."


class ChargeState(Label):
    """How much of a month's rent is there."""

    OPEN = "open", "Open", "todo", "todo", "The tenant has not paid."
    PART = "part", "Part paid", "waiting", "waiting", "The tenant has paid a part."
    PAID = "paid", "Paid", "done", "done", "Nothing more to do."
    WAIVED = "waived", "Waived", "cancelled", "cancelled", "It is not asked for any more."


class PaymentState(Label):
    """Where a payment of rent stands."""

    PENDING = "pending", "Pending", "progress", "progress", "The tenant has not finished paying."
    TO_VERIFY = "to_verify", "To verify", "todo", "todo", "A second person must compare it with its proof."
    COMPLETED = "completed", "Received", "done", "done", "The owners' shares are on their way."
    FAILED = "failed", "Failed", "failed", "failed", "No money was taken. The tenant can try again."
    CANCELLED = "cancelled", "Cancelled", "cancelled", "cancelled", "It does not count."
    REFUNDED = "refunded", "Refunded", "returned", "returned", "The rent went back to the tenant."
    GOING_BACK = (
        "going_back", "Going back", "progress", "progress",
        "Another amount than was asked for came, and all of it goes back. It does not count as rent.",
    )  # fmt: skip


class PaymentSource(Label):
    """How the money came."""

    PHONEPE = "phonepe", "PhonePe"
    MANUAL = "manual", "By hand"
    CREDIT = "credit", "Tenant's credit"


class ReturnKind(Label):
    """Why rent goes back."""

    REFUND = "refund", "Refund"
    CHARGEBACK = "chargeback", "Chargeback"


class ExcessTo(Label):
    """Who bears what left twice: more went back of a payment than had come."""

    TENANT = "tenant", "The tenant owes it"
    LOSS = "loss", "It is our loss"


class Choice(Label):
    """What a person proposes for money that does not agree with our books, and another one confirms."""

    ACCEPT = "accept", "Accept what was received"
    REFUND_ALL = "refund_all", "Give all of it back"
    BY_HAND = "by_hand", "Settled by hand"
    AS_SAID = "as_said", "Book what the gateway says"
    LEAVE = "leave", "Leave it: nothing goes back"


class DecisionState(Label):
    """Where a proposal stands."""

    PROPOSED = "proposed", "To confirm", "todo", "todo", "Another person must confirm or refuse it."
    CONFIRMED = "confirmed", "Confirmed", "done", "done", "It is booked."
    REFUSED = "refused", "Refused", "rejected", "rejected", "Nothing was done."


REMINDER_DAYS = "-2 3 10"


class RentalSettings(Base):
    """How an organisation runs this program."""

    __tablename__ = "rental_settings"
    __table_args__ = (
        CheckConstraint("charge_days_before BETWEEN 0 AND 28", name="charge_days_before_in_range"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    # How many days before it is due a month's rent is asked for.
    charge_days_before: Mapped[int] = mapped_column(default=5)
    # Whether a received rent makes the owners' payouts by itself.
    is_automatic: Mapped[bool] = mapped_column(default=True)
    # When tenants are reminded: days from the due day, before it negative, "-2 3 10"; empty: never.
    reminder_days: Mapped[str] = mapped_column(
        String(60), default=REMINDER_DAYS, server_default=REMINDER_DAYS
    )


class Property(Base):
    """A building or plot whose rent is collected."""

    __tablename__ = "properties"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        CheckConstraint("reserve_target_minor >= 0", name="reserve_target_not_negative"),
        Index("ix_properties_organisation_name", "organisation_id", "name", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[LongText] = mapped_column(default="")
    currency: Mapped[Currency]
    # What is kept back from the rent until the property's reserve holds so much.
    reserve_target_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    # Who last changed the property, its owners or its terms; never an approver of a payout made by them.
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    # Who last changed the owners, their shares or the terms, and when: its payouts need a person for a while.
    rerouted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    rerouted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    shares: Mapped[list[PropertyShare]] = relationship(
        order_by="PropertyShare.id", cascade="all, delete-orphan", back_populates="property"
    )
    units: Mapped[list[Unit]] = relationship(order_by="Unit.name", back_populates="property")


class PropertyShare(Base):
    """A co-owner's part of a property. Parts are weights: 1 and 1 is half each, 6000 and 4000 is 60/40."""

    __tablename__ = "property_shares"
    __table_args__ = (
        UniqueConstraint("property_id", "payee_id"),
        CheckConstraint("weight > 0", name="weight_positive"),
        Index("ix_property_shares_payee", "payee_id", "property_id"),
    )

    id: Mapped[PrimaryKey]
    property_id: Mapped[int] = mapped_column(ForeignKey("properties.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    weight: Mapped[int] = mapped_column(BigInteger, default=1)

    property: Mapped[Property] = relationship(back_populates="shares")
    payee: Mapped[Payee] = relationship(lazy="select")


class ShareChange(Base):
    """That an owner's part of a property changed, with what each of them is told by e-mail. Never changed."""

    __tablename__ = "property_share_changes"
    __table_args__ = (Index("ix_property_share_changes_property", "property_id", "id"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    property_id: Mapped[int] = mapped_column(ForeignKey("properties.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    # The owner's weight and that of all owners together; 0 of 0: nobody owned it.
    weight_before: Mapped[int] = mapped_column(BigInteger)
    total_before: Mapped[int] = mapped_column(BigInteger)
    weight_after: Mapped[int] = mapped_column(BigInteger)
    total_after: Mapped[int] = mapped_column(BigInteger)
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_by_label: Mapped[str] = mapped_column(String(254))
    changed_at: Mapped[Instant]
    # Until then a person approves this property's payouts.
    waits_until: Mapped[Instant]


class ManagementTerms(Base):
    """What is charged for managing, from a day on; of a property, or (without one) of all of the organisation's."""

    __tablename__ = "management_terms"
    __table_args__ = (
        Index(
            "uq_management_terms_property",
            "organisation_id",
            "property_id",
            "valid_from",
            unique=True,
            sqlite_where=text("property_id IS NOT NULL"),
            postgresql_where=text("property_id IS NOT NULL"),
        ),
        Index(
            "uq_management_terms_organisation",
            "organisation_id",
            "valid_from",
            unique=True,
            sqlite_where=text("property_id IS NULL"),
            postgresql_where=text("property_id IS NULL"),
        ),
        CheckConstraint("fee_percent BETWEEN 0 AND 100000000", name="fee_percent_in_range"),
        CheckConstraint("fee_tax_percent BETWEEN 0 AND 100000000", name="fee_tax_percent_in_range"),
        CheckConstraint("fee_flat_minor >= 0", name="fee_flat_not_negative"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    property_id: Mapped[int | None] = mapped_column(ForeignKey("properties.id"))
    valid_from: Mapped[date]
    fee_percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    fee_flat_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    fee_tax_percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class WithholdingRule(Base):
    """Tax that must be kept back from rent, as data with dates: section, rate, threshold."""

    __tablename__ = "withholding_rules"
    __table_args__ = (
        UniqueConstraint("organisation_id", "section", "valid_from"),
        CheckConstraint("rate_percent BETWEEN 0 AND 100000000", name="rate_percent_in_range"),
        CheckConstraint("threshold_minor >= 0", name="threshold_not_negative"),
        CheckConstraint("threshold_per IN ('payment', 'month', 'year')", name="threshold_per_is_known"),
        CheckConstraint("valid_to IS NULL OR valid_from <= valid_to", name="dates_in_order"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    section: Mapped[ShortText]
    rate_percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    # Rent up to this is free of it; counted per payment, calendar month, or tax year (from 1 April).
    threshold_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    threshold_per: Mapped[str] = mapped_column(String(10), default="payment")
    valid_from: Mapped[date]
    # The last day on which it counts.
    valid_to: Mapped[date | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class GatewayBand(Base):
    """What a tenant pays on top for paying through the gateway: per cent of the rent, by its height."""

    __tablename__ = "gateway_bands"
    __table_args__ = (
        UniqueConstraint("organisation_id", "valid_from", "up_to_minor"),
        CheckConstraint("up_to_minor IS NULL OR up_to_minor > 0", name="up_to_positive"),
        CheckConstraint("rate_percent BETWEEN 0 AND 100000000", name="rate_percent_in_range"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    valid_from: Mapped[date]
    # The highest rent of this band, included; NULL: all that is above.
    up_to_minor: Mapped[int | None] = mapped_column(BigInteger)
    rate_percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class Unit(Base):
    """What is let: a flat, a shop, a floor."""

    __tablename__ = "units"
    __table_args__ = (
        UniqueConstraint("property_id", "name"),
        UniqueConstraint("organisation_id", "reference"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    property_id: Mapped[int] = mapped_column(ForeignKey("properties.id"))
    reference: Mapped[ShortText]
    name: Mapped[ShortText]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[Instant]

    property: Mapped[Property] = relationship(back_populates="units")


class Tenant(Base):
    """A person or company that pays rent. Tenants do not sign in: a signed link leads them to their pay page."""

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        Index("ix_tenants_organisation_name", "organisation_id", "name", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254), default="")
    phone: Mapped[ShortText] = mapped_column(default="")
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)


class Lease(Base):
    """That a unit is let: to whom, for how much, from when, due on which day of the month."""

    __tablename__ = "leases"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        known("state", LeaseState),
        CheckConstraint("rent_minor > 0", name="rent_positive"),
        CheckConstraint("deposit_minor >= 0", name="deposit_not_negative"),
        CheckConstraint("due_day BETWEEN 1 AND 28", name="due_day_in_every_month"),
        CheckConstraint("end_on IS NULL OR start_on <= end_on", name="dates_in_order"),
        CheckConstraint("state <> 'ended' OR end_on IS NOT NULL", name="ended_has_a_date"),
        Index(
            "uq_leases_one_active",
            "unit_id",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    unit_id: Mapped[int] = mapped_column(ForeignKey("units.id"), index=True)
    currency: Mapped[Currency]
    rent_minor: Mapped[MinorUnits]
    deposit_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    due_day: Mapped[int] = mapped_column(default=5)
    start_on: Mapped[date]
    end_on: Mapped[date | None]
    state: Mapped[str] = mapped_column(String(10), default=LeaseState.ACTIVE.value)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    unit: Mapped[Unit] = relationship(lazy="select")
    tenants: Mapped[list[LeaseTenant]] = relationship(
        order_by="LeaseTenant.id", cascade="all, delete-orphan", back_populates="lease"
    )
    rents: Mapped[list[LeaseRent]] = relationship(
        order_by="LeaseRent.valid_from", cascade="all, delete-orphan", lazy="selectin"
    )


class LeaseRent(Base):
    """Another rent of a lease from a month on; before the first of them the rent is that of the lease itself."""

    __tablename__ = "lease_rents"
    __table_args__ = (
        UniqueConstraint("lease_id", "valid_from"),
        CheckConstraint("rent_minor > 0", name="rent_positive"),
    )

    id: Mapped[PrimaryKey]
    lease_id: Mapped[int] = mapped_column(ForeignKey("leases.id"))
    # The first day of a month.
    valid_from: Mapped[date]
    rent_minor: Mapped[MinorUnits]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class LeaseTenant(Base):
    """A tenant of a lease; the first one is written to."""

    __tablename__ = "lease_tenants"
    __table_args__ = (UniqueConstraint("lease_id", "tenant_id"),)

    id: Mapped[PrimaryKey]
    lease_id: Mapped[int] = mapped_column(ForeignKey("leases.id"))
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)

    lease: Mapped[Lease] = relationship(back_populates="tenants")
    tenant: Mapped[Tenant] = relationship(lazy="select")


class RentCharge(Base):
    """One month's rent that is asked for."""

    __tablename__ = "rent_charges"
    __table_args__ = (
        UniqueConstraint("lease_id", "period_start"),
        UniqueConstraint("organisation_id", "reference"),
        known("state", ChargeState),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("paid_minor >= 0", name="paid_not_negative"),
        Index("ix_rent_charges_organisation_state", "organisation_id", "state", "due_on", "id"),
    )

    id: Mapped[PrimaryKey]
    # Random: what the tenant's pay link is signed over.
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    lease_id: Mapped[int] = mapped_column(ForeignKey("leases.id"))
    period_start: Mapped[date]
    period_end: Mapped[date]
    due_on: Mapped[date]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    # What completed payments add up to, less what went back.
    paid_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(10), default=ChargeState.OPEN.value)
    waived_reason: Mapped[LongText] = mapped_column(default="")
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    lease: Mapped[Lease] = relationship(lazy="select")


class RentReminder(Base):
    """That a tenant is reminded of a month's rent at one stage, once."""

    __tablename__ = "rent_reminders"
    __table_args__ = (UniqueConstraint("charge_id", "stage"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    charge_id: Mapped[int] = mapped_column(ForeignKey("rent_charges.id"))
    # Days from the due day; before it negative.
    stage: Mapped[int]
    created_at: Mapped[Instant]


class RentPayment(Base):
    """Money that a tenant pays for one month's rent; what the gateway takes for it comes on top."""

    __tablename__ = "rent_payments"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        known("state", PaymentState),
        known("source", PaymentSource),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("gateway_charge_minor >= 0", name="gateway_charge_not_negative"),
        CheckConstraint("credit_minor >= 0", name="credit_not_negative"),
        CheckConstraint("returned_minor BETWEEN 0 AND amount_minor", name="returned_at_most_the_amount"),
        CheckConstraint(
            "verified_by_id IS NULL OR entered_by_id IS NULL OR verified_by_id <> entered_by_id"
            " OR is_single_operator",
            name="second_person_verifies",
        ),
        CheckConstraint(
            "state <> 'completed' OR source <> 'manual' OR verified_at IS NOT NULL",
            name="by_hand_is_verified",
        ),
        Index("ix_rent_payments_organisation_state", "organisation_id", "state", "id"),
        Index("ix_rent_payments_charge", "charge_id"),
        Index("ix_rent_payments_next_check", "next_check_at"),
        Index(
            "uq_rent_payments_proof",
            "organisation_id",
            "proof_reference",
            unique=True,
            sqlite_where=text("proof_reference IS NOT NULL AND state <> 'cancelled'"),
            postgresql_where=text("proof_reference IS NOT NULL AND state <> 'cancelled'"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    charge_id: Mapped[int] = mapped_column(ForeignKey("rent_charges.id"))
    source: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default=PaymentState.PENDING.value)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    gateway_charge_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    returned_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # What came beyond the rent that was asked for; kept for the lease's next rents.
    credit_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    # What the gateway says was paid in all, where that is not what we asked for.
    said_minor: Mapped[int | None] = mapped_column(BigInteger)
    # Our own random id of the order at the gateway.
    merchant_order_id: Mapped[str | None] = mapped_column(String(63), unique=True)
    gateway_reference: Mapped[ShortText] = mapped_column(default="")
    gateway_method: Mapped[ShortText] = mapped_column(default="")
    utr: Mapped[ShortText] = mapped_column(default="")
    pay_url: Mapped[str] = mapped_column(String(1000), default="")
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    checks: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[ShortText] = mapped_column(default="")
    error_message: Mapped[str] = mapped_column(String(500), default="")
    # By hand: the day the money came, what proves it, who entered and who verified it.
    received_on: Mapped[date | None]
    proof_reference: Mapped[str | None] = mapped_column(String(120))
    proof_key: Mapped[str | None] = mapped_column(String(200))
    proof_name: Mapped[str] = mapped_column(String(200), default="")
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    entered_by_label: Mapped[str] = mapped_column(String(254), default="")
    verified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    verified_by_label: Mapped[str] = mapped_column(String(254), default="")
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    is_single_operator: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Instant]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(default=1)

    charge: Mapped[RentCharge] = relationship(lazy="select")
    distribution: Mapped[Distribution | None] = relationship(back_populates="payment", uselist=False)


class Distribution(Base):
    """How one received rent was shared out: each deduction once, what is left split among the owners."""

    __tablename__ = "rent_distributions"
    __table_args__ = (
        UniqueConstraint("payment_id"),
        CheckConstraint(
            "fee_minor >= 0 AND fee_tax_minor >= 0 AND withheld_minor >= 0 AND bills_minor >= 0"
            " AND reserve_minor >= 0 AND distributable_minor >= 0",
            name="parts_not_negative",
        ),
        CheckConstraint(
            "rent_minor = fee_minor + fee_tax_minor + withheld_minor + bills_minor + reserve_minor"
            " + distributable_minor",
            name="parts_add_up",
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("rent_payments.id"))
    property_id: Mapped[int] = mapped_column(ForeignKey("properties.id"), index=True)
    currency: Mapped[Currency]
    rent_minor: Mapped[MinorUnits]
    fee_minor: Mapped[MinorUnits]
    fee_tax_minor: Mapped[MinorUnits]
    withheld_minor: Mapped[MinorUnits]
    bills_minor: Mapped[MinorUnits]
    reserve_minor: Mapped[MinorUnits]
    distributable_minor: Mapped[MinorUnits]
    # Which terms and rules were used, and each step in words.
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[Instant]

    payment: Mapped[RentPayment] = relationship(back_populates="distribution")
    shares: Mapped[list[DistributionShare]] = relationship(
        order_by="DistributionShare.id", back_populates="distribution"
    )


class DistributionShare(Base):
    """One owner's part of a received rent, and the payout that brings it."""

    __tablename__ = "rent_distribution_shares"
    __table_args__ = (
        UniqueConstraint("distribution_id", "payee_id"),
        CheckConstraint("amount_minor >= 0 AND netted_minor >= 0", name="amounts_not_negative"),
        CheckConstraint("netted_minor <= amount_minor", name="netted_at_most_the_amount"),
        CheckConstraint("offer IN ('open', 'blocked', 'dismissed')", name="offer_is_known"),
        Index("ix_rent_distribution_shares_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    distribution_id: Mapped[int] = mapped_column(ForeignKey("rent_distributions.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    weight: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[MinorUnits]
    # What of it went against rent that had been returned after it was paid out.
    netted_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"), index=True)
    # blocked: its payout was rejected or cancelled and nobody chose "pay again" or "dismiss" yet.
    offer: Mapped[str] = mapped_column(String(10), default="open")
    # Why there is no payout yet, in words for admins; empty when there is one.
    waits_for: Mapped[str] = mapped_column(String(300), default="")

    payee: Mapped[Payee] = relationship(lazy="select")
    distribution: Mapped[Distribution] = relationship(back_populates="shares")

    @property
    def part(self) -> dict[str, int]:
        """Gross, each deduction and net of this owner, in minor units, as they were shared out."""
        found: dict[str, int] = self.distribution.details["parts"][str(self.payee_id)]
        return found


class PropertyBill(Base):
    """What is to be paid from a property's rent: a repair, a society fee, a management fee still owed."""

    __tablename__ = "property_bills"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("taken_minor BETWEEN 0 AND amount_minor", name="taken_at_most_the_amount"),
        CheckConstraint("state IN ('open', 'taken', 'cancelled')", name="state_is_known"),
        Index("ix_property_bills_property", "property_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    property_id: Mapped[int] = mapped_column(ForeignKey("properties.id"))
    description: Mapped[str] = mapped_column(String(300))
    billed_on: Mapped[date]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    taken_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(10), default="open")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]


class RentReturn(Base):
    """Rent that goes back to the tenant: a refund that we order, or a chargeback that befalls us."""

    __tablename__ = "rent_returns"
    __table_args__ = (
        known("kind", ReturnKind),
        CheckConstraint("state IN ('pending', 'completed', 'failed')", name="state_is_known"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("excess_minor BETWEEN 0 AND amount_minor", name="excess_at_most_the_amount"),
        CheckConstraint(
            f"(excess_minor = 0 AND excess_to = '') OR (excess_minor > 0 AND {one_of('excess_to', ExcessTo)})",
            name="excess_has_a_bearer",
        ),
        UniqueConstraint("organisation_id", "return_ref"),
        Index("ix_rent_returns_payment", "payment_id"),
        Index("ix_rent_returns_next_check", "next_check_at"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("rent_payments.id"))
    kind: Mapped[str] = mapped_column(String(12))
    # Our own random id of the refund at the gateway, or the gateway's case number of a chargeback.
    return_ref: Mapped[str] = mapped_column(String(63))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    state: Mapped[str] = mapped_column(String(10), default="pending")
    reason: Mapped[LongText]
    error_message: Mapped[str] = mapped_column(String(500), default="")
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    checks: Mapped[int] = mapped_column(default=0)
    # What of it is more than the payment had left: the money left twice. Who bears that, a person chose.
    excess_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    excess_to: Mapped[str] = mapped_column(String(10), default="", server_default="")
    # What the gateway says went back, where that is not what was asked for.
    said_minor: Mapped[int | None] = mapped_column(BigInteger)
    # How often in a row, and since when, the gateway has answered that it does not know the refund.
    not_found: Mapped[int] = mapped_column(default=0, server_default="0")
    not_found_since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # The reference of the bank transfer by which people gave it back, outside the gateway.
    hand_reference: Mapped[str] = mapped_column(String(120), default="", server_default="")
    # The refund that came to nothing before this one.
    retry_of_id: Mapped[int | None] = mapped_column(ForeignKey("rent_returns.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RentDecision(Base):
    """A proposal for money that does not agree with our books; what a second person confirmed is booked."""

    __tablename__ = "rent_decisions"
    __table_args__ = (
        known("choice", Choice),
        known("state", DecisionState),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "state <> 'confirmed' OR is_single_operator"
            " OR (decided_by_id IS NOT NULL AND decided_by_id <> proposed_by_id)",
            name="second_person_confirms",
        ),
        Index(
            "uq_rent_decisions_one_open",
            "payment_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
        Index("ix_rent_decisions_payment", "payment_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("rent_payments.id"))
    # The refund that it is about; none: the payment itself.
    return_id: Mapped[int | None] = mapped_column(ForeignKey("rent_returns.id"))
    choice: Mapped[str] = mapped_column(String(12))
    currency: Mapped[Currency]
    # What came, or went back, by the word of the gateway or of who settled it.
    amount_minor: Mapped[MinorUnits]
    excess_to: Mapped[str] = mapped_column(String(10), default="")
    hand_reference: Mapped[str] = mapped_column(String(120), default="")
    reason: Mapped[LongText]
    state: Mapped[str] = mapped_column(String(10), default=DecisionState.PROPOSED.value)
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    proposed_by_label: Mapped[str] = mapped_column(String(254))
    proposed_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    is_single_operator: Mapped[bool] = mapped_column(default=False)


class OwnerDebt(Base):
    """What an owner owes because rent went back after it was paid out: netted from the next payouts."""

    __tablename__ = "owner_debts"
    __table_args__ = (
        UniqueConstraint("return_id", "payee_id"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("netted_minor BETWEEN 0 AND amount_minor", name="netted_at_most_the_amount"),
        Index("ix_owner_debts_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    return_id: Mapped[int] = mapped_column(ForeignKey("rent_returns.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    netted_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # What of it was still held for the owner when the rent went back, and never left.
    unsent_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")
