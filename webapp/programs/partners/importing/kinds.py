"""The lists of this program: partners, deals, touches and exchange rates."""

from __future__ import annotations

from dataclasses import replace

from webapp.imports.kinds import Cell, Field, Kind, Origin, reference_field, register
from webapp.imports.payees import payee_fields
from webapp.programs.partners.drafts import PROGRAM
from webapp.programs.partners.importing.deals import DealImport
from webapp.programs.partners.importing.partners import PartnerImport
from webapp.programs.partners.importing.rates import RateImport
from webapp.programs.partners.importing.touchpoints import TouchImport
from webapp.programs.partners.states import PartnerType, Tier, TouchType

#: Maven Analytics' list of sales opportunities: a fictitious company that sells computers, for dollars.
OPPORTUNITIES = Origin(
    "sales opportunities in the columns of Maven Analytics",
    frozenset({"opportunity_id", "sales_agent", "deal_stage", "engage_date", "close_value"}),
    {"currency": "USD", "touch": TouchType.REFERRAL.value},
)
TEAMS = Origin(
    "sales teams in the columns of Maven Analytics",
    frozenset({"sales_agent", "manager", "regional_office"}),
)


def _words(values: object) -> str:
    return ", ".join(str(value) for value in values)  # type: ignore[attr-defined]


_AGENT = ("sales_agent", "agent", "partner_name", "partner_id", "sales_rep")
_PARTNER = Field(
    "partner", "Partner", "Reference, e-mail address or name.", "P-100", is_required=True, aliases=_AGENT
)
_CURRENCY = Field("currency", "Currency", "Three letters; the organisation's own when it is empty.", "USD",
                  aliases=("currency_code",))  # fmt: skip

PARTNERS = Kind(
    code="partners",
    label="Partners",
    text="Who brings deals. A list of deals or of sales teams works too: its distinct names become partners. Payment "
    "details are entered on the partner's page, where a second person verifies changes.",
    fields=(
        *payee_fields("P-100", "partner", external_ref=("partner_id",), name=("partner", *_AGENT)),
        Field("partner_type", "Type", f"One of {_words(PartnerType)}; empty: as it is.", "referral",
              aliases=("type", "kind")),
        Field("tier", "Tier", f"One of {_words(Tier)}; empty: as it is.", "bronze", aliases=("level",)),
        Field("rate", "Own rate", "Per cent of deals where no rule fits; empty: as it is.", "5", Cell.NUMBER,
              aliases=("commission_rate", "commission", "rate_percent")),
    ),
    importer=PartnerImport,
    origins=(TEAMS, OPPORTUNITIES),
    following=("admin.payees.index", "See the payees"),
    order=90,
    program=PROGRAM,
)  # fmt: skip

DEALS = Kind(
    code="deals",
    label="Deals",
    text="Sales, open, won or lost. Bring the partners in first. A deal's partner has one touch on the day on which it "
    "began; without that day there is none. Won deals earn at once what the rules say.",
    fields=(
        reference_field("D-100", "deal", "opportunity_id", "deal_id", "opportunity"),
        replace(_PARTNER, meaning="Who brought it: reference, e-mail address or name. Empty: nobody yet.",
                is_required=False),
        Field("name", "What it is about", "Empty: the customer and the product.", "Acme: 20 seats",
              aliases=("deal", "deal_name", "title", "opportunity_name")),
        Field("customer", "Customer", "", "Acme Corporation", aliases=("account", "company", "account_name")),
        Field("product", "Product", "Rules can be for one product.", "GTX Pro", aliases=("product_name",)),
        Field("program", "Program", "Number or name; empty where there is one alone.", "PP-0001",
              aliases=("partner_program",)),
        Field("state", "State", "open, won or lost; empty: open.", "won",
              aliases=("deal_stage", "stage", "status")),
        Field("opened_on", "Began on", "The day on which the partner brought it.", "2026-01-15", Cell.DAY,
              aliases=("engage_date", "opened", "created_on", "created", "start_date")),
        Field("closed_on", "Closed on", "The day on which it was won or lost.", "2026-02-10", Cell.DAY,
              aliases=("close_date", "closed", "closed_date")),
        Field("amount", "Amount", "Empty while it is open: not known.", "5000.00", Cell.NUMBER,
              aliases=("close_value", "value", "deal_value", "deal_amount")),
        _CURRENCY,
        Field("touch", "Kind of touch", f"One of {_words(TouchType)}; empty: referral.", "referral",
              is_in_template=False, aliases=("touch_type", "role")),
    ),
    importer=DealImport,
    origins=(OPPORTUNITIES,),
    order=91,
    program=PROGRAM,
)  # fmt: skip

TOUCHPOINTS = Kind(
    code="touchpoints",
    label="Touches",
    text="What partners did for deals, and when. Bring the partners and the deals in first. A deal that a payout pays "
    "for takes no more touches.",
    fields=(
        reference_field("T-100", "touch", "touch_id", "touchpoint_id"),
        Field("deal", "Deal", "Your reference of the deal, or our number.", "D-100", is_required=True,
              aliases=("deal_id", "opportunity_id", "opportunity", "deal_reference")),
        _PARTNER,
        Field("touch_type", "Kind", f"One of {_words(TouchType)}; empty: referral.", "demo",
              aliases=("type", "kind", "role", "touch")),
        Field("happened_at", "When", "A day, or day and time on your clock.", "2026-01-20 14:30", is_required=True,
              aliases=("date", "day", "at", "time", "occurred_at", "touched_at")),
        Field("weight", "Weight", "Counts where a program takes the touches' own weights; empty: 1.", "1",
              Cell.NUMBER, is_in_template=False),
    ),
    importer=TouchImport,
    order=92,
    program=PROGRAM,
)  # fmt: skip

EXCHANGE_RATES = Kind(
    code="exchange_rates",
    label="Exchange rates",
    text="What one unit of a currency is worth in your organisation's, from a day on. Another rate for a day that has "
    "one is a correction; the one before stays in the list.",
    fields=(
        Field("currency", "Currency", "The other currency, three letters.", "EUR", is_required=True,
              aliases=("from", "code", "currency_code", "iso")),
        Field("valid_from", "Day", "The rate counts from this day until the next one.", "2026-01-31", Cell.DAY,
              is_required=True, aliases=("date", "day", "on")),
        Field("rate", "Rate", "One unit of the currency in yours: 1 EUR = 1.0832 USD.", "1.0832", Cell.NUMBER,
              is_required=True, aliases=("exchange_rate", "value", "price")),
        Field("base", "Your currency", "Only to check the direction; empty: yours.", "USD", is_in_template=False,
              aliases=("to", "base_currency", "quote")),
        Field("note", "Where it is from", "Kept with the rate.", "ECB", aliases=("source", "remark")),
    ),
    importer=RateImport,
    order=93,
    program=PROGRAM,
)  # fmt: skip

KINDS = {kind.code: register(kind) for kind in (PARTNERS, DEALS, TOUCHPOINTS, EXCHANGE_RATES)}
