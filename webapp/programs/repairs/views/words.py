"""Amounts of drivers in words: who owes whom, so that nobody has to read a sign."""

from __future__ import annotations

from webapp.kernel.money import Money
from webapp.web import filters


def balance_words(net: Money) -> str:
    """ "The driver owes $240.50", "$12.00 is kept for the driver" or "Nothing is owed"."""
    if net.amount < 0:
        return f"The driver owes {filters.money(-net)}"
    return f"{filters.money(net)} is kept for the driver" if net.amount else "Nothing is owed"


def net_words(net: Money) -> str:
    """What a week comes to: "Due to the driver", "Owed by the driver" or "Nothing either way"."""
    if net.amount < 0:
        return "Owed by the driver"
    return "Due to the driver" if net.amount else "Nothing either way"


def carried_words(closing: Money) -> str:
    """What the next week begins with, in words."""
    if closing.amount < 0:
        return f"{filters.money(-closing)} is owed by the driver and carried to the next week"
    if closing.amount:
        return f"{filters.money(closing)} is kept for the driver and carried to the next week"
    return "Nothing is carried to the next week"
