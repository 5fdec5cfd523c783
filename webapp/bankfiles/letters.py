"""Names and remarks in the letters that a bank takes, and what had to be changed for that. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from text_unidecode import unidecode

# What ISO 20022 files may carry wherever they go: the Latin set that all banks read.
ISO = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
# Upper case only, as ACH operators print it.
NACHA = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,&/()'-")
# Upload pages of banks: letters and digits; nothing that a spreadsheet or a separator could take for its own.
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/")
# A cell that begins so could run as a formula.
_STARTS = "=+-@/\t\r\n "
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Cleaned:
    """A text as it goes into a file; `was` is what it came from."""

    text: str
    was: str

    @property
    def is_changed(self) -> bool:
        """Whether a letter was written otherwise, left out or cut off (upper case alone is no change)."""
        return self.text.casefold() != self.was.casefold()


def clean(text: str, allowed: frozenset[str], maximum: int) -> Cleaned:
    """The text in the allowed signs: other scripts transliterated, other signs left out, cut to `maximum`.

    It never begins with a sign that a spreadsheet takes for a formula.
    """
    was = _BLANKS.sub(" ", text).strip()
    latin = unidecode(was)
    if not any(sign.islower() for sign in allowed):
        latin = latin.upper()
    kept = "".join(sign if sign in allowed else " " if sign.isspace() else "" for sign in latin)
    kept = kept.replace("//", "/")
    kept = _BLANKS.sub(" ", kept).lstrip(_STARTS)[:maximum].rstrip(" /")
    return Cleaned(kept, was)
