"""Shapes of the forms around installations and rates; texts become exact values here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    DateField,
    Form,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money, parse_money
from webapp.programs.installations.drafts import InstallationDraft, ShareDraft, parse_decimal
from webapp.programs.installations.importing.installations import percent_weights
from webapp.programs.installations.models import (
    CAPACITY_UNITS,
    Installation,
    InstallationStatus,
    QualityCheck,
    RangeMode,
)
from webapp.programs.installations.queries import InstallationFilter
from webapp.programs.installations.retention_rules import MOST_DAYS, RetentionTerms
from webapp.programs.installations.terms import say_number
from webapp.web.fields import all_optional, options, strip
from webapp.web.form_fields import PercentField

Choices = Sequence[tuple[str, str]]


UNITS = [(unit, unit) for unit in CAPACITY_UNITS]
PAYMENTS = (("due", "Due"), ("in_payout", "In a payout"))
DAY_HINT = "Enter a day like 2026-10-31."


class NumberField(StringField):
    """Text that people type as an exact number; `number` holds it once it was read."""

    number: Decimal | None = None

    def pre_validate(self, form: Any) -> None:
        """Read the text."""
        self.number = None
        if self.data:
            try:
                self.number = parse_decimal(self.name, self.data)
            except Invalid as error:
                raise ValidationError(error.message) from error


class AmountField(StringField):
    """Text that people type as an amount; `minor` holds minor units once it was read."""

    minor: int | None = None

    def read(self, currency: str, locale: str) -> None:
        """Parse the text. Raises ValidationError with an example."""
        self.minor = None
        if not self.data:
            return
        try:
            self.minor = parse_money(self.data, currency, locale).amount
        except Invalid as error:
            raise ValidationError(error.message) from error


def day_field(label: str, **kwargs: Any) -> DateField:
    """A day, typed or picked; may be empty."""
    return DateField(label, validators=[Optional()], **kwargs)


def say_days(form: Form) -> None:
    """Words with an example where a day could not be read."""
    for field in form:
        if isinstance(field, DateField) and field.process_errors:
            field.process_errors = [DAY_HINT]


class FilterForm(Form):
    """The filter of the list; read from the address."""

    q = StringField("Search", filters=[strip], validators=[Optional(), Length(max=120)])
    type = SelectField("Type", validators=[Optional()])
    status = SelectField("Status", choices=options(InstallationStatus.choices(), "Every status"))
    technician = StringField("Technician", filters=[strip], validators=[Optional(), Length(max=200)])
    commissioned_from = day_field("Commissioned from")
    commissioned_to = day_field("Commissioned to")
    payment = SelectField(
        "Payment",
        choices=options(
            (*PAYMENTS, ("blocked", "Waiting for a decision"), ("unassigned", "Nobody assigned")), "All"
        ),
    )

    def __init__(self, *args: Any, types: Choices = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type.choices = options(types, "All types")
        say_days(self)
        all_optional(self)
        for field in (self.type, self.status, self.payment):
            # An address without the parameter means "all", not "none of the choices".
            field.data = field.data or ""

    def validate_commissioned_to(self, field: DateField) -> None:
        """The range does not end before it begins."""
        if field.data and self.commissioned_from.data and field.data < self.commissioned_from.data:
            raise ValidationError("The range ends before it begins.")

    def chosen(self) -> InstallationFilter:
        """The filter as the queries take it."""
        return InstallationFilter(
            text=self.q.data or "",
            installation_type=self.type.data or "",
            status=self.status.data or "",
            technician=self.technician.data or "",
            commissioned_from=self.commissioned_from.data,
            commissioned_to=self.commissioned_to.data,
            payment=self.payment.data or "",
        )


class PeriodForm(Form):
    """From and to, read from the address."""

    period_from = day_field("From")
    period_to = day_field("To")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_days(self)
        all_optional(self)

    def validate_period_to(self, field: DateField) -> None:
        """The period does not end before it begins."""
        if field.data and self.period_from.data and field.data < self.period_from.data:
            raise ValidationError("The period ends before it begins.")


@dataclass
class ShareRow:
    """One line of the shares: a technician's reference and a percentage as typed."""

    technician: str = ""
    percent: str = ""


class InstallationForm(FlaskForm):
    """An installation. The shares are rows of two plain inputs, read by `share_rows`."""

    installation_type = SelectField("Type")
    size = NumberField("Size", filters=[strip], validators=[Optional(), Length(max=30)])
    capacity_unit = SelectField("Unit", choices=options(UNITS, "No unit"), default="kW")
    customer_name = StringField("Customer", filters=[strip], validators=[Optional(), Length(max=200)])
    site = StringField("Site", filters=[strip], validators=[Optional(), Length(max=300)])
    order_value = AmountField("Order value", filters=[strip], validators=[Optional(), Length(max=40)])
    status = SelectField("Status", choices=options(InstallationStatus.choices()))
    commissioned_on = day_field("Commissioned on")
    quality_check = SelectField("Quality check", choices=options(QualityCheck.choices()))
    external_ref = StringField(
        "Your own reference", filters=[strip], validators=[Optional(), Length(max=120)]
    )
    version = HiddenField()

    def __init__(
        self, *args: Any, types: Choices = (), currency: str = "USD", locale: str = "en_US", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        self.installation_type.choices = options(types)
        say_days(self)

    def validate_order_value(self, field: AmountField) -> None:
        """The value is an amount."""
        field.read(self.currency, self.locale)

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed, where it is a number."""
        text = self.version.data or ""
        return int(text) if text.isdigit() else None

    def fill(self, row: Installation) -> None:
        """Show what is stored."""
        for name in (
            "installation_type",
            "capacity_unit",
            "customer_name",
            "site",
            "quality_check",
        ):
            self[name].data = getattr(row, name)
        self.commissioned_on.data, self.external_ref.data = row.commissioned_on, row.external_ref
        self.size.data = "" if row.size is None else say_number(row.size)
        value = row.order_value_minor
        self.order_value.data = "" if value is None else Money(value, row.currency).plain
        self.version.data = str(row.version)

    def draft(
        self, rows: Sequence[ShareRow], technicians: dict[str, int], status: str | None = None
    ) -> InstallationDraft:
        """What was typed, as the service takes it; `status` where the form has none. Raises Invalid for the shares."""
        return InstallationDraft(
            installation_type=self.installation_type.data,
            capacity_unit=self.capacity_unit.data,
            currency=self.currency,
            size=self.size.number,
            customer_name=self.customer_name.data or "",
            site=self.site.data or "",
            order_value_minor=self.order_value.minor,
            status=status if status is not None else self.status.data,
            commissioned_on=self.commissioned_on.data,
            quality_check=self.quality_check.data,
            external_ref=self.external_ref.data or None,
            shares=shares_of(rows, technicians),
        )


def shares_of(rows: Sequence[ShareRow], technicians: dict[str, int]) -> tuple[ShareDraft, ...]:
    """Typed rows as shares: all without a percentage is equal parts. Raises Invalid."""
    filled = [row for row in rows if row.technician]
    if any(row.percent and not row.technician for row in rows):
        raise Invalid("shares", "A share has no technician.", "choose the technician of the 40 %")
    unknown = [row.technician for row in filled if row.technician not in technicians]
    if unknown:
        raise Invalid("shares", f"{unknown[0]} is not an active technician.")
    ids = [technicians[row.technician] for row in filled]
    percents = [row.percent.rstrip("% ") for row in filled]
    if not any(percents):
        return tuple(ShareDraft(ident) for ident in ids)
    if not all(percents):
        raise Invalid("shares", "Give every technician a share, or none for equal parts.", "60 and 40")
    weights = percent_weights(percents, len(ids))
    return tuple(ShareDraft(i, w) for i, w in zip(ids, weights, strict=True))


class CommissionForm(FlaskForm):
    """A step in the life of an installation."""

    status = HiddenField()
    commissioned_on = day_field("Commissioned on")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_days(self)


class UploadForm(FlaskForm):
    """One photo or certificate."""

    file = FileField("File")


class SettleForm(FlaskForm):
    """What becomes of a part whose payout was rejected."""

    choice = HiddenField()
    note = StringField("Note", filters=[strip], validators=[Optional(), Length(max=2000)])


class SettingsForm(FlaskForm):
    """How the organisation reads ranges and creates payouts."""

    range_mode = SelectField("A size range means", choices=options(RangeMode.choices()))
    is_progressive = BooleanField("Progressive: each slice of a size is paid at its own band's rate")
    is_automatic = BooleanField("Create payouts by itself every night at 01:00")
    minimum_payout = AmountField("Smallest automatic payout", filters=[strip], validators=[Optional()])
    retention = PercentField("Held back of each installation (%)", example="10")
    retention_days = IntegerField(
        "For how many days after commissioning",
        [
            InputRequired("Enter a whole number of days. Example: 90"),
            NumberRange(0, MOST_DAYS, f"Enter a whole number of days from 0 to {MOST_DAYS:,}. Example: 90"),
        ],
    )

    def __init__(self, *args: Any, currency: str = "USD", locale: str = "en_US", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale

    def validate_minimum_payout(self, field: AmountField) -> None:
        """The minimum is an amount."""
        field.read(self.currency, self.locale)

    @property
    def terms(self) -> RetentionTerms:
        """What is held back. Raises Invalid for a rate of more than two decimals."""
        points = self.retention.number * 100
        if points != int(points):
            raise Invalid("retention", "Enter per cent with at most two decimals.", "10")
        return RetentionTerms(int(points), self.retention_days.data or 0)


class TypeForm(FlaskForm):
    """A further installation type."""

    code = StringField(
        "Short name", filters=[strip], validators=[InputRequired("Enter a short name."), Length(max=60)]
    )
    label = StringField("Name", filters=[strip], validators=[InputRequired("Enter a name."), Length(max=120)])


class ManualPayoutForm(FlaskForm):
    """Installations chosen for one technician."""

    note = TextAreaField("Note for the admins", filters=[strip], validators=[Optional(), Length(max=2000)])
    key = HiddenField()
