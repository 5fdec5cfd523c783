"""The forms of programs, partners and rules. Every field is named here; nothing else is read."""

from __future__ import annotations

from typing import Any

from wtforms import (
    BooleanField,
    Form,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.checks import check_currency
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.kernel.money import Money, parse_money
from webapp.programs.partners import rules
from webapp.programs.partners.drafts import ProfileDraft, ProgramDraft, RuleDraft
from webapp.programs.partners.models import PartnerProfile, PartnerProgram, PartnerRuleVersion
from webapp.programs.partners.record_lists import PartnerFilter
from webapp.programs.partners.states import Model, PartnerType, PeriodKind, Tier, TouchType
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import (
    ActForm,
    AmountField,
    PercentField,
    day_field,
    optional,
    reason_field,
    required,
)

_EVERY = "Every one"
_PLAIN = (
    "name", "model", "period", "holding_days", "final_days", "is_automatic", "partners_may_request", "is_active",
)  # fmt: skip


class CheckForm(ActForm):
    """An act that only needs to be looked at."""


class ReasonForm(ActForm):
    """An act that only needs a reason."""

    reason = reason_field("Reason", "We agreed on 12 %.")


class EndForm(ActForm):
    """The last day of something that goes on."""

    last_day = day_field("Last day", must=True)


class RateField(PercentField):
    """Per cent with at most two decimals; `basis_points` holds it once it was read."""

    @property
    def basis_points(self) -> int:
        """Of ten thousand."""
        return int(self.number * 100)

    def pre_validate(self, form: Any) -> None:
        """Read the text."""
        super().pre_validate(form)
        if self.number * 100 != int(self.number * 100):
            raise ValidationError("Enter per cent from 0 to 100, with at most two decimals. Example: 7.25")


def percent_of(basis_points: int) -> str:
    """Basis points as people type per cent: "5", "7.25"."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


class CheckedForm(ActForm):
    """A form that shows what saving it does before it saves: `seen` is what was shown."""

    seen = HiddenField()

    def has_seen(self, told: Any) -> bool:
        """Whether exactly this was shown before; it is from now on."""
        now = digest(told)
        is_same = self.seen.data == now
        self.seen.data = now
        return is_same


class ProgramForm(CheckedForm):
    """A program."""

    name = required("Name", "Enter the name of the program. Example: Referral partners", 200)
    model = RadioField(
        "Who earns what of a deal",
        choices=options((str(model), f"{model.label}. {model.sentence}") for model in Model),
        validators=[InputRequired("Choose one of the models.")],
    )
    period = SelectField("Payouts are made for a", choices=options(PeriodKind.choices()))
    holding_days = IntegerField(
        "Holding period, in days",
        [InputRequired("Enter a whole number of days from 0 to 90. Example: 30")],
        description="A commission becomes due so many days after its deal was won. 0 to 90.",
    )
    final_days = IntegerField(
        "Days until it is final",
        [InputRequired("Enter a whole number of days from 0 to 3650. Example: 365")],
        description="So long after it was paid a commission can be taken back. 0 to 3650.",
    )
    minimums = TextAreaField(
        "Smallest payout",
        [Optional(), Length(max=1000)],
        filters=[strip],
        description="One a line, a currency and an amount; less rolls over to the next period. Example: USD 50.00",
    )
    is_automatic = BooleanField(
        "Payouts are made by themselves", description="On the day after a month or a quarter ends."
    )
    partners_may_request = BooleanField(
        "Partners may ask for their payout", description="Once what is due reaches the smallest payout."
    )
    external_ref = optional("Your reference", 120)
    is_active = BooleanField("In use: deals can be entered for it")

    @property
    def weights(self) -> list[Any]:
        """The fields of the weights of the kinds of touches."""
        return [self[weight_name(kind)] for kind in TouchType]

    def draft(self) -> ProgramDraft:
        """The form as the service takes it. Raises Invalid for a line of the smallest payouts."""
        weights = {str(kind): self[weight_name(kind)].data or 0 for kind in TouchType}
        ref = self.external_ref.data if "external_ref" in self else None
        return ProgramDraft(
            name=self.name.data or "",
            model=self.model.data,
            role_weights={} if weights == rules.ROLE_WEIGHTS else weights,
            period=self.period.data,
            holding_days=-1 if self.holding_days.data is None else self.holding_days.data,
            final_days=-1 if self.final_days.data is None else self.final_days.data,
            minimums=self._minimums(),
            is_automatic=bool(self.is_automatic.data),
            partners_may_request=bool(self.partners_may_request.data),
            is_active=bool(self.is_active.data),
            external_ref=ref or None,
        )

    def _minimums(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in (self.minimums.data or "").splitlines():
            if not line.strip():
                continue
            currency, _, amount = line.strip().partition(" ")
            currency = currency.upper()
            check_currency("minimums", currency)
            if not amount.strip() or currency in found:
                raise Invalid("minimums", f"“{line.strip()}” cannot be read, or is there twice.", "USD 50.00")
            try:
                found[currency] = parse_money(amount, currency, self.locale).amount
            except Invalid as error:
                raise Invalid("minimums", f"“{line.strip()}” cannot be read.", "USD 50.00") from error
        return found

    def fill(self, row: PartnerProgram | None) -> None:
        """Show a program as it is, or what a new one usually is."""
        draft = ProgramDraft("") if row is None else None
        shown: Any = row or draft
        for name in _PLAIN:
            self[name].data = getattr(shown, name)
        self.minimums.data = "\n".join(
            f"{code} {Money(int(minor), code).plain}" for code, minor in sorted(shown.minimums.items())
        )
        self.fill_weights(shown.role_weights)
        self.version.data = str(row.version) if row else ""

    def fill_weights(self, weights: Any) -> None:
        """Show the weights of the kinds of touches; the usual ones where a program has none of its own."""
        for kind in TouchType:
            self[weight_name(kind)].data = (weights or rules.ROLE_WEIGHTS).get(str(kind), 0)


def weight_name(kind: TouchType) -> str:
    """The name of the field of a kind's weight."""
    return f"weight_{kind}"


for _kind in TouchType:
    _words = "Enter a whole number from 0 to 1,000,000. Example: 40"
    setattr(
        ProgramForm,
        weight_name(_kind),
        IntegerField(_kind.label, [Optional(), NumberRange(0, 1_000_000, _words)]),
    )


class ProfileForm(ActForm):
    """What kind of partner somebody is."""

    type = SelectField("Type", choices=options(PartnerType.choices()))
    tier = SelectField("Tier", choices=options(Tier.choices()))
    rate = RateField("Own rate in %", example="5", description="What they get of a deal where no rule fits.")

    def draft(self) -> ProfileDraft:
        """The form as the service takes it."""
        return ProfileDraft(self.type.data, self.tier.data, self.rate.basis_points)

    def fill(self, row: PartnerProfile) -> None:
        """Show a profile as it is."""
        self.type.data, self.tier.data, self.rate.data = row.type, row.tier, percent_of(row.rate_bp)
        self.version.data = str(row.version)


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


class PartnerFilterForm(ListFilter):
    """The list of partners."""

    q = search()
    type = SelectField("Type", choices=options(PartnerType.choices(), "Every type"))
    tier = SelectField("Tier", choices=options(Tier.choices(), "Every tier"))
    state = SelectField("State", choices=options((("active", "Active"), ("inactive", "Not active")), "All"))

    def chosen(self) -> PartnerFilter:
        """The filter as the list takes it."""
        return PartnerFilter(
            self.q.data or "", self.type.data or "", self.tier.data or "", self.state.data or ""
        )
