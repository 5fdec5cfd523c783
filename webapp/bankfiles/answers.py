"""What banks give back, read: pain.002, ACH returns, and a bank's own CSV by its columns. Pure.

Every reader answers lines; what they do is decided in `returns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree.ElementTree import ParseError  # nosec B405 - the name of an error only

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from webapp.bankfiles import reasons
from webapp.bankfiles.states import Word
from webapp.imports import reading
from webapp.kernel.errors import Invalid
from webapp.kernel.money import exponent
from webapp.providers.ports import mask

PAIN002, NACHA, CSV = "pain.002", "NACHA return", "CSV"
MOST_LINES = 20_000
# What one payment can be at most, in minor units; more is no amount but a mistake.
MOST_MINOR = 10**15
_MOST_DIGITS = 15
# What a status of ISO 20022 says of the money; one that is not here is shown and changes nothing.
_STATUS = {
    "ACSC": Word.PAID,
    "ACCC": Word.PAID,
    "RJCT": Word.REFUSED,
    "CANC": Word.REFUSED,
    **dict.fromkeys(("ACTC", "ACCP", "ACSP", "ACWC", "ACWP", "ACFC", "RCVD", "PDNG"), Word.ACCEPTED),
}
_PARTLY = "PART"
_NUMBER = re.compile(r"\d{1,15}(\.\d+)?")


@dataclass(frozen=True)
class Spoken:
    """The bank's word on one payment (`key`), or on all of a message (`message_id`) that have none of their own."""

    key: str = ""
    message_id: str = ""
    # The message id of the file that a single payment was in, where the bank says so.
    about: str = ""
    word: Word | None = None
    code: str = ""
    text: str = ""
    utr: str = ""
    amount: str = ""
    currency: str = ""
    # For people only: nothing follows from it.
    is_information: bool = False

    def minor(self, currency: str) -> int | None:
        """The amount in minor units of a currency; None without one. Raises ValueError when it is none."""
        if not self.amount:
            return None
        return minor_of(self.amount, currency)


@dataclass(frozen=True)
class Answers:
    """A whole return file."""

    kind: str
    spoken: tuple[Spoken, ...]


def minor_of(text: str, currency: str) -> int:
    """A plain amount of a file ("1234.50") in minor units. Raises ValueError when it is not exactly one."""
    try:
        plain = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    # "NaN", "Infinity" and "1E+30" are numbers to Decimal, and no amount of money.
    if not plain.is_finite() or plain.adjusted() > _MOST_DIGITS:
        raise ValueError(text)
    value = plain.scaleb(exponent(currency))
    if value != value.to_integral_value() or not 0 <= value <= MOST_MINOR:
        raise ValueError(text)
    return int(value)


def kind_of(data: bytes) -> str:
    """What sort of return file the bytes are."""
    start = data[:400].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"<"):
        return PAIN002
    if re.match(rb"101[ 0-9]", start) and len(start.splitlines()[0]) in (94, 93, 95):
        return NACHA
    return CSV


def read(data: bytes, columns: Mapping[str, str] | None) -> Answers:
    """Read a return file; `columns` say how the bank's CSV calls its columns. Raises Invalid("file", …)."""
    kind = kind_of(data)
    if kind == PAIN002:
        spoken = tuple(_pain002(data))
    elif kind == NACHA:
        spoken = tuple(_nacha(data))
    else:
        spoken = tuple(_csv(data, columns))
    if not spoken:
        raise Invalid("file", "There is no word on any payment in this file.")
    if len(spoken) > MOST_LINES:
        raise Invalid("file", f"The file has more than {MOST_LINES:,} lines. Ask the bank for smaller ones.")
    return Answers(kind, spoken)


# ---- pain.002 -------------------------------------------------------------------------------------------


def _local(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _find(element: Any, *path: str) -> Any:
    for name in path:
        element = next((child for child in element if _local(child) == name), None)
        if element is None:
            return None
    return element


def _said(element: Any, *path: str) -> str:
    found = _find(element, *path)
    return " ".join((found.text or "").split()) if found is not None else ""


def _pain002(data: bytes) -> Iterator[Spoken]:
    try:
        root = ElementTree.fromstring(data)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Invalid("file", f"This XML cannot be read: {type(error).__name__}.") from None
    report = _find(root, "CstmrPmtStsRpt")
    if report is None:
        raise Invalid("file", "This is XML, but no payment status report (pain.002).")
    group = _find(report, "OrgnlGrpInfAndSts")
    if group is None:
        raise Invalid("file", "The report does not name the file that it is about (OrgnlGrpInfAndSts).")
    message_id = _said(group, "OrgnlMsgId")
    yield from _of_all(group, "GrpSts", message_id)
    for payment in (child for child in report if _local(child) == "OrgnlPmtInfAndSts"):
        yield from _of_all(payment, "PmtInfSts", message_id)
        for transaction in (child for child in payment if _local(child) == "TxInfAndSts"):
            yield _of_one(transaction, message_id)


def _of_all(element: Any, status: str, message_id: str) -> Iterator[Spoken]:
    said = _said(element, status)
    if not said or said == _PARTLY:
        return
    code, text = _reason(element)
    word = _STATUS.get(said)
    yield Spoken(
        message_id=message_id, word=word, code=code or ("" if word else said),
        text=text if word is Word.REFUSED else "",
    )  # fmt: skip


def _of_one(element: Any, message_id: str) -> Spoken:
    said = _said(element, "TxSts")
    word = _STATUS.get(said)
    code, text = _reason(element)
    amount = _find(element, "OrgnlTxRef", "Amt", "InstdAmt")
    return Spoken(
        key=_said(element, "OrgnlEndToEndId"),
        about=message_id,
        word=word,
        code=code or ("" if word else said),
        text=text if word is Word.REFUSED else "",
        utr=_said(element, "AcctSvcrRef") or _said(element, "ClrSysRef"),
        amount=_said(element, "OrgnlTxRef", "Amt", "InstdAmt"),
        currency=str(amount.get("Ccy") or "") if amount is not None else "",
    )


def _reason(element: Any) -> tuple[str, str]:
    for information in (child for child in element if _local(child) == "StsRsnInf"):
        code = _said(information, "Rsn", "Cd") or _said(information, "Rsn", "Prtry")
        # What a bank writes freely may repeat an account number.
        said = str(mask(_said(information, "AddtlInf")))[:200]
        return code[:35], reasons.iso_words(code, said)
    return "", reasons.iso_words("")


# ---- NACHA ----------------------------------------------------------------------------------------------


def _nacha(data: bytes) -> Iterator[Spoken]:
    try:
        lines = [line.ljust(94) for line in data.decode("ascii").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise Invalid("file", "An ACH file has plain letters and digits only.") from None
    if any(len(line) != 94 for line in lines):
        raise Invalid("file", "An ACH file has lines of 94 signs; this one was changed on its way.")
    counted = sum(line[0] in "67" for line in lines)
    control = next((line for line in lines if line[0] == "9" and line != "9" * 94), "")
    if not control or not control[13:21].isdecimal() or int(control[13:21]) != counted:
        raise Invalid("file", "The file is cut off: its last line does not count the entries that are there.")
    entry = ""
    for line in lines:
        if line[0] == "6":
            entry = line
        elif line[:3] == "799":
            code = line[3:6].strip()
            cents = entry[29:39]
            amount = f"{int(cents) // 100}.{int(cents) % 100:02d}" if cents.isdecimal() else "unreadable"
            yield Spoken(
                key=line[6:21].strip(), word=Word.RETURNED, code=code, text=reasons.ach_words(code),
                amount=amount, currency="USD",
            )  # fmt: skip
        elif line[:3] == "798":
            code = line[3:6].strip()
            yield Spoken(
                key=line[6:21].strip(), code=code, text=reasons.change_words(code), is_information=True
            )


# ---- CSV ------------------------------------------------------------------------------------------------


def _csv(data: bytes, columns: Mapping[str, str] | None) -> Iterator[Spoken]:
    if not columns:
        raise Invalid("file", "For a bank's CSV, enter its columns in the settings of the column file first.")
    table = reading.read(data, "" if reading.encoding_of(data) else "cp1252")
    header = [name.casefold().strip() for name in table.header]
    places = {}
    for name in ("key", "status", "reason", "utr", "amount"):
        wanted = columns.get(name, "")
        if not wanted:
            continue
        if wanted.casefold() not in header:
            found = ", ".join(name for name in table.header if name)[:200]
            raise Invalid("file", f"The file has no column {wanted!r}. It has: {found}.")
        places[name] = header.index(wanted.casefold())
    meanings = {
        part.strip().casefold(): word
        for word in (Word.ACCEPTED, Word.PAID, Word.REFUSED, Word.RETURNED)
        for part in columns.get(word.value, "").split(",")
        if part.strip()
    }
    for _, row in table.rows:
        cells = {name: row[place].strip() if place < len(row) else "" for name, place in places.items()}
        if not any(cells.values()):
            continue
        yield _of_row(cells, meanings)


def _of_row(cells: Mapping[str, str], meanings: Mapping[str, Word]) -> Spoken:
    said = cells.get("status", "")
    word = meanings.get(said.casefold())
    reason = str(mask(cells.get("reason", "")))[:300]
    amount = cells.get("amount", "").replace(",", "")
    if amount and not _NUMBER.fullmatch(amount):
        amount = "unreadable"
    code = "BANK_REFUSED" if word is Word.REFUSED else "BANK_RETURNED" if word is Word.RETURNED else ""
    text = reason or ("The bank gives no reason." if code else "")
    return Spoken(
        key=cells.get("key", "")[:60],
        word=word,
        code=code if word else said[:35],
        text=f"The bank says: {text}" if code and reason else text if code else "",
        utr=cells.get("utr", "")[:120],
        amount=amount,
    )
