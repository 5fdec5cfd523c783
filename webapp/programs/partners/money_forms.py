"""The filters of commissions, payouts and reconciliation, and the forms around calculations and payouts by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.payouts.states import PayoutState
from webapp.programs.partners.money_lists import HELD, OPEN, CommissionFilter, PayoutFilter
from webapp.programs.partners.rules import Period, period
from webapp.programs.partners.standing import Standing
from webapp.programs.partners.states import CommissionKind
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, part, search
from webapp.web.form_fields import ActForm, AmountField, day_field, optional, reason_field

PERIOD_EXAMPLE = "2026-02 or 2026-Q1"


def read_period(text: str | None) -> Period | None:
    """The month or quarter of a text; None of an empty one. Raises ValidationError."""
    if not text:
        return None
    try:
        return period(text)
    except Invalid as error:
        raise ValidationError(f"{error.message} Example: {PERIOD_EXAMPLE}") from error


def amount_of(text: str, currency: str, locale: str) -> int | None:
    """The minor units of a text that is an amount; None of one that is not."""
    try:
        return parse_money(text, currency, locale).amount
    except Invalid:
        return None


def period_in(text: str) -> Period | None:
    """The month or quarter of a text that is one."""
    try:
        return period(text)
    except Invalid:
        return None


class PeriodFilter(ListFilter):
    """Common to the filters by period."""

    def validate_period(self, field: Any) -> None:
        """The period is a month or a quarter."""
        read_period(field.data)


class CommissionFilterForm(PeriodFilter):
    """The list of commissions; `today` decides what is due."""

    q = search()
    state = SelectField(
        "State", choices=options(((OPEN, "Not in a payout"), *Standing.choices()), "Every state")
    )
    kind = SelectField("Kind", choices=options(CommissionKind.choices(), "Every kind"))
    partner = part("Partner", 200)
    deal = part("Deal", 40)
    program = part("Program", 40)
    period = part("Earned in", 10)
    date_from = day_field("Earned from")
    date_to = day_field("Earned to")
    amount_from = AmountField("Amount from", must=False, example="100.00")
    amount_to = AmountField("Amount to", must=False, example="100.00")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def chosen(self) -> CommissionFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return CommissionFilter(
            today=self.today,
            text=self.q.data or "",
            partner=self.partner.data or "",
            deal=self.deal.data or "",
            program=self.program.data or "",
            state=self.state.data or "",
            kind=self.kind.data or "",
            period=read_period(self.period.data),
            date_from=self.date_from.data,
            date_to=self.date_to.data,
            amount_from=self.amount_from.minor,
            amount_to=self.amount_to.minor,
            currency=self.currency,
        )


class PayoutFilterForm(PeriodFilter):
    """The list of partners' payouts; the search also finds an amount and a period."""

    q = search()
    state = SelectField(
        "Status", choices=options((*PayoutState.choices(), (HELD, "On hold")), "Every status")
    )
    partner = part("Partner", 200)
    period = part("Period", 10)
    amount_from = AmountField("Amount from", must=False, example="100.00")
    amount_to = AmountField("Amount to", must=False, example="100.00")

    def chosen(self) -> PayoutFilter:
        """The filter as the queries take it. Call `validate()` first."""
        text = self.q.data or ""
        return PayoutFilter(
            text=text,
            amount=amount_of(text, self.currency, self.locale),
            span=period_in(text),
            partner=self.partner.data or "",
            state=self.state.data or "",
            period=read_period(self.period.data),
            amount_from=self.amount_from.minor,
            amount_to=self.amount_to.minor,
            currency=self.currency,
        )


class ReconciliationFilterForm(PeriodFilter):
    """What partners earned in a period, or ever."""

    period = part("Earned in", 10)
    partner = part("Partner", 200)
    state = SelectField(
        "Outstanding",
        choices=options((("open", "Something is outstanding"), ("settled", "All is paid")), "All"),
    )


class PeriodForm(ActForm):
    """The period of a calculation; `expected` is what the person saw that it would make.

    It is read from an address too; what is posted has its token checked before any view is called.
    """

    class Meta:
        """A reading form."""

        csrf = False

    period = StringField(
        "Period",
        filters=[strip],
        validators=[InputRequired(f"Write a month or a quarter. Example: {PERIOD_EXAMPLE}"), Length(max=10)],
        render_kw={"autocomplete": "off"},
    )
    expected = HiddenField()

    def validate_period(self, field: Any) -> None:
        """The period is a month or a quarter."""
        read_period(field.data)


class ChoosePartnerForm(ActForm):
    """Whose payout is made by hand."""

    partner = StringField(
        "Partner",
        filters=[strip],
        validators=[InputRequired("Write the partner's number or name. Example: PY-0001"), Length(max=200)],
        render_kw={"autocomplete": "off"},
    )


class ManualPayoutForm(ActForm):
    """A payout of chosen commissions; the same key again makes nothing new."""

    note = optional("Note for admins", 2000)
    key = HiddenField()


class DecideForm(ActForm):
    """Why a commission is offered again, or dismissed."""

    reason = reason_field(example="The order is signed now.")
