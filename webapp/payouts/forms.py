"""Shapes of the forms around payouts: filters, and one form per action."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    Form,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.payouts import list_filters
from webapp.payouts.flags import Flag
from webapp.payouts.lists import PayoutFilter, Standing
from webapp.payouts.states import PayoutState
from webapp.people.models import MethodKind
from webapp.web.fields import all_optional, options, strip

RAIL_WORDS = {
    "cashfree": "Cashfree",
    "sandbox": "Sandbox bank",
    "manual": "By hand",
    "bank_file": "Bank file",
}


class MoneyField(StringField):
    """Text that people type as an amount; `minor` holds minor units once it was read."""

    minor: int | None = None

    def read(self, currency: str, locale: str) -> None:
        """Parse the text in a currency and locale; raises ValidationError with an example."""
        self.minor = None
        if not self.data:
            return
        try:
            self.minor = parse_money(self.data, currency, locale).amount
        except Invalid as error:
            raise ValidationError(error.message) from error


class FilterForm(Form):
    """The filter of the history. It is read from the address; an empty field filters nothing."""

    q = StringField("Search", filters=[strip], validators=[Optional(), Length(max=120)])
    program = SelectField("Program", choices=options([], "All programs"), validators=[Optional()])
    status = SelectField(
        "Status",
        choices=options([*PayoutState.choices(), *Standing.choices()], "Every status"),
        validators=[Optional()],
    )
    payee = StringField("Payee", filters=[strip], validators=[Optional(), Length(max=200)])
    period_from = DateField("Period from", validators=[Optional()])
    period_to = DateField("Period to", validators=[Optional()])
    amount_from = MoneyField("Amount from", filters=[strip], validators=[Optional(), Length(max=40)])
    amount_to = MoneyField("Amount to", filters=[strip], validators=[Optional(), Length(max=40)])
    rail = SelectField(
        "Sent over", choices=options(RAIL_WORDS.items(), "Any rail, or not sent"), validators=[Optional()]
    )
    approver = StringField("Approved by", filters=[strip], validators=[Optional(), Length(max=120)])
    run = StringField("Run", filters=[strip], validators=[Optional(), Length(max=40)])

    def __init__(
        self,
        *args: Any,
        programs: Sequence[str] = (),
        currency: str = "USD",
        locale: str = "en_US",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.currency, self.locale = currency, locale
        self.has_several_programs = len(programs) > 1
        all_optional(self)
        program = self._fields.get("program")
        if isinstance(program, SelectField):
            program.choices = options([(p, p.capitalize()) for p in programs], "All programs")
        for name in ("period_from", "period_to"):
            if name in self and self[name].process_errors:
                self[name].process_errors = ["Enter a day like 2026-10-31."]
        for name in ("program", "status", "flag", "rail", "method"):
            # An address without the parameter means "all", not "none of the choices".
            if name in self and self[name].data is None:
                self[name].data = ""

    def uses(self, *names: str) -> bool:
        """Whether any of these fields filters or is wrong; they are shown then."""
        return any(any(self[name].raw_data or ()) or self[name].errors for name in names)

    def validate_amount_from(self, field: MoneyField) -> None:
        """The lower bound is an amount."""
        field.read(self.currency, self.locale)

    def validate_amount_to(self, field: MoneyField) -> None:
        """The upper bound is an amount, not below the lower one."""
        field.read(self.currency, self.locale)
        low = self["amount_from"].minor  # type: ignore[attr-defined]
        if field.minor is not None and low is not None and field.minor < low:
            raise ValidationError("The upper amount is below the lower one.")

    def validate_period_to(self, field: DateField) -> None:
        """The period does not end before it begins."""
        first: date | None = self["period_from"].data
        if field.data and first and field.data < first:
            raise ValidationError("The period ends before it begins.")

    def chosen(self) -> PayoutFilter:
        """The filter as the queries take it. Call `validate()` first."""
        data = {name: field.data for name, field in self._fields.items()}
        return PayoutFilter(
            text=data["q"] or "",
            program=data.get("program") or "",
            status=data.get("status") or "",
            payee=data.get("payee") or "",
            period_from=data["period_from"],
            period_to=data["period_to"],
            amount_from=self["amount_from"].minor if "amount_from" in self else None,  # type: ignore[attr-defined]
            amount_to=self["amount_to"].minor if "amount_to" in self else None,  # type: ignore[attr-defined]
            waiting_days=data.get("age"),
            flag=data.get("flag") or "",
            rail=data.get("rail") or "",
            method=data.get("method") or "",
            approver=data.get("approver") or "",
            run=data.get("run") or "",
        )


class QueueFilterForm(FilterForm):
    """The filter of the approvals queue: also by waiting time, flag and payment details, never by status."""

    status = None  # type: ignore[assignment]
    rail = None  # type: ignore[assignment]
    method = SelectField(
        "Paid to",
        choices=options([*MethodKind.choices(), (list_filters.NO_METHOD, "No payment details yet")], "Any"),
        validators=[Optional()],
    )
    age = IntegerField(
        "Waiting for at least (days)",
        validators=[Optional(), NumberRange(min=1, max=3650, message="Enter whole days, from 1 to 3650.")],
    )
    flag = SelectField("Flag", choices=options(Flag.choices(), "With and without"), validators=[Optional()])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self["age"].process_errors:
            self["age"].process_errors = ["Enter whole days, from 1 to 3650."]


class PayeeFilterForm(FilterForm):
    """The filter of a payee's own list: period and status."""

    program = None  # type: ignore[assignment]
    payee = None  # type: ignore[assignment]
    amount_from = None  # type: ignore[assignment]
    amount_to = None  # type: ignore[assignment]
    rail = None  # type: ignore[assignment]
    approver = None  # type: ignore[assignment]
    run = None  # type: ignore[assignment]
    status = SelectField(
        "Status", choices=options(PayoutState.choices(), "Every status"), validators=[Optional()]
    )


class ActionForm(FlaskForm):
    """An act on one payout; `version` is the one the person saw."""

    version = HiddenField()

    @property
    def seen_version(self) -> int | None:
        """The version that the page showed, where it is a number."""
        text = self.version.data or ""
        return int(text) if text.isdigit() else None

    def arguments(self) -> dict[str, Any]:
        """What the service takes beside reference, actor and time."""
        return {}


class NoteForm(ActionForm):
    """An act with an optional note for the record."""

    note = TextAreaField("Note", filters=[strip], validators=[Optional(), Length(max=2000)])

    def arguments(self) -> dict[str, Any]:
        """The note."""
        return {"note": self.note.data or ""}


class ApproveForm(NoteForm):
    """A yes, to the payment details that the page showed and no others."""

    seen_details = HiddenField()

    def arguments(self) -> dict[str, Any]:
        """The note, and which payment details were seen."""
        seen = self.seen_details.data or ""
        return {**super().arguments(), "seen_details": int(seen) if seen.isdigit() else None}


class ReasonForm(ActionForm):
    """An act that needs a reason."""

    reason = TextAreaField(
        "Reason",
        filters=[strip],
        validators=[
            DataRequired("Write a reason, such as “The size on the form is wrong.”"),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
    )

    def arguments(self) -> dict[str, Any]:
        """The reason."""
        return {"reason": self.reason.data or ""}


class ConfirmingForm(ActionForm):
    """A word on payment details that changed after the approval, where they did.

    `seen_details` is the id of the details that the person looked at: a tick holds for those alone.
    """

    seen_details = HiddenField()
    confirm_method = BooleanField("I have checked the new payment details: they are right")

    def __init__(self, *args: Any, confirms: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not confirms:
            del self.confirm_method

    def validate_confirm_method(self, field: BooleanField) -> None:
        """Nothing is paid to details that nobody stands for."""
        if not field.data:
            raise ValidationError(
                "The payment details changed after the approval. Check the new ones, then tick this box."
            )

    def show_details(self, method_id: int | None) -> None:
        """The page shows these details from now on; a tick that was given for others is taken back."""
        shown = str(method_id or "")
        if self.seen_details.data != shown and "confirm_method" in self:
            self["confirm_method"].data = False
        self.seen_details.data = shown

    def arguments(self) -> dict[str, Any]:
        """Whether changed details are confirmed, and which were seen."""
        seen = self.seen_details.data or ""
        return {
            "confirm_method": "confirm_method" in self and bool(self["confirm_method"].data),
            "seen_details": int(seen) if seen.isdigit() else None,
        }


class MarkPaidForm(ConfirmingForm):
    """A payment made by hand, outside Paydesk."""

    payment_reference = StringField(
        "Payment reference",
        filters=[strip],
        validators=[
            DataRequired("Enter the reference of the payment, such as CHQ-1042."),
            Length(max=120, message="Write at most 120 characters."),
        ],
    )
    paid_on = DateField(
        "Paid on", validators=[InputRequired("Enter the day of the payment, such as 2026-10-31.")]
    )

    def __init__(self, *args: Any, today: date | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        if self.paid_on.process_errors:
            self.paid_on.process_errors = ["Enter a day like 2026-10-31."]

    def validate_paid_on(self, field: DateField) -> None:
        """Money that has not moved yet is not paid."""
        if field.data and self.today and field.data > self.today:
            raise ValidationError(
                f"The day lies in the future. Enter today, {self.today.isoformat()}, or earlier."
            )

    def arguments(self) -> dict[str, Any]:
        """Reference and day."""
        typed = {"payment_reference": self.payment_reference.data, "paid_on": self.paid_on.data}
        return {**super().arguments(), **typed}


class PayForm(ConfirmingForm):
    """Which rail the money takes."""

    rail = SelectField("How it is paid", validators=[InputRequired("Choose how it is paid.")])

    def __init__(self, *args: Any, rails: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rail.choices = options(rails)

    def arguments(self) -> dict[str, Any]:
        """The rail, whether changed details are confirmed, and which were seen."""
        return {**super().arguments(), "rail": self.rail.data}


class ReturnForm(ReasonForm):
    """A payment made by hand that came back."""

    on = DateField(
        "Returned on", validators=[InputRequired("Enter the day of the return, such as 2026-10-31.")]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.on.process_errors:
            self.on.process_errors = ["Enter a day like 2026-10-31."]

    def arguments(self) -> dict[str, Any]:
        """Reason and day."""
        return {"reason": self.reason.data or "", "on": self.on.data}


class EditForm(NoteForm):
    """The admins' own note on a payout that waits for approval."""

    note = TextAreaField(
        "Note for admins",
        filters=[strip],
        validators=[Optional(), Length(max=2000, message="Write at most 2,000 characters.")],
    )


class ReviewForm(ActionForm):
    """One person's word on a transfer whose answers contradict one another."""

    finding = RadioField(
        "What did you find in the bank's own records?",
        choices=options([("moved", "The money has left"), ("not_moved", "No money has left")]),
        validators=[InputRequired("Choose what you found.")],
        # The service knows the findings, and names the one that it does not know.
        validate_choice=False,
    )
    note = TextAreaField(
        "How do you know?",
        filters=[strip],
        validators=[
            DataRequired("Write how you know, such as “The statement of 20 November shows the debit.”"),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
    )

    def arguments(self) -> dict[str, Any]:
        """The finding and how it is known."""
        return {"finding": self.finding.data, "note": self.note.data or ""}


class HaltForm(FlaskForm):
    """Stops or resumes sending."""

    reason = TextAreaField(
        "Reason",
        filters=[strip],
        validators=[
            DataRequired("Write a reason, such as “The bank reports an outage.”"),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
    )
