"""The forms of the partners' own pages. Every field is named here; nothing else is read."""

from __future__ import annotations

from typing import Any

from wtforms import DateField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from webapp.kernel.checks import check_currency
from webapp.kernel.errors import Invalid
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.standing import Standing
from webapp.programs.partners.states import DealState, RegistrationState
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import ActForm, AmountField
from webapp.web.i18n import N_

#: What the shared fields and checks say, to be translated.
SAID = (
    N_("Enter an amount."), N_("Enter an amount of more than zero."), N_("Enter a day like 2026-10-31."),
    N_("Search for at most 120 characters."), N_("Write at most 200 characters."),
    N_("Write at most 2,000 characters."),
    N_("Write at most 2000 characters."), N_("Enter who the customer is."), N_("There is no such program."),
    N_("Give a reason; it is kept with the commission."), N_("The range ends before it begins."),
)  # fmt: skip


class OwnDealFilter(ListFilter):
    """The filter of a partner's deals."""

    q = search(N_("Deal or customer"))
    state = SelectField(N_("Status"), choices=options(DealState.choices(), N_("Every status")))


class OwnCommissionFilter(ListFilter):
    """The filter of a partner's commissions; days are those on which they were earned."""

    q = search(N_("Deal or reference"))
    state = SelectField(N_("Status"), choices=options(Standing.choices(), N_("Every status")))
    earned_from = DateField(N_("Earned from"), validators=[Optional()])
    earned_to = DateField(N_("Earned to"), validators=[Optional()])

    def validate_earned_to(self, field: DateField) -> None:
        """The range does not end before it begins."""
        self.in_order("earned_from", "earned_to")


class OwnRegistrationFilter(ListFilter):
    """The filter of a partner's registrations."""

    state = SelectField(N_("Status"), choices=options(RegistrationState.choices(), N_("Every status")))


class RegistrationForm(ActForm):
    """A deal that a partner brings."""

    program = SelectField(
        N_("Program"), validators=[InputRequired(N_("Choose a program."))], validate_choice=True
    )  # fmt: skip
    customer = StringField(
        N_("Customer"),
        [
            InputRequired(N_("Enter who the customer is. Example: Acme Corporation")),
            Length(max=200, message="Write at most 200 characters."),
        ],
        filters=[strip],
    )
    product = StringField(
        N_("Product"),
        [Optional(), Length(max=200, message="Write at most 200 characters.")],
        filters=[strip],
    )
    wanted_currency = StringField(
        N_("Currency"),
        [InputRequired(N_("Enter the code of a currency. Example: USD")), Length(max=40)],
        filters=[strip],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    expected = AmountField(N_("Expected amount"), example="5,000.00")
    note = TextAreaField(
        N_("What we should know"),
        [Optional(), Length(max=2000, message="Write at most 2,000 characters.")],
        filters=[strip],
    )

    def __init__(self, *args: Any, programs: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self["program"].choices = options(programs, N_("Choose…"))
        self.home_currency = self.currency

    def validate_wanted_currency(self, field: StringField) -> None:
        """A currency that there is; the amount is read in it."""
        code = (field.data or "").upper()
        try:
            check_currency("wanted_currency", code)
        except Invalid as error:
            raise ValidationError(N_("Enter the code of a currency. Example: USD")) from error
        self.currency = code

    def draft(self, program_id: int) -> RegistrationDraft:
        """What was typed, once it was read."""
        return RegistrationDraft(
            program_id=program_id,
            customer=self.customer.data or "",
            currency=self.currency,
            expected_minor=self.expected.minor or 0,
            product=self.product.data or "",
            note=self.note.data or "",
        )


class OwnDisputeForm(ActForm):
    """Why a partner does not agree with a commission."""

    reason = TextAreaField(
        N_("Why you do not agree"),
        [
            InputRequired(N_("Say why. Example: The deal was over 12,000.00.")),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
        filters=[strip],
    )


class RequestForm(ActForm):
    """Which currency is asked for, and what it came to when the page was shown."""

    wanted_currency = HiddenField()
    amount = HiddenField()

    @property
    def seen_minor(self) -> int | None:
        """The amount that the page showed, in minor units, where it is a number."""
        text = self.amount.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
