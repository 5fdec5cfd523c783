"""Partners, programs, deals with their touches and attributions, commission rules, commissions and disputes."""

from __future__ import annotations

from datetime import date, datetime
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
    ShortText,
    UtcDateTime,
    known,
)
from webapp.people.models import Payee
from webapp.people.rule_book import RuleState
from webapp.programs.partners.states import (
    CommissionKind,
    CommissionState,
    DealState,
    DisputeState,
    Model,
    PartnerType,
    PeriodKind,
    RegistrationState,
    Tier,
    TouchType,
)


class PartnerProfile(Base):
    """What makes a payee a partner. Without a rule that fits, the partner's own rate counts."""

    __tablename__ = "partners_profiles"
    __table_args__ = (
        known("type", PartnerType),
        known("tier", Tier),
        CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate_in_range"),
        Index("ix_partners_profiles_organisation", "organisation_id", "payee_id"),
    )

    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    type: Mapped[str] = mapped_column(String(15), default=PartnerType.REFERRAL.value)
    tier: Mapped[str] = mapped_column(String(10), default=Tier.BRONZE.value)
    # Basis points: 500 is 5 %.
    rate_bp: Mapped[int] = mapped_column(default=0)
    # Who set the rate: they do not approve what it made.
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")


class PartnerProgram(Base):
    """Deals of one kind: how they are attributed, how long commissions wait, and when they are paid."""

    __tablename__ = "partners_programs"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        known("model", Model),
        known("period", PeriodKind),
        CheckConstraint("holding_days BETWEEN 0 AND 90", name="holding_in_range"),
        CheckConstraint("final_days BETWEEN 0 AND 3650", name="final_in_range"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(200))
    model: Mapped[str] = mapped_column(String(15), default=Model.EQUAL.value)
    # {type of touch: weight} where they are not those that everybody has.
    role_weights: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    period: Mapped[str] = mapped_column(String(10), default=PeriodKind.MONTH.value)
    # Days after the close before a commission is due, and days after it was paid in which it can be taken back.
    holding_days: Mapped[int] = mapped_column(default=30)
    final_days: Mapped[int] = mapped_column(default=365)
    # {currency: minor units}: less than this rolls over to the next period.
    minimums: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # Whether partners may have what is due paid out before the period ends.
    partners_may_request: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    is_active: Mapped[bool] = mapped_column(default=True)
    # Whether the scheduler makes its payouts on the first day after each period.
    is_automatic: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)


class Deal(Base):
    """A sale that partners took part in. What it earns follows from its touches, its amount and the rules."""

    __tablename__ = "partners_deals"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "external_ref"),
        known("state", DealState),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_has_its_day"),
        Index("ix_partners_deals_organisation_state", "organisation_id", "state", "id"),
        Index("ix_partners_deals_closed", "organisation_id", "closed_at", "id"),
        Index("ix_partners_deals_program", "program_id"),
        Index("ix_partners_deals_registered_by", "registered_by_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    external_ref: Mapped[str | None] = mapped_column(String(120))
    program_id: Mapped[int] = mapped_column(ForeignKey("partners_programs.id"))
    name: Mapped[str] = mapped_column(String(200))
    customer: Mapped[str] = mapped_column(String(200), default="")
    product: Mapped[str] = mapped_column(String(200), default="")
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    state: Mapped[str] = mapped_column(String(10), default=DealState.OPEN.value)
    opened_at: Mapped[Instant]
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    registered_by_id: Mapped[int | None] = mapped_column(ForeignKey("payees.id"))
    # Why it was lost, or what was changed after it was won.
    reason: Mapped[LongText] = mapped_column(default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    program: Mapped[PartnerProgram] = relationship(lazy="select")
    registered_by: Mapped[Payee | None] = relationship(lazy="select")


class DealEditor(Base):
    """A person who changed a deal or its touches: they do not approve what it pays."""

    __tablename__ = "partners_deal_editors"

    deal_id: Mapped[int] = mapped_column(BigId, ForeignKey("partners_deals.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"), primary_key=True)


class Registration(Base):
    """A partner's own claim on a deal. Accepting it names the partner in the deal; it creates no money."""

    __tablename__ = "partners_registrations"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        known("state", RegistrationState),
        CheckConstraint("expected_minor >= 0", name="expected_not_negative"),
        CheckConstraint("state <> 'approved' OR deal_id IS NOT NULL", name="accepted_has_its_deal"),
        CheckConstraint("state <> 'rejected' OR reason <> ''", name="refused_has_its_reason"),
        Index("ix_partners_registrations_organisation", "organisation_id", "state", "id"),
        Index("ix_partners_registrations_payee", "payee_id", "id"),
        Index("ix_partners_registrations_deal", "deal_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("partners_programs.id"))
    deal_id: Mapped[int | None] = mapped_column(ForeignKey("partners_deals.id"))
    customer: Mapped[str] = mapped_column(String(200))
    product: Mapped[str] = mapped_column(String(200), default="")
    currency: Mapped[Currency]
    expected_minor: Mapped[MinorUnits]
    note: Mapped[LongText] = mapped_column(default="")
    state: Mapped[str] = mapped_column(String(10), default=RegistrationState.PENDING.value)
    reason: Mapped[LongText] = mapped_column(default="")
    created_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")
    program: Mapped[PartnerProgram] = relationship(lazy="select")
    deal: Mapped[Deal | None] = relationship(lazy="select")


class Touchpoint(Base):
    """What a partner did for a deal, and when."""

    __tablename__ = "partners_touchpoints"
    __table_args__ = (
        UniqueConstraint("organisation_id", "external_ref"),
        known("type", TouchType),
        CheckConstraint("weight BETWEEN 0 AND 1000000", name="weight_in_range"),
        Index("ix_partners_touchpoints_deal", "deal_id", "happened_at"),
        Index("ix_partners_touchpoints_payee", "payee_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    external_ref: Mapped[str | None] = mapped_column(String(120))
    deal_id: Mapped[int] = mapped_column(ForeignKey("partners_deals.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    type: Mapped[str] = mapped_column(String(15))
    weight: Mapped[int] = mapped_column(default=1)
    happened_at: Mapped[Instant]
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")


class Attribution(Base):
    """A partner's share of a deal as it was worked out last; frozen once a payout has its commission."""

    __tablename__ = "partners_attributions"
    __table_args__ = (
        UniqueConstraint("deal_id", "payee_id"),
        known("model", Model),
        CheckConstraint("millionths BETWEEN 0 AND 1000000", name="share_in_range"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        Index("ix_partners_attributions_payee", "payee_id", "deal_id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    deal_id: Mapped[int] = mapped_column(ForeignKey("partners_deals.id"))
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    model: Mapped[str] = mapped_column(String(15))
    # Of a million.
    millionths: Mapped[int]
    currency: Mapped[Currency]
    amount_minor: Mapped[MinorUnits]
    # [[touch or null, "what it weighs", "why"]]: which touch earned what.
    parts: Mapped[list[Any]] = mapped_column(JSON)
    is_frozen: Mapped[bool] = mapped_column(default=False)
    # The partner's type, tier and own rate, and who set it, on the day on which the deal was won; empty before.
    partner_type: Mapped[str | None] = mapped_column(String(15))
    tier: Mapped[str | None] = mapped_column(String(10))
    rate_bp: Mapped[int | None]
    rate_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    worked_out_at: Mapped[Instant]

    payee: Mapped[Payee] = relationship(lazy="select")


class PartnerRule(Base):
    """A rule of commissions; its content is in its versions, and none of them is ever edited."""

    __tablename__ = "partners_rules"
    __table_args__ = (UniqueConstraint("organisation_id", "external_ref"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    external_ref: Mapped[str | None] = mapped_column(String(120))
    # The newest version, whatever its state.
    current_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Instant]

    versions: Mapped[list[PartnerRuleVersion]] = relationship(
        order_by="PartnerRuleVersion.version.desc()", back_populates="rule"
    )


class PartnerRuleVersion(Base):
    """What a rule says from a day on. Priority: the lowest number first; the first rule that fits counts."""

    __tablename__ = "partners_rule_versions"
    __table_args__ = (
        UniqueConstraint("rule_id", "version"),
        known("state", RuleState),
        CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate_in_range"),
        CheckConstraint("retainer_minor >= 0", name="retainer_not_negative"),
        CheckConstraint("floor_minor IS NULL OR floor_minor >= 0", name="floor_not_negative"),
        CheckConstraint(
            "cap_minor IS NULL OR cap_minor >= coalesce(floor_minor, 0)", name="cap_above_the_floor"
        ),
        CheckConstraint("least_deal_minor >= 0", name="least_deal_not_negative"),
        CheckConstraint("months IS NULL OR months BETWEEN 1 AND 1200", name="months_in_range"),
        # Amounts in minor units belong to a currency.
        CheckConstraint(
            "currency <> '' OR (retainer_minor = 0 AND floor_minor IS NULL AND cap_minor IS NULL"
            " AND least_deal_minor = 0)",
            name="amounts_have_a_currency",
        ),
        CheckConstraint(
            "state <> 'in_force' OR decided_by_id IS NULL OR created_by_id IS NULL"
            " OR decided_by_id <> created_by_id",
            name="second_person_accepts",
        ),
        Index(
            "uq_partners_rule_versions_proposed",
            "rule_id",
            unique=True,
            sqlite_where=text("state = 'proposed'"),
            postgresql_where=text("state = 'proposed'"),
        ),
        Index("ix_partners_rule_versions_organisation", "organisation_id", "state"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    rule_id: Mapped[int] = mapped_column(ForeignKey("partners_rules.id"))
    version: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default=RuleState.IN_FORCE.value)
    name: Mapped[str] = mapped_column(String(200))
    # What it is for; empty: everything.
    program_id: Mapped[int | None] = mapped_column(ForeignKey("partners_programs.id"))
    partner_type: Mapped[str] = mapped_column(String(15), default="")
    tier: Mapped[str] = mapped_column(String(10), default="")
    product: Mapped[str] = mapped_column(String(200), default="")
    currency: Mapped[str] = mapped_column(String(3), default="")
    least_deal_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    months: Mapped[int | None]
    # What it gives: of each deal, and by the period.
    rate_bp: Mapped[int]
    floor_minor: Mapped[int | None] = mapped_column(BigInteger)
    cap_minor: Mapped[int | None] = mapped_column(BigInteger)
    retainer_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    priority: Mapped[int] = mapped_column(default=100)
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

    rule: Mapped[PartnerRule] = relationship(back_populates="versions")


class Commission(Base):
    """What a partner earns of a deal, or gives back of it. Below zero: it is taken off the next payout."""

    __tablename__ = "partners_commissions"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        # One sale per deal and partner; corrections of it are counted.
        UniqueConstraint("deal_id", "payee_id", "kind", "sequence"),
        UniqueConstraint("payee_id", "program_id", "rule_id", "period"),
        known("kind", CommissionKind),
        known("state", CommissionState),
        CheckConstraint("offer IN ('open', 'blocked', 'dismissed')", name="offer_is_known"),
        CheckConstraint("(kind = 'retainer') = (deal_id IS NULL)", name="of_a_deal_or_a_period"),
        CheckConstraint("(kind = 'retainer') = (period IS NOT NULL)", name="retainer_has_its_period"),
        CheckConstraint("kind <> 'clawback' OR amount_minor < 0", name="taken_back_is_below_zero"),
        CheckConstraint(
            "kind IN ('clawback', 'correction') OR amount_minor >= 0", name="earned_is_not_below_zero"
        ),
        CheckConstraint("kind IN ('sale', 'retainer') OR reason <> ''", name="reason_is_given"),
        CheckConstraint(
            "(state IN ('claimed', 'paid')) = (payout_id IS NOT NULL)", name="claimed_has_its_payout"
        ),
        Index(
            "ix_partners_commissions_due",
            "organisation_id",
            "payee_id",
            "currency",
            "due_on",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_partners_commissions_payee", "payee_id", "id"),
        Index("ix_partners_commissions_payout", "payout_id"),
        Index("ix_partners_commissions_organisation", "organisation_id", "earned_on", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    payee_id: Mapped[int] = mapped_column(ForeignKey("payees.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("partners_programs.id"))
    deal_id: Mapped[int | None] = mapped_column(ForeignKey("partners_deals.id"))
    kind: Mapped[str] = mapped_column(String(12))
    sequence: Mapped[int] = mapped_column(default=0)
    # A retainer's month or quarter.
    period: Mapped[str | None] = mapped_column(String(10))
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("partners_rules.id"))
    rule_version_id: Mapped[int | None] = mapped_column(ForeignKey("partners_rule_versions.id"))
    rule_label: Mapped[str] = mapped_column(String(250), default="")
    rate_bp: Mapped[int] = mapped_column(default=0)
    currency: Mapped[Currency]
    base_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    amount_minor: Mapped[MinorUnits]
    earned_on: Mapped[date]
    due_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(10), default=CommissionState.OPEN.value)
    payout_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("payouts.id"))
    paid_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    # Whether the next calculation takes it: not while a person decides what becomes of a rejected one.
    offer: Mapped[str] = mapped_column(String(10), default="open")
    offer_reason: Mapped[str] = mapped_column(String(300), default="")
    # A dispute about it is open: it waits, alone.
    is_disputed: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[LongText] = mapped_column(default="")
    # Who set what the amount came from: they do not approve it.
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Instant]
    version: Mapped[int] = mapped_column(default=1)

    payee: Mapped[Payee] = relationship(lazy="select")
    program: Mapped[PartnerProgram] = relationship(lazy="select")
    deal: Mapped[Deal | None] = relationship(lazy="select")


class CommissionDispute(Base):
    """A partner's objection to one commission, which alone waits until an admin decides."""

    __tablename__ = "partners_disputes"
    __table_args__ = (
        known("state", DisputeState),
        CheckConstraint("reason <> ''", name="reason_is_given"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_has_its_day"),
        Index(
            "uq_partners_disputes_open",
            "commission_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_partners_disputes_organisation", "organisation_id", "state", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    commission_id: Mapped[int] = mapped_column(ForeignKey("partners_commissions.id"))
    state: Mapped[str] = mapped_column(String(10), default=DisputeState.OPEN.value)
    reason: Mapped[LongText]
    answer: Mapped[LongText] = mapped_column(default="")
    raised_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    raised_by_label: Mapped[str] = mapped_column(String(254))
    raised_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    decided_by_label: Mapped[str] = mapped_column(String(254), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime())

    commission: Mapped[Commission] = relationship(lazy="select")
