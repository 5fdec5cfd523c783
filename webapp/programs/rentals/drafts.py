"""What people, files and the API hand over to make rental records; each checks itself. Pure of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from webapp.kernel.checks import (
    check_amount,
    check_email,
    check_length,
    check_not_negative,
    check_percent,
    need,
)
from webapp.kernel.errors import Invalid
from webapp.kernel.money import MAXIMUM_MINOR, exponent

PROGRAM = "rentals"
SOURCE_TYPE = "rent_payment"
MAXIMUM_OWNERS = 50


@dataclass(frozen=True)
class OwnerShare:
    """A payee's weight among the owners."""

    payee_id: int
    weight: int = 1


@dataclass(frozen=True)
class PropertyDraft:
    """A property and who owns it."""

    name: str
    currency: str
    address: str = ""
    reserve_target_minor: int = 0
    external_ref: str | None = None
    owners: tuple[OwnerShare, ...] = ()

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "the name of the property", "Lake View Residency")
        check_length("address", self.address, 2000, "14 Lake Road, Pune 411001")
        exponent(self.currency)
        check_not_negative("reserve_target", self.reserve_target_minor, "5,000.00")
        check_owners(self.owners)


def check_owners(owners: tuple[OwnerShare, ...]) -> None:
    """Every owner once, with a positive weight. Raises Invalid."""
    if len({owner.payee_id for owner in owners}) != len(owners):
        raise Invalid("owners", "An owner is named twice.", "one line for each owner")
    if len(owners) > MAXIMUM_OWNERS:
        raise Invalid("owners", f"A property has at most {MAXIMUM_OWNERS} owners.", "2")
    if any(not 0 < owner.weight <= 10**9 for owner in owners):
        raise Invalid("owners", "An owner's share is a whole number of one or more.", "60 and 40")


@dataclass(frozen=True)
class TenantDraft:
    """A tenant."""

    name: str
    email: str = ""
    phone: str = ""
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "the tenant's name", "Meera Iyer")
        check_email("email", self.email, "meera@example.com")
        check_length("phone", self.phone, 40, "+91 98200 12345")


@dataclass(frozen=True)
class LeaseDraft:
    """A lease of a unit."""

    unit_id: int
    currency: str
    rent_minor: int
    start_on: date
    due_day: int = 5
    end_on: date | None = None
    deposit_minor: int = 0
    external_ref: str | None = None
    tenant_ids: tuple[int, ...] = ()

    def check(self) -> None:
        """Raises Invalid."""
        if not 0 < self.rent_minor <= MAXIMUM_MINOR:
            raise Invalid("rent", "Enter the monthly rent, more than zero.", "25,000.00")
        check_not_negative("deposit", self.deposit_minor, "50,000.00")
        if not 1 <= self.due_day <= 28:
            raise Invalid("due_day", "Enter a day of the month from 1 to 28.", "5")
        if self.end_on is not None and self.end_on < self.start_on:
            raise Invalid("end_on", "The lease ends before it begins.", self.start_on.isoformat())
        if not self.tenant_ids:
            raise Invalid("tenants", "Choose at least one tenant.", "Meera Iyer")


@dataclass(frozen=True)
class TermsDraft:
    """Management terms from a day on; without a property they are those of the organisation."""

    valid_from: date
    fee_percent: Decimal
    fee_tax_percent: Decimal
    fee_flat_minor: int = 0
    property_id: int | None = None

    def check(self) -> None:
        """Raises Invalid."""
        check_percent("fee_percent", self.fee_percent)
        check_percent("fee_tax_percent", self.fee_tax_percent)
        check_not_negative("fee_flat", self.fee_flat_minor, "500.00")


@dataclass(frozen=True)
class WithholdingDraft:
    """A rule of tax to keep back, with its dates."""

    section: str
    rate_percent: Decimal
    valid_from: date
    threshold_minor: int = 0
    threshold_per: str = "payment"
    valid_to: date | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("section", self.section, 120, "the section of the law", "194-IB")
        check_percent("rate_percent", self.rate_percent)
        check_not_negative("threshold", self.threshold_minor, "50,000.00")
        if self.threshold_per not in ("payment", "month", "year"):
            raise Invalid("threshold_per", "Choose payment, month or year.", "month")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise Invalid("valid_to", "The rule ends before it begins.", self.valid_from.isoformat())


@dataclass(frozen=True)
class BillDraft:
    """What is to be paid from a property's rent."""

    property_id: int
    description: str
    billed_on: date
    amount_minor: int

    def check(self) -> None:
        """Raises Invalid."""
        need("description", self.description, 300, "what the bill is for", "Lift repair, October")
        check_amount("amount", self.amount_minor, "1,250.00")
