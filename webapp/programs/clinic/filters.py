"""The filters of the admins' lists of a clinic, read from the address."""

from __future__ import annotations

from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import Length, Optional

from webapp.programs.clinic.lists import InvoiceFilter
from webapp.programs.clinic.states import InvoiceState
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import day_field


class InvoiceFilterForm(ListFilter):
    """The list of invoices."""

    q = search()
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
        self.in_order("issued_from", "issued_to")

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

    q = search()


class AppointmentFilterForm(ListFilter):
    """The list of appointments."""

    q = search()
    held_from = day_field("From")
    held_to = day_field("To")

    def validate_held_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("held_from", "held_to")
