"""How an organisation's bank wants its files: checked field by field, kept per format; the own account is sealed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from stdnum import bic as bic_number
from stdnum.exceptions import ValidationError

from webapp import secrets
from webapp.audit import service as audit
from webapp.bankfiles import columns, letters, nacha, pain001
from webapp.bankfiles.models import BankFileSetup
from webapp.bankfiles.states import Format
from webapp.bankfiles.writing import Setup, Writer
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound, StaleVersion
from webapp.kernel.ids import new_uid
from webapp.kernel.money import exponent
from webapp.people import accounts

WRITERS: dict[str, Writer] = {
    Format.PAIN001: pain001.WRITER,
    Format.NACHA: nacha.WRITER,
    Format.COLUMNS: columns.WRITER,
}
Checked = tuple[dict[str, Any], dict[str, str]]
MOST_DAYS = 10
_COMPANY_ID = re.compile(r"[A-Z0-9]{9,10}")
_BANK = re.compile(r"[A-Z]{4}")
_STALE = "Somebody else changed these settings since you opened this page."
binding_of = partial(secrets.binding, "bank_file_setups.account")


def _name(field: str, text: str, allowed: frozenset[str], longest: int, example: str) -> str:
    """A name that goes into the file as it is typed. Raises Invalid that says how the bank would read it."""
    name = " ".join(text.split())
    cleaned = letters.clean(name, allowed, longest)
    if not name:
        raise Invalid(field, "Enter the name as the bank knows it.", example)
    if cleaned.is_changed:
        raise Invalid(
            field, f"The bank's letters allow {cleaned.text!r} here, up to {longest} signs.", example
        )
    return cleaned.text


def _days(text: Any) -> int:
    days = int(text) if str(text).strip().isdecimal() else -1
    if not 0 <= days <= MOST_DAYS:
        raise Invalid("days_ahead", f"Enter working days from 0 to {MOST_DAYS}.", "1")
    return days


def _choice(field: str, value: Any, choices: Mapping[str, str], example: str) -> str:
    if value not in choices:
        raise Invalid(field, "Choose one of the list.", example)
    return str(value)


def _currency(text: Any) -> str:
    code = str(text or "").strip().upper()
    try:
        exponent(code)
    except (ValueError, LookupError):
        raise Invalid("currency", "Enter the three letters of the account's currency.", "EUR") from None
    return code


def _routing(field: str, text: Any) -> str:
    try:
        return accounts.check_routing_number(str(text or ""))
    except Invalid as error:
        raise Invalid(field, error.reason, error.example) from None


def _own_account(values: Mapping[str, Any]) -> dict[str, str]:
    """IBAN, or number with a bank code; empty when the field is left empty (what is kept stays)."""
    if iban := str(values.get("iban") or "").strip():
        return {"iban": accounts.check_iban(iban)}
    number = str(values.get("account_number") or "").strip()
    if not number:
        return {}
    account = {"account_number": accounts.check_account_number(number)}
    code = accounts.compact(str(values.get("bank_code") or ""))
    if not code:
        return account
    if code.isdecimal():
        return account | {"routing_number": _routing("bank_code", code)}
    try:
        return account | {"ifsc": accounts.check_ifsc(code)}
    except Invalid:
        raise Invalid("bank_code", "This is neither an IFSC nor a routing number.", "HDFC0001234") from None


def check_pain001(values: Mapping[str, Any]) -> Checked:
    """The settings of ISO 20022 files. Raises Invalid."""
    code = accounts.compact(str(values.get("bic") or ""))
    if code:
        try:
            code = bic_number.validate(code)
        except ValidationError:
            raise Invalid(
                "bic", "This is not a BIC: eight or eleven letters and digits.", "COBADEFF"
            ) from None
    initiator_id = str(values.get("initiator_id") or "").strip()
    if letters.clean(initiator_id, letters.ISO, 35).text != initiator_id:
        raise Invalid("initiator_id", "Enter the id that the bank gave you, up to 35 signs.", "DE98ZZZ0001")
    service = _choice("service", values.get("service") or "", pain001.SERVICES, "SEPA")
    currency = _currency(values.get("currency"))
    if service == "SEPA" and currency != "EUR":
        raise Invalid("currency", "SEPA transfers are in EUR.", "EUR")
    checked = {
        "version": _choice("version", values.get("version"), {v: v for v in pain001.VERSIONS}, pain001.VERSIONS[0]),
        "initiator": _name("initiator", str(values.get("initiator") or ""), letters.ISO, 70, "Griha Homes Ltd"),
        "initiator_id": initiator_id,
        "debtor": _name("debtor", str(values.get("debtor") or ""), letters.ISO, 70, "Griha Homes Ltd"),
        "bic": code,
        "service": service,
        "currency": currency,
        "is_batch": bool(values.get("is_batch")),
        "days_ahead": _days(values.get("days_ahead", 0)),
    }  # fmt: skip
    account = _own_account(values)
    if service == "SEPA" and account and "iban" not in account:
        raise Invalid("iban", "A SEPA file leaves an account with an IBAN.", "DE89 3704 0044 0532 0130 00")
    return checked, account


def check_nacha(values: Mapping[str, Any]) -> Checked:
    """The settings of ACH files. Raises Invalid."""
    company = accounts.compact(str(values.get("company_id") or ""))
    if not _COMPANY_ID.fullmatch(company):
        raise Invalid(
            "company_id", "Enter the company id of your bank: nine or ten letters and digits.", "1123456789"
        )
    origin = accounts.compact(str(values.get("immediate_origin") or "")) or company
    if not _COMPANY_ID.fullmatch(origin):
        raise Invalid("immediate_origin", "Enter nine or ten letters and digits.", "1123456789")
    return {
        "destination_routing": _routing("destination_routing", values.get("destination_routing")),
        "destination_name": _name(
            "destination_name", str(values.get("destination_name") or ""), letters.NACHA, 23, "FIRST BANK"
        ),
        "immediate_origin": origin,
        "company_name": _name("company_name", str(values.get("company_name") or ""), letters.NACHA, 16, "SOLARIA INC"),
        "company_id": company,
        "odfi_routing": _routing("odfi_routing", values.get("odfi_routing")),
        "entry_class": _choice("entry_class", values.get("entry_class"), nacha.CLASSES, "PPD"),
        "account_kind": _choice("account_kind", values.get("account_kind"), nacha.ACCOUNT_KINDS, "22"),
        "description": _name("description", str(values.get("description") or ""), letters.NACHA, 10, "PAYOUT"),
        "currency": "USD",
        "days_ahead": _days(values.get("days_ahead", 1)),
    }, {}  # fmt: skip


def check_columns(values: Mapping[str, Any]) -> Checked:
    """The settings of column files. Raises Invalid."""
    template = "\n".join(
        line.strip() for line in str(values.get("columns") or "").splitlines() if line.strip()
    )
    parsed = columns.parse(template)
    own_bank = accounts.compact(str(values.get("own_bank") or ""))
    if own_bank and not _BANK.fullmatch(own_bank):
        raise Invalid("own_bank", "Enter the first four letters of your bank's IFSC.", "ICIC")
    account = _own_account(values)
    if values.get("amounts") == "comma" and values.get("delimiter") == ",":
        raise Invalid("amounts", "With commas between the columns, amounts need a point.", "1234.50")
    checked = {
        "name": _name(
            "name", str(values.get("name") or ""), letters.PLAIN | frozenset(","), 60, "ICICI Bank"
        ),
        "columns": template,
        "delimiter": _choice("delimiter", values.get("delimiter"), columns.DELIMITERS, ","),
        "has_header": bool(values.get("has_header")),
        "dates": _choice("dates", values.get("dates"), columns.DATE_FORMATS, "%d-%m-%Y"),
        "amounts": _choice("amounts", values.get("amounts"), columns.AMOUNT_FORMATS, "point"),
        "own_bank": own_bank,
        "currency": _currency(values.get("currency")),
        "days_ahead": _days(values.get("days_ahead", 0)),
        "answers": _answers(values),
    }
    needs_account = any(column.content == "debit_account" for column in parsed)
    return checked | ({"needs_account": True} if needs_account else {}), account


def _answers(values: Mapping[str, Any]) -> dict[str, str]:
    """Which columns the bank's own CSV answers have, and which words mean what."""
    kept = {
        name: " ".join(str(values.get(f"answer_{name}") or "").split())
        for name in ("key", "status", "reason", "utr", "amount", "paid", "refused", "returned", "accepted")
    }
    for needed, example in (("key", "Customer Ref No"), ("status", "STATUS"), ("paid", "Paid, Success")):
        if not kept[needed]:
            raise Invalid(f"answer_{needed}", "Say what the bank's answer calls it.", example)
    return kept


CHECKS: dict[str, Callable[[Mapping[str, Any]], Checked]] = {
    Format.PAIN001: check_pain001,
    Format.NACHA: check_nacha,
    Format.COLUMNS: check_columns,
}


def find(organisation_id: int, file_format: str) -> BankFileSetup | None:
    """The settings of a format, if there are any."""
    return db.session.scalar(
        select(BankFileSetup).where(
            BankFileSetup.organisation_id == organisation_id, BankFileSetup.format == file_format
        )
    )


def of_organisation(organisation_id: int) -> dict[str, BankFileSetup]:
    """The settings of every format that has some."""
    rows = db.session.scalars(select(BankFileSetup).where(BankFileSetup.organisation_id == organisation_id))
    return {row.format: row for row in rows}


def opened(row: BankFileSetup) -> Setup:
    """The settings with the clear account, for the one place that writes a file."""
    account = {}
    if row.account_encrypted:
        account = secrets.key_ring().decrypt(row.account_encrypted, binding_of(row.uid)).reveal()
    return Setup(row.format, row.values, account, row.account_masked)


def save(
    *,
    organisation_id: int,
    file_format: str,
    values: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    expected_version: int,
) -> BankFileSetup:
    """Keep the settings of a format. An empty account keeps the one that is there.

    Raises NotFound for an unknown format, Invalid, StaleVersion when they changed since `expected_version`
    (0: there were none).
    """
    check = CHECKS.get(file_format)
    if check is None:
        raise NotFound
    checked, account = check(values)
    row = _locked(organisation_id, file_format)
    if (row.version if row else 0) != expected_version:
        raise StaleVersion(_STALE)
    before = dict(row.values) if row else {}
    was_masked = row.account_masked if row else ""
    _need_account(file_format, checked, account, row)
    if row is None:
        row = BankFileSetup(
            uid=new_uid(),
            organisation_id=organisation_id,
            format=file_format,
            version=0,
            account_masked="",
        )
    row.values = checked
    if account:
        row.account_encrypted = secrets.key_ring().encrypt(account, binding_of(row.uid))
        row.account_masked = accounts.mask_account(account.get("iban") or account["account_number"])
    row.version += 1
    row.changed_by_label, row.changed_at = actor.label, now
    _store(row)
    changes: dict[str, Any] = {
        name: [before.get(name), checked[name]] for name in checked if before.get(name) != checked[name]
    }
    if row.account_masked != was_masked or account:
        changes["account"] = [was_masked or None, row.account_masked]
    audit.record(
        tag="bankfiles:setup:changed", actor=actor, now=now, organisation_id=organisation_id,
        subject_type="bank_file_setup", subject_id=row.id, subject_label=Format(file_format).label,
        changes=changes,
    )  # fmt: skip
    return row


def _store(row: BankFileSetup) -> None:
    """Insert or update; two people who save the first settings at once: one of them is too late."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        raise StaleVersion(_STALE) from error


def _locked(organisation_id: int, file_format: str) -> BankFileSetup | None:
    try:
        return lock_row(
            BankFileSetup,
            BankFileSetup.organisation_id == organisation_id,
            BankFileSetup.format == file_format,
        )
    except NotFound:
        return None


def _need_account(
    file_format: str, checked: Mapping[str, Any], account: Mapping[str, str], row: BankFileSetup | None
) -> None:
    is_needed = file_format == Format.PAIN001 or checked.get("needs_account")
    if not is_needed or account or (row is not None and row.account_encrypted):
        return
    field = "iban" if file_format == Format.PAIN001 else "account_number"
    raise Invalid(
        field, "Enter your own account, the one that the money leaves.", "DE89 3704 0044 0532 0130 00"
    )
