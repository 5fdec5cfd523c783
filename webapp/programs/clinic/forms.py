"""The forms of a clinic's pages. Every field is named here; nothing else is read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, IntegerField, SelectField, TextAreaField, TimeField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.programs.clinic.drafts import (
    CustomerDraft,
    DeductionDraft,
    InvoiceDraft,
    LineDraft,
    RuleDraft,
    SettingsDraft,
)
from webapp.programs.clinic.models import BaseMode, Every, FeeBearer, PartMode, SplitMode
from webapp.programs.clinic.states import PAYMENT_METHODS, About
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

_METHODS = [(str(method), method.label) for method in PAYMENT_METHODS]
LINE_EXAMPLE = "Initial assessment; 1; 90.00; 0; 13"


class CustomerForm(ActForm):
    """A customer."""

    name = required("Name", "Enter the customer's name. Example: Alex Morgan", 200)
    email = optional("E-mail address", 254, render_kw={"type": "email"})
    phone = optional("Phone", 40)
    external_ref = optional("Your reference", 120)

    def draft(self) -> CustomerDraft:
        """The form as the service takes it."""
        ref = self.external_ref.data if "external_ref" in self else None
        return CustomerDraft(self.name.data or "", self.email.data or "", self.phone.data or "", ref or None)

    def fill(self, customer: Any) -> None:
        """Show a customer as it is."""
        self.name.data, self.email.data, self.phone.data = customer.name, customer.email, customer.phone
        self.version.data = str(customer.version)


class AppointmentForm(ActForm):
    """An appointment: for whom, when, with whom."""

    customer = required("Customer", "Name a customer. Example: CU-0001", 20, description="Their reference.")
    category = optional("Service", 120, description="Commission rules go by it.")
    held_on = day_field("Day", must=True)
    starts_at = TimeField("Time", [InputRequired("Enter a time. Example: 14:30")])
    practitioners = TextAreaField(
        "Practitioners",
        [InputRequired("Name at least one. Example: PY-0003"), Length(max=2000)],
        filters=[strip],
        description="One a line, the primary one first. With several, a share behind each: PY-0003 60",
    )
    external_ref = optional("Your reference", 120)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.starts_at.process_errors:
            self.starts_at.process_errors = ["Enter a time like 14:30."]

    def named(self) -> list[tuple[str, int]]:
        """(reference, share) of each practitioner, the primary one first. Raises Invalid."""
        found = []
        for line in (self.practitioners.data or "").splitlines():
            if not (words := line.replace(",", " ").replace("%", " ").split()):
                continue
            share = words[1] if len(words) == 2 else "1"
            if len(words) > 2 or not (share.isascii() and share.isdigit() and 0 < len(share) < 10):
                raise Invalid("practitioners", f"“{line}” cannot be read.", "PY-0003 60")
            found.append((words[0].upper(), int(share)))
        return found

    def instant(self, timezone: str) -> datetime:
        """When it begins."""
        local = datetime.combine(self.held_on.data or date.min, self.starts_at.data or time())
        return local.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)


class InvoiceForm(ActForm):
    """An invoice; one line of text for each of its lines."""

    about = SelectField("For", choices=options((str(each), each.label) for each in About))
    customer = required("Customer", "Name a customer. Example: CU-0001", 20, description="Their reference.")
    appointment = optional(
        "Appointment", 20, description="Its reference, for an appointment. Example: AP-0001"
    )
    order_reference = optional("Order", 120, description="Its number, for an order.")
    issued_on = day_field("Issued on", must=True)
    due_on = day_field("Due on", description="By the settings when left empty.")
    lines = TextAreaField(
        "Lines",
        [InputRequired(f"Enter at least one line. Example: {LINE_EXAMPLE}"), Length(max=20_000)],
        filters=[strip],
        description="One a line: description; quantity; unit price; discount; tax in %. The last two may be left out.",
    )
    note = TextAreaField("Note", [Optional(), Length(max=2000)], filters=[strip])
    external_ref = optional("Your reference", 120)

    def read_lines(self) -> tuple[LineDraft, ...]:
        """The lines. Raises Invalid that names the line at fault."""
        found = []
        for n, text in enumerate((self.lines.data or "").splitlines(), start=1):
            if not text.strip():
                continue
            parts = [part.strip() for part in text.split(";")]
            try:
                found.append(self._line(parts))
            except (ValueError, InvalidOperation, ValidationError, Invalid) as error:
                why = f" {error}" if isinstance(error, Invalid | ValidationError) else ""
                raise Invalid("lines", f"Line {n} cannot be read.{why}", LINE_EXAMPLE) from error
        return tuple(found)

    def _line(self, parts: list[str]) -> LineDraft:
        if len(parts) == 2:  # description; price
            parts = [parts[0], "1", parts[1]]
        if not 3 <= len(parts) <= 5:
            raise ValueError("a line has three to five parts")
        description, quantity, price, discount, tax = (*parts, "", "")[:5]
        number = Decimal(quantity.replace(",", ".") or "1")
        if not number.is_finite():
            raise ValueError("not a quantity")
        return LineDraft(
            description=description,
            quantity=number,
            unit_price_minor=parse_money(price, self.currency, self.locale).amount,
            discount_minor=parse_money(discount, self.currency, self.locale).amount if discount else 0,
            tax_percent=read_percent(tax, "13") if tax else Decimal(0),
        )

    def draft(self, customer_id: int, appointment_id: int | None) -> InvoiceDraft:
        """The form as the service takes it."""
        return InvoiceDraft(
            customer_id=customer_id,
            lines=self.read_lines(),
            issued_on=self.issued_on.data or date.min,
            about=self.about.data,
            appointment_id=appointment_id,
            order_reference=self.order_reference.data or "",
            due_on=self.due_on.data,
            currency=self.currency,
            note=self.note.data or "",
            external_ref=self.external_ref.data or None,
        )


class PaymentForm(ActForm):
    """Money of a customer for an invoice."""

    amount = AmountField("Amount received", example="90.00")
    method = SelectField("Method", choices=options(_METHODS))
    happened_on = day_field("Received on", must=True)
    provider_reference = optional("Reference", 120, description="Of the gateway, the terminal or the bank.")
    fee = AmountField("Gateway's fee", example="2.90", must=False, description="What the gateway kept of it.")
    file = FileField(
        "Proof", description="A picture or PDF of the receipt; up to 10 MB. For payments by hand."
    )
    note = TextAreaField("Note", [Optional(), Length(max=2000)], filters=[strip])
    key = HiddenField()


class RefundForm(ActForm):
    """Money that goes back to a customer."""

    amount = AmountField("Amount", example="90.00")
    method = SelectField("Method", choices=options(_METHODS))
    happened_on = day_field("Given back on", must=True)
    provider_reference = optional("Reference", 120, description="Of the gateway, the terminal or the bank.")
    reason = reason_field("Reason", "The appointment was cancelled.")
    key = HiddenField()


class ReasonForm(ActForm):
    """An act that only needs a reason."""

    reason = reason_field()


class CheckForm(ActForm):
    """An act that only needs to be looked at."""


class DecideForm(ActForm):
    """Whether an invoice is offered for payout again."""

    choice = SelectField(
        "Decision", choices=options((("offer", "Offer it again"), ("dismiss", "Dismiss it: nothing is paid")))
    )
    reason = reason_field("Reason", "The appointment was entered twice.")


class AdjustForm(ActForm):
    """Money put into a wallet or taken out of it by hand."""

    direction = SelectField(
        "Direction", choices=options((("in", "Into the wallet"), ("out", "Out of the wallet")))
    )
    amount = AmountField("Amount", example="500.00")
    reason = reason_field("Reason", "Opening balance of the till.")
    key = HiddenField()


class RuleForm(ActForm):
    """A version of a commission rule."""

    name = required("Name", "Enter a name. Example: Physiotherapy, standard", 200)
    payee = SelectField("Practitioner", validate_choice=False)
    category = optional("Service", 120, description="Left empty: every service.")
    percent = PercentField("Commission in %", example="10", description="What the clinic keeps of the base.")
    flat = AmountField("and a flat amount of", example="5.00", must=False)
    floor = AmountField("at least", example="2.00", must=False)
    cap = AmountField("at most", example="50.00", must=False)
    tiers = TextAreaField(
        "Tiers by the month's volume",
        [Optional(), Length(max=1000)],
        filters=[strip],
        description="One a line, instead of the per cent above: below which volume; per cent. Example: 5000; 12",
    )
    priority = IntegerField(
        "Priority",
        [InputRequired("Enter a whole number. Example: 10"), NumberRange(-1_000_000, 1_000_000)],
        description="The rule with the highest number that fits counts.",
    )
    valid_from = day_field("Counts from", must=True)
    note = TextAreaField("Note", [Optional(), Length(max=2000)], filters=[strip])

    def draft(self) -> RuleDraft:
        """The form as the service takes it. Raises Invalid for tiers that cannot be read."""
        payee = self.payee.data or ""
        return RuleDraft(
            name=self.name.data or "",
            percent=self.percent.number,
            payee_id=int(payee) if payee.isascii() and payee.isdigit() and len(payee) < 16 else None,
            category=self.category.data or "",
            flat_minor=self.flat.minor or 0,
            floor_minor=self.floor.minor,
            cap_minor=self.cap.minor,
            tiers=self._tiers(),
            priority=self.priority.data or 0,
            valid_from=self.valid_from.data,
            note=self.note.data or "",
        )

    def _tiers(self) -> tuple[tuple[int | None, Decimal], ...]:
        found: list[tuple[int | None, Decimal]] = []
        for line in (self.tiers.data or "").splitlines():
            parts = [part.strip() for part in line.split(";") if part.strip()]
            if not parts:
                continue
            try:
                below = parse_money(parts[0], self.currency, self.locale).amount if len(parts) == 2 else None
                if len(parts) > 2:
                    raise ValidationError("")
                found.append((below, read_percent(parts[-1], "12")))
            except (Invalid, ValidationError) as error:
                raise Invalid("tiers", f"“{line.strip()}” cannot be read.", "5000; 12") from error
        return tuple(found)


class EndForm(ActForm):
    """The last day of something that goes on."""

    last_day = day_field("Last day", must=True)


class DeductionForm(ActForm):
    """What a practitioner pays again and again."""

    payee = SelectField("Practitioner", validators=[InputRequired("Choose a practitioner.")])
    name = required("For", "Enter what it is for. Example: Room rent", 200)
    amount = AmountField("Amount", example="250.00")
    every = SelectField("Every", choices=options((("month", "Month"), ("week", "Week"))))
    starts_on = day_field("First day", must=True)
    ends_on = day_field("Last day")

    def draft(self) -> DeductionDraft:
        """The form as the service takes it."""
        return DeductionDraft(
            payee_id=int(self.payee.data),
            name=self.name.data or "",
            amount_minor=self.amount.minor or 0,
            starts_on=self.starts_on.data or date.min,
            every=self.every.data,
            ends_on=self.ends_on.data,
        )


class SettingsForm(ActForm):
    """How the program is run."""

    base_mode = SelectField("Commission is counted from", choices=options(BaseMode.choices()))
    split_mode = SelectField("Who is paid for an appointment", choices=options(SplitMode.choices()))
    part_mode = SelectField("An invoice is paid out", choices=options(PartMode.choices()))
    fee_bearer = SelectField(
        "The gateway's fee of a refund is borne by", choices=options(FeeBearer.choices())
    )
    payouts_every = SelectField("Payouts into wallets are made", choices=options(Every.choices()))
    withdrawals_every = SelectField("Wallets are paid to the bank", choices=options(Every.choices()))
    withdrawal_minimum = AmountField("Smallest withdrawal", example="20.00", must=False)
    due_days = IntegerField(
        "Days until an invoice is due",
        [InputRequired("Enter a whole number. Example: 14"), NumberRange(0, 365)],
    )

    def draft(self) -> SettingsDraft:
        """The form as the service takes it."""
        return SettingsDraft(
            base_mode=self.base_mode.data,
            split_mode=self.split_mode.data,
            part_mode=self.part_mode.data,
            fee_bearer=self.fee_bearer.data,
            payouts_every=self.payouts_every.data,
            withdrawals_every=self.withdrawals_every.data,
            withdrawal_minimum_minor=self.withdrawal_minimum.minor or 0,
            due_days=self.due_days.data or 0,
        )


class ListForm(ActForm):
    """What was ticked in a list."""

    is_all = BooleanField("Every invoice that is ready")
