"""Fields that the forms of programs share: exact amounts, per cent, days, and the form that reads them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from flask_wtf import FlaskForm
from wtforms import DateField, Form, HiddenField, IntegerField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.web.fields import strip

DAY_HINT = "Enter a day like 2026-10-31."


class AmountField(StringField):
    """Text that people type as an amount; `minor` holds minor units once it was read."""

    minor: int | None = None

    def __init__(self, label: str, *, example: str = "25,000.00", must: bool = True, **kwargs: Any) -> None:
        checks = [
            InputRequired(f"Enter an amount. Example: {example}") if must else Optional(),
            Length(max=40),
        ]
        super().__init__(label, filters=[strip], validators=checks, **kwargs)
        self.example = example

    def read(self, currency: str, locale: str) -> None:
        """Parse the text. Raises ValidationError with an example."""
        self.minor = None
        if not self.data:
            return
        try:
            self.minor = parse_money(self.data, currency, locale).amount
        except Invalid as error:
            raise ValidationError(error.message) from error


class PercentField(StringField):
    """Text that people type as per cent; `number` holds it once it was read."""

    number: Decimal = Decimal(0)

    def __init__(self, label: str, *, example: str = "8.5", **kwargs: Any) -> None:
        checks = [InputRequired(f"Enter per cent. Example: {example}"), Length(max=20)]
        super().__init__(label, filters=[strip], validators=checks, **kwargs)
        self.example = example

    def pre_validate(self, form: Any) -> None:
        """Read the text."""
        self.number = Decimal(0)
        if self.data:
            self.number = read_percent(self.data, self.example)


def read_percent(text: str, example: str) -> Decimal:
    """Per cent from 0 to 100 with at most four decimals. Raises ValidationError with an example."""
    try:
        number = Decimal(text.rstrip("% ").replace(",", "."))
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or not 0 <= number <= 100 or number != round(number, 4):
        words = f"Enter per cent from 0 to 100, with at most four decimals. Example: {example}"
        raise ValidationError(words)
    return number


def day_field(label: str, *, must: bool = False, **kwargs: Any) -> DateField:
    """A day, typed or picked."""
    check = InputRequired(f"Enter a day. Example: {date(2026, 10, 31)}") if must else Optional()
    return DateField(label, validators=[check], **kwargs)


def required(label: str, words: str, most: int, **kwargs: Any) -> StringField:
    """A text that must be there."""
    checks = [InputRequired(words), Length(max=most, message=f"Write at most {most} characters.")]
    return StringField(label, filters=[strip], validators=checks, **kwargs)


def optional(label: str, most: int, **kwargs: Any) -> StringField:
    """A text that may be empty."""
    checks = [Optional(), Length(max=most, message=f"Write at most {most} characters.")]
    return StringField(label, filters=[strip], validators=checks, **kwargs)


def reason_field(
    label: str = "Reason", example: str = "It was entered twice.", **kwargs: Any
) -> TextAreaField:
    """Why something is done; kept with the record."""
    checks = [InputRequired(f"Give a reason. Example: {example}"), Length(max=2000)]
    return TextAreaField(label, filters=[strip], validators=checks, **kwargs)


def say_days(form: Form) -> None:
    """Words with an example where a day or a whole number could not be read."""
    for field in form:
        if isinstance(field, DateField) and field.process_errors:
            field.process_errors = [DAY_HINT]
        elif isinstance(field, IntegerField) and field.process_errors:
            field.process_errors = ["Enter a whole number. Example: 5"]


class ActForm(FlaskForm):
    """Common to the forms: amounts are read in a currency, days say an example, a version may be carried along."""

    version = HiddenField()

    def __init__(self, *args: Any, currency: str = "INR", locale: str = "en_IN", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        say_days(self)

    def validate(self, extra_validators: Any = None) -> bool:
        """As usual, with the amounts read."""
        is_valid: bool = super().validate(extra_validators)
        for field in self:
            if isinstance(field, AmountField) and not field.errors:
                try:
                    field.read(self.currency, self.locale)
                except ValidationError as error:
                    field.errors = [str(error)]
                    is_valid = False
        return is_valid

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed, where it is a number."""
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
