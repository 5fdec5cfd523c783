"""The forms and filters of exchange rates and exchange differences. Every field is named here; nothing else is read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from webapp.kernel.checks import check_currency
from webapp.kernel.errors import Invalid
from webapp.programs.partners.exchange_rates import EXAMPLE, RateDraft, parse_rate
from webapp.programs.partners.rate_lists import DifferenceFilter, RateFilter
from webapp.programs.partners.states import DifferenceState
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, part
from webapp.web.form_fields import ActForm, day_field, optional, reason_field


class RateField(StringField):
    """Text that people type as a rate; `number` holds it once it was read."""

    number: Decimal = Decimal(0)

    def __init__(self, label: str, **kwargs: Any) -> None:
        checks = [InputRequired(f"Enter the rate. Example: {EXAMPLE}"), Length(max=30)]
        super().__init__(label, filters=[strip], validators=checks, **kwargs)

    def pre_validate(self, form: Any) -> None:
        """Read the text."""
        self.number = Decimal(0)
        if self.data:
            try:
                self.number = parse_rate(self.data)
            except Invalid as error:
                raise ValidationError(error.message) from error


ALL = "all"
_KEYPAD = {"inputmode": "decimal", "autocomplete": "off"}


class RateForm(ActForm):
    """A rate of a day."""

    code = StringField(
        "Currency",
        [
            InputRequired("Enter the other currency. Example: EUR"),
            Length(max=3, message="Write three letters."),
        ],
        filters=[strip],
        description="The other one, three letters.",
    )
    rate = RateField("Rate", render_kw=_KEYPAD)
    valid_from = day_field("Day", must=True, description="It counts from this day until a later rate.")
    note = optional(
        "Where it is from", 200, description="Or, where the day has a rate, why that one is wrong."
    )

    def draft(self) -> RateDraft:
        """What was entered. Call `validate()` first."""
        return RateDraft(
            currency=(self.code.data or "").upper(),
            rate=self.rate.number,
            valid_from=self.valid_from.data or date.max,
            note=self.note.data or "",
        )


class CorrectForm(ActForm):
    """Another rate for a day."""

    rate = RateField("Rate", render_kw=_KEYPAD)
    reason = reason_field("Why the other one is wrong", "The list had a typing error.")


class WithdrawForm(ActForm):
    """A rate that should not be there."""

    reason = reason_field("Reason", "It is the rate of another currency.")


class _DaysForm(ListFilter):
    """A list that can be narrowed to a currency and to days."""

    code: StringField = part("Currency", 3)
    date_from = day_field("From")
    date_to = day_field("To")

    @property
    def currency_code(self) -> str:
        """What was typed, as codes are written."""
        return str(self.code.data or "").upper()

    def validate_code(self, field: Any) -> None:
        """A currency that there is."""
        if self.currency_code:
            try:
                check_currency("code", self.currency_code)
            except Invalid as error:
                raise ValidationError(error.message) from error


class RateFilterForm(_DaysForm):
    """The list of rates."""

    every = SelectField(
        "Show", choices=options(((ALL, "Also those replaced or withdrawn"),), "Those that count")
    )

    def chosen(self) -> RateFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return RateFilter(
            self.currency_code, self.date_from.data, self.date_to.data, shows_all=self.every.data == ALL
        )


class DifferenceFilterForm(_DaysForm):
    """The list of exchange differences."""

    state = SelectField("State", choices=options(DifferenceState.choices(), "Every state"))

    def chosen(self) -> DifferenceFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return DifferenceFilter(
            self.currency_code, self.state.data or "", self.date_from.data, self.date_to.data
        )
