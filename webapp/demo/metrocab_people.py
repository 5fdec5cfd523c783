"""Who is in the demo's taxi fleet: accounts, drivers with their leases and (invented) bank accounts, what is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from webapp.programs.repairs.states import Shift

ORGANISATION = "metrocab"

ACCOUNTS = (
    ("admin@metrocab.example", "Marta Admin", "admin"),
    ("approver@metrocab.example", "Amadou Approver", "admin"),
    ("driver@metrocab.example", "Rafael Ortiz", "driver"),
)


@dataclass(frozen=True)
class DemoDriver:
    """A driver: account (empty: none), what the lease costs a week, days and trips in a week."""

    name: str
    account: str
    weekly_minor: int = 425_00
    days: int = 4
    trips: int = 6
    # The name in Latin letters, where the display name is not.
    name_at_bank: str = ""
    shift: str = Shift.FULL.value
    takes_repairs: bool = True


# The last four digits decide what the sandbox bank does: see webapp/providers/sandbox.py.
DRIVERS = (
    DemoDriver("Rafael Ortiz", "600012345201", 425_00, 5, 8),
    DemoDriver("Nadia Petrova", "600012345202", 450_00, 5),
    DemoDriver("Kwame Boateng", "600012345203"),
    DemoDriver("Liu Yang", "600012345204", 400_00),
    DemoDriver("Seán Byrne", "600012345205", 425_00, 5),
    DemoDriver("Mohammed Rahman", "600012345206", 425_00, 5, 7),
    DemoDriver("Ana Lúcia Ferreira", "600012345207", 475_00, 5),
    DemoDriver("Bilal Hussain", "600012345208"),
    DemoDriver("Dmitri Volkov", "600012345209", 450_00, 5),
    DemoDriver("Grace Mwangi", "600012345210"),
    DemoDriver("Jean-Baptiste Étienne", "600012345211", 425_00, 5),
    DemoDriver("Tadeusz Wiśniewski", "600012345212", 400_00),
    DemoDriver("Harpreet Kaur", "600012345213", 500_00, 5, takes_repairs=False),
    DemoDriver("Carlos Mendoza", "600012345214", 300_00, shift=Shift.DAY.value),
    DemoDriver("Ebrima Jallow", "600012345215", 325_00, 4, 7, shift=Shift.NIGHT.value),
    DemoDriver("Sofia Papadaki", "600012345216"),
    DemoDriver("Ibrahim Coulibaly", "600012345217", 425_00, 5, 7),
    DemoDriver("Viktor Nowak", "600012340001", 400_00, 5),
    DemoDriver("Amina Yusuf", "", 425_00, 5),
    DemoDriver("George Kowalczyk", "cheque", 425_00, 5),
    DemoDriver("रमेश थापा", "600012345221", 425_00, name_at_bank="Ramesh Thapa"),
    DemoDriver("Peter O’Shaughnessy", "600012345222", 450_00, 5),
    DemoDriver("Fatoumata Diallo", "600012345223", 425_00),
    DemoDriver("Jorge Luis Castellanos-Rivera", "600012345224", 425_00, 5),
    DemoDriver("Min-jun Park", "600012345225", 400_00),
    DemoDriver("Leila Haddadi", "600012345226", 425_00, 5),
    DemoDriver("Samuel Okonkwo", "600012345227"),
    DemoDriver("Walter Jenkins", "600012345228", 275_00, 2, 5),
    DemoDriver("Tenzin Dorje", "600012345229", 400_00, 5, 7),
    DemoDriver("Marek Dvořák", "600012345230"),
)

# Positions above, as the stories need them.
PORTAL, WAITING, ON_HOLD, WRITTEN_OFF, DRAFT, DROPPED = 0, 1, 2, 3, 4, 5
SETTLED, PROPOSED, REPLANNED, SKIPPED, SWAPPED, LEAVING = 6, 7, 8, 9, 10, 11
WITHOUT_REPAIRS, BY_DAY, BY_NIGHT, LATE_STARTER, RETURNED = 12, 13, 14, 15, 16
CLOSED_ACCOUNT, WITHOUT_ACCOUNT, CHEQUE, CREDITED, ACCEPTED = 17, 18, 19, 20, 21
REFUSED, PAYING, ADVANCED, CORRECTED, TAKEN_BACK, OWING, CLOSED = 22, 23, 24, 25, 26, 27, 28


def licence(position: int) -> str:
    """A licence of 32 letters and digits, as the published lists have them."""
    return hashlib.sha256(f"metrocab-{position}".encode()).hexdigest()[:32].upper()


def medallion(position: int) -> str:
    """The medallion of a driver's vehicle; day and night share one."""
    shared = BY_DAY if position == BY_NIGHT else position
    return f"{shared % 9 + 1}{chr(65 + shared % 26)}{shared * 7 % 90 + 10}"


def plate(position: int) -> str:
    """The plate of a driver's vehicle."""
    shared = BY_DAY if position == BY_NIGHT else position
    return f"T{610_000 + shared * 137}C"
