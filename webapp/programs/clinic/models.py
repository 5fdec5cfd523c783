"""Customers, appointments, invoices and their money; commission rules; what practitioners were paid and owe."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
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
)
from webapp.kernel.labels import Label
from webapp.people.models import Payee
from webapp.people.rule_book import RuleState
from webapp.programs.clinic.states import About, InvoiceState, Method, TransactionKind, TransactionState


class BaseMode(Label):
    """What commission and payout are counted from."""

    RECEIVED = "received", "What was received, less tax"
    GROSS = "gross", "The gross invoice, with tax"


class SplitMode(Label):
    """Who is paid for an appointment of several practitioners."""

    PRIMARY = "primary", "The primary practitioner alone"
    SHARE = "share", "All of them, by their shares"


class PartMode(Label):
    """When an invoice can be paid out."""

    FULL = "full", "When it is paid in full"
    PRO_RATA = "pro_rata", "Pro rata of what has come in"


class FeeBearer(Label):
    """Who bears the gateway's fee of what is refunded."""

    CLINIC = "clinic", "The clinic"
    PRACTITIONER = "practitioner", "The practitioner"
    CUSTOMER = "customer", "The customer"


class Every(Label):
    """How often a schedule runs."""

    NEVER = "never", "Never by itself"
    DAY = "day", "At the end of the day"
    WEEK = "week", "At the end of the week"
    MONTH = "month", "At the end of the month"


class ClinicSettings(Base):
    """How an organisation runs this program."""

    __tablename__ = "clinic_settings"
    __table_args__ = (
        known("base_mode", BaseMode),
        known("split_mode", SplitMode),
        known("part_mode", PartMode),
        known("fee_bearer", FeeBearer),
        known("payouts_every", Every),
        known("withdrawals_every", Every),
        CheckConstraint("withdrawal_minimum_minor >= 0", name="withdrawal_minimum_not_negative"),
        CheckConstraint("due_days BETWEEN 0 AND 365", name="due_days_in_range"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    base_mode: Mapped[str] = mapped_column(String(10), default=BaseMode.RECEIVED.value)
    split_mode: Mapped[str] = mapped_column(String(10), default=SplitMode.PRIMARY.value)
    part_mode: Mapped[str] = mapped_column(String(10), default=PartMode.FULL.value)
    fee_bearer: Mapped[str] = mapped_column(String(15), default=FeeBearer.CLINIC.value)
    payouts_every: Mapped[str] = mapped_column(String(10), default=Every.NEVER.value)
    withdrawals_every: Mapped[str] = mapped_column(String(10), default=Every.NEVER.value)
    # A smaller wallet is left alone by the schedule, and not asked for by people.
    withdrawal_minimum_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    due_days: Mapped[int] = mapped_column(default=14)
    version: Mapped[int] = mapped_column(default=1)


class Customer(Base):
    """Who gets invoices. Customers do not sign in; practitioners see their initials only."""

    __tablename__ = "clinic_customers"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        Index("ix_clinic_customers_organisation_name", "organisation_id", "name", "id"),
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

    @property
    def initials(self) -> str:
        """ "M. I." of "Meera Iyer": all that practitioners see of a customer."""
        return " ".join(f"{word[0].upper()}." for word in self.name.split()[:3])


class Appointment(Base):
    """A visit: when, what kind of service, with whom. Nothing clinical is kept."""

    __tablename__ = "clinic_appointments"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        Index("ix_clinic_appointments_organisation_starts", "organisation_id", "starts_at", "id"),
        Index("ix_clinic_appointments_customer", "customer_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    customer_id: Mapped[int] = mapped_column(ForeignKey("clinic_customers.id"))
    # The service category that commission rules go by, such as "Physiotherapy".
    category: Mapped[ShortText] = mapped_column(default="")
    starts_at: Mapped[Instant]
    # The day in the organisation's time zone: which month it belongs to, which rules count.
    held_on: Mapped[date]
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    # Who last changed who is paid for it; never an approver of a payout for it.
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    customer: Mapped[Customer] = relationship(lazy="select")
    practitioners: Mapped[list[AppointmentPractitioner]] = relationship(
        order_by="AppointmentPractitioner.id", cascade="all, delete-orphan", back_populates="appointment"
    )

    @property
    def primary(self) -> AppointmentPractitioner | None:
        """The practitioner who is paid where nothing else is said."""
        return next((each for each in self.practitioners if each.is_primary), None)


class AppointmentPractitioner(Base):
    """Who works at an appointment; shares are weights: 6000 and 4000 is 60/40."""

    __tablename__ = "clinic_appointment_practitioners"
    __table_args__ = (
        UniqueConstraint("appointment_id", "payee_id"),
        CheckConstraint("weight > 0", name="weight_positive"),
        Index(
            "uq_clinic_appointment_practitioners_primary",
            "appointment_id",
            unique=True,
            sqlite_where=text("is_primary"),
            postgresql_where=text("is_primary"),
        ),
        Index("ix_clinic_appointment_practitioners_payee", "payee_id", "appointment_id"),
    )

    id: Mapped[PrimaryKey]
    appointment_id: Mapped[int] = mapped_column(ForeignKey("clinic_appointments.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    is_primary: Mapped[bool] = mapped_column(default=False)
    weight: Mapped[int] = mapped_column(BigInteger, default=1)

    appointment: Mapped[Appointment] = relationship(back_populates="practitioners")
    payee: Mapped[Payee] = relationship(lazy="select")


class Invoice(Base):
    """What a customer owes, numbered INV-001 and on without gaps; its amounts are those of its lines."""

    __tablename__ = "clinic_invoices"
    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        UniqueConstraint("organisation_id", "external_ref"),
        known("state", InvoiceState),
        known("about", About),
        CheckConstraint(
            "(about = 'appointment') = (appointment_id IS NOT NULL)", name="about_its_appointment"
        ),
        CheckConstraint(
            "total_minor > 0 AND tax_minor >= 0 AND tax_minor <= total_minor", name="total_positive"
        ),
        CheckConstraint("received_minor >= 0 AND written_off_minor >= 0", name="parts_not_negative"),
        CheckConstraint(
            "received_minor + written_off_minor <= total_minor", name="received_at_most_the_total"
        ),
        CheckConstraint("refunded_minor BETWEEN 0 AND received_minor", name="refunded_at_most_received"),
        CheckConstraint("offer IN ('open', 'blocked', 'dismissed')", name="offer_is_known"),
        Index("ix_clinic_invoices_organisation_state", "organisation_id", "state", "id"),
        Index("ix_clinic_invoices_organisation_issued", "organisation_id", "issued_on", "id"),
        Index("ix_clinic_invoices_customer", "customer_id"),
        Index("ix_clinic_invoices_appointment", "appointment_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    number: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    customer_id: Mapped[int] = mapped_column(ForeignKey("clinic_customers.id"))
    about: Mapped[str] = mapped_column(String(15), default=About.APPOINTMENT.value)
    appointment_id: Mapped[int | None] = mapped_column(ForeignKey("clinic_appointments.id"))
    order_reference: Mapped[ShortText] = mapped_column(default="")
    currency: Mapped[Currency]
    issued_on: Mapped[date]
    due_on: Mapped[date]
    # Sums of the lines: before discount; discount; tax; what the customer pays.
    subtotal_minor: Mapped[MinorUnits]
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tax_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    total_minor: Mapped[MinorUnits]
    # All that ever came in, what of it went back, and what is not asked for any more.
    received_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    written_off_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    write_off_reason: Mapped[LongText] = mapped_column(default="")
    # What the gateway kept of the payments.
    gateway_fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # Whether a person vouched for some of the payments (cash, by hand).
    is_by_hand: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(15), default=InvoiceState.PENDING.value)
    # blocked: its payout was rejected or cancelled; schedules leave it until a person makes one or dismisses it.
    offer: Mapped[str] = mapped_column(String(10), default="open")
    offer_reason: Mapped[str] = mapped_column(String(300), default="")
    note: Mapped[LongText] = mapped_column(default="")
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    customer: Mapped[Customer] = relationship(lazy="select")
    appointment: Mapped[Appointment | None] = relationship(lazy="select")
    lines: Mapped[list[InvoiceLine]] = relationship(
        order_by="InvoiceLine.position", cascade="all, delete-orphan"
    )

    @property
    def remaining_minor(self) -> int:
        """What is still asked for."""
        if self.state in (InvoiceState.REFUNDED, InvoiceState.WRITTEN_OFF):
            return 0
        return self.total_minor - self.received_minor - self.written_off_minor

    @property
    def stayed_minor(self) -> int:
        """What came in and did not go back."""
        return self.received_minor - self.refunded_minor


class InvoiceLine(Base):
    """Quantity × unit price − discount + tax, as it was worked out."""

    __tablename__ = "clinic_invoice_lines"
    __table_args__ = (
        UniqueConstraint("invoice_id", "position"),
        CheckConstraint("discount_minor BETWEEN 0 AND gross_minor", name="discount_at_most_the_line"),
        CheckConstraint("tax_minor >= 0", name="tax_not_negative"),
    )

    id: Mapped[PrimaryKey]
    invoice_id: Mapped[int] = mapped_column(ForeignKey("clinic_invoices.id"))
    position: Mapped[int]
    description: Mapped[str] = mapped_column(String(300))
    quantity: Mapped[Decimal] = mapped_column(ScaledDecimal)
    unit_price_minor: Mapped[MinorUnits]
    gross_minor: Mapped[MinorUnits]
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tax_percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    tax_minor: Mapped[int] = mapped_column(BigInteger, default=0)

    @property
    def net_minor(self) -> int:
        """After the discount, before the tax."""
        return self.gross_minor - self.discount_minor

    @property
    def total_minor(self) -> int:
        """What the customer pays for it."""
        return self.net_minor + self.tax_minor


class CommissionRule(Base):
    """A rule of what the clinic keeps; its content is in its versions, and none of them is ever edited."""

    __tablename__ = "clinic_commission_rules"
    __table_args__ = (UniqueConstraint("organisation_id", "external_ref"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    external_ref: Mapped[str | None] = mapped_column(String(120))
    # The newest version, whatever its state.
    current_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Instant]

    versions: Mapped[list[CommissionRuleVersion]] = relationship(
        order_by="CommissionRuleVersion.version.desc()", back_populates="rule"
    )


class CommissionRuleVersion(Base):
    """What a rule says from a day on. Priority: the highest first; the first rule that matches counts."""

    __tablename__ = "clinic_commission_rule_versions"
    __table_args__ = (
        UniqueConstraint("rule_id", "version"),
        known("state", RuleState),
        CheckConstraint("percent BETWEEN 0 AND 100000000", name="percent_in_range"),
        CheckConstraint("flat_minor >= 0", name="flat_not_negative"),
        CheckConstraint("floor_minor IS NULL OR floor_minor >= 0", name="floor_not_negative"),
        CheckConstraint(
            "cap_minor IS NULL OR cap_minor >= coalesce(floor_minor, 0)", name="cap_above_the_floor"
        ),
        CheckConstraint(
            "state <> 'in_force' OR decided_by_id IS NULL OR created_by_id IS NULL"
            " OR decided_by_id <> created_by_id",
            name="second_person_accepts",
        ),
        Index(
            "uq_clinic_commission_rule_versions_proposed",
            "rule_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
        Index("ix_clinic_commission_rule_versions_organisation", "organisation_id", "state"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    rule_id: Mapped[int] = mapped_column(ForeignKey("clinic_commission_rules.id"))
    version: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default=RuleState.IN_FORCE.value)
    name: Mapped[str] = mapped_column(String(200))
    # For one practitioner, one service category, both, or everybody.
    payee_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"))
    category: Mapped[ShortText] = mapped_column(default="")
    percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    flat_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    floor_minor: Mapped[int | None] = mapped_column(BigInteger)
    cap_minor: Mapped[int | None] = mapped_column(BigInteger)
    # [[below_minor or null, "7.5"], …]: per cent by the month's volume so far.
    tiers: Mapped[list[Any]] = mapped_column(JSON, default=list)
    priority: Mapped[int] = mapped_column(default=0)
    valid_from: Mapped[date | None]
    # An inactive version ends the rule from its first day on.
    is_active: Mapped[bool] = mapped_column(default=True)
    note: Mapped[LongText] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    decision_note: Mapped[LongText] = mapped_column(default="")

    rule: Mapped[CommissionRule] = relationship(back_populates="versions")
    payee: Mapped[Payee | None] = relationship(lazy="select")


class ClinicTransaction(Base):
    """One movement of money as people see it: a payment, payout, refund, withdrawal, adjustment or deduction."""

    __tablename__ = "clinic_transactions"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "idempotency_key"),
        known("kind", TransactionKind),
        known("method", Method),
        known("state", TransactionState),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("fee_minor >= 0", name="fee_not_negative"),
        CheckConstraint(
            "kind NOT IN ('payment', 'refund') OR invoice_id IS NOT NULL", name="has_its_invoice"
        ),
        Index("ix_clinic_transactions_invoice", "invoice_id", "id"),
        Index("ix_clinic_transactions_payee", "payee_id", "id"),
        Index("ix_clinic_transactions_organisation", "organisation_id", "kind", "id"),
        Index("uq_clinic_transactions_payout", "payout_id", unique=True),
        Index(
            "uq_clinic_transactions_provider_reference",
            "organisation_id",
            "kind",
            "provider_reference",
            unique=True,
            sqlite_where=text("provider_reference <> ''"),
            postgresql_where=text("provider_reference <> ''"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    kind: Mapped[str] = mapped_column(String(15))
    method: Mapped[str] = mapped_column(String(15), default=Method.INTERNAL.value)
    state: Mapped[str] = mapped_column(String(15), default=TransactionState.COMPLETED.value)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    # What the gateway kept of a payment; what of it somebody else than the clinic bears at a refund.
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    invoice_id: Mapped[int | None] = mapped_column(ForeignKey("clinic_invoices.id"))
    payee_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"))
    payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"))
    # Ledger accounts, such as wallet:clinic; empty: outside.
    from_wallet: Mapped[ShortText] = mapped_column(default="")
    to_wallet: Mapped[ShortText] = mapped_column(default="")
    provider_reference: Mapped[ShortText] = mapped_column(default="")
    proof_key: Mapped[str | None] = mapped_column(String(200))
    proof_name: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[LongText] = mapped_column(default="")
    happened_on: Mapped[date]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    invoice: Mapped[Invoice | None] = relationship(lazy="select")
    payee: Mapped[Payee | None] = relationship(lazy="select")


class ClinicPayout(Base):
    """What one payout pays one practitioner for one invoice, and by which rule; figures never change."""

    __tablename__ = "clinic_payouts"
    __table_args__ = (
        UniqueConstraint("payout_id"),
        # Two payouts for the same part of an invoice cannot both live: the payout is made by one click only.
        Index(
            "uq_clinic_payouts_live",
            "invoice_id",
            "payee_id",
            "part",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        CheckConstraint("base_minor = commission_minor + amount_minor", name="figures_add_up"),
        CheckConstraint("amount_minor > 0 AND commission_minor >= 0", name="figures_not_negative"),
        CheckConstraint("taken_base_minor BETWEEN 0 AND base_minor", name="taken_at_most_the_base"),
        CheckConstraint(
            "taken_commission_minor BETWEEN 0 AND commission_minor", name="taken_at_most_the_commission"
        ),
        Index("ix_clinic_payouts_payee_held", "payee_id", "held_on"),
        Index("ix_clinic_payouts_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    invoice_id: Mapped[int] = mapped_column(ForeignKey("clinic_invoices.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    payout_id: Mapped[int] = mapped_column(BigId, ForeignKey("payouts.id"))
    # 1, 2, …: which part of the invoice, where payouts are made pro rata.
    part: Mapped[int] = mapped_column(default=1)
    # NULL: no rule matched, the default counted.
    rule_version_id: Mapped[int | None] = mapped_column(ForeignKey("clinic_commission_rule_versions.id"))
    rule_label: Mapped[str] = mapped_column(String(200))
    currency: Mapped[Currency]
    base_minor: Mapped[MinorUnits]
    percent: Mapped[Decimal] = mapped_column(ScaledDecimal)
    commission_minor: Mapped[MinorUnits]
    amount_minor: Mapped[MinorUnits]
    weight: Mapped[int] = mapped_column(BigInteger, default=1)
    # What refunds have taken back of it so far.
    taken_base_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    taken_commission_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # The day of the appointment: the month whose volume it counts for.
    held_on: Mapped[date]
    # Set when its payout was rejected or cancelled.
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[Instant]

    invoice: Mapped[Invoice] = relationship(lazy="select")
    payee: Mapped[Payee] = relationship(lazy="select")


class Clawback(Base):
    """What a refund took back of a payout, at the payout's own rate: base = commission + amount."""

    __tablename__ = "clinic_clawbacks"
    __table_args__ = (
        UniqueConstraint("refund_id", "clinic_payout_id"),
        CheckConstraint("base_minor = commission_minor + amount_minor", name="figures_add_up"),
        CheckConstraint(
            "base_minor > 0 AND commission_minor >= 0 AND amount_minor >= 0", name="not_negative"
        ),
        CheckConstraint("amount_minor + fee_minor = taken_minor + carried_minor", name="taken_or_carried"),
        Index("ix_clinic_clawbacks_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    refund_id: Mapped[int] = mapped_column(ForeignKey("clinic_transactions.id"))
    clinic_payout_id: Mapped[int] = mapped_column(ForeignKey("clinic_payouts.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    currency: Mapped[Currency]
    base_minor: Mapped[MinorUnits]
    commission_minor: Mapped[MinorUnits]
    amount_minor: Mapped[MinorUnits]
    # The part of the gateway's fee that the practitioner bears, on top of the amount.
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # From the wallet at once; and what the wallet did not hold, set off against what comes next.
    taken_minor: Mapped[MinorUnits]
    carried_minor: Mapped[MinorUnits]
    happened_on: Mapped[date]
    created_at: Mapped[Instant]

    clinic_payout: Mapped[ClinicPayout] = relationship(lazy="select")
    refund: Mapped[ClinicTransaction] = relationship(lazy="select")


class Deduction(Base):
    """What a practitioner pays the clinic again and again: room rent, a facility fee."""

    __tablename__ = "clinic_deductions"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("every IN ('week', 'month')", name="every_is_known"),
        CheckConstraint("ends_on IS NULL OR starts_on <= ends_on", name="dates_in_order"),
        Index("ix_clinic_deductions_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    name: Mapped[str] = mapped_column(String(200))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    every: Mapped[str] = mapped_column(String(10), default="month")
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")


class DeductionCharge(Base):
    """One period of a deduction: taken from the wallet as far as it holds money, the rest carried."""

    __tablename__ = "clinic_deduction_charges"
    __table_args__ = (
        UniqueConstraint("deduction_id", "period_start"),
        CheckConstraint("amount_minor = taken_minor + carried_minor", name="taken_or_carried"),
        CheckConstraint("taken_minor >= 0 AND carried_minor >= 0", name="not_negative"),
        Index("ix_clinic_deduction_charges_payee", "payee_id", "period_start"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    deduction_id: Mapped[int] = mapped_column(ForeignKey("clinic_deductions.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    period_start: Mapped[date]
    period_end: Mapped[date]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    taken_minor: Mapped[MinorUnits]
    carried_minor: Mapped[MinorUnits]
    created_at: Mapped[Instant]

    deduction: Mapped[Deduction] = relationship(lazy="select")


class PractitionerDebt(Base):
    """What a practitioner owes the clinic, set off against the next payouts; the ledger has it as receivable."""

    __tablename__ = "clinic_debts"
    __table_args__ = (
        UniqueConstraint("clawback_id"),
        UniqueConstraint("charge_id"),
        CheckConstraint("(clawback_id IS NULL) <> (charge_id IS NULL)", name="has_one_cause"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("set_off_minor BETWEEN 0 AND amount_minor", name="set_off_at_most_the_amount"),
        Index(
            "ix_clinic_debts_open",
            "payee_id",
            "id",
            sqlite_where=text("set_off_minor < amount_minor"),
            postgresql_where=text("set_off_minor < amount_minor"),
        ),
        Index("ix_clinic_debts_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    clawback_id: Mapped[int | None] = mapped_column(ForeignKey("clinic_clawbacks.id"))
    charge_id: Mapped[int | None] = mapped_column(ForeignKey("clinic_deduction_charges.id"))
    description: Mapped[str] = mapped_column(String(300))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    set_off_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[Instant]


class DebtSetOff(Base):
    """That a payout paid off a debt, wholly or in part."""

    __tablename__ = "clinic_debt_set_offs"
    __table_args__ = (
        UniqueConstraint("debt_id", "payout_id"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_clinic_debt_set_offs_payout", "payout_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    debt_id: Mapped[int] = mapped_column(ForeignKey("clinic_debts.id"))
    payout_id: Mapped[int] = mapped_column(BigId, ForeignKey("payouts.id"))
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    created_at: Mapped[Instant]

    debt: Mapped[PractitionerDebt] = relationship(lazy="select")
