"""Verification: whether an account or a UPI address exists, and in whose name. A product and keys of its own."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Blueprint, Response, request

from webapp.simulator.cashfree import check, doors, outcomes
from webapp.simulator.cashfree.check import error, refuse
from webapp.simulator.core import ClientRow, Said, Simulator
from webapp.simulator.faults import Hits, Kind

blueprint = Blueprint("verification", __name__, url_prefix="/verification")
NAME_AT_BANK = "TEST ACCOUNT HOLDER"
_VALIDATION = {"kind": "validation_error"}


def _text(body: dict[str, Any], name: str, pattern: str, *, needed: bool = True) -> str:
    value = body.get(name)
    if value in (None, ""):
        if needed:
            raise refuse(f"{name}_missing", f"{name} is missing in the request", **_VALIDATION)
        return ""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise refuse(f"{name}_value_invalid", f"{name} is invalid", **_VALIDATION)
    return value


def _body(*names: str) -> dict[str, Any]:
    body = check.json_object(request.get_data(as_text=True))
    if unknown := sorted(set(body) - set(names)):
        raise refuse(
            f"{unknown[0]}_value_invalid", f"{unknown[0]} is not a parameter of this request", **_VALIDATION
        )
    return body


@blueprint.post("/bank-account/sync")
def bank_account() -> Response:
    """A bank account: VALID, INVALID, or no answer from its bank."""
    return doors.v2("verification.bank", Kind.SETUP, "", _bank_account, verification=True)


def _bank_account(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    body = _body("bank_account", "ifsc", "name", "phone")
    account = body.get("bank_account")
    if isinstance(account, str) and account and not 6 <= len(account) <= 40:
        word = "short" if len(account) < 6 else "exceeded"
        raise refuse(
            f"bank_account_length_{word}",
            "bank_account should be 6 to 40 characters long",
            **_VALIDATION,
        )
    account = _text(body, "bank_account", r"[A-Za-z0-9]+")
    ifsc = _text(body, "ifsc", r"[A-Z]{4}0[A-Z0-9]{6}")
    name = _text(body, "name", r"[A-Za-z0-9 ]{1,100}", needed=False)
    _text(body, "phone", r"[0-9]{8,13}", needed=False)
    behaviour = outcomes.ACCOUNTS.get((account, ifsc)) or (
        "success" if sim.options.others == "succeed" else outcomes.OTHERS
    )
    if behaviour == "slow_success":
        return error("connection_timeout", "connection timed out at the bank", status=422, **_VALIDATION)
    word, _, code = behaviour.partition(":")
    is_valid = word != "fail"
    answer: dict[str, Any] = {
        "reference_id": int(sim.random_digits(8)),
        "name_at_bank": (name.upper() or NAME_AT_BANK) if is_valid else None,
        "bank_name": f"{ifsc[:4]} BANK" if is_valid else None,
        "city": "MUMBAI" if is_valid else None,
        "branch": ifsc[5:] if is_valid else None,
        "micr": 0 if is_valid else None,
        "name_match_score": "100.00" if is_valid and name else None,
        "name_match_result": "DIRECT_MATCH" if is_valid and name else None,
        "account_status": "VALID" if is_valid else "INVALID",
        "account_status_code": "ACCOUNT_IS_VALID" if is_valid else code,
        "utr": sim.random_digits(12) if is_valid else None,
    }
    return Said(200, answer)


@blueprint.post("/upi")
def upi() -> Response:
    """A UPI address: VALID or INVALID."""
    return doors.v2("verification.upi", Kind.SETUP, "", _upi, verification=True)


def _upi(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    body = _body("verification_id", "vpa", "name")
    own = _text(body, "verification_id", r"[A-Za-z0-9._-]{1,50}")
    vpa = _text(body, "vpa", r"[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9.]{1,63}")
    name = _text(body, "name", r"[A-Za-z0-9 ]{1,100}", needed=False)
    there = sim.store.one(
        "SELECT 1 FROM cashfree_verifications WHERE client_id = ? AND verification_id = ?",
        (client.client_id, own),
    )
    if there is not None:
        raise refuse(
            "verification_id_already_exists", "verification_id already exists", status=409, **_VALIDATION
        )
    is_valid = vpa == "success@upi" or (
        sim.options.others == "succeed" and vpa not in ("incorrect@upi", "invalid@upi", "failure@upi")
    )
    answer = {
        "verification_id": own,
        "reference_id": int(sim.random_digits(8)),
        "status": "VALID" if is_valid else "INVALID",
        "name_at_bank": (name.upper() or NAME_AT_BANK) if is_valid else None,
        "vpa": vpa,
    }
    sim.store.insert(
        "cashfree_verifications", client_id=client.client_id, verification_id=own, kind="upi",
        answer=json.dumps(answer),
    )  # fmt: skip
    return Said(200, answer)


@blueprint.get("/upi")
def upi_again() -> Response:
    """An earlier answer about a UPI address."""
    return doors.v2("verification.upi.get", Kind.SETUP, "", _upi_again, verification=True)


def _upi_again(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    own, reference = request.args.get("verification_id", ""), request.args.get("reference_id", "")
    if not own and not reference:
        raise refuse("verification_id_missing", "verification_id is missing in the request", **_VALIDATION)
    for row in sim.store.read(
        "SELECT verification_id, answer FROM cashfree_verifications WHERE client_id = ?", (client.client_id,)
    ):
        answer = json.loads(row["answer"])
        if row["verification_id"] == own or str(answer["reference_id"]) == reference:
            return Said(200, answer)
    name = "verification_id" if own else "reference_id"
    return error(f"{name}_not_found", f"{name} does not exist", status=404, **_VALIDATION)
