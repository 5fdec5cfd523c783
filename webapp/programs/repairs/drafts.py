"""What people, files and the API hand over to make this program's records; each checks itself. Pure of the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from webapp.kernel.checks import check_amount, check_known, check_length, check_not_negative, need
from webapp.kernel.errors import Invalid
from webapp.programs.repairs.rules import NEXT, STARTS
from webapp.programs.repairs.states import Category, Shift, Workshop

PROGRAM = "repairs"
#: What a payout's claim names.
SOURCE = "repairs_receipt"


@dataclass(frozen=True)
class LeaseDraft:
    """A driver's contract for a vehicle."""

    payee_id: int
    vehicle_id: int
    weekly_minor: int
    starts_on: date
    ends_on: date | None = None
    medallion_id: int | None = None
    shift: str = Shift.FULL.value
    takes_repairs: bool = True
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        check_not_negative("weekly", self.weekly_minor, "500.00")
        check_known("shift", self.shift, Shift)
        check_length("external_ref", self.external_ref or "", 120)
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise Invalid("ends_on", "It ends before it begins.", self.starts_on.isoformat())


@dataclass(frozen=True)
class RepairDraft:
    """A workshop's invoice under a lease; without a vehicle it is the one on the lease on that day."""

    lease_id: int
    invoice_number: str
    invoice_date: date
    amount_minor: int
    workshop: str = Workshop.EXTERNAL.value
    description: str = ""
    start: str = NEXT
    vehicle_id: int | None = None
    document_key: str | None = None
    document_name: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        need("invoice_number", self.invoice_number, 120, "the workshop's invoice number", "W-1042")
        check_amount("amount", self.amount_minor)
        check_known("workshop", self.workshop, Workshop)
        check_length("description", self.description, 2000)
        check_start(self.start)


def check_start(start: str) -> None:
    """Raises Invalid."""
    if start not in STARTS:
        raise Invalid("start", "Choose when the first instalment is charged.", NEXT)


@dataclass(frozen=True)
class LoanDraft:
    """Money lent to a driver. `percent` is of a year; it begins in the week that `start` says."""

    payee_id: int
    principal_minor: int
    percent: Decimal
    lent_on: date
    start: str = NEXT
    note: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        check_amount("principal", self.principal_minor, "1,200.00")
        if not Decimal(0) <= self.percent <= Decimal(100) or self.percent != round(self.percent, 4):
            raise Invalid("percent", "Enter per cent from 0 to 100, with at most four decimals.", "10")
        check_start(self.start)
        check_length("note", self.note, 2000)


@dataclass(frozen=True)
class ChargeDraft:
    """Something a driver is charged for. The same key counts once."""

    payee_id: int
    category: str
    description: str
    amount_minor: int
    charged_on: date
    idempotency_key: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        check_known("category", self.category, Category)
        if self.category in (Category.REPAIRS, Category.LOANS):
            raise Invalid(
                "category", "Repairs and loans are charged by their instalments.", Category.TOLLS.value
            )
        need("description", self.description, 300, "what the charge is for", "Bridge toll, 3 Oct")
        check_amount("amount", self.amount_minor, "6.94")
        check_length("idempotency_key", self.idempotency_key, 120)


@dataclass(frozen=True)
class EarningDraft:
    """What a driver earned; `external_ref` is its name in the source, and counts once."""

    payee_id: int
    source: str
    external_ref: str
    amount_minor: int
    earned_on: date
    description: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        need("source", self.source, 120, "where the earning comes from", "Card fares")
        need("external_ref", self.external_ref, 120, "the earning's name in its source", "trip-1")
        check_amount("amount", self.amount_minor, "24.30")
        check_length("description", self.description, 300)


@dataclass(frozen=True)
class SettingsDraft:
    """How the program is run."""

    category_order: tuple[str, ...] = tuple(str(category) for category in Category)
    weekly_caps: dict[str, int] = field(default_factory=dict)
    protected_minor: int = 0
    is_one_a_week: bool = True
    excess_to: str = "lease"

    def check(self) -> None:
        """Raises Invalid."""
        if sorted(self.category_order) != sorted(Category):
            raise Invalid("category_order", "Name every category once.", ", ".join(Category))
        for category, cap in self.weekly_caps.items():
            check_known("weekly_caps", category, Category)
            check_not_negative("weekly_caps", cap)
        check_not_negative("protected", self.protected_minor)
        if self.excess_to not in ("lease", "credit"):
            raise Invalid("excess_to", "Choose where what is too much goes.", "lease")
