"""Shapes of the admins' forms around properties, leases and rents; texts become exact values here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from flask_wtf.file import FileField
from wtforms import BooleanField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money, parse_money
from webapp.programs.rentals.drafts import (
    BillDraft,
    LeaseDraft,
    OwnerShare,
    PropertyDraft,
    TenantDraft,
    TermsDraft,
    WithholdingDraft,
)
from webapp.programs.rentals.models import Lease, Property, Tenant
from webapp.programs.rentals.rules import Band
from webapp.web.fields import options, strip
from webapp.web.form_fields import (
    ActForm,
    AmountField,
    PercentField,
    day_field,
    optional,
    read_percent,
    reason_field,
    required,
)

Choices = Sequence[tuple[str, str]]
PERS = (("payment", "each payment"), ("month", "the calendar month"), ("year", "the tax year, from 1 April"))


@dataclass
class OwnerRow:
    """One line of the owners: a payee's reference and a share as typed."""

    owner: str = ""
    share: str = ""


class PropertyForm(ActForm):
    """A property. The owners are rows of two plain inputs, read by `owners_of`."""

    name = required("Name", "Enter the name of the property. Example: Lake View Residency", 200)
    address = TextAreaField("Address", filters=[strip], validators=[Optional(), Length(max=2000)])
    reserve_target = AmountField("Reserve to keep", example="5,000.00", must=False)
    external_ref = optional("Your own reference", 120)

    def fill(self, row: Property) -> None:
        """Show what is stored."""
        self.name.data, self.address.data = row.name, row.address
        target = Money(row.reserve_target_minor, row.currency)
        self.reserve_target.data = target.plain if target else ""
        self.version.data = str(row.version)

    def draft(self, owners: tuple[OwnerShare, ...]) -> PropertyDraft:
        """What was typed, as the service takes it."""
        return PropertyDraft(
            name=self.name.data or "",
            currency=self.currency,
            address=self.address.data or "",
            reserve_target_minor=self.reserve_target.minor or 0,
            external_ref=(self.external_ref.data or None) if "external_ref" in self else None,
            owners=owners,
        )


def owners_of(rows: Sequence[OwnerRow], known: dict[str, int]) -> tuple[OwnerShare, ...]:
    """Typed rows as shares: whole-number weights, or per cent with decimals; none at all is equal parts.

    Raises Invalid.
    """
    filled = [row for row in rows if row.owner]
    if any(row.share and not row.owner for row in rows):
        raise Invalid("owners", "A share has no owner.", "choose the owner of the 40 %")
    if unknown := next((row.owner for row in filled if row.owner not in known), None):
        raise Invalid("owners", f"{unknown} is not an active owner.")
    shares = [row.share.rstrip("% ").replace(",", ".") for row in filled]
    if not any(shares):
        return tuple(OwnerShare(known[row.owner]) for row in filled)
    if not all(shares):
        raise Invalid("owners", "Give every owner a share, or none for equal parts.", "60 and 40")
    try:
        numbers = [Decimal(share) for share in shares]
    except InvalidOperation:
        raise Invalid("owners", "A share is a number.", "60 and 40") from None
    if any(not n.is_finite() or n <= 0 or n > 10**6 or n != round(n, 2) for n in numbers):
        raise Invalid("owners", "A share is more than zero, with at most two decimals.", "33.34")
    scale = 100 if any(n != n.to_integral_value() for n in numbers) else 1
    return tuple(OwnerShare(known[row.owner], int(n * scale)) for row, n in zip(filled, numbers, strict=True))


class UnitForm(ActForm):
    """A unit of a property."""

    name = required("Name of the unit", "Enter the name of the unit. Example: Flat 4B", 120)


class BillForm(ActForm):
    """Something to be paid from a property's rents."""

    description = required("What for", "Enter what the bill is for. Example: Lift repair, October", 300)
    amount = AmountField("Amount", example="1,250.00")
    billed_on = day_field("Day of the bill", must=True)

    def draft(self, property_id: int) -> BillDraft:
        """What was typed, as the service takes it."""
        day = self.billed_on.data or date.min
        return BillDraft(property_id, self.description.data or "", day, self.amount.minor or 0)


class TermsForm(ActForm):
    """What is charged for managing, from a day on."""

    valid_from = day_field("From", must=True, description="Rents that are received from this day on.")
    fee_percent = PercentField("Management fee in %", example="8", description="Of the rent.")
    fee_flat = AmountField(
        "and a flat amount", example="500.00", must=False, description="For each rent, beside the percentage."
    )
    fee_tax_percent = PercentField("Tax on the fee in %", example="18", description="Of the whole fee.")

    def draft(self, property_id: int | None) -> TermsDraft:
        """What was typed, as the service takes it."""
        return TermsDraft(
            valid_from=self.valid_from.data or date.min,
            fee_percent=self.fee_percent.number,
            fee_tax_percent=self.fee_tax_percent.number,
            fee_flat_minor=self.fee_flat.minor or 0,
            property_id=property_id,
        )


class WithholdingForm(ActForm):
    """A rule of tax to keep back."""

    section = required("Section of the law", "Enter the section. Example: 194-IB", 120)
    rate_percent = PercentField("Rate in %", example="2", description="Of the rent, before the fee.")
    threshold = AmountField(
        "Free up to", example="50,000.00", must=False, description="Empty: nothing is free of it."
    )
    threshold_per = SelectField("counted in", choices=options(PERS))
    valid_from = day_field("From", must=True)
    valid_to = day_field("Last day", description="Empty: until there is a later rule.")

    def draft(self) -> WithholdingDraft:
        """What was typed, as the service takes it."""
        return WithholdingDraft(
            section=self.section.data or "",
            rate_percent=self.rate_percent.number,
            valid_from=self.valid_from.data or date.min,
            threshold_minor=self.threshold.minor or 0,
            threshold_per=self.threshold_per.data,
            valid_to=self.valid_to.data,
        )


class BandsForm(ActForm):
    """The gateway's charge: one band per line, an upper amount and a rate; the last has no upper amount."""

    valid_from = day_field("From", must=True)
    bands = TextAreaField(
        "Bands",
        filters=[strip],
        validators=[InputRequired("Enter at least one band. Example: above 2.5"), Length(max=2000)],
        render_kw={"rows": 4},
        description="One on each line: the highest rent of the band and the rate in %. The last line begins with "
        "“above”. For example, “10,000.00 2” and below it “above 2.5”.",
    )

    def read(self) -> list[Band]:
        """The lines as bands. Raises Invalid with the line."""
        return [self._line(line) for line in (self.bands.data or "").splitlines() if line.strip()]

    def _line(self, line: str) -> Band:
        words = line.split()
        if len(words) < 2:
            raise Invalid("bands", f"“{line.strip()}” has no rate.", "10,000.00 2")
        upper, rate = " ".join(words[:-1]), words[-1]
        try:
            number = read_percent(rate, "2.5")
        except ValidationError:
            raise Invalid("bands", f"“{rate}” is not a rate from 0 to 100.", "10,000.00 2") from None
        if upper.casefold() == "above":
            return Band(None, number)
        try:
            minor = parse_money(upper, self.currency, self.locale).amount
        except Invalid:
            raise Invalid("bands", f"“{upper}” is not an amount.", "10,000.00 2") from None
        if minor <= 0:
            raise Invalid("bands", "A band ends above zero.", "10,000.00 2")
        return Band(minor, number)


class SettingsForm(ActForm):
    """How an organisation runs this program."""

    charge_days_before = IntegerField(
        "Ask for rent so many days before it is due",
        validators=[
            InputRequired("Enter a whole number of days. Example: 5"),
            NumberRange(0, 28, "Enter a whole number of days from 0 to 28. Example: 5"),
        ],
    )
    is_automatic = BooleanField("Make the owners' payouts as soon as a rent is received")
    reminder_days = optional(
        "Remind tenants",
        60,
        description="Days from the due day, before it with a minus: “-2 3 10” reminds 2 days before, and 3 and 10 days "
        "after it. Empty: nobody is reminded.",
    )


class TenantForm(ActForm):
    """A tenant."""

    name = required("Name", "Enter the tenant's name. Example: Meera Iyer", 200)
    email = optional("E-mail address", 254, description="Where rents are asked for.")
    phone = optional("Phone", 40)
    external_ref = optional("Your own reference", 120)

    def fill(self, row: Tenant) -> None:
        """Show what is stored."""
        self.name.data, self.email.data, self.phone.data = row.name, row.email, row.phone
        self.version.data = str(row.version)

    def draft(self) -> TenantDraft:
        """What was typed, as the service takes it."""
        return TenantDraft(
            name=self.name.data or "",
            email=self.email.data or "",
            phone=self.phone.data or "",
            external_ref=(self.external_ref.data or None) if "external_ref" in self else None,
        )


class LeaseForm(ActForm):
    """A lease of a free unit."""

    unit = SelectField("Unit", validators=[InputRequired("Choose a unit that is free.")])
    tenant = StringField(
        "Tenants",
        filters=[strip],
        validators=[InputRequired("Enter the tenant's reference. Example: TN-0001"), Length(max=400)],
        description="References, several with commas; the first one is written to.",
    )
    rent = AmountField("Monthly rent", example="25,000.00")
    deposit = AmountField("Deposit", example="50,000.00", must=False)
    due_day = IntegerField(
        "Due on day",
        default=5,
        validators=[
            InputRequired("Enter a day of the month. Example: 5"),
            NumberRange(1, 28, "Enter a day of the month from 1 to 28. Example: 5"),
        ],
        description="Of each month, 1 to 28.",
    )
    start_on = day_field("First day", must=True)
    end_on = day_field("Last day", description="Empty: until it is ended.")
    external_ref = optional("Your own reference", 120)

    def __init__(self, *args: Any, units: Choices = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unit.choices = options(units, "Choose…")

    @property
    def tenant_references(self) -> list[str]:
        """The references that were typed, in order."""
        text = (self.tenant.data or "").replace(";", ",")
        return [part.strip().upper() for part in text.split(",") if part.strip()]

    def draft(self, unit_id: int, currency: str, tenant_ids: Sequence[int]) -> LeaseDraft:
        """What was typed, as the service takes it."""
        return LeaseDraft(
            unit_id=unit_id,
            currency=currency,
            rent_minor=self.rent.minor or 0,
            start_on=self.start_on.data or date.min,
            due_day=self.due_day.data or 0,
            end_on=self.end_on.data,
            deposit_minor=self.deposit.minor or 0,
            external_ref=self.external_ref.data or None,
            tenant_ids=tuple(tenant_ids),
        )


class EndLeaseForm(ActForm):
    """The last day of a lease."""

    end_on = day_field(
        "Last day", must=True, description="Rent is asked for up to this day; of a part of a month by days."
    )

    def fill(self, row: Lease, today: date) -> None:
        """Propose the agreed end."""
        self.end_on.data = row.end_on or today


class RentForm(ActForm):
    """Another rent from a month on."""

    rent = AmountField("New monthly rent", example="27,500.00")
    valid_from = day_field(
        "From the month of", must=True, description="Months that are asked for already stay as they are."
    )


class ReasonForm(ActForm):
    """Why something is done."""

    reason = reason_field(example="Entered for the wrong flat.")


class PaymentForm(ActForm):
    """Rent that came outside the gateway."""

    amount = AmountField("Amount received", example="25,000.00")
    received_on = day_field("Received on", must=True)
    proof_reference = required(
        "Bank's reference or cheque number", "Enter what proves it. Example: UTR N325123456789", 120
    )
    file = FileField(
        "Proof", description="A picture or PDF of the bank's advice, the cheque or the receipt; up to 10 MB."
    )


class VerifyForm(ActForm):
    """A second person has compared a payment with its proof."""

    is_compared = BooleanField(
        "Amount, day and reference are those of the proof",
        validators=[InputRequired("Tick this when you have compared them with the proof.")],
    )


class DecideForm(ActForm):
    """What becomes of a share whose payout was rejected or cancelled."""

    choice = SelectField(
        "What becomes of it",
        choices=options(
            (("again", "Pay it again, by a new payout"), ("dismiss", "Do not pay it; it stays held")),
            "Choose…",
        ),
        validators=[InputRequired("Choose whether it is paid again.")],
    )
    reason = reason_field(example="The property's terms are right now.")
