"""What people, files and the API hand over to make partners' records; each checks itself. Pure of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from webapp.kernel.checks import (
    check_amount,
    check_currency,
    check_known,
    check_length,
    check_not_negative,
    need,
)
from webapp.kernel.errors import Invalid
from webapp.programs.partners.rules import FULL
from webapp.programs.partners.states import Model, PartnerType, PeriodKind, Tier, TouchType

PROGRAM = "partners"
#: What a payout's claims name.
SOURCE = "partner_commission"
COST_ACCOUNT = "expense:partner_commissions"
HIGHEST_PRIORITY = 1_000_000


def check_rate(field: str, basis_points: int) -> None:
    """0 to 100 per cent, in basis points. Raises Invalid."""
    if not 0 <= basis_points <= FULL:
        raise Invalid(field, "Enter per cent from 0 to 100, with at most two decimals.", "5")


@dataclass(frozen=True)
class ProfileDraft:
    """What makes a payee a partner."""

    type: str = PartnerType.REFERRAL.value
    tier: str = Tier.BRONZE.value
    rate_bp: int = 0

    def check(self) -> None:
        """Raises Invalid."""
        check_known("type", self.type, PartnerType)
        check_known("tier", self.tier, Tier)
        check_rate("rate", self.rate_bp)


@dataclass(frozen=True)
class ProgramDraft:
    """How deals of one kind are attributed and paid. `minimums` are minor units by currency."""

    name: str
    model: str = Model.EQUAL.value
    role_weights: Mapping[str, int] = field(default_factory=dict)
    period: str = PeriodKind.MONTH.value
    holding_days: int = 30
    final_days: int = 365
    minimums: Mapping[str, int] = field(default_factory=dict)
    partners_may_request: bool = False
    # Whether its payouts are made on the first day after each period.
    is_automatic: bool = True
    is_active: bool = True
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "the name of the program", "Referral partners")
        check_known("model", self.model, Model)
        check_known("period", self.period, PeriodKind)
        if not 0 <= self.holding_days <= 90:
            raise Invalid("holding_days", "Enter a whole number of days from 0 to 90.", "30")
        if not 0 <= self.final_days <= 3650:
            raise Invalid("final_days", "Enter a whole number of days from 0 to 3650.", "365")
        for kind, weight in self.role_weights.items():
            check_known("role_weights", kind, TouchType)
            if not 0 <= weight <= 1_000_000:
                raise Invalid("role_weights", "A weight is a whole number from 0 to 1,000,000.", "40")
        for currency, least in self.minimums.items():
            check_currency("minimums", currency)
            check_not_negative("minimums", least, "50.00")
        check_length("external_ref", self.external_ref or "", 120)


@dataclass(frozen=True)
class DealDraft:
    """A sale that partners may take part in."""

    program_id: int
    name: str
    currency: str
    amount_minor: int
    opened_at: datetime
    customer: str = ""
    product: str = ""
    registered_by_id: int | None = None
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "what the deal is about", "Acme: 20 seats")
        check_length("customer", self.customer, 200)
        check_length("product", self.product, 200)
        check_length("external_ref", self.external_ref or "", 120)
        check_currency("currency", self.currency)
        check_not_negative("amount", self.amount_minor, "5,000.00")


@dataclass(frozen=True)
class TouchDraft:
    """What a partner did for a deal, and when."""

    payee_id: int
    type: str
    happened_at: datetime
    weight: int = 1
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        check_known("type", self.type, TouchType)
        if not 0 <= self.weight <= 1_000_000:
            raise Invalid("weight", "A weight is a whole number from 0 to 1,000,000.", "1")
        check_length("external_ref", self.external_ref or "", 120)


@dataclass(frozen=True)
class RegistrationDraft:
    """A partner's claim on a deal that they bring."""

    program_id: int
    customer: str
    currency: str
    expected_minor: int
    product: str = ""
    note: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        need("customer", self.customer, 200, "who the customer is", "Acme Corporation")
        check_length("product", self.product, 200)
        check_length("note", self.note, 2000)
        check_currency("currency", self.currency)
        check_amount("expected", self.expected_minor, "5,000.00")


@dataclass(frozen=True)
class RuleDraft:
    """A version of a commission rule; empty conditions match everything, amounts are minor units of its currency."""

    name: str
    rate_bp: int
    program_id: int | None = None
    partner_type: str = ""
    tier: str = ""
    product: str = ""
    currency: str = ""
    least_deal_minor: int = 0
    months: int | None = None
    floor_minor: int | None = None
    cap_minor: int | None = None
    retainer_minor: int = 0
    priority: int = 100
    valid_from: date | None = None
    is_active: bool = True
    note: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "a name for the rule", "Resellers, gold")
        check_rate("rate", self.rate_bp)
        if self.partner_type:
            check_known("partner_type", self.partner_type, PartnerType)
        if self.tier:
            check_known("tier", self.tier, Tier)
        check_length("product", self.product, 200)
        check_length("note", self.note, 2000)
        if not 0 <= self.priority <= HIGHEST_PRIORITY:
            raise Invalid("priority", "Enter a whole number of zero or more; the lowest counts first.", "10")
        if self.months is not None and not 1 <= self.months <= 1200:
            raise Invalid("months", "Enter a whole number of months from 1 to 1200.", "12")
        self._check_amounts()

    def _check_amounts(self) -> None:
        amounts = {"least_deal": self.least_deal_minor, "floor": self.floor_minor, "cap": self.cap_minor,
                   "retainer": self.retainer_minor}  # fmt: skip
        for name, value in amounts.items():
            check_not_negative(name, value or 0)
        if self.cap_minor is not None and self.cap_minor < (self.floor_minor or 0):
            raise Invalid("cap", "The most is less than the least.", "500.00")
        if self.currency:
            check_currency("currency", self.currency)
        elif any(amounts.values()) or (self.floor_minor, self.cap_minor) != (None, None):
            raise Invalid("currency", "Say in which currency its amounts are.", "USD")
