"""MT940 as banks send it, through the mt-940 library, statement by statement. Pure."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from mt940.models import Transactions

from webapp.kernel.errors import Invalid
from webapp.reconciliation import rules
from webapp.reconciliation.lines import Keyed, Line, Parsed, StatementPart, balance_notes, minor
from webapp.reconciliation.states import FileFormat, Source

# A statement begins with its reference; the library would mix the balances of several.
_START = re.compile(r"(?m)^:20:")
_TEXT_KEYS = (
    "transaction_details", "purpose", "additional_purpose", "extra_details", "end_to_end_reference",
    "posting_text", "non_swift_text",
)  # fmt: skip
_NAME_KEYS = ("recipient_name", "applicant_name", "deviate_recipient", "deviate_applicant")


def looks_like(text: str) -> bool:
    """Whether a text has the tags that every MT940 has."""
    return bool(_START.search(text)) and bool(re.search(r"(?m)^:(25|60[FM]|61):", text))


def read(text: str) -> Parsed:
    """The statements of a file. Raises Invalid("file", …) with the reason when it is none."""
    if re.search(r"(?m)^:(34F|90D|90C):", text) and not re.search(r"(?m)^:62[FM]:", text):
        raise Invalid("file", "This is an MT942 report of the running day. Ask the bank for MT940.")
    starts = [found.start() for found in _START.finditer(text)]
    keys = Keyed()
    statements = [
        _statement(text[start:end], number, keys)
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), start=1)
    ]
    if not statements:
        raise Invalid("file", "The file holds no statement.")
    return Parsed(Source.BANK, FileFormat.MT940, tuple(statements), balance_notes(statements))


def _statement(text: str, position: int, keys: Keyed) -> StatementPart:
    where = f"Statement {position}"
    book = Transactions()
    try:
        # Never mt940.parse(): it would take a text for the name of a file.
        book.parse(text)
    except (ValueError, TypeError, KeyError, ArithmeticError, RuntimeError, AssertionError) as error:
        raise Invalid("file", f"{where} cannot be read: {' '.join(str(error).split())[:120]}.") from None
    # A statement in several messages begins and ends with intermediate balances.
    opening = _first(
        book.data, "final_opening_balance", "intermediate_opening_balance", before=True, text=text
    )
    closing = _first(
        book.data, "final_closing_balance", "intermediate_closing_balance", before=False, text=text
    )
    if opening is None or closing is None:
        raise Invalid("file", f"{where} has no opening or no closing balance (:60F: and :62F:).")
    account = str(book.data.get("account_identification") or "").strip()[:40]
    currency = str(opening.amount.currency or "").upper()
    if not account:
        raise Invalid("file", f"{where} does not say which account it is of (:25:).")
    lines = tuple(
        keys.line(account, _line(each.data, currency, f"Line {n} of statement {position}"))
        for n, each in enumerate(book, start=1)
        if each.data.get("amount") is not None
    )
    return StatementPart(
        account=account,
        currency=currency,
        lines=lines,
        number="/".join(
            str(p) for p in (book.data.get("statement_number"), book.data.get("sequence_number")) if p
        ),
        opening_minor=_minor(opening.amount, currency, where),
        opening_on=_plain_day(opening.date),
        closing_minor=_minor(closing.amount, currency, where),
        closing_on=_plain_day(closing.date),
    )


def _first(data: dict[str, Any], final: str, intermediate: str, *, before: bool, text: str) -> Any:
    """The balance at one end of the message: the final one, unless the message has only the other."""
    tag = "60" if before else "62"
    has_final = re.search(rf"(?m)^:{tag}F:", text)
    return data.get(final if has_final else intermediate)


def _minor(amount: Any, currency: str, where: str) -> int:
    found = str(amount.currency or "").upper()
    if found != currency:
        raise Invalid("file", f"{where} mixes {currency!r} and {found!r}; its balances name no one currency.")
    return minor(Decimal(str(amount.amount)), currency, where)


def _plain_day(day: Any) -> date:
    return date(day.year, day.month, day.day)


def _line(data: dict[str, Any], currency: str, where: str) -> Line:
    words = " ".join(str(data.get(key) or "") for key in _TEXT_KEYS)
    amount = data["amount"]
    customer = rules.no_filler(str(data.get("customer_reference") or ""))
    end_to_end = rules.no_filler(str(data.get("end_to_end_reference") or ""))
    return Line(
        booked_on=_plain_day(data.get("guessed_entry_date") or data.get("entry_date") or data["date"]),
        value_on=_plain_day(data["date"]),
        amount_minor=_minor_of_line(amount, str(data.get("status") or "").upper(), currency, where),
        currency=currency,
        bank_reference=rules.no_filler(str(data.get("bank_reference") or "")),
        end_to_end=end_to_end or customer,
        our_id=rules.find_references((end_to_end, customer)).our_id,
        counterparty=next((str(data[key]) for key in _NAME_KEYS if data.get(key)), ""),
        text=" ".join(words.split()),
        batch_reference=customer,
    )


def _minor_of_line(amount: Any, status: str, currency: str, where: str) -> int:
    """A line has no currency of its own: it is in that of the account."""
    size = abs(minor(Decimal(str(amount.amount)), currency, where))
    # RC takes a credit back, RD a debit: the library knows only C and D.
    return -size if status in ("D", "RC") else size
