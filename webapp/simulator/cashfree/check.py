"""What Cashfree takes: every field by its type, its length and its letters; whatever else is refused by its code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from webapp.simulator.core import Said

MODES = ("banktransfer", "imps", "neft", "rtgs", "upi", "paytm", "amazonpay", "card", "cardupi")
BANK_MODES = ("banktransfer", "imps", "neft", "rtgs")
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_VPA = re.compile(r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9.]{1,63}")
_NAME = re.compile(r"[A-Za-z ]{1,100}")
_CONTACT = {
    "beneficiary_email": 200, "beneficiary_phone": 12, "beneficiary_country_code": 5,
    "beneficiary_address": 150, "beneficiary_city": 50, "beneficiary_state": 50, "beneficiary_postal_code": 6,
}  # fmt: skip
_CARD = {
    "card_token", "card_network_type", "card_cryptogram", "card_token_expiry", "card_type",
    "card_token_PAN_sequence_number",
}  # fmt: skip
_TRANSFER = {
    "transfer_id", "transfer_amount", "transfer_currency", "transfer_mode", "beneficiary_details",
    "transfer_remarks", "fundsource_id",
}  # fmt: skip
_DETAILS = "beneficiary_details"
_INSTRUMENT = f"{_DETAILS}.beneficiary_instrument_details"
FUND_SOURCE = "CASHFREE_1"
# Accounts that Cashfree refuses as beneficiaries: the merchant's own, and virtual ones.
SOURCE_ACCOUNT, VIRTUAL = "CFSOURCE00001", "CFVBA"


class Refused(Exception):
    """A request that is not taken; holds what Cashfree says to it."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.body["code"])
        self.said = said


def error(
    code: str, message: str, *, status: int = 400, kind: str = "invalid_request_error", **headers: str
) -> Said:
    """An error as Cashfree V2 writes it."""
    return Said(status, {"type": kind, "code": code, "message": message}, headers)


def refuse(code: str, message: str, **more: Any) -> Refused:
    """An error to be raised."""
    return Refused(error(code, message, **more))


@dataclass(frozen=True)
class Wanted:
    """A transfer that may be made, its fields checked one by one. Empty texts for what was not given."""

    transfer_id: str
    amount_minor: int
    mode: str
    beneficiary_id: str
    account: str
    ifsc: str
    vpa: str
    phone: str
    card: str
    remarks: str
    fund_source: str


def json_object(text: str) -> dict[str, Any]:
    """The body as an object, with exact numbers. Raises Refused."""
    try:
        body = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise refuse("request_body_invalid", "request body should be a valid JSON object")
    return body


def _no_number(name: str) -> None:
    raise ValueError(name)


def _known(given: Mapping[str, Any], allowed: Any, prefix: str = "") -> None:
    for name in given:
        if name not in allowed:
            raise refuse(f"{prefix}{name}_invalid", f"{name} is not a parameter of this request")


def _text(given: Mapping[str, Any], name: str, code: str, message: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value:
        raise refuse(code, message)
    return value


def _object(given: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(f"{prefix}{name}_invalid", f"{name} should be an object")
    return value


# ---------------------------------------------------------------- transfers


def transfer(body: Mapping[str, Any]) -> Wanted:
    """A transfer's fields. Raises Refused with the code of the first one that is wrong."""
    transfer_id = body.get("transfer_id")
    if transfer_id in (None, ""):
        raise refuse("transfer_id_missing", "transfer_id is missing in the request")
    if not isinstance(transfer_id, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,40}", transfer_id):
        raise refuse("transfer_id_invalid", "transfer_id should be alphanumeric")
    _known(body, _TRANSFER)
    amount = _amount(body)
    mode = _text(body, "transfer_mode", "transfer_mode_invalid", _MODE_MESSAGE) or "banktransfer"
    if mode not in MODES:
        raise refuse("transfer_mode_invalid", _MODE_MESSAGE)
    if _text(body, "transfer_currency", "transfer_currency_invalid", "transfer_currency is invalid") not in (
        "",
        "INR",
    ):
        raise refuse("transfer_currency_invalid", "transfer_currency is invalid. only INR is allowed")
    remarks = _text(body, "transfer_remarks", "transfer_remarks_invalid", _REMARKS_MESSAGE)
    if not re.fullmatch(r"[A-Za-z0-9 ]{0,70}", remarks):
        raise refuse("transfer_remarks_invalid", _REMARKS_MESSAGE)
    source = _text(body, "fundsource_id", "fundsource_id_invalid", "fundsource_id is invalid")
    if not isinstance(body.get(_DETAILS), dict):
        raise refuse(f"{_DETAILS}_missing", f"{_DETAILS} is missing in the request")
    return Wanted(transfer_id, amount, mode, *_destination(body[_DETAILS]), remarks, source or FUND_SOURCE)


_MODE_MESSAGE = (
    "transfer_mode is invalid allowed values are : bank, imps, neft, rtgs, upi, paytm, amazonpay, card "
    "and cardupi"
)
_REMARKS_MESSAGE = "transfer_remarks should be alphanumeric and not more than 70 characters long"


def _amount(body: Mapping[str, Any]) -> int:
    value = body.get("transfer_amount")
    if value is None:
        raise refuse("transfer_amount_missing", "transfer_amount is missing in the request")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise refuse("transfer_amount_invalid", "transfer_amount should be a number")
    # Before any arithmetic: there are exponents that no arithmetic survives.
    if not 1 <= value < 10**13:
        raise refuse("transfer_amount_invalid", "transfer_amount should be greater then 1.00")
    minor = Decimal(value).scaleb(2)
    if minor != minor.to_integral_value():
        raise refuse("transfer_amount_invalid", "transfer_amount should not have more than 2 decimals")
    return int(minor)


def _destination(details: Mapping[str, Any]) -> tuple[str, str, str, str, str, str]:
    _known(
        details,
        (
            "beneficiary_id",
            "beneficiary_name",
            "beneficiary_instrument_details",
            "beneficiary_contact_details",
        ),
        f"{_DETAILS}.",
    )
    wrong = "beneficiary_id should be alphanumeric"
    beneficiary_id = _text(details, "beneficiary_id", f"{_DETAILS}.beneficiary_id_invalid", wrong)
    if beneficiary_id and not re.fullmatch(r"[A-Za-z0-9_|.\-]{1,50}", beneficiary_id):
        raise refuse(f"{_DETAILS}.beneficiary_id_invalid", wrong)
    wrong = "beneficiary_name is invalid. only alphabets and whitespaces are allowed"
    name = _text(details, "beneficiary_name", f"{_DETAILS}.beneficiary_name_invalid", wrong)
    if (name and not _NAME.fullmatch(name)) or not (name or beneficiary_id):
        raise refuse(f"{_DETAILS}.beneficiary_name_invalid", wrong)
    contact = contact_details(details, f"{_DETAILS}.")
    instrument = _object(details, "beneficiary_instrument_details", f"{_DETAILS}.")
    _known(instrument, ("bank_account_number", "bank_ifsc", "vpa", "card_details"), f"{_INSTRUMENT}.")
    account = _text(instrument, "bank_account_number", *_ACCOUNT_WRONG)
    ifsc = _text(instrument, "bank_ifsc", *_IFSC_WRONG)
    vpa = _text(instrument, "vpa", *_VPA_WRONG)
    card = _object(instrument, "card_details", f"{_INSTRUMENT}.")
    _known(card, _CARD, f"{_INSTRUMENT}.card_details.")
    token = _text(
        card, "card_token", f"{_INSTRUMENT}.card_details.card_token_invalid", "card_token is invalid"
    )
    return beneficiary_id, account, ifsc, vpa, str(contact.get("beneficiary_phone", "")), token


_ACCOUNT_WRONG = (
    f"{_INSTRUMENT}.bank_account_number_invalid",
    "bank_account_number should be alphanumeric",
)
_IFSC_WRONG = (f"{_INSTRUMENT}.bank_ifsc_invalid", "bank_ifsc should be in standard ifsc format")
_VPA_WRONG = (f"{_INSTRUMENT}.vpa_invalid", "vpa is in invalid format")


def instrument_fits(wanted: Wanted) -> None:
    """Whether the mode has the destination that it needs. Raises Refused."""
    if wanted.mode in BANK_MODES:
        if not re.fullmatch(r"[A-Za-z0-9]{9,18}", wanted.account):
            raise refuse(*_ACCOUNT_WRONG)
        if not _IFSC.fullmatch(wanted.ifsc):
            raise refuse(*_IFSC_WRONG)
    elif wanted.mode == "upi":
        if not _VPA.fullmatch(wanted.vpa):
            raise refuse(*_VPA_WRONG)
    elif wanted.mode in ("card", "cardupi"):
        if not wanted.card:
            raise refuse(f"{_INSTRUMENT}.card_details_invalid", "card_details is missing in the request")
    elif not re.fullmatch(r"\d{8,12}", wanted.phone):
        raise refuse(
            f"{_DETAILS}.beneficiary_contact_details.beneficiary_phone_invalid",
            "beneficiary_phone is invalid",
        )


def matches(given: Wanted, account: str, ifsc: str, vpa: str) -> None:
    """Whether an instrument that came with a beneficiary's id is that beneficiary's. Raises Refused."""
    tail = f"passed in the request does not match with the beneficiary with beneficiary_id :: {given.beneficiary_id}"
    if given.account and given.account != account:
        raise refuse(_ACCOUNT_WRONG[0], f"Bank account number {tail}")
    if given.ifsc and given.ifsc != ifsc:
        raise refuse(_IFSC_WRONG[0], f"Bank ifsc {tail}")
    if given.vpa and given.vpa != vpa:
        raise refuse(_VPA_WRONG[0], f"Vpa {tail}")


# ---------------------------------------------------------------- beneficiaries


def contact_details(given: Mapping[str, Any], prefix: str = "") -> Mapping[str, Any]:
    """The contact details of a beneficiary. Raises Refused."""
    contact = _object(given, "beneficiary_contact_details", prefix)
    before = f"{prefix}beneficiary_contact_details." if prefix else ""
    _known(contact, _CONTACT, before)
    for name, longest in _CONTACT.items():
        value = contact.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > longest):
            raise refuse(f"{before}{name}_invalid", f"{name} is invalid")
    phone = contact.get("beneficiary_phone")
    if phone and not re.fullmatch(r"\d{8,12}", phone):
        raise refuse(f"{before}beneficiary_phone_invalid", "beneficiary_phone is invalid")
    return contact


def beneficiary(body: Mapping[str, Any]) -> dict[str, str]:
    """A beneficiary's id, name, account, ifsc and vpa. Raises Refused."""
    _known(
        body,
        (
            "beneficiary_id",
            "beneficiary_name",
            "beneficiary_instrument_details",
            "beneficiary_contact_details",
        ),
    )
    beneficiary_id = body.get("beneficiary_id")
    if beneficiary_id in (None, ""):
        raise refuse("beneficiary_id_missing", "beneficiary_id is missing in the request")
    letters = (
        "beneficiary_id : should contain only letters, numbers, hyphen, underscore, pipe, and dot. "
        f"Value received: {beneficiary_id}"
    )
    if not isinstance(beneficiary_id, str) or not re.fullmatch(r"[A-Za-z0-9_|.]+", beneficiary_id):
        raise refuse("beneficiary_id_invalid", letters)
    if len(beneficiary_id) > 50:
        raise refuse(
            "beneficiary_id_length_exceeded",
            f"beneficiary_id : should not be more than 50 characters long. value received: {beneficiary_id}",
        )
    name = body.get("beneficiary_name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise refuse(
            "beneficiary_name_invalid",
            "beneficiary_name is invalid. only alphabets and whitespaces are allowed",
        )
    contact_details(body)
    instrument = _object(body, "beneficiary_instrument_details")
    _known(instrument, ("bank_account_number", "bank_ifsc", "vpa"))
    account, ifsc = _bank_of(instrument)
    vpa = _text(instrument, "vpa", "vpa_invalid", "vpa is in invalid format")
    if vpa and not _VPA.fullmatch(vpa):
        raise refuse("vpa_invalid", "vpa is in invalid format")
    return {"beneficiary_id": beneficiary_id, "name": name, "account": account, "ifsc": ifsc, "vpa": vpa}


def _bank_of(instrument: Mapping[str, Any]) -> tuple[str, str]:
    wrong = "bank_account_number : should be alphanumeric."
    account = _text(instrument, "bank_account_number", "bank_account_number_invalid", wrong)
    ifsc = _text(instrument, "bank_ifsc", "bank_ifsc_invalid", "bank_ifsc : please provide a valid IFSC.")
    if account and not ifsc:
        raise refuse("bank_ifsc_missing", "bank_ifsc : should be provided with bank_account_number")
    if ifsc and not account:
        raise refuse("bank_account_number_missing", "bank_account_number : should be provided with bank_ifsc")
    if not account:
        return "", ""
    received = f"value received: {account}"
    if len(account) > 25:
        raise refuse(
            "bank_account_number_length_exceeded",
            f"bank_account_number : should not be more than 25 characters long. {received}",
        )
    if len(account) < 4:
        raise refuse(
            "bank_account_number_length_short",
            f"bank_account_number : should not be less than 4 characters long. {received}",
        )
    if not re.fullmatch(r"[A-Za-z0-9]+", account):
        raise refuse("bank_account_number_invalid", f"{wrong} {received}")
    if not _IFSC.fullmatch(ifsc):
        raise refuse("bank_ifsc_invalid", f"bank_ifsc : please provide a valid IFSC. value received: {ifsc}")
    if account == SOURCE_ACCOUNT:
        raise refuse(
            "beneficiary_account_same_as_source",
            "beneficiary_bank_account_number provided can not be same as source bank account",
            status=422,
        )
    if account.startswith(VIRTUAL):
        raise refuse(
            "vba_bene_not_allowed",
            "Virtual bank account as beneficiary_bank_account_number is not allowed for the account",
            status=422,
        )
    return account, ifsc
