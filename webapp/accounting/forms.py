"""The filter of the list, and the settings of the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import HiddenField, IntegerField, SelectField
from wtforms.validators import InputRequired, NumberRange

from webapp.accounting.lists import BillFilter
from webapp.accounting.setups import MOST_DUE_DAYS, PLANS
from webapp.accounting.states import SyncState
from webapp.people.account_forms import CheckboxesField
from webapp.web.fields import options
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import day_field, say_days


class BillFilterForm(ListFilter):
    """The list of payouts and their bills."""

    q = search("Payout, payee or error")
    state = SelectField("In the books", choices=options(SyncState.choices(), "Every state"))
    program = SelectField("Program", choices=[])

    def __init__(self, *args: Any, programs: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.program.choices = options([(name, name.capitalize()) for name in programs], "Every program")

    def chosen(self) -> BillFilter:
        """The filter as the queries take it. Call `validate()` first."""
        return BillFilter(self.q.data or "", self.state.data or "", self.program.data or "")


class RetryForm(FlaskForm):
    """Payouts whose bills are to be tried again; the ticks stand in the page."""


class BooksForm(FlaskForm):
    """Which of the books that the consent reaches."""

    books = SelectField(
        "Organisation in Zoho Books", choices=[], validators=[InputRequired("Choose one of the list.")]
    )

    def offer(self, found: Sequence[dict[str, str]]) -> None:
        """The books to choose from."""
        pairs = [(each["id"], f"{each['name']} ({each['currency']})") for each in found]
        self.books.choices = options(pairs, "Choose…")


class SetupForm(FlaskForm):
    """Accounts, programs and from when on."""

    version = HiddenField()
    bill_account = SelectField(
        "Bills are booked to",
        choices=[],
        validators=[InputRequired("Choose the account that bills are booked to.")],
    )
    paid_through = SelectField(
        "Payouts are paid from",
        choices=[],
        validators=[InputRequired("Choose the account that payouts are paid from.")],
    )
    programs = CheckboxesField(
        "Payouts of these programs become bills",
        choices=[],
        validators=[InputRequired("Choose at least one program.")],
    )
    starts_on = day_field("Approved since", must=True)
    due_days = IntegerField(
        "Days until a bill is due",
        validators=[
            InputRequired(f"Enter a number of days from 0 to {MOST_DUE_DAYS}. Example: 14"),
            NumberRange(0, MOST_DUE_DAYS, f"Enter a number of days from 0 to {MOST_DUE_DAYS}. Example: 14"),
        ],
    )
    calls_a_day = SelectField("Plan in Zoho Books", choices=options(PLANS.items()))

    def __init__(
        self,
        *args: Any,
        bill_accounts: Sequence[tuple[str, str]] = (),
        through_accounts: Sequence[tuple[str, str]] = (),
        own_programs: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        say_days(self)
        self.bill_account.choices = options(bill_accounts, "Choose…")
        self.paid_through.choices = options(through_accounts, "Choose…")
        self.programs.choices = options([(name, name.capitalize()) for name in own_programs])


class ConsentForm(FlaskForm):
    """What Zoho led back with; finished by the person's own click."""

    code = HiddenField()
    state = HiddenField()
    location = HiddenField()
