"""The forms of commission rules. Every field is named here; nothing else is read."""

from __future__ import annotations

from typing import Any

from wtforms import Form, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.programs.partners import rules
from webapp.programs.partners.drafts import RuleDraft
from webapp.programs.partners.models import PartnerRuleVersion
from webapp.programs.partners.record_forms import CheckedForm, RateField, percent_of
from webapp.programs.partners.states import PartnerType, Tier
from webapp.web.fields import options, strip
from webapp.web.form_fields import ActForm, AmountField, day_field, optional, reason_field, required

_EVERY = "Every one"


class CheckForm(ActForm):
    """An act that only needs to be looked at."""


class ReasonForm(ActForm):
    """An act that only needs a reason."""

    reason = reason_field("Reason", "We agreed on 12 %.")


class EndForm(ActForm):
    """The last day of something that goes on."""

    last_day = day_field("Last day", must=True)


def _period(label: str, example: str) -> StringField:
    words = f"A month or a quarter. Example: {example}"
    return StringField(label, [Length(max=10, message=words)], filters=[strip], description=words)


class SpanForm(Form):
    """From which month or quarter to which the past is replayed."""

    since = _period("From", "2026-02")
    until = _period("To", "2026-Q1")


class RuleForm(CheckedForm):
    """A version of a commission rule, and the past that it is tried on before it is saved."""

    name = required("Name", "Enter a name for the rule. Example: Resellers, gold", 200)
    rate = RateField("Rate in %", example="12.5", description="Of what is attributed to the partner.")
    program = SelectField("Program", choices=options((), _EVERY))
    partner_type = SelectField("Type of partner", choices=options(PartnerType.choices(), _EVERY))
    tier = SelectField("Tier", choices=options(Tier.choices(), _EVERY))
    product = optional("Product", 200, description="Left empty: every product.")
    in_currency = StringField(
        "Currency",
        [Optional(), Length(max=3, message="Write three letters. Example: USD")],
        filters=[strip],
        description="The rule is for deals in it, and its amounts are in it. Left empty: every currency, no amounts.",
    )
    least_deal = AmountField("Deals of at least", example="1,000.00", must=False)
    months = IntegerField(
        "Months",
        [Optional()],
        description="For deals that close so long after the partner's first one. Left empty: always.",
    )
    floor = AmountField("Commission of at least", example="10.00", must=False)
    cap = AmountField("Commission of at most", example="500.00", must=False)
    retainer = AmountField("Retainer for each period", example="250.00", must=False)
    priority = IntegerField(
        "Priority",
        [InputRequired("Enter a whole number. Example: 10")],
        description="The lowest number that fits counts.",
    )
    valid_from = day_field(
        "Counts from", description="By the day on which a deal was won. Left empty: always."
    )
    note = TextAreaField("Note", [Optional(), Length(max=2000)], filters=[strip])
    since = _period("From", "2026-02")
    until = _period("To", "2026-Q1")

    def validate(self, extra_validators: Any = None) -> bool:
        """As usual; its amounts are read in its own currency."""
        typed = (self.in_currency.data or "").upper()
        self.in_currency.data = typed
        if len(typed) == 3 and typed.isascii() and typed.isalpha():
            self.currency = typed
        return super().validate(extra_validators)

    def draft(self) -> RuleDraft:
        """The form as the service takes it."""
        # One of the organisation's: the choices are.
        program = self.program.data
        return RuleDraft(
            name=self.name.data or "",
            rate_bp=self.rate.basis_points,
            program_id=int(program) if program else None,
            partner_type=self.partner_type.data or "",
            tier=self.tier.data or "",
            product=self.product.data or "",
            currency=self.in_currency.data or "",
            least_deal_minor=self.least_deal.minor or 0,
            months=self.months.data,
            floor_minor=self.floor.minor,
            cap_minor=self.cap.minor,
            retainer_minor=self.retainer.minor or 0,
            priority=-1 if self.priority.data is None else self.priority.data,
            valid_from=self.valid_from.data,
            note=self.note.data or "",
        )

    def fill(self, version: PartnerRuleVersion) -> None:
        """Show a version as it is."""
        for name in ("name", "partner_type", "tier", "product", "months", "priority"):
            self[name].data = getattr(version, name)
        self.rate.data, self.in_currency.data = percent_of(version.rate_bp), version.currency
        self.program.data = str(version.program_id or "")
        for name in ("least_deal", "floor", "cap", "retainer"):
            minor = getattr(version, f"{name}_minor")
            nothing = minor is None or (not minor and name in ("least_deal", "retainer"))
            self[name].data = "" if nothing else Money(minor, version.currency).plain

    def span(self) -> tuple[rules.Period, rules.Period]:
        """The past that is replayed. Raises Invalid of its fields."""
        return read_span(self.since.data or "", self.until.data or "")


def read_span(since: str, until: str) -> tuple[rules.Period, rules.Period]:
    """Two periods, the first not behind the last. Raises Invalid of `since` or `until`."""
    found = []
    for name, text in (("since", since), ("until", until)):
        try:
            found.append(rules.period(text))
        except Invalid as error:
            raise Invalid(name, "Write a month or a quarter.", "2026-02 or 2026-Q1") from error
    first, last = found
    if first.first > last.last:
        raise Invalid("until", "It ends before it begins.", first.text)
    return first, last
