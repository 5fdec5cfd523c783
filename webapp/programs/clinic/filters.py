"""The filters of the admins' lists of a clinic, read from the address."""

from __future__ import annotations

from typing import Any

from wtforms import Form, SelectField, StringField
from wtforms.validators import Length, Optional, ValidationError

from webapp.programs.clinic.lists import InvoiceFilter
from webapp.programs.clinic.states import InvoiceState
from webapp.web.fields import all_optional, options, strip
from webapp.web.form_fields import day_field, say_days


def _search(label: str = "Search") -> StringField:
    return StringField(
        label,
        filters=[strip],
        validators=[Optional(), Length(max=120, message="Search for at most 120 characters.")],
        render_kw={"type": "search", "autocomplete": "off"},
    )


class ListFilter(Form):
    """Common to the filters: an address without a parameter means "all"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        say_days(self)
        all_optional(self)
        for field in self:
            if isinstance(field, SelectField):
                field.data = field.data or ""

    def _in_order(self, first: str, last: str) -> None:
        begins, ends = self[first].data, self[last].data
        if begins and ends and ends < begins:
            raise ValidationError("The range ends before it begins.")


class InvoiceFilterForm(ListFilter):
    """The list of invoices."""

    q = _search()
    state = SelectField(
        "State", choices=options((*InvoiceState.choices(), ("open", "Not paid in full")), "Every state")
    )
    payout = SelectField(
        "Payout",
        choices=options(
            (("ready", "Ready to pay out"), ("made", "Has a payout"), ("blocked", "Waits for a decision")),
            "All",
        ),
    )
    practitioner = StringField("Practitioner", filters=[strip], validators=[Optional(), Length(max=200)])
    issued_from = day_field("Issued from")
    issued_to = day_field("Issued to")

    def validate_issued_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("issued_from", "issued_to")

    def chosen(self) -> InvoiceFilter:
        """The filter as the queries take it."""
        return InvoiceFilter(
            self.q.data or "",
            self.state.data or "",
            self.practitioner.data or "",
            self.payout.data or "",
            self.issued_from.data,
            self.issued_to.data,
        )


class CustomerFilterForm(ListFilter):
    """The list of customers."""

    q = _search()


class AppointmentFilterForm(ListFilter):
    """The list of appointments."""

    q = _search()
    held_from = day_field("From")
    held_to = day_field("To")

    def validate_held_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self._in_order("held_from", "held_to")
