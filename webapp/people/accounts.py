"""Where money can go, checked and masked: bank accounts by IFSC, IBAN or routing number, UPI addresses, by hand.

Pure: no Flask, no database. Every refusal is an `Invalid` with the field, what is wrong, and an example.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from stdnum import iban as iban_number
from stdnum.exceptions import ValidationError
from stdnum.us import rtn

from webapp.kernel.errors import Invalid
from webapp.kernel.labels import Label
from webapp.people.models import MethodKind

_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_ACCOUNT = re.compile(r"[A-Z0-9]{4,25}")
_VPA = re.compile(r"[a-z0-9][a-z0-9._-]{1,254}@[a-z][a-z0-9]{1,63}")
_SEPARATORS = re.compile(r"[\s\u00a0\u202f\u2010-\u2015-]+")
_NAME_SIGNS = set(" .,'’&/()-")
MAXIMUM_NAME = 100


class Scheme(Label):
    """How a bank account is addressed; decides which fields a form shows."""

    IFSC = "ifsc", "Bank account in India (IFSC)"
    IBAN = "iban", "Bank account with an IBAN"
    ABA = "aba", "Bank account in the United States"


@dataclass(frozen=True)
class Destination:
    """A checked place for money. `details` are the secret values; they are never printed."""

    kind: str
    scheme: str = ""
    name_at_bank: str = ""
    bank_name: str = ""
    details: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def masked(self) -> str:
        """What pages, e-mails and files show: "••4821", "r•••@okbank", "By hand"."""
        if self.kind == MethodKind.UPI:
            return mask_vpa(self.details["vpa"])
        if self.kind == MethodKind.BANK_ACCOUNT:
            return mask_account(self.details["iban" if self.scheme == Scheme.IBAN else "account_number"])
        return MethodKind.MANUAL.label

    @property
    def identity(self) -> str:
        """The account as one text, for the blind index; empty when paid by hand."""
        if self.kind == MethodKind.MANUAL:
            return ""
        parts = (self.details[name] for name in sorted(self.details))
        return ":".join((self.kind, self.scheme, *parts))


def compact(text: str) -> str:
    """Upper case without spaces and hyphens, as people may type them."""
    return _SEPARATORS.sub("", text).upper()


def mask_account(number: str) -> str:
    """The last four signs, or two of a short number, so that most of it always stays hidden."""
    return "••" + number[-(4 if len(number) >= 8 else 2) :]


def mask_vpa(vpa: str) -> str:
    """First letter and the bank's handle: "r•••@okbank"."""
    name, _, handle = vpa.partition("@")
    return f"{name[:1]}•••@{handle}"


def check_account_number(text: str) -> str:
    """4 to 25 letters or digits. Raises Invalid."""
    number = compact(text)
    if not _ACCOUNT.fullmatch(number) or not number.isascii():
        raise Invalid(
            "account_number", "Enter the account number: 4 to 25 letters or digits.", "000123456789"
        )
    return number


def check_ifsc(text: str) -> str:
    """The code of an Indian bank branch. Raises Invalid."""
    code = compact(text)
    if not _IFSC.fullmatch(code):
        raise Invalid(
            "ifsc", "Enter an IFSC: four letters, a zero, then six letters or digits.", "HDFC0001234"
        )
    return code


def check_iban(text: str) -> str:
    """An IBAN with a right length and check digits. Raises Invalid."""
    number = compact(text)
    try:
        return str(iban_number.validate(number, check_country=True))
    except ValidationError:
        raise Invalid(
            "iban",
            "This is not an IBAN: its length or its check digits are wrong.",
            "DE89 3704 0044 0532 0130 00",
        ) from None


def check_routing_number(text: str) -> str:
    """A nine-digit ABA routing number with a right check digit. Raises Invalid."""
    try:
        return str(rtn.validate(compact(text)))
    except ValidationError:
        raise Invalid(
            "routing_number",
            "Enter a routing number: nine digits; the last one checks the others.",
            "021000021",
        ) from None


def check_vpa(text: str) -> str:
    """A UPI address. Raises Invalid."""
    vpa = re.sub(r"\s+", "", text).lower()
    if not _VPA.fullmatch(vpa):
        raise Invalid("vpa", "Enter a UPI address: a name, @, and the bank's handle.", "ravi@okbank")
    return vpa


def check_name_at_bank(text: str) -> str:
    """The account holder's name in Latin letters, as banks take it. Raises Invalid."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise Invalid("name_at_bank", "Enter the name on the account.", "Maya Fernandez")
    if len(name) > MAXIMUM_NAME:
        raise Invalid("name_at_bank", f"Banks take up to {MAXIMUM_NAME} letters of a name.", "Maya Fernandez")
    for sign in name:
        if sign in _NAME_SIGNS or sign in "0123456789":
            continue
        if not unicodedata.name(sign, "").startswith("LATIN "):
            raise Invalid(
                "name_at_bank", f"Write the name in Latin letters, without {sign!r}.", "Maya Fernandez"
            )
    return name


def ifsc_account(*, account_number: str, ifsc: str, name_at_bank: str, bank_name: str = "") -> Destination:
    """A bank account in India. Raises Invalid."""
    details = {
        "account_number": check_account_number(account_number),
        "ifsc": check_ifsc(ifsc),
    }
    return _account(Scheme.IFSC, details, name_at_bank, bank_name)


def iban_account(*, iban: str, name_at_bank: str, bank_name: str = "") -> Destination:
    """A bank account with an IBAN. Raises Invalid."""
    return _account(Scheme.IBAN, {"iban": check_iban(iban)}, name_at_bank, bank_name)


def aba_account(
    *, account_number: str, routing_number: str, name_at_bank: str, bank_name: str = ""
) -> Destination:
    """A bank account in the United States. Raises Invalid."""
    details = {
        "account_number": check_account_number(account_number),
        "routing_number": check_routing_number(routing_number),
    }
    return _account(Scheme.ABA, details, name_at_bank, bank_name)


def _account(scheme: Scheme, details: Mapping[str, str], name_at_bank: str, bank_name: str) -> Destination:
    bank = " ".join(bank_name.split())[:MAXIMUM_NAME]
    return Destination(
        MethodKind.BANK_ACCOUNT.value, scheme.value, check_name_at_bank(name_at_bank), bank, details
    )


def upi_address(*, vpa: str, name_at_bank: str) -> Destination:
    """A UPI address. Raises Invalid."""
    name = check_name_at_bank(name_at_bank)
    return Destination(MethodKind.UPI.value, name_at_bank=name, details={"vpa": check_vpa(vpa)})


def by_hand() -> Destination:
    """Paid outside Paydesk (cash, cheque); a person records the payment."""
    return Destination(MethodKind.MANUAL.value)
