"""Words that pages and mails of rentals share. Pure."""

from __future__ import annotations


def share_words(weight: int, total: int) -> str:
    """A share of all owners: "60 %", "33.34 %" or, where it does not come out even, "1 of 3"."""
    hundredths, rest = divmod(weight * 10_000, total)
    if rest:
        return f"{weight} of {total}"
    return f"{hundredths // 100}.{hundredths % 100:02d} %".replace(".00 %", " %")
