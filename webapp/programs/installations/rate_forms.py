"""Shapes of the forms around rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Form, HiddenField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from webapp.kernel.money import Money
from webapp.programs.installations.drafts import RateDraft
from webapp.programs.installations.forms import (
    UNITS,
    AmountField,
    Choices,
    NumberField,
    day_field,
    say_days,
)
from webapp.programs.installations.models import RateType, RateVersion
from webapp.programs.installations.pricing import to_rule
from webapp.programs.installations.terms import say_number, say_rate
from webapp.web.fields import all_optional, options, strip


class RateForm(FlaskForm):
    """A version of a rate configuration."""

    name = StringField("Name", filters=[strip], validators=[InputRequired("Enter a name, such as Solar up to 10 kW."),
                                                            Length(max=120)])  # fmt: skip
    installation_type = SelectField("Installation type")
    capacity_unit = SelectField(
        "Unit", choices=options([*UNITS, ("", "Any unit (flat or percentage, without a range)")])
    )
    min_size = NumberField("From size", filters=[strip], validators=[Optional(), Length(max=30)])
    max_size = NumberField("To size", filters=[strip], validators=[Optional(), Length(max=30)])
    rate_type = SelectField(
        "The rate is", choices=options(RateType.choices()), default=RateType.PER_UNIT.value
    )
    rate = NumberField(
        "Rate", filters=[strip], validators=[InputRequired("Enter a rate, such as 50.00."), Length(max=30)]
    )
    priority = IntegerField(
        "Priority",
        default=1,
        validators=[
            InputRequired("Enter a whole number; the highest wins."),
            NumberRange(0, 1000, "Enter a whole number from 0 to 1000."),
        ],
    )
    has_bonus = BooleanField("Pay a bonus when the quality check passed")
    bonus = AmountField("Bonus", filters=[strip], validators=[Optional(), Length(max=40)])
    is_active = BooleanField("Switched on", default=True)
    effective_from = day_field("First day")
    effective_to = day_field("Last day")
    version = HiddenField()

    def __init__(
        self, *args: Any, types: Choices = (), currency: str = "USD", locale: str = "en_US", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        self.installation_type.choices = options(types, "Any type")
        if self.priority.process_errors:
            self.priority.process_errors = ["Enter a whole number; the highest wins."]
        say_days(self)

    def validate_bonus(self, field: AmountField) -> None:
        """The bonus is an amount."""
        field.read(self.currency, self.locale)

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed, where it is a number."""
        text = self.version.data or ""
        return int(text) if text.isdigit() else None

    def fill(self, version: RateVersion) -> None:
        """Show what is stored."""
        for name in ("name", "capacity_unit", "rate_type", "priority", "has_bonus", "is_active",
                     "effective_from", "effective_to"):  # fmt: skip
            self[name].data = getattr(version, name)
        self.installation_type.data = version.installation_type or ""
        for name in ("min_size", "max_size", "rate"):
            value = getattr(version, name)
            self[name].data = "" if value is None else say_number(value)
            self[name].number = value
        self.rate.data = say_rate(to_rule(version))
        self.bonus.data = Money(version.bonus_minor, version.currency).plain if version.bonus_minor else ""
        self.bonus.minor = version.bonus_minor
        self.version.data = str(version.version)

    def draft(self) -> RateDraft:
        """What was typed, as the service takes it."""
        return RateDraft(
            name=self.name.data or "",
            installation_type=self.installation_type.data or None,
            capacity_unit=self.capacity_unit.data,
            min_size=self.min_size.number,
            max_size=self.max_size.number,
            rate_type=self.rate_type.data,
            rate=self.rate.number or Decimal(0),
            currency=self.currency,
            has_bonus=self.has_bonus.data,
            bonus_minor=self.bonus.minor or 0,
            is_active=self.is_active.data,
            priority=self.priority.data if self.priority.data is not None else 1,
            effective_from=self.effective_from.data,
            effective_to=self.effective_to.data,
        )


class EndForm(FlaskForm):
    """The last day of a rate."""

    last_day = DateField("Last day", validators=[InputRequired("Enter the last day, such as 2026-12-31.")])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_days(self)


class RehearseForm(Form):
    """How far back a replay goes; read from the address."""

    months = IntegerField(
        "Months back", default=1, validators=[Optional(), NumberRange(1, 24, "Enter 1 to 24.")]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        all_optional(self)
