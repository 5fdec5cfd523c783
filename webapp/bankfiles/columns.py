"""Column files (CSV) for the upload page of a bank, by a template that people can change. Pure.

A template has one line per column: "HEADING | content | longest". The content is one of `CONTENT`, or fixed text in
quotes. One template is shipped; every bank differs, and differs again by its contract.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from webapp.bankfiles import letters
from webapp.bankfiles.writing import (
    Entry,
    Line,
    Making,
    Setup,
    Unwritable,
    Writer,
    Written,
    changed,
    total_of,
)
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money

CONTENT = {
    "account": "The payee's account number or IBAN",
    "bank_code": "The payee's IFSC or routing number; empty for mode FT",
    "name": "The payee's name at the bank",
    "amount": "The amount",
    "currency": "The currency",
    "date": "The day on which the bank is to pay",
    "reference": "The payout's reference, with the number of the try from the second on",
    "transfer": "Paydesk's own id of the transfer",
    "debit_account": "Your own account",
    "mode": "FT within your own bank, RTGS from 200,000.00 on, else NEFT",
    "blank": "Nothing",
}
DATE_FORMATS = {
    "%d-%m-%Y": "31-12-2026",
    "%d/%m/%Y": "31/12/2026",
    "%Y-%m-%d": "2026-12-31",
    "%Y%m%d": "20261231",
    "%m/%d/%Y": "12/31/2026",
}
AMOUNT_FORMATS = {"point": "1234.50", "comma": "1234,50", "minor": "123450 (no decimal sign)"}
DELIMITERS = {",": "Comma", ";": "Semicolon", "tab": "Tab", "|": "Vertical line"}
# From this amount on India's banks settle one by one (RTGS).
_RTGS_FROM = Money(20_000_000, "INR")
_LONGEST = 200
_DIGITS = re.compile(r"\d{6,}")
_EXAMPLE = "BENE_ACC_NO | account | 25"

# As several companies' own programs write it for ICICI Bank's corporate upload; check it with your bank.
ICICI = """\
PYMT_PROD_TYPE_CODE | "PAB_VENDOR"
PYMT_MODE | mode
DEBIT_ACC_NO | debit_account
BNF_NAME | name | 40
BENE_ACC_NO | account | 25
BENE_IFSC | bank_code
AMOUNT | amount
DEBIT_NARR | reference | 30
CREDIT_NARR | reference | 30
MOBILE_NUM | blank
EMAIL_ID | blank
REMARK | reference | 30
PYMT_DATE | date
REF_NO | transfer | 30
ADDL_INFO1 | blank
ADDL_INFO2 | blank
ADDL_INFO3 | blank
ADDL_INFO4 | blank
ADDL_INFO5 | blank
"""
SHIPPED = {"ICICI Bank, corporate upload": ICICI}


@dataclass(frozen=True)
class Column:
    """One column: what its header says, what stands in it, how long it may be."""

    heading: str
    content: str
    fixed: str = ""
    longest: int = _LONGEST


@lru_cache(maxsize=64)
def parse(text: str) -> tuple[Column, ...]:
    """The columns of a template. Raises Invalid("columns", …) that names the line."""
    columns = tuple(_column(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    contents = [column.content for column in columns]
    for needed, why in (("account", "where the money goes"), ("amount", "how much it is")):
        if contents.count(needed) != 1:
            raise Invalid("columns", f"Exactly one column must hold “{needed}”: {why}.", _EXAMPLE)
    if not {"reference", "transfer"} & set(contents):
        raise Invalid(
            "columns",
            "One column must hold “reference” or “transfer”: the bank's answers name the payment by it.",
            "REF_NO | transfer | 30",
        )
    return columns


def _column(n: int, line: str) -> Column:
    parts = [part.strip() for part in line.split("|")]
    if not 2 <= len(parts) <= 3 or not parts[0]:
        raise Invalid(
            "columns", f"Line {n}: write heading, content and, where needed, the longest.", _EXAMPLE
        )
    heading, content = parts[0], parts[1]
    if len(heading) > 60 or heading[0] in "=+-@":
        raise Invalid("columns", f"Line {n}: {heading[:20]!r} is no heading.", _EXAMPLE)
    longest = _LONGEST
    if len(parts) == 3:
        if not parts[2].isdecimal() or not 1 <= int(parts[2]) <= _LONGEST:
            raise Invalid("columns", f"Line {n}: the longest is a number from 1 to {_LONGEST}.", _EXAMPLE)
        longest = int(parts[2])
    if content.startswith('"') and content.endswith('"') and len(content) >= 2:
        return Column(heading, "fixed", _fixed(n, content[1:-1]), longest)
    if content not in CONTENT:
        raise Invalid("columns", f"Line {n}: {content[:30]!r} is not one of the contents below.", _EXAMPLE)
    return Column(heading, content, longest=longest)


def _fixed(n: int, text: str) -> str:
    """Fixed text. No account number: one typed here would be paid instead of the payees'."""
    if _DIGITS.search(text):
        raise Invalid(
            "columns", f"Line {n}: a fixed text has no long number. Your own account is “debit_account”.",
            'PYMT_PROD_TYPE_CODE | "PAB_VENDOR"',
        )  # fmt: skip
    cleaned = letters.clean(text, letters.PLAIN | frozenset("_"), 60)
    if cleaned.text != text:
        raise Invalid("columns", f"Line {n}: use letters, digits, blanks, dots and dashes.", '"PAB_VENDOR"')
    return text


def why_not(setup: Setup, entry: Entry) -> str:
    """Why an entry cannot go into this file; empty when it can."""
    if entry.kind != "bank_account":
        return "Only bank accounts can go into a bank file."
    if setup.get("currency") != entry.currency:
        return f"The file is in {setup.get('currency')}, the payout in {entry.currency}."
    if not letters.clean(entry.name, letters.PLAIN, _LONGEST).text:
        return "The name at the bank has no letter that the bank takes. Enter it in Latin letters."
    contents = {column.content for column in parse(setup.get("columns"))}
    if "mode" in contents and entry.scheme != "ifsc":
        return "This column file pays to accounts in India (IFSC) only."
    longest = next(column.longest for column in parse(setup.get("columns")) if column.content == "account")
    if len(_account(entry)) > longest:
        return f"The account number is longer than the {longest} signs of its column."
    return ""


def write(setup: Setup, entries: Sequence[Entry], making: Making) -> Written:
    """The file. Raises Unwritable when an amount or a key does not fit its column."""
    columns = parse(setup.get("columns"))
    total = total_of(entries, making.currency)
    delimiter = "\t" if setup.get("delimiter") == "tab" else setup.get("delimiter")
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    if setup.values.get("has_header"):
        writer.writerow([column.heading for column in columns])
    by_transfer = any(column.content == "transfer" for column in columns)
    lines = []
    for entry in entries:
        cells, name, changes = _cells(setup, columns, entry, making)
        writer.writerow(cells)
        key = entry.transfer_id if by_transfer else entry.try_reference
        lines.append(Line(entry, key, name, changes))
    data = buffer.getvalue().encode("ascii")
    _read_back(data, delimiter, columns, setup, total)
    controls = {
        "Lines": str(len(entries) + bool(setup.values.get("has_header"))),
        "Columns": str(len(columns)),
    }
    return Written(data, setup.get("name")[:60], "csv", tuple(lines), controls)


def _cells(
    setup: Setup, columns: tuple[Column, ...], entry: Entry, making: Making
) -> tuple[list[str], str, tuple[tuple[str, str, str], ...]]:
    name, cells = "", []
    changes: tuple[tuple[str, str, str], ...] = ()
    mode = mode_of(setup, entry)
    for column in columns:
        match column.content:
            case "name":
                cleaned = letters.clean(entry.name, letters.PLAIN, column.longest)
                name, changes = cleaned.text, changed("name", cleaned.was, cleaned.text, cleaned.is_changed)
                text = name
            case "bank_code":
                text = (
                    "" if mode == "FT" else entry.details.get("ifsc", entry.details.get("routing_number", ""))
                )
            case "mode":
                text = mode
            case _:
                text = _plain(setup, column, entry, making)
        if len(text) > column.longest:
            raise Unwritable(f"{entry.reference}: {column.heading} holds more than {column.longest} signs.")
        cells.append(text)
    return cells, name or letters.clean(entry.name, letters.PLAIN, _LONGEST).text, changes


def _plain(setup: Setup, column: Column, entry: Entry, making: Making) -> str:
    texts = {
        "account": _account(entry),
        "amount": amount_text(entry.amount, setup.get("amounts")),
        "currency": entry.currency,
        "date": day_text(making.execute_on, setup.get("dates")),
        "reference": entry.try_reference,
        "transfer": entry.transfer_id,
        "debit_account": setup.account.get("iban") or setup.account.get("account_number", ""),
        "fixed": column.fixed,
        "blank": "",
    }
    return texts[column.content]


def _account(entry: Entry) -> str:
    return entry.details.get("iban") or entry.details.get("account_number", "")


def mode_of(setup: Setup, entry: Entry) -> str:
    """How the bank is to pay: within itself, or by the clearing that the amount asks for."""
    own = setup.get("own_bank")
    if own and entry.details.get("ifsc", "").startswith(own):
        return "FT"
    return "RTGS" if entry.currency == "INR" and not entry.amount < _RTGS_FROM else "NEFT"


def amount_text(amount: Money, style: str) -> str:
    """The amount as the bank wants it written; exact, without groups."""
    if style == "minor":
        return str(amount.amount)
    return amount.plain.replace(".", ",") if style == "comma" else amount.plain


def day_text(day: date, style: str) -> str:
    """The day as the bank wants it written."""
    if style not in DATE_FORMATS:
        raise Unwritable(f"{style!r} is no way to write a day.")
    return day.strftime(style)


def _read_back(data: bytes, delimiter: str, columns: tuple[Column, ...], setup: Setup, total: Money) -> None:
    """Read the file as the bank would, and compare the sum. Raises Unwritable when it differs."""
    rows = list(csv.reader(io.StringIO(data.decode("ascii"), newline=""), delimiter=delimiter))
    rows = rows[1:] if setup.values.get("has_header") else rows
    place = next(n for n, column in enumerate(columns) if column.content == "amount")
    digits = sum(int(row[place].replace(".", "").replace(",", "")) for row in rows)
    if digits != total.amount or any(len(row) != len(columns) for row in rows):
        raise Unwritable("The file does not add up when it is read again.")


WRITER = Writer(why_not, write)
