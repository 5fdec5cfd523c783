"""The forms of deals, touches, registrations and disputes. Every field is named here; nothing else is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from wtforms import IntegerField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional, ValidationError

from webapp.kernel.checks import check_amount
from webapp.kernel.clock import local_date, start_of_day
from webapp.kernel.money import Money
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Deal
from webapp.programs.partners.states import TouchType
from webapp.web.fields import options, strip
from webapp.web.form_fields import ActForm, AmountField, day_field, optional, reason_field, required

ACCEPT, REFUSE, NEW_DEAL = "accept", "refuse", "new"
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_OFFERED = {"list": "offered-partners", "autocomplete": "off"}


def _not_long_ago(form: Any, field: Any) -> None:
    """A day that a time zone can be asked about."""
    if field.data is not None and field.data.year < 1970:
        raise ValidationError("Enter a day from 1970 on. Example: 2026-10-31")


class CheckForm(ActForm):
    """An act that only needs to be looked at."""


class DealForm(ActForm):
    """A deal; amounts are read in its own currency."""

    name = required("What the deal is about", "Say what the deal is about. Example: Acme: 20 seats", 200)
    program = SelectField("Program", choices=options(()))
    customer = optional("Customer", 200)
    product = optional("Product", 200, description="Rules can be for one product.")
    code = StringField(
        "Currency",
        [
            InputRequired("Enter a currency. Example: USD"),
            Length(max=3, message="Write three letters. Example: USD"),
        ],
        filters=[strip],
        render_kw={"autocomplete": "off"},
    )
    amount = AmountField("Amount", example="5,000.00")
    opened_on = day_field("Began on", must=True)
    registered_by = optional(
        "Registered by",
        20,
        description="The number of a partner, where one registered the deal.",
        render_kw=_OFFERED,
    )
    reason = reason_field("Reason for the change", "The customer gave two seats back.")

    def __init__(self, *args: Any, programs: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.program.choices = options(programs)

    validate_opened_on = _not_long_ago

    def validate(self, extra_validators: Any = None) -> bool:
        """As usual; its amount is read in its own currency."""
        typed = (self.code.data or "").upper()
        self.code.data = typed
        if len(typed) == 3 and typed.isascii() and typed.isalpha():
            self.currency = typed
        return super().validate(extra_validators)

    def fill(self, deal: Deal, timezone: str) -> None:
        """Show a deal as it is."""
        for name in ("name", "customer", "product"):
            self[name].data = getattr(deal, name)
        self.code.data, self.program.data = deal.currency, deal.program.reference
        self.amount.data = Money(deal.amount_minor, deal.currency).plain
        self.opened_on.data = local_date(deal.opened_at, timezone)
        self.registered_by.data = deal.registered_by.reference if deal.registered_by else ""
        self.version.data = str(deal.version)

    def draft(
        self, program_id: int, registered_by_id: int | None, timezone: str, before: Deal | None = None
    ) -> DealDraft:
        """The form as the service takes it; the instant at which a deal began stays when its day does.

        Raises Invalid for an amount of nothing.
        """
        check_amount("amount", self.amount.minor or 0, "5,000.00")
        day = self.opened_on.data or date.min
        is_same_day = before is not None and local_date(before.opened_at, timezone) == day
        return DealDraft(
            program_id=program_id,
            name=self.name.data or "",
            currency=self.code.data or "",
            amount_minor=self.amount.minor or 0,
            opened_at=before.opened_at if before is not None and is_same_day else start_of_day(day, timezone),
            customer=self.customer.data or "",
            product=self.product.data or "",
            registered_by_id=registered_by_id,
        )


class WinForm(ActForm):
    """The day on which a deal was won."""

    closed_on = day_field("Won on", must=True)
    validate_closed_on = _not_long_ago


class LoseForm(ActForm):
    """Why a deal is lost, and when."""

    closed_on = day_field("Lost on", must=True)
    validate_closed_on = _not_long_ago
    reason = reason_field(example="The customer chose another offer.")


class RefundForm(ActForm):
    """Why a deal that was won is not any more."""

    reason = reason_field(example="The customer was refunded.")


class TouchForm(ActForm):
    """What a partner did for a deal, and when."""

    partner = required(
        "Partner", "Name the partner. Example: PY-0003", 20, description="Their number.", render_kw=_OFFERED
    )
    kind = SelectField("What they did", choices=options(TouchType.choices()))
    happened_on = day_field("Day", must=True)
    at = StringField(
        "Time",
        [Optional()],
        filters=[strip],
        description="Where it matters who came first. Left empty: the beginning of the day. Example: 14:30",
        render_kw={"autocomplete": "off"},
    )
    weight = IntegerField(
        "Weight",
        [Optional()],
        description="Counts in programs that go by the touches' own weights. Left empty: 1.",
    )

    validate_happened_on = _not_long_ago

    def validate_at(self, field: StringField) -> None:
        """A time of the day."""
        if field.data and not _TIME.fullmatch(field.data):
            raise ValidationError("Enter a time from 0:00 to 23:59. Example: 14:30")

    def draft(self, payee_id: int, timezone: str) -> TouchDraft:
        """The form as the service takes it."""
        found = _TIME.fullmatch(self.at.data or "0:00")
        hours, minutes = (int(found[1]), int(found[2])) if found else (0, 0)
        day = self.happened_on.data or date.min
        return TouchDraft(
            payee_id=payee_id,
            type=self.kind.data,
            happened_at=datetime.combine(day, time(hours, minutes), ZoneInfo(timezone)),
            weight=1 if self.weight.data is None else self.weight.data,
        )


class AcceptForm(ActForm):
    """Which deal a registration becomes, or belongs to."""

    deal = RadioField(
        "Deal",
        choices=options(((NEW_DEAL, "Make a new deal of it"),)),
        default=NEW_DEAL,
        validators=[InputRequired("Choose what becomes of it.")],
    )

    def offer(self, deals: Sequence[tuple[str, str]]) -> None:
        """Offer open deals, (number, words) of each, that may be the same."""
        self.deal.choices = options(
            [
                (NEW_DEAL, "Make a new deal of it"),
                *((number, f"It is {number}: {words}") for number, words in deals),
            ]
        )


class RefuseForm(ActForm):
    """Why a registration is refused; the partner reads it."""

    reason = reason_field("Reason, which the partner reads", "We talk to this customer ourselves.")


class DecideForm(ActForm):
    """Whether an objection is right, and the answer."""

    choice = RadioField(
        "Decision",
        choices=options(
            (
                (ACCEPT, "Accept: the deal, its touches or the rule are corrected"),
                (REFUSE, "Refuse: the commission stays as it is"),
            )
        ),
        validators=[InputRequired("Choose whether the partner is right.")],
    )
    answer = TextAreaField(
        "Answer to the partner",
        [
            InputRequired("Tell the partner why. Example: The deal was over 10,000.00, as the order says."),
            Length(max=2000, message="Write at most 2,000 characters."),
        ],
        filters=[strip],
    )
