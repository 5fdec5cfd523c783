"""The forms of statements: the filter of the list, the month of a run, the reason of a new issue."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Form, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length, Optional

from webapp.kernel.clock import add_months
from webapp.statements import monthly
from webapp.statements.monthly import REASON_LENGTH
from webapp.web.fields import all_optional, options

MONTHS = 24


def read_month(text: str | None) -> date | None:
    """ "2026-10" as its first day; None for anything else."""
    try:
        return date.fromisoformat(f"{text}-01") if text and len(text) == 7 else None
    except ValueError:
        return None


def month_choices(newest: date, nothing: str | None = None) -> list[SelectChoice]:
    """The newest month and those before it."""
    months = [add_months(newest, -n) for n in range(MONTHS)]
    return options([(f"{m:%Y-%m}", monthly.month_name(m)) for m in months], nothing)


class FilterForm(Form):
    """The filter of the list, read from the address; an empty field filters nothing."""

    q = StringField("Number, payee or payout", validators=[Optional(), Length(max=120)])
    month = SelectField("Month", validators=[Optional()])
    kind = SelectField("Kind", validators=[Optional()])
    state = SelectField("State", validators=[Optional()])

    def __init__(
        self, *args: Any, newest: date, kinds: dict[str, str], states: dict[str, str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        offered = {"month": month_choices(newest, "Every month"), "kind": options(kinds.items(), "Every kind"),
                   "state": options(states.items(), "Every state")}  # fmt: skip
        for name, choices in offered.items():
            field = self[name]
            assert isinstance(field, SelectField)  # noqa: S101 - they are declared above
            field.choices = choices
            if self[name].data is None:
                self[name].data = ""
        all_optional(self)


class MonthForm(FlaskForm):
    """Which month's statements are made, and whether payees are told."""

    month = SelectField("Month", validators=[InputRequired("Choose a month.")])
    tells = BooleanField("Tell the payees by e-mail", default=True)

    def __init__(self, *args: Any, newest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.month.choices = month_choices(newest)


class ReissueForm(FlaskForm):
    """Why a statement is issued again."""

    reason = TextAreaField(
        "Reason",
        [
            InputRequired("Say why it is issued again."),
            Length(max=REASON_LENGTH, message=f"The reason may have {REASON_LENGTH} signs."),
        ],
    )
