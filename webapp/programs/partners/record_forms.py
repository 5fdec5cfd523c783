"""The forms of programs and partners. Every field is named here; nothing else is read."""

from __future__ import annotations

from typing import Any

from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from webapp.kernel.checks import check_currency
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import digest
from webapp.kernel.money import Money, parse_money
from webapp.programs.partners import rules
from webapp.programs.partners.drafts import ProfileDraft, ProgramDraft
from webapp.programs.partners.models import PartnerProfile, PartnerProgram
from webapp.programs.partners.record_lists import PartnerFilter
from webapp.programs.partners.states import Model, PartnerType, PeriodKind, Tier, TouchType
from webapp.web.fields import options, strip
from webapp.web.filter_fields import ListFilter, search
from webapp.web.form_fields import (
    ActForm,
    PercentField,
    optional,
    required,
)

_PLAIN = (
    "name", "model", "period", "holding_days", "final_days", "is_automatic", "partners_may_request", "is_active",
)  # fmt: skip


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.weights:
            field.flags.optional = False

    @property
    def weights(self) -> list[Any]:
        """The fields of the weights of the kinds of touches."""
        return [self[weight_name(kind)] for kind in TouchType]

    def draft(self) -> ProgramDraft:
        """The form as the service takes it. Raises Invalid for a line of the smallest payouts."""
        weights = {str(kind): self[weight_name(kind)].data or 0 for kind in TouchType}
        if not any(weights.values()) and self.model.data == Model.ROLE:
            raise Invalid(weight_name(TouchType.REFERRAL), "Give at least one kind of touch a weight.", "40")
        ref = self.external_ref.data if "external_ref" in self else None
        return ProgramDraft(
            name=self.name.data or "",
            model=self.model.data,
            role_weights={} if weights == rules.ROLE_WEIGHTS or not any(weights.values()) else weights,
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
