"""ISO 20022 credit transfers (pain.001.001.03 and .09), checked against their schema before they leave. Pure.

The schemas are those that the package sepaxml (MIT) ships, as ISO 20022 publishes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405 - writes only

from lxml import etree

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
from webapp.people.accounts import Scheme

VERSIONS = ("pain.001.001.09", "pain.001.001.03")
# How a payment is to be made: a code of ISO, or a word that banks have agreed on (Prtry).
SERVICES = {
    "": "As agreed with the bank",
    "SEPA": "SEPA credit transfer (EUR)",
    "NURG": "Not urgent",
    "URGP": "Urgent",
    "NEFT": "NEFT (India)",
    "RTGS": "RTGS (India)",
    "IMPS": "IMPS (India)",
}
_PROPRIETARY = frozenset({"NEFT", "RTGS", "IMPS"})
_NAME, _REMARK = 70, 140
_LARGEST = 10**15


def why_not(setup: Setup, entry: Entry) -> str:
    """Why an entry cannot go into this file; empty when it can."""
    if entry.kind != "bank_account" or entry.scheme not in (Scheme.IBAN, Scheme.IFSC, Scheme.ABA):
        return "Only bank accounts can go into a bank file."
    if setup.get("service") == "SEPA" and entry.scheme != Scheme.IBAN:
        return "A SEPA transfer needs an IBAN."
    if setup.get("service") in _PROPRIETARY and entry.scheme != Scheme.IFSC:
        return f"{setup.get('service')} needs an account with an IFSC."
    if setup.get("currency") != entry.currency:
        return f"The file is in {setup.get('currency')}, the payout in {entry.currency}."
    if entry.amount_minor >= _LARGEST:
        return "The amount is larger than such a file can carry."
    if not letters.clean(entry.name, letters.ISO, _NAME).text:
        return "The name at the bank has no letter that the bank takes. Enter it in Latin letters."
    return ""


def write(setup: Setup, entries: Sequence[Entry], making: Making) -> Written:
    """The file. Raises Unwritable when it does not satisfy its schema."""
    version = setup.get("version")
    total = total_of(entries, making.currency)
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{version}"
    document = Element("Document", {"xmlns": namespace})
    root = SubElement(document, "CstmrCdtTrfInitn")
    header = SubElement(root, "GrpHdr")
    _text(header, "MsgId", making.message_id)
    _text(header, "CreDtTm", making.made_at.strftime("%Y-%m-%dT%H:%M:%S"))
    _text(header, "NbOfTxs", str(len(entries)))
    _text(header, "CtrlSum", total.plain)
    _party(SubElement(header, "InitgPty"), setup.get("initiator"), setup.get("initiator_id"))
    payment = _payment(root, setup, making, len(entries), total.plain)
    lines = tuple(_transfer(payment, entry) for entry in entries)
    data = b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(document, encoding="utf-8")
    data += b"\n"
    check(data, version)
    controls = {"Message": making.message_id, "Schema": f"{version}, checked"}
    return Written(data, version, "xml", lines, controls)


def check(data: bytes, version: str) -> None:
    """Whether the bytes satisfy the schema. Raises Unwritable with the first thing that is wrong."""
    try:
        document = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise Unwritable(f"The file is no XML: {error}") from error
    schema = _schema(version)
    if not schema.validate(document):
        first = schema.error_log[0]
        raise Unwritable(f"The file does not satisfy {version}: line {first.line}: {first.message[:300]}")


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


@lru_cache(maxsize=4)
def _schema(version: str) -> etree.XMLSchema:
    if version not in VERSIONS:
        raise Unwritable(f"There is no schema of {version!r} here.")
    source = files("sepaxml").joinpath("schemas", f"{version}.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(source, _parser()))


def _payment(root: Element, setup: Setup, making: Making, count: int, total: str) -> Element:
    is_old = setup.get("version") == "pain.001.001.03"
    service = setup.get("service")
    payment = SubElement(root, "PmtInf")
    _text(payment, "PmtInfId", f"{making.message_id[:33]}-1")
    _text(payment, "PmtMtd", "TRF")
    _text(payment, "BtchBookg", "true" if setup.values.get("is_batch") else "false")
    _text(payment, "NbOfTxs", str(count))
    _text(payment, "CtrlSum", total)
    if service:
        level = SubElement(SubElement(payment, "PmtTpInf"), "SvcLvl")
        _text(level, "Prtry" if service in _PROPRIETARY else "Cd", service)
    day = SubElement(payment, "ReqdExctnDt")
    if is_old:
        day.text = making.execute_on.isoformat()
    else:
        _text(day, "Dt", making.execute_on.isoformat())
    _party(SubElement(payment, "Dbtr"), setup.get("debtor"), "")
    account = SubElement(payment, "DbtrAcct")
    _account(account, setup.account)
    _text(account, "Ccy", making.currency)
    _agent(SubElement(payment, "DbtrAgt"), setup.account, setup.get("bic"), is_old)
    _text(payment, "ChrgBr", "SLEV" if service == "SEPA" else "SHAR")
    return payment


def _transfer(payment: Element, entry: Entry) -> Line:
    name = letters.clean(entry.name, letters.ISO, _NAME)
    transfer = SubElement(payment, "CdtTrfTxInf")
    ids = SubElement(transfer, "PmtId")
    _text(ids, "InstrId", entry.reference[:35])
    _text(ids, "EndToEndId", entry.transfer_id)
    amount = SubElement(SubElement(transfer, "Amt"), "InstdAmt", {"Ccy": entry.currency})
    amount.text = entry.amount.plain
    if entry.scheme != Scheme.IBAN:
        _agent(SubElement(transfer, "CdtrAgt"), entry.details, "", False)
    _party(SubElement(transfer, "Cdtr"), name.text, "")
    _account(SubElement(transfer, "CdtrAcct"), entry.details)
    remark = letters.clean(entry.reference, letters.ISO, _REMARK).text
    _text(SubElement(transfer, "RmtInf"), "Ustrd", remark)
    return Line(entry, entry.transfer_id, name.text, changed("name", name.was, name.text, name.is_changed))


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _party(element: Element, name: str, organisation_id: str) -> None:
    _text(element, "Nm", name)
    if organisation_id:
        other = SubElement(SubElement(SubElement(element, "Id"), "OrgId"), "Othr")
        _text(other, "Id", organisation_id)


def _account(element: Element, values: Mapping[str, str]) -> None:
    identification = SubElement(element, "Id")
    if "iban" in values:
        _text(identification, "IBAN", values["iban"])
    else:
        _text(SubElement(identification, "Othr"), "Id", values["account_number"])


def _agent(element: Element, values: Mapping[str, str], bic: str, is_old: bool) -> None:
    """The bank: by BIC, else by the code of its country's clearing, else not at all."""
    institution = SubElement(element, "FinInstnId")
    if bic:
        _text(institution, "BIC" if is_old else "BICFI", bic)
        return
    for name, system in (("ifsc", "INFSC"), ("routing_number", "USABA")):
        if name in values:
            member = SubElement(institution, "ClrSysMmbId")
            _text(SubElement(member, "ClrSysId"), "Cd", system)
            _text(member, "MmbId", values[name])
            return
    _text(SubElement(institution, "Othr"), "Id", "NOTPROVIDED")


WRITER = Writer(why_not, write)
