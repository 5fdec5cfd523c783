"""The filter of an owner's rents, read from the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import DateField, Form, SelectField, ValidationError
from wtforms.validators import Optional

from webapp.programs.rentals.owner_queries import RentFilter
from webapp.web.fields import all_optional, options
from webapp.web.i18n import N_

DAY_HINT = N_("Enter a day like 2026-10-31.")


class OwnRentFilterForm(Form):
    """Property, and the days on which rents came in."""

    property = SelectField("Property", validators=[Optional()])
    received_from = DateField("Received from", validators=[Optional()])
    received_to = DateField("Received to", validators=[Optional()])

    def __init__(self, *args: Any, properties: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.property.choices = options(properties, "Every property")
        all_optional(self)
        for field in (self.received_from, self.received_to):
            if field.process_errors:
                field.process_errors = [DAY_HINT]
        # An address without the parameter means "all", not "none of the choices".
        self.property.data = self.property.data or ""

    def validate_received_to(self, field: DateField) -> None:
        """The range does not end before it begins."""
        if field.data and self.received_from.data and field.data < self.received_from.data:
            raise ValidationError("The range ends before it begins.")

    def chosen(self) -> RentFilter:
        """The filter as the queries take it."""
        return RentFilter(self.property.data or "", self.received_from.data, self.received_to.data)
