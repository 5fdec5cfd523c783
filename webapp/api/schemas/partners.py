"""Partners, their programs and their claims on deals as the API shows and takes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from webapp.api.schemas.common import (
    Amount,
    AmountIn,
    Day,
    DecimalText,
    ExactOut,
    In,
    Instant,
    Note,
    Out,
    PageQuery,
    PayeeRef,
    Reason,
    Text,
    Version,
    _plain,
)

PartnerTypeWord = Literal["affiliate", "referral", "reseller", "integration"]
TierWord = Literal["bronze", "silver", "gold", "platinum"]
ModelWord = Literal["first_touch", "last_touch", "equal", "time_decay", "role", "custom"]
PeriodWord = Literal["month", "quarter"]
TouchWord = Literal[
    "referral", "introduction", "demo", "proposal", "content", "negotiation", "other", "sourcer", "influencer",
    "implementer", "closer",
]  # fmt: skip
RegistrationWord = Literal["pending", "approved", "rejected", "withdrawn"]
FlagWord = Literal["true", "false"]
StandingWord = Literal["holding", "due", "disputed", "rejected", "dismissed", "claimed", "paid", "cancelled"]

Name = Annotated[str, AfterValidator(_plain), Field(min_length=1, max_length=120)]
partner_filter = Field(
    None, max_length=120, description="Reference of a partner. Staff only.", examples=["PY-0001"]
)
program_filter = Field(None, max_length=120, description="Reference of a program.", examples=["PP-0001"])
deal_filter = Field(None, max_length=120, description="Reference of a deal.", examples=["DL-000001"])
seen = Field(None, description="Of the record as you saw it; another one answers 409.")


class PartnerSums(Out):
    """What a partner earned in one currency; currencies are never added together."""

    earned: Amount = Field(description="Everything, what was taken back netted.")
    paid: Amount
    owed: Amount = Field(description="Earned and not paid yet.")


class PartnerOut(Out):
    """A payee who brings deals."""

    reference: str = Field(examples=["PY-0001"])
    external_ref: str | None = Field(examples=["crm-7"])
    name: str = Field(examples=["Anna Snelling"])
    email: str = Field(examples=["anna@partnerbase.example"])
    is_active: bool = Field(examples=[True])
    type: PartnerTypeWord = Field(examples=["reseller"])
    tier: TierWord = Field(examples=["gold"])
    percent: ExactOut = Field(description="Where no rule fits.", examples=["5"])
    sums: list[PartnerSums] = Field(description="One for each currency.")
    version: int = Field(description="Of type, tier and percent; 0 while nobody has said them.", examples=[1])


class PartnerPage(Out):
    """One page of partners, the newest first."""

    items: list[PartnerOut]
    next_cursor: str | None = Field(examples=[None])


class PartnerQuery(PageQuery):
    """Which partners, and which page of them."""

    search: Text | None = Field(
        None, max_length=120, description="A part of name, reference or e-mail address.", examples=["Anna"]
    )
    type: PartnerTypeWord | None = Field(None, examples=["reseller"])
    tier: TierWord | None = Field(None, examples=["gold"])
    is_active: FlagWord | None = Field(None, examples=["true"])


class ProfileChange(In):
    """What makes a payee a partner. `/payees` adds and changes the payee."""

    type: PartnerTypeWord = Field(examples=["reseller"])
    tier: TierWord = Field(examples=["gold"])
    percent: DecimalText = Field(
        description="0 to 100, at most two decimals; counts where no rule fits.", examples=["5"]
    )
    version: Version | None = seen


class StateSum(Out):
    """How many commissions stand so, and what they come to, in one currency."""

    state: StandingWord = Field(examples=["due"])
    count: int = Field(examples=[4])
    amount: Amount


class PartnerSummary(Out):
    """What a partner has earned and what comes next, each currency by itself."""

    partner: PayeeRef
    items: list[StateSum] = Field(description="Commissions by state and currency.")
    lifetime: list[Amount] = Field(description="Earned, what was taken back netted.")
    pending: list[Amount] = Field(description="Earned and not paid.")
    year_to_date: list[Amount] = Field(description="Earned since 1 January in the organisation's time zone.")
    taken_back: list[Amount] = Field(description="Below zero.")
    open_deals: int = Field(examples=[3])
    won_deals: int = Field(examples=[12])
    lost_deals: int = Field(examples=[2])
    pending_registrations: int = Field(examples=[1])


class RoleWeight(Out):
    """How much a kind of touch weighs in the model by role."""

    type: TouchWord = Field(examples=["referral"])
    weight: int = Field(examples=[40])


class ProgramOut(Out):
    """Deals of one kind: how they are attributed, how long commissions wait, and when they are paid."""

    reference: str = Field(examples=["PP-0001"])
    external_ref: str | None = Field(examples=["P-1"])
    name: str = Field(examples=["Referral partners"])
    model: ModelWord = Field(examples=["equal"])
    model_words: str = Field(
        description="The model in a sentence.", examples=["The same to every partner who took part."]
    )
    role_weights: list[RoleWeight] = Field(description="In the model by role.")
    period: PeriodWord = Field(examples=["month"])
    holding_days: int = Field(description="After the close, before a commission is due.", examples=[30])
    final_days: int = Field(
        description="After it was paid, in which a commission can be taken back.", examples=[365]
    )
    minimums: list[Amount] = Field(description="Less than this rolls over to the next period.")
    partners_may_request: bool = Field(examples=[False])
    is_automatic: bool = Field(
        description="Its payouts are made by themselves after each period.", examples=[True]
    )
    is_active: bool = Field(examples=[True])
    version: int = Field(examples=[1])


class ProgramPage(Out):
    """One page of programs, the newest first."""

    items: list[ProgramOut]
    next_cursor: str | None = Field(examples=[None])


class ProgramQuery(PageQuery):
    """Which programs, and which page of them."""

    is_active: FlagWord | None = Field(None, examples=["true"])


class RegistrationOut(Out):
    """A partner's own claim on a deal. Accepting it names the partner in the deal; it makes no money."""

    reference: str = Field(examples=["DR-0001"])
    partner: PayeeRef
    program: str = Field(description="Reference.", examples=["PP-0001"])
    customer: str = Field(examples=["Acme Corporation"])
    product: str = Field(examples=["GTX Pro"])
    expected: Amount
    note: str = Field(examples=["They asked for 20 seats."])
    state: RegistrationWord = Field(examples=["pending"])
    reason: str = Field(description="Why it was refused.", examples=[""])
    deal: str | None = Field(description="The deal that names the partner.", examples=[None])
    warnings: list[str] = Field(
        description="What to look at before it is accepted. Staff only.",
        examples=[["There are deals with this customer already: DL-000007."]],
    )
    created_at: Instant = Field(examples=["2026-11-21T09:00:00.000Z"])
    decided_by: str | None = Field(description="Staff only.", examples=[None])
    decided_at: Instant | None = Field(examples=[None])
    version: int = Field(examples=[1])


class RegistrationPage(Out):
    """One page of registrations, the newest first."""

    items: list[RegistrationOut]
    next_cursor: str | None = Field(examples=[None])


class RegistrationQuery(PageQuery):
    """Which registrations, and which page of them."""

    partner: Text | None = partner_filter
    program: Text | None = program_filter
    state: RegistrationWord | None = Field(None, examples=["pending"])
    search: Text | None = Field(
        None,
        max_length=120,
        description="A part of reference, customer or product.",
        examples=["Acme"],
    )
    created_from: Day | None = Field(
        None, description="Came in on this day or later, in the organisation's time zone.", examples=["2026-11-01"]
    )  # fmt: skip
    created_to: Day | None = Field(None, examples=["2026-11-30"])


class RegistrationCreate(In):
    """A deal that a partner brings."""

    partner: Name | None = Field(
        None,
        description="Reference of the partner. A partner's own token leaves it out; staff name whom they write for.",
        examples=["PY-0001"],
    )
    program: Name | None = Field(
        None,
        description="Reference; needed where there are several programs in use.",
        examples=["PP-0001"],
    )
    customer: Text = Field(min_length=1, max_length=200, examples=["Acme Corporation"])
    product: Text = Field("", max_length=200, examples=["GTX Pro"])
    expected: AmountIn = Field(description="What the deal may come to: more than zero.")
    note: Note = Field("", examples=["They asked for 20 seats."])


class RegistrationAccept(In):
    """A yes: a new deal, or the partner's name in one that is open."""

    deal: Name | None = Field(
        None, description="Reference of an open deal; a new one is made when left out.", examples=[None]
    )
    version: Version | None = seen


class RegistrationRefuse(In):
    """A no; the partner reads the reason."""

    reason: Reason = Field(examples=["We talk to this customer ourselves."])
    version: Version | None = seen


class RegistrationSeen(In):
    """What was looked at."""

    version: Version | None = seen
