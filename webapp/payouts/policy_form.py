"""The form of the approval rules: typed amounts in, the policy's JSON out, and back."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from babel.numbers import format_decimal
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money, exponent, parse_money
from webapp.payouts.policy import RAILS, Policy, from_rules
from webapp.web.fields import options, strip

SPARE_TIERS = 2
MOST_TIERS = 12
_PEOPLE = (
    ("", "Not used"),
    ("0", "Nobody: the policy approves"),
    ("1", "One person"),
    ("2", "Two different people"),
    ("3", "Three different people"),
)
RAIL_LABELS = {
    "manual": "By hand, marked as paid",
    "cashfree": "Cashfree, to banks and UPI addresses in India",
    "sandbox": "Sandbox bank",
    "bank_file": "Bank file",
}


def _whole(label: str, low: int, high: int, example: str) -> IntegerField:
    said = f"Enter a whole number from {low} to {high}, such as {example}."
    return IntegerField(label, validators=[InputRequired(said), NumberRange(low, high, said)])


class TierForm(Form):
    """One tier: up to an amount, so many people. A row that is not used is left out."""

    up_to = StringField("Up to", filters=[strip], validators=[Optional(), Length(max=40)])
    currency = StringField("Currency", filters=[strip], validators=[Optional(), Length(max=3)])
    applies = SelectField(
        "Applies to",
        choices=options([("all", "All payouts"), ("automatic", "Payouts a program makes by itself")]),
    )
    approvals = SelectField("Approval by", choices=options(_PEOPLE), validators=[Optional()])


class CutOffForm(Form):
    """When a program's payouts leave: until when they can be stopped, and whether nobody has to send them."""

    program = HiddenField()
    at = StringField("Can be stopped until", filters=[strip], validators=[Optional(), Length(max=5)])
    by_itself = BooleanField("Sent without a person once they are approved")


class PolicyForm(FlaskForm):
    """The whole policy. `read` turns it into rules; every problem stands at its own field."""

    version = HiddenField()
    template = HiddenField()
    tiers = FieldList(FormField(TierForm), max_entries=MOST_TIERS)
    separate_payer_above = StringField(
        "Above this amount, who gave the last approval does not pay",
        filters=[strip],
        validators=[Optional()],
    )
    cool_off_hours = _whole("Hours that changed payment details wait", 0, 720, "48")
    method_editor_days = _whole(
        "Days for which who entered payment details does not approve payouts to them", 0, 365, "30"
    )
    minimum = StringField("Smallest automatic payout", filters=[strip], validators=[Optional()])
    retry_minutes = StringField(
        "Minutes until each retry after a passing failure",
        filters=[strip],
        validators=[Optional(), Length(max=60)],
    )
    use_manual = BooleanField(RAIL_LABELS["manual"])
    use_cashfree = BooleanField(RAIL_LABELS["cashfree"])
    use_sandbox = BooleanField(RAIL_LABELS["sandbox"])
    use_bank_file = BooleanField(RAIL_LABELS["bank_file"])
    cut_offs = FieldList(FormField(CutOffForm), max_entries=20)
    solo_on = BooleanField("One person runs this organisation alone")
    solo_delay_hours = _whole("Hours that a payout waits before that person can approve it", 1, 240, "12")
    solo_daily_cap = StringField(
        "Most that can be approved within 24 hours", filters=[strip], validators=[Optional()]
    )
    note = TextAreaField(
        "Why do the rules change?",
        filters=[strip],
        validators=[
            DataRequired("Write a reason, such as “Amounts above 5,000 now need two people.”"),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
    )

    def leave_out(self, rails: Collection[str]) -> None:
        """Do not offer these rails; whoever sends them all the same is not heard."""
        for rail in rails:
            del self[f"use_{rail}"]

    def fill(self, policy: Policy, version: int, programs: Sequence[str], locale: str) -> None:
        """Show a policy, with spare rows for more tiers."""

        def typed(minor: int | None, currency: str) -> str:
            if minor is None:
                return ""
            places = "." + "0" * exponent(currency) if exponent(currency) else ""
            return str(format_decimal(Money(minor, currency).decimal, f"#,##0{places}", locale=locale))

        self.version.data, self.template.data = str(version), policy.template
        for tier in policy.tiers:
            self.tiers.append_entry(
                {
                    "up_to": typed(tier.up_to_minor, tier.currency or policy.currency),
                    "currency": tier.currency or policy.currency,
                    "applies": "automatic" if tier.automatic_only else "all",
                    "approvals": str(tier.approvals),
                }
            )
        self.add_spare_rows(policy.currency)
        self.separate_payer_above.data = typed(policy.separate_payer_above_minor, policy.currency)
        self.cool_off_hours.data, self.method_editor_days.data = (
            policy.cool_off_hours,
            policy.method_editor_days,
        )
        self.minimum.data = typed(policy.minimum_minor or None, policy.currency)
        self.retry_minutes.data = ", ".join(str(minutes) for minutes in policy.retry_minutes)
        for rail in self.rails:
            self[f"use_{rail}"].data = rail in policy.rails
        for program in programs:
            at, by_itself = policy.cut_off.get(program, ""), program in policy.paid_by_itself
            self.cut_offs.append_entry({"program": program, "at": at, "by_itself": by_itself})
        solo = policy.single_operator
        self.solo_on.data, self.solo_delay_hours.data = solo.is_on, solo.delay_hours
        self.solo_daily_cap.data = typed(solo.daily_cap_minor, policy.currency)

    @property
    def rails(self) -> list[str]:
        """The rails that are offered."""
        return [rail for rail in RAILS if f"use_{rail}" in self]

    def add_spare_rows(self, currency: str) -> None:
        """Empty rows below the tiers, as long as there is room."""
        for _ in range(min(SPARE_TIERS, MOST_TIERS - len(self.tiers))):
            self.tiers.append_entry({"currency": currency, "applies": "all", "approvals": ""})

    def read(self, currency: str, locale: str, programs: Sequence[str]) -> dict[str, Any] | None:
        """The rules that the form says; None when a field says why not."""
        rules: dict[str, Any] = {
            "template": "own",
            "currency": currency,
            "tiers": [tier for entry in self.tiers if (tier := self._tier(entry.form, currency, locale))],
            "separate_payer_above_minor": self._amount(self.separate_payer_above, currency, locale),
            "cool_off_hours": self.cool_off_hours.data,
            "method_editor_days": self.method_editor_days.data,
            "minimum_minor": self._amount(self.minimum, currency, locale) or 0,
            "retry_minutes": self._minutes(),
            "rails": [rail for rail in self.rails if self[f"use_{rail}"].data],
            "cut_off": {
                entry.form.program.data: entry.form.at.data
                for entry in self.cut_offs
                if entry.form.at.data and entry.form.program.data in programs
            },
            "paid_by_itself": [
                entry.form.program.data
                for entry in self.cut_offs
                if entry.form.by_itself.data and entry.form.program.data in programs
            ],
            "single_operator": {
                "is_on": bool(self.solo_on.data),
                "delay_hours": self.solo_delay_hours.data,
                "daily_cap_minor": self._amount(self.solo_daily_cap, currency, locale),
            },
        }
        for entry in self.cut_offs:
            if entry.form.at.data and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", entry.form.at.data):
                _say(entry.form.at, "Enter a time such as 17:30.")
        if not rules["rails"]:
            _say(self.use_manual, "Choose at least one way to pay.")
        if self.has_problems:
            return None
        try:
            return from_rules(rules).rules
        except Invalid as error:
            self.form_errors.append(error.reason.removeprefix("Value error, ").capitalize())
            return None

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Everything that is wrong, in the order of the page: the field's id (empty: the whole form), the sentence."""
        rows = [field for row in (*self.tiers, *self.cut_offs) for field in row.form]
        single = [f for f in self if not isinstance(f, FieldList)]
        found = [(field.id, str(message)) for field in (*rows, *single) for message in field.errors]
        return [("", message) for message in self.form_errors] + found

    @property
    def has_problems(self) -> bool:
        """Whether a field, or a row of a list, says that something is wrong."""
        return bool(self.problems)

    def _tier(self, row: TierForm, currency: str, locale: str) -> dict[str, Any] | None:
        if not row.approvals.data:
            if row.up_to.data:
                _say(row.approvals, "Choose how many people approve, or clear the amount.")
            return None
        code = (row.currency.data or currency).upper()
        if not re.fullmatch(r"[A-Z]{3}", code):
            _say(row.currency, f"Enter three letters, such as {currency}.")
            return None
        if row.approvals.data == "0" and row.applies.data != "automatic":
            _say(row.approvals, "Only payouts that a program makes by itself can go without a person.")
        return {
            "up_to_minor": self._amount(row.up_to, code, locale),
            "approvals": int(row.approvals.data) if row.approvals.data.isdigit() else 1,
            "automatic_only": row.applies.data == "automatic",
            "currency": "" if code == currency else code,
        }

    def _amount(self, field: Field, currency: str, locale: str) -> int | None:
        if not field.data:
            return None
        try:
            minor = parse_money(field.data, currency, locale).amount
        except Invalid as error:
            _say(field, error.message)
            return None
        if minor < 0:
            _say(field, "Enter an amount of zero or more, such as 5,000.00.")
        return minor

    def _minutes(self) -> list[int]:
        parts = [part for part in re.split(r"[\s,;]+", self.retry_minutes.data or "") if part]
        if len(parts) > 10 or any(not part.isdigit() or not 1 <= int(part[:6]) <= 10_080 for part in parts):
            _say(self.retry_minutes, "Enter up to ten whole numbers of minutes, such as 5, 15, 45.")
            return []
        return [int(part) for part in parts]


def _say(field: Field, message: str) -> None:
    field.errors = [*field.errors, message]
