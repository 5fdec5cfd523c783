"""Shapes of the admins' forms around rent that goes back, and money that does not agree with our books."""

from __future__ import annotations

from typing import Any

from wtforms import SelectField
from wtforms.validators import InputRequired, Optional

from webapp.programs.rentals.models import Choice, ExcessTo
from webapp.web.fields import options
from webapp.web.form_fields import ActForm, AmountField, optional, reason_field, required


class RefundForm(ActForm):
    """Rent that goes back to the tenant."""

    amount = AmountField("Amount", example="10,000.00")
    reason = reason_field(example="Paid twice.")


def _bearer(**kwargs: Any) -> SelectField:
    """Who bears what left twice."""
    return SelectField(
        "What is more than the payment has left",
        choices=options(ExcessTo.choices(), "Choose…"),
        validators=[Optional()],
        **kwargs,
    )


class SettleForm(ActForm):
    """What becomes of a payment of which another amount came."""

    choice = SelectField(
        "What becomes of it",
        choices=options([(c.value, c.label) for c in (Choice.ACCEPT, Choice.REFUND_ALL)], "Choose…"),
        validators=[InputRequired("Choose whether it is accepted or goes back.")],
    )
    reason = reason_field(example="The tenant typed the amount into their own app.")


class SettleRefundForm(ActForm):
    """What becomes of a refund that is left to people."""

    choice = SelectField("What becomes of it", validators=[InputRequired("Choose what becomes of it.")])
    hand_reference = optional(
        "Bank's reference",
        120,
        description="Of the transfer by which you gave it back, where it was settled by hand.",
    )
    excess_to = _bearer()
    reason = reason_field(example="PhonePe refused it; we sent it from the bank.")


class ChargebackForm(RefundForm):
    """Rent that the tenant's bank took back."""

    excess_to = _bearer(
        description="Only where the rent went back already, or more is taken than it: the money then leaves twice."
    )

    case_number = required(
        "Case number", "Enter the gateway's number of the case. Example: CB-20261104-17", 60
    )
