"""Payouts, their lines, the records they pay for, approvals, transfers and the approval policy."""

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
)
from webapp.payouts.states import CLOSED_STATES, OPEN_TRANSFER_STATES, PayoutState, TransferState
from webapp.people.models import Organisation, Payee, PayoutMethod


def _values(members: object) -> str:
    return ", ".join(f"'{m}'" for m in sorted(members))  # type: ignore[call-overload]


#: Longer than the longest month, in each engine's words; lists say it in the same ones.
LONG_PERIOD_DAYS = 31
IS_LONG_PERIOD = {
    "sqlite": f"julianday(period_end) - julianday(period_start) > {LONG_PERIOD_DAYS}",
    "postgresql": f"period_end - period_start > {LONG_PERIOD_DAYS}",
}
_IS_OPEN = f"state NOT IN ({_values(CLOSED_STATES)})"


class ApprovalPolicy(Base):
    """One version of an organisation's approval rules; the newest is in force, old ones stay."""

    __tablename__ = "approval_policies"
    __table_args__ = (UniqueConstraint("organisation_id", "version"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    version: Mapped[int]
    # See webapp.payouts.policy.Policy for the fields.
    rules: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]


class PolicyProposal(Base):
    """Changed approval rules that wait for a second admin; accepted, they become the next version."""

    __tablename__ = "policy_proposals"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'accepted', 'refused', 'withdrawn')", name="state_is_known"),
        CheckConstraint(
            "state <> 'accepted' OR decided_by_id IS NULL OR decided_by_id <> proposed_by_id",
            name="second_person_accepts",
        ),
        Index(
            "uq_policy_proposals_pending",
            "organisation_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    # The version that the person who proposed saw.
    base_version: Mapped[int]
    rules: Mapped[dict[str, Any]] = mapped_column(JSON)
    note: Mapped[LongText] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(12), default="pending")
    proposed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    proposed_by_label: Mapped[str] = mapped_column(String(254), default="")
    proposed_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    reason: Mapped[LongText] = mapped_column(default="")


class Payout(Base):
    """An amount owed to one payee in one currency, with the lines that explain it."""

    __tablename__ = "payouts"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "idempotency_key"),
        CheckConstraint("amount_minor > 0", name="amount_minor_positive"),
        CheckConstraint(
            "length(currency) = 3 AND currency = upper(currency)",
            name="currency_format",
        ),
        CheckConstraint(f"state IN ({_values(PayoutState)})", name="state_is_known"),
        CheckConstraint("state <> 'paid' OR paid_on IS NOT NULL", name="paid_has_a_date"),
        CheckConstraint("approvals_needed >= 0", name="approvals_needed_not_negative"),
        Index("ix_payouts_organisation_state", "organisation_id", "state", "id"),
        Index("ix_payouts_organisation_payee", "organisation_id", "payee_id", "id"),
        Index("ix_payouts_organisation_created", "organisation_id", "id"),
        Index("ix_payouts_organisation_program", "organisation_id", "program", "id"),
        Index("ix_payouts_rail", "organisation_id", "rail", "id"),
        # What one run created; most payouts come from no run.
        Index(
            "ix_payouts_run",
            "run_id",
            sqlite_where=text("run_id IS NOT NULL"),
            postgresql_where=text("run_id IS NOT NULL"),
        ),
        # What a payee is usually paid, and the twin of a payout.
        Index("ix_payouts_usual", "organisation_id", "payee_id", "currency", "amount_minor", "paid_at"),
        # Lists by period and by amount: counted and found without reading the rows themselves.
        Index("ix_payouts_period", "organisation_id", "period_end", "period_start", "state", "id"),
        Index("ix_payouts_amount", "organisation_id", "currency", "amount_minor", "id"),
        # Few periods are longer than a month; they say how far beyond a day a list by period must look.
        Index(
            "ix_payouts_long_period",
            "organisation_id",
            "period_end",
            "period_start",
            sqlite_where=text(IS_LONG_PERIOD["sqlite"]),
            postgresql_where=text(IS_LONG_PERIOD["postgresql"]),
        ),
        # The open ones are few, however long the history; home and lists read them from here alone.
        Index(
            "ix_payouts_open",
            "organisation_id",
            "id",
            "state",
            "currency",
            "amount_minor",
            "created_at",
            "is_held",
            "payee_id",
            sqlite_where=text(_IS_OPEN),
            postgresql_where=text(_IS_OPEN),
        ),
        Index(
            "ix_payouts_held",
            "organisation_id",
            "id",
            sqlite_where=text("is_held IS 1"),
            postgresql_where=text("is_held IS true"),
        ),
        Index(
            "uq_payouts_payment_reference",
            "organisation_id",
            "payment_reference",
            unique=True,
            sqlite_where=text("payment_reference IS NOT NULL"),
            postgresql_where=text("payment_reference IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    program: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    currency: Mapped[Currency]
    # Sum of the earning lines, and what is left after the deductions: what is paid.
    gross_minor: Mapped[MinorUnits]
    amount_minor: Mapped[MinorUnits]
    state: Mapped[str] = mapped_column(String(20), default=PayoutState.PENDING_APPROVAL.value)
    # The account debited at approval, such as expense:installations.
    cost_account: Mapped[ShortText]
    period_start: Mapped[date]
    period_end: Mapped[date]
    is_automatic: Mapped[bool] = mapped_column(default=False)
    is_held: Mapped[bool] = mapped_column(default=False)
    hold_reason: Mapped[LongText] = mapped_column(default="")
    # Admins' own note; payees never see it.
    note: Mapped[LongText] = mapped_column(default="")
    # Reason of a rejection, cancellation or failure, shown to the payee too.
    reason: Mapped[LongText] = mapped_column(default="")
    approvals_needed: Mapped[int] = mapped_column(default=1)
    # Bound at approval, checked again just before the bank is called.
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payout_methods.id"))
    rail: Mapped[str] = mapped_column(String(20), default="")
    payment_reference: Mapped[str | None] = mapped_column(String(120))
    paid_on: Mapped[date | None]
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    automatic_retries: Mapped[int] = mapped_column(default=0)
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    run_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("runs.id"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # How many times it entered approval again (re-issue); part of ledger and outbox keys.
    round: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=1)

    organisation: Mapped[Organisation] = relationship(lazy="select")
    payee: Mapped[Payee] = relationship(lazy="select")
    method: Mapped[PayoutMethod | None] = relationship(lazy="select")
    lines: Mapped[list[PayoutLine]] = relationship(
        order_by="PayoutLine.position", cascade="all, delete-orphan"
    )
    approvals: Mapped[list[Approval]] = relationship(order_by="Approval.id", viewonly=True)
    transfers: Mapped[list[Transfer]] = relationship(order_by="Transfer.n", back_populates="payout")
    exclusions: Mapped[list[ApprovalExclusion]] = relationship(cascade="all, delete-orphan")


class PayoutLine(Base):
    """How a part of the amount was calculated."""

    __tablename__ = "payout_lines"
    __table_args__ = (UniqueConstraint("payout_id", "position"),)

    id: Mapped[PrimaryKey]
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    position: Mapped[int]
    # earning, bonus, deduction, tax, adjustment
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(String(300))
    occurred_on: Mapped[date | None]
    quantity: Mapped[Decimal | None] = mapped_column(ScaledDecimal)
    unit: Mapped[str] = mapped_column(String(20), default="")
    # Major units per quantity, or per cent of the base, as the formula says.
    rate: Mapped[Decimal | None] = mapped_column(ScaledDecimal)
    # "9.99 kW × 50.00 USD = 499.50 USD": adds up on the page and in the PDF.
    formula: Mapped[str] = mapped_column(String(300), default="")
    amount_minor: Mapped[MinorUnits]
    source_type: Mapped[ShortText] = mapped_column(default="")
    source_id: Mapped[int | None] = mapped_column(BigId)
    source_label: Mapped[ShortText] = mapped_column(default="")
    # Which version of which rule made it; free for each program.
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class SourceClaim(Base):
    """A source record is in at most one live payout per payee: released when that payout is dropped."""

    __tablename__ = "payout_source_claims"
    __table_args__ = (
        Index(
            "uq_payout_source_claims_live",
            "organisation_id",
            "source_type",
            "source_id",
            "payee_id",
            unique=True,
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        Index("ix_payout_source_claims_payout", "payout_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    source_type: Mapped[ShortText]
    source_id: Mapped[int] = mapped_column(BigId)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ApprovalExclusion(Base):
    """A person who may not approve this payout, and why (they imported the record, edited the rate, …)."""

    __tablename__ = "payout_approval_exclusions"
    __table_args__ = (UniqueConstraint("payout_id", "user_id", "reason"),)

    id: Mapped[PrimaryKey]
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(200))


class Approval(Base):
    """One person's yes or no to a payout. The creator can never be the approver: the database refuses it."""

    __tablename__ = "payout_approvals"
    __table_args__ = (
        UniqueConstraint("payout_id", "round", "approver_id"),
        CheckConstraint(
            "maker_id IS NULL OR approver_id <> maker_id OR is_single_operator",
            name="approver_is_not_maker",
        ),
        CheckConstraint("decision IN ('approved', 'rejected')", name="decision_is_known"),
        # What one person approved, in the order of the payouts.
        Index("ix_payout_approvals_approver", "approver_id", "payout_id"),
    )

    id: Mapped[PrimaryKey]
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    round: Mapped[int] = mapped_column(default=1)
    # NULL: the policy approved it by its automatic limit.
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    approver_label: Mapped[str] = mapped_column(String(254))
    maker_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    is_single_operator: Mapped[bool] = mapped_column(default=False)
    decision: Mapped[str] = mapped_column(String(10))
    note: Mapped[LongText] = mapped_column(default="")
    fingerprint: Mapped[str] = mapped_column(String(64))
    policy_version: Mapped[int]
    at: Mapped[Instant]


class Transfer(Base):
    """One try at moving the money of one payout over one rail; at most one is live."""

    __tablename__ = "transfers"
    __table_args__ = (
        UniqueConstraint("payout_id", "n"),
        CheckConstraint("amount_minor > 0", name="amount_minor_positive"),
        CheckConstraint(f"state IN ({_values(TransferState)})", name="state_is_known"),
        Index(
            "uq_transfers_one_open",
            "payout_id",
            unique=True,
            # nosemgrep: sql-text-is-constant - the words of the enumeration
            sqlite_where=text(f"state IN ({_values(OPEN_TRANSFER_STATES)})"),
            # nosemgrep: sql-text-is-constant - as above
            postgresql_where=text(f"state IN ({_values(OPEN_TRANSFER_STATES)})"),
        ),
        Index(
            "uq_transfers_one_success",
            "payout_id",
            unique=True,
            sqlite_where=text("state = 'succeeded'"),
            postgresql_where=text("state = 'succeeded'"),
        ),
        Index("ix_transfers_next_check", "state", "next_check_at"),
        # What banks and providers call it in their lists.
        Index(
            "ix_transfers_utr",
            "organisation_id",
            "utr",
            sqlite_where=text("utr <> ''"),
            postgresql_where=text("utr <> ''"),
        ),
        Index(
            "ix_transfers_provider_reference",
            "organisation_id",
            "provider_reference",
            sqlite_where=text("provider_reference <> ''"),
            postgresql_where=text("provider_reference <> ''"),
        ),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"))
    n: Mapped[int]
    # Our own random id: the provider's idempotency key.
    transfer_id: Mapped[str] = mapped_column(String(40), unique=True)
    rail: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default=TransferState.QUEUED.value)
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    method_id: Mapped[int | None] = mapped_column(ForeignKey("payout_methods.id"))
    fingerprint: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_by: Mapped[ShortText] = mapped_column(default="")
    sends: Mapped[int] = mapped_column(default=0)
    checks: Mapped[int] = mapped_column(default=0)
    not_found_count: Mapped[int] = mapped_column(default=0)
    not_found_since: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    provider_reference: Mapped[ShortText] = mapped_column(default="")
    utr: Mapped[ShortText] = mapped_column(default="")
    error_code: Mapped[ShortText] = mapped_column(default="")
    error_message: Mapped[str] = mapped_column(String(500), default="")
    credited_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[Instant]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    payout: Mapped[Payout] = relationship(back_populates="transfers")
    events: Mapped[list[TransferEvent]] = relationship(order_by="TransferEvent.seq")


class TransferEvent(Base):
    """What was asked of the provider and what it said; append-only, secrets and numbers masked."""

    __tablename__ = "transfer_events"
    __table_args__ = (UniqueConstraint("transfer_id", "seq"),)

    id: Mapped[PrimaryKey]
    transfer_id: Mapped[int] = mapped_column(ForeignKey("transfers.id"))
    seq: Mapped[int]
    # send, status, worker, operator
    source: Mapped[str] = mapped_column(String(20))
    from_state: Mapped[str] = mapped_column(String(20))
    to_state: Mapped[str] = mapped_column(String(20))
    request: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    duration_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    at: Mapped[Instant]


class RailSwitch(Base):
    """Halts a rail for an organisation; rail "*" halts all payouts."""

    __tablename__ = "rail_switches"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    rail: Mapped[str] = mapped_column(String(20), primary_key=True)
    is_halted: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[LongText] = mapped_column(default="")
    # One person asks to lift it, another one confirms.
    takes_two: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    changed_at: Mapped[Instant]


class RailHealth(Base):
    """How a rail has been answering an organisation: opens the breaker after failures in a row, and closes it again."""

    __tablename__ = "rail_health"
    __table_args__ = (
        CheckConstraint("failures_in_row >= 0 AND times_opened >= 0", name="counts_not_negative"),
    )

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    rail: Mapped[str] = mapped_column(String(20), primary_key=True)
    # Calls that did not get an answer, one after the other.
    failures_in_row: Mapped[int] = mapped_column(default=0)
    # Nothing is sent until then; after it one call tries whether the rail is back.
    open_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    times_opened: Mapped[int] = mapped_column(default=0)
    last_problem: Mapped[str] = mapped_column(String(300), default="")
    changed_at: Mapped[Instant]
