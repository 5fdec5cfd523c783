"""The filters of the lists of deals, touches, shares and registrations, read from the address (pages and files)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import ValidationError

from webapp.kernel.checks import check_currency
from webapp.kernel.errors import Invalid
from webapp.programs.partners.deal_lists import DealFilter
from webapp.programs.partners.states import DealState, Model, RegistrationState, TouchType
from webapp.programs.partners.touch_lists import RegistrationFilter, ShareFilter, TouchFilter
from webapp.web.fields import options
from webapp.web.filter_fields import ListFilter, part, search
from webapp.web.form_fields import AmountField, day_field

Programs = Sequence[tuple[str, str]]


def _program() -> SelectField:
    return SelectField("Program", choices=options((), "Every program"))


class ProgramListFilter(ListFilter):
    """A list that can be narrowed to one of the organisation's programs: (number, name) of each."""

    def __init__(self, *args: Any, programs: Programs = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self["program"].choices = options(programs, "Every program")  # type: ignore[attr-defined]


class DealFilterForm(ProgramListFilter):
    """The list of deals. Amounts are read in the currency of the filter, else in the organisation's."""

    q = search()
    state = SelectField("State", choices=options(DealState.choices(), "Every state"))
    program = _program()
    partner = part("Partner", 200)
    product = part("Product", 200)
    closed_from = day_field("Closed from")
    closed_to = day_field("Closed to")
    code: StringField = part("Currency", 3)
    amount_from = AmountField("Amount from", must=False, example="500.00")
    amount_to = AmountField("Amount to", must=False, example="500.00")

    @property
    def _code(self) -> str:
        return str(self.code.data or "").upper()

    def validate_closed_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("closed_from", "closed_to")

    def validate_code(self, field: Any) -> None:
        """A currency that there is."""
        if self._code:
            try:
                check_currency("code", self._code)
            except Invalid as error:
                raise ValidationError(error.message) from error

    def read_amount(self, field: AmountField) -> None:
        """In the currency that was typed, if it is one."""
        try:
            check_currency("code", self._code or self.currency)
        except Invalid:
            return
        field.read(self._code or self.currency, self.locale)

    def chosen(self) -> DealFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return DealFilter(
            text=self.q.data or "",
            state=self.state.data or "",
            program=self.program.data or "",
            partner=self.partner.data or "",
            product=self.product.data or "",
            closed_from=self.closed_from.data,
            closed_to=self.closed_to.data,
            currency=self._code,
            amount_from=self.amount_from.minor,
            amount_to=self.amount_to.minor,
            amount_currency=self._code or self.currency,
        )


class TouchFilterForm(ProgramListFilter):
    """The list of touches."""

    partner = part("Partner", 200)
    deal = part("Deal", 200)
    kind = SelectField("Kind", choices=options(TouchType.choices(), "Every kind"))
    program = _program()
    date_from = day_field("From")
    date_to = day_field("To")

    def chosen(self) -> TouchFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return TouchFilter(
            partner=self.partner.data or "",
            deal=self.deal.data or "",
            kind=self.kind.data or "",
            program=self.program.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
        )


class ShareFilterForm(ProgramListFilter):
    """The list of partners' shares of deals."""

    partner = part("Partner", 200)
    deal = part("Deal", 200)
    program = _program()
    model = SelectField("Model", choices=options(Model.choices(), "Every model"))
    state = SelectField("Deal is", choices=options(DealState.choices(), "In every state"))
    frozen = SelectField(
        "Share is",
        choices=options((("yes", "Fixed by a payout"), ("no", "Not fixed yet")), "Fixed or not"),
    )

    def chosen(self) -> ShareFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return ShareFilter(
            partner=self.partner.data or "",
            deal=self.deal.data or "",
            program=self.program.data or "",
            model=self.model.data or "",
            state=self.state.data or "",
            frozen=self.frozen.data or "",
        )


class RegistrationFilterForm(ProgramListFilter):
    """The list of registrations."""

    q = search()
    state = SelectField("State", choices=options(RegistrationState.choices(), "Every state"))
    program = _program()
    partner = part("Partner", 200)
    date_from = day_field("Came in from")
    date_to = day_field("Came in to")

    def chosen(self) -> RegistrationFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return RegistrationFilter(
            text=self.q.data or "",
            partner=self.partner.data or "",
            program=self.program.data or "",
            state=self.state.data or "",
            date_from=self.date_from.data,
            date_to=self.date_to.data,
        )
