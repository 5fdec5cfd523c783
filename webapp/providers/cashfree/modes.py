"""Which way a transfer takes in India: by destination and amount. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

UPI_LIMIT = 1_00_000_00
IMPS_LIMIT = 5_00_000_00
RTGS_FROM = 2_00_000_00
LEAST = 1_00


class NoMode(Exception):
    """No way of transfer takes this amount to this destination; the message says why."""


def mode_for(details: Mapping[str, str], amount_minor: int) -> str:
    """upi, imps, or rtgs (which, like neft, runs day and night). Raises NoMode."""
    if amount_minor < LEAST:
        raise NoMode("Cashfree transfers 1.00 INR or more.")
    if "vpa" in details:
        if amount_minor > UPI_LIMIT:
            raise NoMode(
                "A UPI address takes up to 100,000.00 INR at a time. A bank account is needed for more."
            )
        return "upi"
    if "ifsc" not in details:
        raise NoMode("Cashfree pays to bank accounts in India and to UPI addresses only.")
    number = details.get("account_number", "")
    if not (9 <= len(number) <= 18 and number.isalnum() and number.isascii()):
        raise NoMode("Cashfree takes account numbers of 9 to 18 letters or digits.")
    if amount_minor <= IMPS_LIMIT:
        return "imps"
    return "rtgs" if amount_minor >= RTGS_FROM else "neft"


def plain_name(name: str) -> str:
    """A name as Cashfree takes it: Latin letters and single spaces, 100 at most."""
    letters = unicodedata.normalize("NFKD", name)
    kept = "".join(
        sign if sign.isascii() and sign.isalpha() else " "
        for sign in letters
        if not unicodedata.combining(sign)
    )
    return " ".join(kept.split())[:100].strip()


def plain_remarks(text: str) -> str:
    """Remarks as Cashfree takes them: ASCII letters, digits and single spaces, 70 at most."""
    kept = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in text)
    return " ".join(kept.split())[:70].strip()
