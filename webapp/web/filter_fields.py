"""What the filters of lists share: a search, parts of names, ranges of days and amounts, read from an address."""

from __future__ import annotations

from typing import Any

from wtforms import Form, SelectField, StringField
from wtforms.validators import Length, Optional, ValidationError

from webapp.web.fields import all_optional, strip
from webapp.web.form_fields import AmountField, say_days


def search(label: str = "Search") -> StringField:
    """A text that is looked for in several columns."""
    return StringField(
        label,
        filters=[strip],
        validators=[Optional(), Length(max=120, message="Search for at most 120 characters.")],
        render_kw={"type": "search", "autocomplete": "off"},
    )


def part(label: str, most: int = 120, **kwargs: Any) -> StringField:
    """A reference, or a part of a name."""
    checks = [Optional(), Length(max=most, message=f"Write at most {most} characters.")]
    return StringField(label, filters=[strip], validators=checks, **kwargs)


class ListFilter(Form):
    """Common to the filters: an address without a parameter means "all"; amounts are read in a currency.

    A form that has date_from and date_to, or amount_from and amount_to, has them checked.
    """

    def __init__(self, *args: Any, currency: str = "USD", locale: str = "en_US", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        say_days(self)
        all_optional(self)
        for field in self:
            if isinstance(field, SelectField):
                field.data = field.data or ""

    def in_order(self, first: str, last: str) -> None:
        """Refuse a range of days that ends before it begins. Raises ValidationError."""
        begins, ends = self[first].data, self[last].data
        if begins and ends and ends < begins:
            raise ValidationError("The range ends before it begins.")

    def amounts_in_order(self) -> None:
        """Refuse an upper amount below the lower one, once both are read. Raises ValidationError."""
        low, high = self["amount_from"].minor, self["amount_to"].minor  # type: ignore[attr-defined]
        if low is not None and high is not None and high < low:
            raise ValidationError("The upper amount is below the lower one.")

    def read_amount(self, field: AmountField) -> None:
        """Read a typed amount in the currency of the list. Raises ValidationError."""
        field.read(self.currency, self.locale)

    def validate_date_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("date_from", "date_to")

    def validate_amount_from(self, field: AmountField) -> None:
        """The lower bound is an amount."""
        self.read_amount(field)

    def validate_amount_to(self, field: AmountField) -> None:
        """The upper bound is an amount, not below the lower one."""
        self.read_amount(field)
        self.amounts_in_order()
