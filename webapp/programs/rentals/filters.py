"""The filters of the admins' lists of rentals, read from the address."""

from __future__ import annotations

from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import Length, Optional

from webapp.kernel.clock import start_of_day
from webapp.payouts.lists import Standing
from webapp.payouts.states import PayoutState
from webapp.programs.rentals.arrears_lists import AGES
from webapp.programs.rentals.lists import ChargeFilter, PaymentFilter
from webapp.programs.rentals.models import ChargeState, LeaseState, PaymentSource, PaymentState, ReturnKind
from webapp.programs.rentals.payout_rows import OwnerPayoutFilter
from webapp.programs.rentals.queries import LeaseFilter, PropertyFilter
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import day_field


class PropertyFilterForm(ListFilter):
    """The list of properties."""

    q = search()
    owner = StringField("Owner", filters=[strip], validators=[Optional(), Length(max=200)])

    def chosen(self) -> PropertyFilter:
        """The filter as the queries take it."""
        return PropertyFilter(self.q.data or "", self.owner.data or "")


class TenantFilterForm(ListFilter):
    """The list of tenants."""

    q = search()


class LeaseFilterForm(ListFilter):
    """The list of leases."""

    q = search()
    state = SelectField(
        "State",
        choices=options((*LeaseState.choices(), ("ending", "Active, with a last day")), "Every state"),
    )
    property = StringField("Property", filters=[strip], validators=[Optional(), Length(max=20)])

    def chosen(self) -> LeaseFilter:
        """The filter as the queries take it."""
        return LeaseFilter(self.q.data or "", self.state.data or "", self.property.data or "")


class ChargeFilterForm(ListFilter):
    """The list of rents asked for."""

    q = search()
    state = SelectField(
        "State", choices=options((*ChargeState.choices(), ("late", "Due and not paid")), "Every state")
    )
    due_from = day_field("Due from")
    due_to = day_field("Due to")

    def validate_due_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("due_from", "due_to")

    def chosen(self) -> ChargeFilter:
        """The filter as the queries take it."""
        return ChargeFilter(self.q.data or "", self.state.data or "", self.due_from.data, self.due_to.data)


class ArrearsFilterForm(ListFilter):
    """The list of leases in arrears."""

    q = search()
    age = SelectField(
        "Oldest rent", choices=options(((code, label) for code, label, _, _ in AGES), "Every age")
    )


class PaymentFilterForm(ListFilter):
    """The list of payments."""

    q = search()
    state = SelectField("State", choices=options(PaymentState.choices(), "Every state"))
    source = SelectField("Way", choices=options(PaymentSource.choices(), "Every way"))
    look = SelectField(
        "To settle",
        choices=options(
            (("differs", "Another amount came"), ("proposed", "A second person must confirm")), "All"
        ),
    )
    begun_from = day_field("Begun from")
    begun_to = day_field("Begun to")

    def validate_begun_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("begun_from", "begun_to")

    def chosen(self, timezone: str) -> PaymentFilter:
        """The filter as the queries take it; days are those of the organisation."""
        first, last = self.begun_from.data, self.begun_to.data
        return PaymentFilter(
            self.q.data or "",
            self.state.data or "",
            self.source.data or "",
            start_of_day(first, timezone) if first else None,
            start_of_day(last.fromordinal(last.toordinal() + 1), timezone) if last else None,
            self.look.data or "",
        )


class ReturnFilterForm(ListFilter):
    """The list of what went back."""

    kind = SelectField("Kind", choices=options(ReturnKind.choices(), "Every kind"))
    owed = SelectField("Owners", choices=options((("open", "Still owe a part of it"),), "All"))
    left = SelectField("Refunds", choices=options((("people", "Left to a person"),), "All"))


class OwnerFilterForm(ListFilter):
    """The list of owners."""

    q = search()
    waits = SelectField(
        "Payment details",
        choices=options((("missing", "None yet"), ("unverified", "To verify"), ("there", "There")), "All"),
    )


class OwnerPayoutFilterForm(ListFilter):
    """The list of owners' payouts."""

    q = search("Owner, payout, payment, transfer or UTR")
    status = SelectField(
        "Status", choices=options((*PayoutState.choices(), *Standing.choices()), "Every status")
    )
    type = SelectField(
        "Pay to",
        choices=options((("bank", "Bank account"), ("upi", "UPI"), ("none", "No details yet")), "All"),
    )
    period_from = day_field("Period from")
    period_to = day_field("Period to")

    def validate_period_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("period_from", "period_to")

    def chosen(self) -> OwnerPayoutFilter:
        """The filter as the queries take it."""
        return OwnerPayoutFilter(
            self.q.data or "",
            self.status.data or "",
            self.type.data or "",
            self.period_from.data,
            self.period_to.data,
        )
