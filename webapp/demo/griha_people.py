"""Who is in the demo's second organisation: accounts, owners of houses, and their (invented) bank accounts."""

from __future__ import annotations

from dataclasses import dataclass

ORGANISATION = "griha"

ACCOUNTS = (
    ("admin@griha.example", "Anjali Admin", "admin"),
    ("approver@griha.example", "Arjun Approver", "admin"),
    ("owner@griha.example", "Lakshmi Narayanan", "owner"),
)


@dataclass(frozen=True)
class DemoOwner:
    """An owner: paid to a bank account (number and IFSC), to a UPI address, or to nothing yet."""

    name: str
    account: str = ""
    ifsc: str = ""
    vpa: str = ""
    # The name in Latin letters, where the display name is not.
    name_at_bank: str = ""


# The simulated provider treats some accounts as its real sandbox does: pending, failed, returned.
_SPECIAL = (
    DemoOwner("Lakshmi Narayanan", "026291800001191", "YESB0000262"),
    DemoOwner("राजेश कुमार शर्मा", "00011020001772", "HDFC0000001", name_at_bank="Rajesh Kumar Sharma"),
    DemoOwner("கவிதா முருகன்", "1233943142", "ICIC0000009", name_at_bank="Kavitha Murugan"),
    DemoOwner("অনিন্দিতা ঘোষ", vpa="success@upi", name_at_bank="Anindita Ghosh"),
    DemoOwner("Farhan Qureshi", "234005000876", "ICIC0000007"),
    DemoOwner("Meera Pillai", "007711000031", "HDFC0000077"),
    DemoOwner("ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ", "7766671735000", "SBIN0000004", name_at_bank="Gurpreet Singh"),
    DemoOwner("Devika Rao"),
    DemoOwner("Prestige Estates & Warehousing Private Limited", "000100289877623", "SBIN0008752"),
    DemoOwner("ليلى حسين", "000890289871772", "SCBL0036078", name_at_bank="Laila Hussain"),
)
# Positions above, as the demo's stories need them.
PORTAL, REFUSED, PENDING, RETURNED, WITHOUT, LARGE = 0, 4, 5, 6, 7, 8

_FIRST = ("Asha", "Vikram", "Neha", "Rohan", "Sunita", "Imran", "Pooja", "Karthik", "Divya", "Sanjay")
_LAST = ("Iyer", "Mehta", "Banerjee")
_IFSC = ("HDFC0001234", "ICIC0000009", "SBIN0008752", "UTIB0000373", "KKBK0000958")

OWNERS = _SPECIAL + tuple(
    DemoOwner(f"{_FIRST[n % 10]} {_LAST[n // 10]}", f"50100{2_000_345 + n * 7919:09}", _IFSC[n % 5])
    for n in range(30)
)
HOUSES = (
    "Banyan Court", "Tulsi Residency", "Lake View", "Gulmohar Heights", "Palm Grove", "Neem Tree House",
    "Cauvery Apartments", "Shanti Niwas", "Marine Terrace", "Jasmine Villa",
)  # fmt: skip
STREETS = (
    "12 MG Road, Bengaluru 560001", "4 Anna Salai, Chennai 600002", "81 Park Street, Kolkata 700016",
    "7 Linking Road, Mumbai 400050", "22 Banjara Hills, Hyderabad 500034",
)  # fmt: skip
