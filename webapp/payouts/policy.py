"""An organisation's approval rules, and the sentences that say why something may not be approved or paid.

Pure: everything that a decision depends on is in the facts, so the page that explains and the service that
refuses use the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from webapp.kernel.clock import instant_text
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.kernel.money import Money, exponent
from webapp.payouts.states import PayoutState

RAILS = ("manual", "cashfree", "sandbox", "bank_file")
# What an organisation begins with; the other rails need settings of their own first.
FIRST_RAILS = ("manual", "sandbox")
# Into the payee's wallet here in the ledger: nobody chooses it, no payout method is needed, it is paid at approval.
WALLET = "wallet"
_CUT_OFF = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Tier(BaseModel):
    """Up to an amount (minor units; None: no end) so many different people approve.

    `automatic_only` limits the tier to payouts that a program made by itself; an empty currency is the
    organisation's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to_minor: int | None = Field(default=None, ge=0)
    approvals: int = Field(ge=0, le=5)
    automatic_only: bool = False
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")


class SingleOperator(BaseModel):
    """Rules of a one-person company: a delay and a daily cap stand in for the second person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_on: bool = False
    delay_hours: int = Field(default=12, ge=1, le=240)
    # Sum that may be approved within 24 hours, in minor units; None: no cap.
    daily_cap_minor: int | None = Field(default=None, ge=0)


class Policy(BaseModel):
    """The approval rules of an organisation; one stored version each time they change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str = "default"
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    tiers: tuple[Tier, ...] = Field(min_length=1)
    # Above this amount the last approver may not be the one who pays; None: they may.
    separate_payer_above_minor: int | None = Field(default=None, ge=0)
    # Changed payment details are not paid to for so long.
    cool_off_hours: int = Field(default=48, ge=0, le=720)
    # Who entered payment details does not approve payouts to them for so long.
    method_editor_days: int = Field(default=30, ge=0, le=365)
    single_operator: SingleOperator = SingleOperator()
    # "17:30" local time per program until which a payment can be stopped.
    cut_off: dict[str, str] = Field(default_factory=dict)
    rails: tuple[str, ...] = FIRST_RAILS
    # Programs whose approved payouts are sent without a person, at once or at their cut-off.
    paid_by_itself: tuple[str, ...] = ()
    # Minutes until each automatic retry; their number is the limit of retries.
    retry_minutes: tuple[int, ...] = (5, 15, 45)
    # Payouts that a program makes by itself wait until they reach this amount.
    minimum_minor: int = Field(default=0, ge=0)

    @field_validator("tiers")
    @classmethod
    def _has_an_end(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        home = [t for t in tiers if not t.currency and not t.automatic_only]
        if not any(t.up_to_minor is None for t in home):
            raise ValueError("one tier without an upper amount is needed, for payouts of any size")
        if any(t.approvals == 0 for t in tiers if not t.automatic_only):
            raise ValueError("only automatic payouts can go without a person's approval")
        return tiers

    @field_validator("cut_off")
    @classmethod
    def _is_a_time(cls, value: dict[str, str]) -> dict[str, str]:
        for program, text in value.items():
            if not _CUT_OFF.fullmatch(text):
                raise ValueError(f"the cut-off of {program} must be a time such as 17:30")
        return value

    @field_validator("rails")
    @classmethod
    def _is_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(RAILS)):
            raise ValueError(f"unknown rail: {', '.join(unknown)}")
        return value

    @field_validator("retry_minutes")
    @classmethod
    def _waits(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(minutes < 1 for minutes in value):
            raise ValueError("a retry waits at least one minute")
        return value

    @property
    def rules(self) -> dict[str, object]:
        """The policy as JSON, as ApprovalPolicy keeps it."""
        return self.model_dump(mode="json")


def from_rules(rules: dict[str, object]) -> Policy:
    """Read stored or entered rules. Raises Invalid that names the field."""
    try:
        return Policy.model_validate(rules)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "rules"
        raise Invalid(where, f"{first['msg']}.", "see the template “default”") from None


def default_rules(currency: str, automatic_limit_minor: int | None = None) -> dict[str, object]:
    """The template “default”: automatic programs alone up to a limit (10,000.00), then one, then two people."""
    unit = 10 ** exponent(currency)
    limit = 10_000 * unit if automatic_limit_minor is None else automatic_limit_minor
    tiers = [
        {"up_to_minor": max(limit, 100_000 * unit), "approvals": 1},
        {"up_to_minor": None, "approvals": 2},
    ]
    if limit > 0:
        tiers.insert(0, {"up_to_minor": limit, "approvals": 0, "automatic_only": True})
    return Policy(template="default", currency=currency, tiers=tiers).rules  # type: ignore[arg-type]


def strict_rules(currency: str) -> dict[str, object]:
    """The template “strict”: nothing goes without a person, and who approves does not pay."""
    unit = 10 ** exponent(currency)
    tiers = (Tier(up_to_minor=200_000 * unit, approvals=1), Tier(up_to_minor=None, approvals=2))
    return Policy(
        template="strict",
        currency=currency,
        tiers=tiers,
        separate_payer_above_minor=10_000 * unit,
        retry_minutes=(),
    ).rules


def approvals_needed(policy: Policy, amount: Money, is_automatic: bool) -> int:
    """How many different people must approve; 0 when the policy itself does.

    An amount in a currency without tiers of its own needs what the strictest tier asks for.
    """
    code = "" if amount.currency == policy.currency else amount.currency
    tiers = [t for t in policy.tiers if t.currency == code and (is_automatic or not t.automatic_only)]
    for tier in sorted(tiers, key=lambda t: (t.up_to_minor is None, t.up_to_minor or 0, t.approvals)):
        if tier.up_to_minor is None or amount.amount <= tier.up_to_minor:
            return tier.approvals
    return max(tier.approvals for tier in policy.tiers)


def fingerprint(amount: Money, payee_id: int, method_version_id: int | None) -> str:
    """What an approval is bound to: amount, currency, payee and the version of where the money goes."""
    return digest([amount.amount, amount.currency, payee_id, method_version_id])


@dataclass(frozen=True)
class PersonFacts:
    """The person whose right is asked about; None stands for Paydesk itself."""

    user_id: int | None
    creator_id: int | None = None
    payee_user_id: int | None = None
    # Who entered the payee's present payment details, and when.
    method_editor_id: int | None = None
    method_changed_at: datetime | None = None
    # (user, "imported the installation"): completes "You …".
    exclusions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class ApprovalFacts:
    """All that decides whether a person can approve a payout now."""

    person: PersonFacts
    state: str
    amount: Money
    payee_name: str
    has_method: bool
    now: datetime
    timezone: str
    created_at: datetime
    is_payee_active: bool = True
    # When the person approved it already.
    approved_at: datetime | None = None
    # Sum approved by anybody within the last 24 hours, in minor units of the same currency.
    approved_today_minor: int = 0


@dataclass(frozen=True)
class PaymentFacts:
    """All that decides whether an approved or failed payout can be paid now, by whom, over which rail."""

    person: PersonFacts
    state: str
    amount: Money
    payee_name: str
    rail: str
    now: datetime
    timezone: str
    is_held: bool = False
    hold_reason: str = ""
    # kind of the payee's present method: bank_account, upi, manual; empty without one.
    method_kind: str = ""
    is_fingerprint_valid: bool = True
    cool_off_until: datetime | None = None
    # Reference and instant of new payment details that wait for a second person.
    details_pending: tuple[str, datetime] | None = None
    halt_reasons: tuple[str, ...] = ()
    last_approver_id: int | None = None
    approved_at: datetime | None = None
    is_automatic: bool = False
    has_review: bool = False
    is_payee_active: bool = True
    # Why nothing can be sent over the rail by anybody, such as keys that are missing.
    rail_problem: str = ""


def why_not_this_person(policy: Policy, person: PersonFacts, now: datetime) -> list[str]:
    """Why this person may not say yes to the payout, whatever its state; empty when they may."""
    if person.user_id is None or policy.single_operator.is_on:
        return []
    reasons = []
    if person.user_id == person.payee_user_id:
        reasons.append("This payout is to you; somebody else must approve it.")
    if person.user_id == person.creator_id:
        reasons.append("You created this payout; a different person must approve it.")
    for user_id, reason in person.exclusions:
        if user_id == person.user_id:
            reasons.append(f"You {reason}; a different person must approve this payout.")
    if person.user_id == person.method_editor_id and person.method_changed_at is not None:
        days = policy.method_editor_days
        if now < person.method_changed_at + timedelta(days=days):
            reasons.append(
                f"You entered the payment details of this payee less than {days} days ago; "
                "a different person must approve this payout."
            )
    return reasons


def why_not_approve(policy: Policy, facts: ApprovalFacts) -> list[str]:
    """Every reason why the person cannot approve now, the most basic first; empty when they can."""
    if facts.state != PayoutState.PENDING_APPROVAL:
        label = PayoutState(facts.state).label.lower()
        return [f"This payout is {label}; only a payout that waits for approval can be approved."]
    reasons = why_not_this_person(policy, facts.person, facts.now)
    if facts.approved_at is not None:
        when = instant_text(facts.approved_at, facts.timezone)
        reasons.append(f"You approved it on {when}; another person must approve it too.")
    if not facts.is_payee_active:
        reasons.append(f"{facts.payee_name} is switched off as a payee. Switch them on first.")
    if not facts.has_method:
        reasons.append(f"{facts.payee_name} has no payout method. Add one on the payee's page first.")
    if policy.single_operator.is_on and facts.person.user_id is not None:
        reasons += _single_operator_reasons(policy.single_operator, facts)
    return reasons


def _single_operator_reasons(rules: SingleOperator, facts: ApprovalFacts) -> list[str]:
    reasons = []
    ready_at = facts.created_at + timedelta(hours=rules.delay_hours)
    if facts.now < ready_at:
        when = instant_text(ready_at, facts.timezone)
        reasons.append(
            f"One person runs this organisation, so a payout waits {rules.delay_hours} hours. "
            f"It can be approved from {when}."
        )
    cap = rules.daily_cap_minor
    if cap is not None and facts.approved_today_minor + facts.amount.amount > cap:
        limit = Money(cap, facts.amount.currency)
        reasons.append(f"With it more than {limit.format()} would be approved within 24 hours. Try tomorrow.")
    return reasons


def why_not_paid(policy: Policy, facts: PaymentFacts) -> list[str]:
    """Every reason why the payout cannot be paid now over the rail, the most basic first; empty when it can."""
    if reason := _state_reason(facts):
        return [reason]
    reasons = []
    if facts.has_review:
        reasons.append("A transfer of this payout is under review; two people must settle it first.")
    if facts.is_held:
        reasons.append(f"It is on hold: {facts.hold_reason} Somebody must release it.")
    reasons += [
        f"Payments are halted: {reason} An admin resumes them in the settings."
        for reason in facts.halt_reasons
    ]
    reasons += _destination_reasons(policy, facts)
    if facts.is_automatic and facts.amount.amount < policy.minimum_minor:
        limit = Money(policy.minimum_minor, policy.currency)
        reasons.append(
            f"It is below the smallest payout of this organisation, {limit.format()}. An admin can pay it by hand, "
            "or lower the smallest payout in the settings."
        )
    reasons += _payer_reasons(policy, facts)
    return reasons


def _state_reason(facts: PaymentFacts) -> str | None:
    label = PayoutState(facts.state).label.lower()
    if facts.state == PayoutState.PENDING_APPROVAL:
        return "It is not approved yet. An approver must approve it first."
    payable = {PayoutState.APPROVED, PayoutState.FAILED, PayoutState.RETRY_SCHEDULED}
    if facts.state not in payable or (facts.rail == "manual" and facts.state != PayoutState.APPROVED):
        return f"This payout is {label}; it cannot be paid{' by hand' if facts.rail == 'manual' else ''} now."
    return None


def _destination_reasons(policy: Policy, facts: PaymentFacts) -> list[str]:
    reasons = []
    if not facts.is_payee_active:
        reasons.append(f"{facts.payee_name} is switched off as a payee. Switch them on first.")
    if not facts.method_kind:
        reasons.append(f"{facts.payee_name} has no payout method. Add one on the payee's page.")
    elif facts.rail != "manual" and facts.method_kind == "manual":
        reasons.append(f"{facts.payee_name} is paid by hand. Pay outside Paydesk, then mark it as paid.")
    if facts.rail not in policy.rails:
        reasons.append(f"The rail “{facts.rail}” is switched off in the settings of this organisation.")
    elif facts.rail_problem:
        reasons.append(facts.rail_problem)
    if facts.details_pending is not None:
        reasons.append(details_wait(facts.payee_name, facts.details_pending, facts.timezone))
    if facts.method_kind and not facts.is_fingerprint_valid:
        reasons.append(
            "The payment details changed after the approval. Somebody who did not enter them "
            "must confirm them when paying: the approval was for the old ones."
        )
    if facts.cool_off_until is not None and facts.now < facts.cool_off_until:
        reasons.append(cool_off_wait(facts.payee_name, facts.cool_off_until, facts.timezone))
    return reasons


def cool_off_wait(payee_name: str, until: datetime, timezone: str) -> str:
    """Why nothing is paid to a payee while changed payment details wait out their cool-off."""
    when = instant_text(until, timezone)
    return (
        f"The payment details of {payee_name} changed; nothing is paid before {when}. "
        "Two admins who did not ask for the change can end the wait on the payee's page."
    )


def details_wait(payee_name: str, pending: tuple[str, datetime], timezone: str) -> str:
    """Why nothing is paid to a payee while new payment details (reference, asked at) wait."""
    reference, asked_at = pending
    return (
        f"New payment details of {payee_name} wait for a second person "
        f"({reference}, asked for on {instant_text(asked_at, timezone)}). "
        "An admin who did not ask for them must verify or refuse them."
    )


def _payer_reasons(policy: Policy, facts: PaymentFacts) -> list[str]:
    limit = policy.separate_payer_above_minor
    person = facts.person.user_id
    if person is None or policy.single_operator.is_on:
        return []
    reasons = []
    if limit is not None and facts.amount.amount > limit and person == facts.last_approver_id:
        reasons.append("You gave the last approval; above the limit a different person must pay it.")
    return reasons


def stoppable_until(policy: Policy, program: str, day_start: datetime, timezone: str) -> datetime | None:
    """The instant of today's cut-off of a program; None where the organisation has set none."""
    text = policy.cut_off.get(program)
    if text is None:
        return None
    hour, minute = (int(part) for part in text.split(":"))
    zone = ZoneInfo(timezone)
    return datetime.combine(day_start.astimezone(zone).date(), time(hour, minute), zone)
