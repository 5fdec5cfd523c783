"""The forms of what is done with a driver's money. Every field is named here; nothing else is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from wtforms import HiddenField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from webapp.kernel.errors import Invalid
from webapp.kernel.money import parse_money
from webapp.programs.repairs.correcting import CorrectionLine
from webapp.programs.repairs.drafts import ChargeDraft, LoanDraft
from webapp.programs.repairs.driver_lists import OpenCharge
from webapp.programs.repairs.rules import CURRENT, NEXT
from webapp.programs.repairs.states import Category, PaymentMethod
from webapp.web.fields import options, strip
from webapp.web.form_fields import (
    ActForm,
    AmountField,
    PercentField,
    day_field,
    optional,
    reason_field,
    required,
)

_CHARGED = [(str(each), each.label) for each in Category if each not in (Category.REPAIRS, Category.LOANS)]
STARTS = (
    (NEXT, "In the week after the coming one"),
    (CURRENT, "In the coming week, or today where it begins"),
)
CORRECTION_EXAMPLE = "tolls; The toll of 8 Oct was another driver's; 12.50"


class ChargeForm(ActForm):
    """Something a driver is charged for."""

    category = SelectField(
        "Category", choices=options(_CHARGED, "Choose one"), validators=[InputRequired("Choose a category.")]
    )
    description = required("For", "Enter what it is for. Example: Bridge toll, 3 Oct", 300)
    amount = AmountField("Amount", example="6.94")
    charged_on = day_field("Day", must=True, description="In this week or before it.")
    key = HiddenField()

    def draft(self, payee_id: int) -> ChargeDraft:
        """The form as the service takes it."""
        return ChargeDraft(
            payee_id,
            self.category.data,
            self.description.data or "",
            self.amount.minor or 0,
            self.charged_on.data or date.min,
            f"page:{self.key.data}" if self.key.data else "",
        )


class PaymentForm(ActForm):
    """What a driver pays between the receipts; `payment_form` adds a field for each debt."""

    amount = AmountField("Amount received", example="100.00")
    method = SelectField("Method", choices=options(PaymentMethod.choices()))
    received_on = day_field("Received on", must=True)
    note = optional("Note", 300)
    key = HiddenField()

    def parts(self, debts: Sequence[OpenCharge]) -> list[tuple[int, int]]:
        """(charge id, amount) of the debts chosen."""
        found = [(debt.id, self[f"debt_{debt.id}"].minor) for debt in debts if f"debt_{debt.id}" in self]
        return [(charge_id, amount) for charge_id, amount in found if amount]


@lru_cache(maxsize=64)
def payment_form(charge_ids: tuple[int, ...]) -> type[PaymentForm]:
    """The form of a payment with an amount for each of these debts."""
    fields: dict[str, Any] = {
        f"debt_{charge_id}": AmountField("For this debt", example="25.00", must=False)
        for charge_id in charge_ids
    }
    return type("PaymentOfDebtsForm", (PaymentForm,), fields)


class CreditForm(ActForm):
    """A credit on the next receipt."""

    amount = AmountField("Amount", example="25.00")
    reason = required("For", "Enter what the credit is for. Example: Waited for the workshop", 300)
    key = HiddenField()


class DepositForm(ActForm):
    """A deposit that is given back."""

    amount = AmountField("Amount", example="500.00")
    key = HiddenField()


class LoanForm(ActForm):
    """Money lent to a driver."""

    principal = AmountField("Amount lent", example="1,200.00")
    percent = PercentField(
        "Interest of a year in %", example="10", description="Simple, on what is left; 0 for none."
    )
    lent_on = day_field("Handed over on", must=True)
    start = SelectField("First instalment", choices=options(STARTS))
    note = TextAreaField("Note", [Optional(), Length(max=2000)], filters=[strip])
    key = HiddenField()

    def draft(self, payee_id: int) -> LoanDraft:
        """The form as the service takes it."""
        return LoanDraft(
            payee_id,
            self.principal.minor or 0,
            self.percent.number if self.percent.data else Decimal(0),
            self.lent_on.data or date.min,
            self.start.data,
            self.note.data or "",
        )


class LeaveForm(ActForm):
    """A driver leaves."""

    last_day = day_field("Last day of the lease", must=True)
    reason = reason_field(example="The driver moved away.")
    # What the page said is charged at once, in minor units; in place of a version.
    version = HiddenField()

    @property
    def seen_minor(self) -> int | None:
        """The sum that the page showed."""
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


class ReissueForm(ActForm):
    """What was wrong on a receipt."""

    lines = TextAreaField(
        "What was wrong",
        [InputRequired(f"Enter at least one line. Example: {CORRECTION_EXAMPLE}"), Length(max=20_000)],
        filters=[strip],
        description="One a line: category; what was wrong; by how much the driver gets more, or with a minus less.",
    )
    reason = reason_field("Why it is issued again", "A toll was another driver's.")

    def corrections(self) -> list[CorrectionLine]:
        """The lines. Raises Invalid that names the line at fault."""
        names = {word.casefold(): str(each) for each in Category for word in (each.value, each.label)}
        found = []
        for n, text in enumerate((self.lines.data or "").splitlines(), start=1):
            if not text.strip():
                continue
            parts = [part.strip() for part in text.split(";")]
            if len(parts) != 3 or parts[0].casefold() not in names:
                known = ", ".join(each.label for each in Category)
                raise Invalid("lines", f"Line {n} cannot be read. Categories: {known}.", CORRECTION_EXAMPLE)
            found.append(CorrectionLine(names[parts[0].casefold()], parts[1], self._signed(parts[2], n)))
        return found

    def _signed(self, text: str, n: int) -> int:
        """An amount with its sign, in minor units."""
        sign = -1 if text[:1] in ("-", "−") else 1
        try:
            return sign * parse_money(text.lstrip("-−+ "), self.currency, self.locale).amount
        except Invalid as error:
            raise Invalid("lines", f"Line {n}: {error.message}", CORRECTION_EXAMPLE) from error


class CheckForm(ActForm):
    """An act that only needs to be looked at."""
