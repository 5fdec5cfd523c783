"""What a value that people, files or programs hand over must be, field by field; pure."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import list_currencies

from webapp.kernel.errors import Invalid
from webapp.kernel.labels import Label
from webapp.kernel.money import MAXIMUM_MINOR


def need(field: str, text: str, most: int, what: str, example: str) -> str:
    """A text that must be there, with its spaces tidied. Raises Invalid."""
    said = " ".join(text.split())
    if not said:
        raise Invalid(field, f"Enter {what}.", example)
    check_length(field, said, most, example)
    return said


def check_length(field: str, text: str, most: int, example: str | None = None) -> None:
    """Raises Invalid for a longer text."""
    if len(text) > most:
        raise Invalid(field, f"Write at most {most:,} characters.", example)


def check_email(field: str, text: str, example: str) -> None:
    """An e-mail address, or nothing. Raises Invalid."""
    if text and ("@" not in text or len(text) > 254 or len(text.split()) != 1):
        raise Invalid(field, "Enter an e-mail address.", example)


def check_amount(field: str, minor: int, example: str = "500.50") -> None:
    """More than nothing, and not beyond what Paydesk accepts. Raises Invalid."""
    if not 0 < minor <= MAXIMUM_MINOR:
        raise Invalid(field, "Enter an amount of more than zero.", example)


def check_not_negative(field: str, minor: int, example: str = "0.00") -> None:
    """Nothing or more, and not beyond what Paydesk accepts. Raises Invalid."""
    if not 0 <= minor <= MAXIMUM_MINOR:
        raise Invalid(field, "Enter an amount of zero or more.", example)


def check_percent(field: str, value: Decimal, example: str = "8.5") -> None:
    """0 to 100 with at most four decimals. Raises Invalid."""
    if not Decimal(0) <= value <= Decimal(100) or value != round(value, 4):
        raise Invalid(field, "Enter per cent from 0 to 100, with at most four decimals.", example)


def check_currency(field: str, code: str) -> None:
    """The code of a currency that there is or was. Raises Invalid."""
    if code not in list_currencies():
        raise Invalid(field, f"{code[:40]!r} is not a currency.", "USD")


def check_known(field: str, value: str, label: type[Label]) -> None:
    """One of the words of a label. Raises Invalid."""
    if value not in list(label):
        raise Invalid(field, "Choose one of the list.", next(iter(label)).value)


def need_reason(reason: str, example: str, kept_with: str = "payout") -> str:
    """A reason that people read later, without the spaces around it; raises Invalid when there is none."""
    said = reason.strip()
    if not said:
        raise Invalid("reason", f"Give a reason; it is kept with the {kept_with}.", example)
    check_length("reason", said, 2000, example)
    return said
