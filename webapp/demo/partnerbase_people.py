"""Who is in the demo's fifth organisation: accounts, fifteen partners in three currencies, its programs and rules."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from webapp.programs.partners.drafts import ProgramDraft, RuleDraft

ORGANISATION = "partnerbase"
ACCOUNTS = (
    ("admin@partnerbase.example", "Robin Admin", "admin"),
    ("approver@partnerbase.example", "Noa Approver", "admin"),
    ("partner@partnerbase.example", "Asha Verma", "partner"),
)


@dataclass(frozen=True)
class DemoPartner:
    """A partner; `bank` is a US account's number, an IBAN, an Indian account's number, or empty: none yet."""

    name: str
    country: str
    currency: str
    bank: str
    type: str = "referral"
    tier: str = "bronze"
    rate_bp: int = 500
    name_at_bank: str = ""


PORTAL, CLAWED_BACK, BELOW_ZERO, WITHOUT_ACCOUNT = 0, 3, 6, 14
#: Of the newest payouts, whose: refused by the bank, refused by a person, waiting for the bank, approved.
FAILED, REJECTED, SENDING, APPROVED = 4, 5, 7, 2
# The last digits of an account decide what the sandbox bank does: see webapp/providers/sandbox.py.
PARTNERS = (
    DemoPartner("Asha Verma", "US", "USD", "500012344821", "referral", "gold", 800),
    DemoPartner("Bluebird Consulting", "US", "USD", "500012344822", "reseller", "silver"),
    DemoPartner("Cobalt Integrations", "US", "USD", "500012344823", "integration", "gold", 700),
    DemoPartner("Dev Patel", "IN", "INR", "50200012344824", "referral", "silver"),
    DemoPartner("Everline Partners", "US", "USD", "500012340001", "reseller", "gold"),
    DemoPartner("Fjord & Friends", "DE", "EUR", "DE89370400440532013000", "affiliate"),
    DemoPartner("Gabriela Sánchez", "ES", "EUR", "ES9121000418450200051332", "referral", "silver", 600),
    DemoPartner("Harbour Cloud", "US", "USD", "500012340005", "integration", "platinum", 1_000),
    DemoPartner("இளவரசன் முத்து", "IN", "INR", "50200012344828", "referral", name_at_bank="Ilavarasan Muthu"),
    DemoPartner("Juniper Street Media", "US", "USD", "500012344829", "affiliate", "bronze", 300),
    DemoPartner("Kofi Owusu", "US", "USD", "500012344830", "referral"),
    DemoPartner("Lumen Systemhaus", "DE", "EUR", "DE02120300000000202051", "reseller", "gold"),
    DemoPartner("मीरा जोशी", "IN", "INR", "50200012344831", "affiliate", name_at_bank="Meera Joshi"),
    DemoPartner("Northgate Advisory and Implementation Services of the Upper Midwest", "US", "USD", "500012344832",
                "integration", "silver"),
    DemoPartner("Opal Referrals", "US", "USD", ""),
)  # fmt: skip

REFERRALS, RESELLERS, ALLIANCES = 0, 1, 2
PROGRAMS = (
    ProgramDraft(
        name="Referrals", model="time_decay", holding_days=30, minimums={"USD": 50_00, "EUR": 50_00, "INR": 4_000_00},
        partners_may_request=True, external_ref="referrals",
    ),
    ProgramDraft(name="Resellers", model="first_touch", holding_days=14, external_ref="resellers"),
    ProgramDraft(
        name="Alliances", model="role", holding_days=0, period="quarter", final_days=180, external_ref="alliances"
    ),
)  # fmt: skip

#: (position of the program or None, the rule)
RULES = (
    (RESELLERS, RuleDraft("Resellers, gold", 1_500, partner_type="reseller", tier="gold", priority=10)),
    (RESELLERS, RuleDraft("Resellers", 1_200, partner_type="reseller", priority=20)),
    (None, RuleDraft("First year of a partner", 1_000, months=12, currency="USD", least_deal_minor=20_000_00,
                     cap_minor=4_000_00, priority=40)),
    (ALLIANCES, RuleDraft("Implementation", 600, product="Onboarding", priority=50)),
)  # fmt: skip

#: What one unit of a currency was worth in dollars, month by month, the newest last.
RATES = {
    "EUR": ("1.0812", "1.0790", "1.0875", "1.0931", "1.1010", "1.0984", "1.1042"),
    "INR": ("0.011930", "0.011880", "0.011905", "0.011842", "0.011790", "0.011811", "0.011765"),
}
CUSTOMERS = (
    "Acme Robotics", "Bistro Verde", "Calder & Sons", "Delta Freight", "Elm Street Dental", "Fenwick Labs",
    "Garnet Hotels", "Hillside School", "Iris Optics", "Jaipur Textiles", "Kestrel Media", "Lakeview Clinic",
    "Møller Shipping", "Nimbus Games", "Orchard Foods", "Pine Ridge Bank", "Quill Publishing", "Rhine Logistik",
    "Sierra Outdoor", "Tamarind Travel",
)  # fmt: skip
PRODUCTS = ("Core", "Core", "Analytics", "Onboarding", "Enterprise")


def amount(currency: str, units: int) -> int:
    """So many dollars' worth in another currency, in its minor units, as sales people round it."""
    rate = Decimal(RATES[currency][-1]) if currency in RATES else Decimal(1)
    step = {"INR": 5_000}.get(currency, 50)
    return int(units / rate) // step * step * 100
