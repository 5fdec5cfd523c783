"""What people, files and the API hand over to make a clinic's records; each checks itself. Pure of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
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
from webapp.kernel.money import Money
from webapp.programs.clinic.rules import LineFigures, line_figures
from webapp.programs.clinic.states import About

PROGRAM = "clinic"
#: What a payout's claims name: the invoice for its first part, the payment that brought it for a later one.
INVOICE_SOURCE, PAYMENT_SOURCE = "clinic_invoice", "clinic_payment"
MAXIMUM_PRACTITIONERS = 20
MAXIMUM_LINES = 200
MAXIMUM_TIERS = 10
HIGHEST_PRIORITY = 1_000_000


@dataclass(frozen=True)
class CustomerDraft:
    """A customer."""

    name: str
    email: str = ""
    phone: str = ""
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "the customer's name", "Alex Morgan")
        check_email("email", self.email, "alex@example.com")
        check_length("phone", self.phone, 40)
        check_length("external_ref", self.external_ref or "", 120)


@dataclass(frozen=True)
class Share:
    """A practitioner's part of an appointment: a weight among the others'."""

    payee_id: int
    weight: int = 1
    is_primary: bool = False


@dataclass(frozen=True)
class AppointmentDraft:
    """An appointment, when it is, and with whom. A single practitioner is the primary one."""

    customer_id: int
    starts_at: datetime
    practitioners: tuple[Share, ...] = ()
    category: str = ""
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        check_length("category", self.category, 120)
        check_length("external_ref", self.external_ref or "", 120)
        shares = self.practitioners
        if len({share.payee_id for share in shares}) != len(shares):
            raise Invalid("practitioners", "A practitioner is named twice.", "one line for each practitioner")
        if len(shares) > MAXIMUM_PRACTITIONERS:
            raise Invalid("practitioners", f"Name at most {MAXIMUM_PRACTITIONERS} practitioners.", "2")
        if any(not 0 < share.weight <= 10**9 for share in shares):
            raise Invalid("practitioners", "A share is a whole number of one or more.", "60 and 40")
        if sum(share.is_primary for share in shares) > 1:
            raise Invalid("practitioners", "Only one practitioner can be the primary one.")

    @property
    def shares(self) -> tuple[Share, ...]:
        """The practitioners; who is alone is the primary one."""
        if len(self.practitioners) == 1:
            only = self.practitioners[0]
            return (Share(only.payee_id, only.weight, True),)
        return self.practitioners


@dataclass(frozen=True)
class LineDraft:
    """One line of an invoice: quantity × unit price − discount, and its tax."""

    description: str
    unit_price_minor: int
    quantity: Decimal = Decimal(1)
    discount_minor: int = 0
    tax_percent: Decimal = Decimal(0)

    def figures(self, currency: str) -> LineFigures:
        """The line worked out. Raises Invalid."""
        need("description", self.description, 300, "what the line is for", "Initial assessment")
        check_not_negative("unit_price", self.unit_price_minor, "90.00")
        if not Decimal(0) < self.quantity <= Decimal(10**6) or self.quantity != round(self.quantity, 6):
            raise Invalid("quantity", "Enter a quantity of more than zero, with at most six decimals.", "1.5")
        check_percent("tax_percent", self.tax_percent, "13")
        try:
            return line_figures(
                quantity=self.quantity,
                unit_price=Money(self.unit_price_minor, currency),
                discount_minor=self.discount_minor,
                tax_percent=self.tax_percent,
            )
        except ValueError:
            raise Invalid(
                "discount", "The discount lies between nothing and the whole line.", "10.00"
            ) from None


@dataclass(frozen=True)
class InvoiceDraft:
    """An invoice. Without a day it is due by as many days after its date as the settings say."""

    customer_id: int
    lines: tuple[LineDraft, ...]
    issued_on: date
    about: str = About.APPOINTMENT.value
    appointment_id: int | None = None
    order_reference: str = ""
    due_on: date | None = None
    currency: str = ""
    note: str = ""
    external_ref: str | None = None

    def check(self) -> None:
        """Raises Invalid."""
        if self.about not in list(About):
            raise Invalid("about", "Choose what the invoice is for.", About.APPOINTMENT.value)
        if (self.about == About.APPOINTMENT) is (self.appointment_id is None):
            raise Invalid(
                "appointment", "An invoice for an appointment names it; no other invoice does.", "AP-0001"
            )
        if not 0 < len(self.lines) <= MAXIMUM_LINES:
            raise Invalid("lines", f"Enter 1 to {MAXIMUM_LINES} lines.")
        if self.due_on is not None and self.due_on < self.issued_on:
            raise Invalid("due_on", "It is due before it is issued.", self.issued_on.isoformat())
        check_length("order_reference", self.order_reference, 120)
        check_length("note", self.note, 2000)
        check_length("external_ref", self.external_ref or "", 120)


@dataclass(frozen=True)
class RuleDraft:
    """A version of a commission rule. Without practitioner and category it is for everybody and everything."""

    name: str
    percent: Decimal = Decimal(10)
    payee_id: int | None = None
    category: str = ""
    flat_minor: int = 0
    floor_minor: int | None = None
    cap_minor: int | None = None
    # (below so much of the month's volume, per cent); None: from there on.
    tiers: tuple[tuple[int | None, Decimal], ...] = ()
    priority: int = 0
    valid_from: date | None = None
    is_active: bool = True
    note: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "a name for the rule", "Physiotherapy, standard")
        check_percent("percent", self.percent)
        check_length("category", self.category, 120)
        check_length("note", self.note, 2000)
        check_not_negative("flat", self.flat_minor)
        for field, value in (("floor", self.floor_minor), ("cap", self.cap_minor)):
            if value is not None:
                check_not_negative(field, value)
        if self.cap_minor is not None and self.cap_minor < (self.floor_minor or 0):
            raise Invalid("cap", "The most is less than the least.", "50.00")
        if not -HIGHEST_PRIORITY <= self.priority <= HIGHEST_PRIORITY:
            raise Invalid("priority", "Enter a whole number; the highest counts first.", "10")
        self._check_tiers()

    def _check_tiers(self) -> None:
        if len(self.tiers) > MAXIMUM_TIERS:
            raise Invalid("tiers", f"Enter at most {MAXIMUM_TIERS} tiers.")
        bounds = [below for below, _ in self.tiers]
        if bounds.count(None) > 1 or len(set(bounds)) != len(bounds):
            raise Invalid("tiers", "Two tiers end at the same volume.")
        for below, percent in self.tiers:
            check_percent("tiers", percent)
            if below is not None:
                check_amount("tiers", below, "5,000.00")


@dataclass(frozen=True)
class DeductionDraft:
    """What a practitioner pays again and again."""

    payee_id: int
    name: str
    amount_minor: int
    starts_on: date
    every: str = "month"
    ends_on: date | None = None

    def check(self) -> None:
        """Raises Invalid."""
        need("name", self.name, 200, "what the deduction is for", "Room rent")
        check_amount("amount", self.amount_minor, "250.00")
        if self.every not in ("week", "month"):
            raise Invalid("every", "Choose week or month.", "month")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise Invalid("ends_on", "It ends before it begins.", self.starts_on.isoformat())


@dataclass(frozen=True)
class SettingsDraft:
    """How the program is run; the words are those of the labels in `models`."""

    base_mode: str = "received"
    split_mode: str = "primary"
    part_mode: str = "full"
    fee_bearer: str = "clinic"
    payouts_every: str = "never"
    withdrawals_every: str = "never"
    withdrawal_minimum_minor: int = 0
    due_days: int = 14
