"""The forms of repairs and their instalments. Every field is named here; nothing else is read."""

from __future__ import annotations

from datetime import date

from flask_wtf.file import FileField
from wtforms import RadioField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from webapp.programs.repairs.drafts import RepairDraft
from webapp.programs.repairs.models import Repair
from webapp.programs.repairs.rules import CURRENT, NEXT
from webapp.programs.repairs.states import PaymentMethod, Posted, Workshop
from webapp.web.fields import options, strip
from webapp.web.form_fields import ActForm, AmountField, day_field, optional, reason_field, required

STARTS = (
    (CURRENT, "In the week that begins on the day of the invoice, or else in the next one"),
    (NEXT, "One week later"),
)


class PlanForm(ActForm):
    """What decides about the instalments; read from the address while it is typed."""

    class Meta:
        """A reading form."""

        csrf = False

    driver = optional("Driver", 20)
    invoice_date = day_field("Date of the invoice", must=True)
    amount = AmountField("Amount", example="500.50")
    start = RadioField("First instalment", choices=options(STARTS), default=NEXT)
    vehicle = optional("Vehicle", 40)


class RepairForm(ActForm):
    """A workshop's invoice that a driver pays back."""

    driver = required(
        "Driver", "Name the driver. Example: PY-0003", 20,
        description="Their number. The lease that they have on the day of the invoice counts.",
        render_kw={"list": "offered-drivers", "autocomplete": "off"},
    )  # fmt: skip
    invoice_number = required("Invoice number", "Enter the workshop's invoice number. Example: W-1042", 120)
    invoice_date = day_field("Date of the invoice", must=True)
    amount = AmountField("Amount", example="500.50")
    start = RadioField(
        "First instalment",
        choices=options(STARTS),
        default=NEXT,
        validators=[InputRequired("Choose when the first instalment is charged.")],
    )
    workshop = SelectField("Workshop", choices=options(Workshop.choices()), default=Workshop.EXTERNAL.value)
    vehicle = optional(
        "Vehicle", 40, description="Its plate. Left empty: the one that the driver has on that day.",
        render_kw={"list": "offered-vehicles", "autocomplete": "off"},
    )  # fmt: skip
    description = TextAreaField(
        "What was done",
        [Optional(), Length(max=2000, message="Write at most 2,000 characters.")],
        filters=[strip],
    )
    document = FileField("Invoice", description="A picture or PDF of it; up to 10 MB.")

    def fill(self, repair: Repair, driver: str) -> None:
        """Show a draft as it is."""
        self.driver.data, self.vehicle.data = driver, repair.vehicle.plate
        for name in ("invoice_number", "invoice_date", "workshop", "description"):
            self[name].data = getattr(repair, name)
        self.start.data = repair.starts
        self.version.data = str(repair.version)

    def draft(self, lease_id: int, vehicle_id: int | None, document: tuple[str | None, str]) -> RepairDraft:
        """The form as the service takes it; `document` is the key and the name of the stored invoice."""
        return RepairDraft(
            lease_id=lease_id,
            invoice_number=self.invoice_number.data or "",
            invoice_date=self.invoice_date.data or date.min,
            amount_minor=self.amount.minor or 0,
            workshop=self.workshop.data,
            description=self.description.data or "",
            start=self.start.data,
            vehicle_id=vehicle_id,
            document_key=document[0],
            document_name=document[1],
        )


class CheckForm(ActForm):
    """An act that only needs to be looked at."""


class HoldForm(ActForm):
    """Why nothing is charged for now."""

    reason = reason_field(example="The invoice is disputed.")


class SkipForm(ActForm):
    """Why an instalment moves to the end."""

    reason = reason_field(example="The driver was ill this week.")


class CancelForm(ActForm):
    """Why a repair ends, and what becomes of what was charged of it."""

    posted = RadioField(
        "Instalments that are charged already",
        choices=options(Posted.choices()),
        default=Posted.KEEP.value,
        validators=[InputRequired("Choose what becomes of them.")],
    )
    reason = reason_field(example="Entered twice.")


class SettleForm(ActForm):
    """The driver pays all that is left at once."""

    amount = AmountField("Amount received", example="500.50")
    method = SelectField("Method", choices=options(PaymentMethod.choices()))
    received_on = day_field("Received on", must=True)
    note = optional("Note", 300)


class ReplanForm(ActForm):
    """Another weekly amount for what is left."""

    weekly = AmountField("A week", example="100.00")
    reason = reason_field(example="The driver works less this month.")


class DecideForm(ActForm):
    """Whether another plan counts."""

    choice = RadioField(
        "Decision",
        choices=options((("accept", "Accept it: the instalments follow it"), ("refuse", "Refuse it"))),
        validators=[InputRequired("Choose whether the plan counts.")],
    )
    note = optional("Note", 2000)
