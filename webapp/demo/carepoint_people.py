"""Who is in the demo's clinic: accounts, practitioners with their (invented) bank accounts, customers, services."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from webapp.programs.clinic.drafts import RuleDraft

ORGANISATION = "carepoint"

ACCOUNTS = (
    ("admin@carepoint.example", "Alice Admin", "admin"),
    ("approver@carepoint.example", "Amir Approver", "admin"),
    ("practitioner@carepoint.example", "Maya Tremblay", "practitioner"),
)


@dataclass(frozen=True)
class Service:
    """What is done at an appointment: its category, its price in cents, its tax."""

    category: str
    price_minor: int
    tax_percent: Decimal = Decimal(0)


HST = Decimal(13)
SERVICES = {
    "physio": Service("Physiotherapy", 95_00),
    "massage": Service("Massage therapy", 110_00, HST),
    "chiro": Service("Chiropractic", 82_50),
    "acupuncture": Service("Acupuncture", 89_99, HST),
    "psychology": Service("Psychology", 185_00),
    "naturopathy": Service("Naturopathy", 132_50, HST),
    "osteopathy": Service("Osteopathy", 120_00, HST),
    "phone": Service("Phone consultation", 40_00),
}


@dataclass(frozen=True)
class DemoPractitioner:
    """A practitioner; `account` is empty for one without payment details."""

    name: str
    service: str
    account: str
    # The name in Latin letters, where the display name is not.
    name_at_bank: str = ""


# The last four digits decide what the sandbox bank does: see webapp/providers/sandbox.py.
PRACTITIONERS = (
    DemoPractitioner("Maya Tremblay", "physio", "700012345101"),
    DemoPractitioner("Noah Singh", "massage", "700012345102"),
    DemoPractitioner("Chloé Bouchard", "chiro", "700012345103"),
    DemoPractitioner("Meiling Chen", "acupuncture", "700012345104"),
    DemoPractitioner("Liam O’Connor", "psychology", "700012345105"),
    DemoPractitioner("Aisha Rahman", "naturopathy", "700012345106"),
    DemoPractitioner("Étienne Gagnon", "physio", "700012345107"),
    DemoPractitioner("ليلى حداد", "psychology", "700012345108", "Layla Haddad"),
    DemoPractitioner("Jasper Whitecloud-MacDonald", "massage", "700012340001"),
    DemoPractitioner("Priya Venkataraman", "physio", "700012345110"),
    DemoPractitioner("Tomasz Zieliński", "chiro", "700012340005"),
    DemoPractitioner("Ingrid Halvorsen", "osteopathy", ""),
)
# Positions above, as the demo's stories need them.
PORTAL, RENTER, REFUNDED, OWING, ASKING, APPROVED, REJECTED = 0, 1, 2, 3, 4, 5, 6
CLOSED, TIERED, HANGING, WITHOUT = 8, 9, 10, 11

_FIRST = (
    "Alex", "Beatrice", "Charlie", "Daphne", "Elliot", "Farah", "Gabriel", "Hana", "Isaac", "Juliette",
    "Kenji", "Leila", "Marcus", "Nadia", "Oscar", "Paige",
)  # fmt: skip
_LAST = ("Morgan", "Lavoie", "Nguyen")
CUSTOMERS = tuple(f"{_FIRST[n % 16]} {_LAST[n // 16]}" for n in range(48))


def rules(practitioners: tuple[int, ...]) -> tuple[RuleDraft, ...]:
    """The commission rules; everything else is kept at the default of 10 %."""
    return (
        RuleDraft(
            name="Maya Tremblay, as agreed",
            percent=Decimal(8),
            payee_id=practitioners[PORTAL],
            floor_minor=4_00,
            cap_minor=60_00,
            priority=40,
        ),
        RuleDraft(
            name="Priya Venkataraman, by the month’s volume",
            payee_id=practitioners[TIERED],
            tiers=((150_00, Decimal(12)), (300_00, Decimal(10)), (None, Decimal(8))),
            priority=30,
        ),
        RuleDraft(
            name="Phone consultations, a flat amount",
            percent=Decimal(0),
            category=SERVICES["phone"].category,
            flat_minor=5_00,
            priority=50,
        ),
        RuleDraft(
            name="Massage therapy",
            percent=Decimal(15),
            category=SERVICES["massage"].category,
            priority=10,
        ),
    )


#: What the admin would like to have, and the approver decides about.
PROPOSAL = RuleDraft(
    name="Acupuncture, from now on",
    percent=Decimal("12.5"),
    category=SERVICES["acupuncture"].category,
    priority=10,
    note="Needles and linen have become dearer.",
)
