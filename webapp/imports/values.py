"""Cells as values: text without traps, days, yes and no, numbers as one list writes them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, datetime

from webapp.kernel.errors import Invalid
from webapp.kernel.money import exponent
from webapp.web.exports import defuse

LONGEST_CELL = 2000
# What spreadsheets show in the place of a value.
_ERRORS = {"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#BUSY!"}
SHOWS_ERROR = "It shows an error of the spreadsheet. Correct the formula, or type the value."
# Only forms in which day and month cannot be confused.
_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y")
_YES, _NO = {"yes", "y", "true", "1", "on"}, {"no", "n", "false", "0", "off"}

# They print nothing and only help a browser to order letters: dropped without a word.
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\ufeff"))
# Control characters, those that turn the direction of what follows, and what stands for a letter that another
# program could not read: nobody types them.
_HIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]")

DATE_ORDERS = {"iso": "2026-12-31", "dmy": "31/12/2026", "mdy": "12/31/2026"}
DECIMALS = {".": "1,234.50", ",": "1.234,50"}
_DAY = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?")


def _numbers(group: str, decimal: str) -> re.Pattern[str]:
    grouped = rf"\d{{1,3}}(?:[{group}]\d{{2,3}})*[{group}]\d{{3}}"
    return re.compile(rf"[-+]?(?:{grouped}|\d+)?(?:[{decimal}]\d+)?")


_SPACES = " \u00a0\u202f'’"
_PLAIN = re.compile(r"[-+]?\d[\d.,]*[.,]\d+")
_NUMBER = {".": _numbers("," + _SPACES, "."), ",": _numbers("." + _SPACES, ",")}
_GROUPS = {d: re.compile(f"[{g}{_SPACES}]") for d, g in ((".", ","), (",", "."))}


def clean(name: str, text: str) -> str:
    """A cell in one line, without the apostrophe that our own files put before formulas. Raises Invalid.

    Hidden characters and endless cells are refused: nobody could see what they approve.
    """
    found = _HIDDEN.search(text)
    if found:
        code = f"U+{ord(found.group()):04X}"
        raise Invalid(name, f"It holds a hidden character ({code}). Delete the text and type it again.")
    if text[:1] == "'" and defuse(text[1:]) == text:
        text = text[1:]
    trimmed = " ".join(text.translate(_MARKS).split())
    if trimmed in _ERRORS:
        raise Invalid(name, SHOWS_ERROR)
    if len(trimmed) > LONGEST_CELL:
        raise Invalid(name, f"It has {len(trimmed):,} characters; at most {LONGEST_CELL:,} are read.")
    return trimmed


def without_hidden(text: str) -> str:
    """A cell for a file that people correct: each hidden character as U+FFFD, which they see and we refuse."""
    return _HIDDEN.sub("\ufffd", text)


def parse_day(name: str, text: str) -> date | None:
    """A day; None for an empty cell. Raises Invalid, also for 03/04/2026, which people read in two ways."""
    if not text:
        return None
    for form in _FORMATS:
        try:
            return datetime.strptime(text[:10] if form == "%Y-%m-%d" else text, form).date()
        except ValueError:
            continue
    raise Invalid(name, "This is not a day that can be read in one way only.", "2026-10-31")


def parse_yes(name: str, text: str, default: bool) -> bool:
    """Yes or no; the default for an empty cell. Raises Invalid."""
    word = text.casefold()
    if not word:
        return default
    if word in _YES or word in _NO:
        return word in _YES
    raise Invalid(name, "Say yes or no.", "yes")


def parse_currency(text: str, home: str) -> str:
    """A currency code; the organisation's own for an empty cell. Raises Invalid."""
    code = text.upper() or home
    try:
        exponent(code)
    except ValueError:
        raise Invalid("currency", f"{text!r} is not a currency code.", "USD") from None
    return code


def plain_day(name: str, text: str, order: str) -> str:
    """31/12/2026 as 2026-12-31, by the order (dmy, mdy) in which a list writes days. Raises Invalid.

    Days in a form that has one meaning only pass as they are, also with the order "iso".
    """
    found = _DAY.fullmatch(text)
    if found is None or order == "iso":
        return text
    first, second, year_text = found.groups()
    day, month = (first, second) if order == "dmy" else (second, first)
    year = int(year_text) if len(year_text) == 4 else 2000 + int(year_text)
    try:
        return date(year, int(month), int(day)).isoformat()
    except ValueError:
        raise Invalid(name, "There is no such day, as this list writes days.", DATE_ORDERS[order]) from None


def plain_number(name: str, text: str, decimal: str) -> str:
    """ "1.234,50 €" as "1234.50", by the decimal sign of a list. Raises Invalid.

    12.50 is refused where the sign is a comma: as 1250 it would be a hundred times too much.
    """
    cleaned = "".join(c for c in text if unicodedata.category(c) != "Sc").strip().removesuffix("%").strip()
    cleaned = cleaned.replace("\N{MINUS SIGN}", "-")
    if not any(c.isdigit() for c in cleaned) or not _NUMBER[decimal].fullmatch(cleaned):
        raise Invalid(name, f"{text[:80]!r} is not a number, as this list writes numbers.", DECIMALS[decimal])
    return _GROUPS[decimal].sub("", cleaned).replace(decimal, ".")


def plain_numbers(name: str, text: str, decimal: str) -> str:
    """ "33,3; 66,7" as "33.3; 66.7". Raises Invalid."""
    return "; ".join(plain_number(name, part, decimal) for part in text.split(";") if part.strip())


def guess_order(texts: Iterable[str], default: str) -> str:
    """The order of day and month that fits all the days among some texts; the default where both would."""
    pairs = [(int(m[1]), int(m[2])) for m in map(_DAY.fullmatch, texts) if m]
    can_be_dmy = all(second <= 12 for _, second in pairs)
    can_be_mdy = all(first <= 12 for first, _ in pairs)
    if pairs and can_be_dmy != can_be_mdy:
        return "dmy" if can_be_dmy else "mdy"
    return default


def guess_decimal(texts: Iterable[str], default: str) -> str:
    """The decimal sign that most numbers among some texts leave no doubt about; the default in a draw.

    1.234 and 1,234 say nothing; 1.234,5 and 9,99 speak for the comma. Days such as 31.12.2026 are no numbers.
    """
    votes = dict.fromkeys(DECIMALS, 0)
    for text in texts:
        if len(text) < 40 and _PLAIN.fullmatch(text):
            fits = [sign for sign in DECIMALS if _NUMBER[sign].fullmatch(text)]
            if len(fits) == 1:
                votes[fits[0]] += 1
    if votes["."] != votes[","]:
        return max(votes, key=lambda sign: votes[sign])
    return default
