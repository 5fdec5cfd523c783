"""camt.053, in every version that banks send, read by the names of its elements. Pure.

Entities and document types are refused before anything of them is read; entries are read one by one, so that a large
file needs little memory.
"""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # nosemgrep: use-defused-xml - types; defusedxml parses

from defusedxml import ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from webapp.kernel.errors import Invalid
from webapp.reconciliation import rules
from webapp.reconciliation.lines import Keyed, Line, Parsed, StatementPart, balance_notes, minor
from webapp.reconciliation.states import FileFormat, Source

_OTHERS = {
    "BkToCstmrDbtCdtNtfctn": "a camt.054 notification",
    "BkToCstmrAcctRpt": "a camt.052 report of the running day",
    "CstmrPmtStsRpt": "a pain.002 status report",
    "CstmrCdtTrfInitn": "a pain.001 payment order",
}
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)


def read(data: bytes) -> Parsed:
    """The statements of a file. Raises Invalid("file", …) with the reason when it is none."""
    statements: list[StatementPart] = []
    skipped = 0
    current: _Statement | None = None
    is_camt = False
    keys = Keyed()
    try:
        for event, element in SafeTree.iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
            name = _local(element)
            if event == "start":
                if name in _OTHERS:
                    raise Invalid("file", f"This is {_OTHERS[name]}. Ask the bank for camt.053.")
                is_camt = is_camt or name == "BkToCstmrStmt"
                if name == "Stmt" and is_camt:
                    current = _Statement(len(statements) + 1, keys)
                continue
            if current is None:
                continue
            if name == "Ntry":
                skipped += current.entry(element)
                element.clear()
            elif name == "Acct" and not current.has_account:
                current.account_of(element)
            elif name == "Bal":
                current.balance(element)
            elif name == "Stmt":
                current.number = _text(element, "Id")
                statements.append(current.finish())
                current = None
                element.clear()
    except DefusedXmlException:
        raise Invalid(
            "file", "The file defines entities or a document type of its own. No bank does."
        ) from None
    except (ParseError, UnicodeError, ValueError) as error:
        raise Invalid("file", f"The file is not whole XML: {str(error)[:120]}.") from None
    if not is_camt:
        raise Invalid("file", "This XML file is no bank statement (camt.053).")
    if not statements:
        raise Invalid("file", "The file holds no statement.")
    notes = list(balance_notes(statements))
    if skipped:
        notes.insert(0, f"{skipped:,} entries that the bank has not booked yet are left out.")
    return Parsed(Source.BANK, FileFormat.CAMT, tuple(statements), tuple(notes))


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _find(element: Element, path: str) -> Element | None:
    """The first element at a path of local names, whatever the namespace."""
    here: Element | None = element
    for step in path.split("/"):
        here = next((child for child in here if _local(child) == step), None) if here is not None else None
    return here


def _text(element: Element, *paths: str) -> str:
    for path in paths:
        found = _find(element, path)
        if found is not None and (found.text or "").strip():
            return (found.text or "").strip()
    return ""


def _all(element: Element, name: str) -> list[Element]:
    return [child for child in element if _local(child) == name]


class _Statement:
    """What was read of one statement so far."""

    def __init__(self, position: int, keys: Keyed) -> None:
        self.position, self.keys = position, keys
        self.number = self.account = self.currency = ""
        self.has_account = False
        self.lines: list[Line] = []
        self.balances: dict[str, tuple[int, date, str]] = {}

    def account_of(self, element: Element) -> None:
        """The account that the statement is of."""
        self.has_account = True
        self.account = _text(element, "Id/IBAN", "Id/Othr/Id")[:40]
        self.currency = _text(element, "Ccy").upper()

    def balance(self, element: Element) -> None:
        """Opening and closing; the others say nothing about the period."""
        code = _text(element, "Tp/CdOrPrtry/Cd")
        wanted = "opening" if code in _OPENING else "closing" if code in _CLOSING else ""
        if not wanted or (wanted in self.balances and code == "PRCD"):
            return
        amount, currency = _amount(element, f"A balance of statement {self.position}")
        day = _day(element, "Dt", f"A balance of statement {self.position}")
        self.balances[wanted] = (amount, day, currency)

    def entry(self, element: Element) -> int:
        """Take the lines of one entry; 1 when it is not booked and left out."""
        if _text(element, "Sts/Cd", "Sts") not in ("BOOK", ""):
            return 1
        where = f"Entry {len(self.lines) + 1} of statement {self.position}"
        total, currency = _amount(element, where)
        self.currency = self.currency or currency
        if currency != self.currency:
            raise Invalid("file", f"{where} is in {currency}; the account is in {self.currency}.")
        booked = _day(element, "BookgDt", where) if _find(element, "BookgDt") is not None else None
        value = _day(element, "ValDt", where) if _find(element, "ValDt") is not None else None
        if booked is None and value is None:
            raise Invalid("file", f"{where} has no day.")
        common = {
            "booked_on": booked or value,
            "value_on": value,
            "currency": currency,
            "bank_reference": rules.no_filler(_text(element, "AcctSvcrRef", "NtryRef")),
        }
        details = [t for d in _all(element, "NtryDtls") for t in _all(d, "TxDtls")]
        batch = next((b for d in _all(element, "NtryDtls") for b in _all(d, "Btch")), None)
        parts = _split(details, total, currency, where)
        if parts:
            for detail, amount in zip(details, parts, strict=True):
                self._take(Line(amount_minor=amount, **{**common, **_told(detail)}))
            return 0
        told: dict[str, Any] = _told(details[0]) if len(details) == 1 else {}
        told["text"] = " ".join(filter(None, (told.get("text", ""), _text(element, "AddtlNtryInf"))))
        if batch is not None:
            count = _text(batch, "NbOfTxs")
            told["batch_reference"] = rules.no_filler(_text(batch, "PmtInfId", "MsgId"))
            told["batch_count"] = int(count) if count.isdigit() and len(count) < 8 else 0
        elif len(details) > 1:
            told["batch_count"] = len(details)
            told["batch_reference"] = rules.no_filler(_text(details[0], "Refs/PmtInfId", "Refs/MsgId"))
        self._take(Line(amount_minor=total, **{**common, **told}))
        return 0

    def _take(self, line: Line) -> None:
        self.lines.append(self.keys.line(self.account, line))

    def finish(self) -> StatementPart:
        """The statement, once its end was read. Raises Invalid("file", …)."""
        for amount_currency in {b[2] for b in self.balances.values()}:
            self.currency = self.currency or amount_currency
            if amount_currency != self.currency:
                raise Invalid(
                    "file", f"Statement {self.position} mixes {self.currency} and {amount_currency}."
                )
        if not self.account or not self.currency:
            raise Invalid(
                "file", f"Statement {self.position} does not say which account and currency it is of."
            )
        minor(Decimal(0), self.currency, f"Statement {self.position}")
        opening, closing = self.balances.get("opening"), self.balances.get("closing")
        return StatementPart(
            account=self.account,
            currency=self.currency,
            lines=tuple(self.lines),
            number=self.number[:60],
            opening_minor=opening[0] if opening else None,
            opening_on=opening[1] if opening else None,
            closing_minor=closing[0] if closing else None,
            closing_on=closing[1] if closing else None,
        )


def _amount(element: Element, where: str) -> tuple[int, str]:
    """Signed minor units and the currency of an element with Amt and CdtDbtInd."""
    found = _find(element, "Amt")
    if found is None:
        raise Invalid("file", f"{where} has no amount.")
    currency = (found.get("Ccy") or "").upper()
    amount = minor(_decimal(found.text, where), currency, where)
    sign = _text(element, "CdtDbtInd")
    if sign not in ("CRDT", "DBIT"):
        raise Invalid("file", f"{where} does not say whether it is a credit or a debit.")
    return amount if sign == "CRDT" else -amount, currency


def _decimal(text: str | None, where: str) -> Decimal:
    try:
        return Decimal((text or "").strip())
    except InvalidOperation:
        raise Invalid("file", f"{where} has {(text or 'nothing')[:30]!r} where an amount belongs.") from None


def _day(element: Element, name: str, where: str) -> date:
    text = _text(element, f"{name}/Dt", f"{name}/DtTm", name)
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Invalid("file", f"{where} has {text[:30]!r} where a day belongs.") from None


def _split(details: list[Element], total: int, currency: str, where: str) -> list[int]:
    """The signed amounts of an entry's transactions where each says its own and they add up; else none."""
    if len(details) < 2:
        return []
    parts = []
    for detail in details:
        found = _find(detail, "Amt")
        if found is None:
            found = _find(detail, "AmtDtls/TxAmt/Amt")
        if found is None or (found.get("Ccy") or "").upper() != currency:
            return []
        parts.append(minor(_decimal(found.text, where), currency, where))
    if sum(parts) != abs(total):
        return []
    return [part if total > 0 else -part for part in parts]


def _told(detail: Element) -> dict[str, Any]:
    """What one transaction says about itself."""
    end_to_end = rules.no_filler(_text(detail, "Refs/EndToEndId"))
    words = [e.text or "" for r in _all(detail, "RmtInf") for e in r.iter() if _local(e) in ("Ustrd", "Ref")]
    words.append(_text(detail, "AddtlTxInf"))
    words.append(_text(detail, "RtrInf/AddtlInf"))
    instruction = rules.no_filler(_text(detail, "Refs/InstrId"))
    return {
        "end_to_end": end_to_end or instruction,
        "our_id": rules.find_references((end_to_end, instruction)).our_id,
        "utr": rules.no_filler(_text(detail, "Refs/TxId", "Refs/UETR"))
        or rules.no_filler(_text(detail, "Refs/ClrSysRef")),
        "counterparty": _text(
            detail, "RltdPties/Cdtr/Pty/Nm", "RltdPties/Cdtr/Nm", "RltdPties/Dbtr/Pty/Nm", "RltdPties/Dbtr/Nm"
        ),
        "text": " ".join(" ".join(words).split()),
    }
