"""The addresses of Payouts V2: beneficiaries, transfers, batches."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request

from webapp.simulator import calls
from webapp.simulator.cashfree import books, check, doors
from webapp.simulator.cashfree.check import error, refuse
from webapp.simulator.core import ClientRow, Said, Simulator, the_simulator
from webapp.simulator.faults import Hits, Kind

blueprint = Blueprint("cashfree", __name__)
MOST_IN_A_BATCH = 1000


def _given(name: str) -> str:
    """A text of the body before anybody has checked it; says what a call is about."""
    try:
        value = _body().get(name)
    except check.Refused:
        return ""
    return value[:60] if isinstance(value, str) else ""


def _body() -> dict[str, Any]:
    return check.json_object(request.get_data(as_text=True))


# ---------------------------------------------------------------- transfers


@blueprint.post("/payout/transfers")
def create_transfer() -> Response:
    """Standard Transfer V2."""
    response = doors.v2("transfers.create", Kind.WRITE, _given("transfer_id"), _create_transfer)
    if g.get("answers_late"):
        # "Time-out, then success": taken in, and the answer comes after most callers have gone.
        time.sleep(the_simulator().options.hang_seconds)
    return response


def _create_transfer(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    wanted = check.transfer(_body())
    row = books.accept(sim, client, wanted, hits)
    g.answers_late = row["behaviour"] == "slow_success"
    return Said(200, books.describe(row))


@blueprint.get("/payout/transfers")
def get_transfer() -> Response:
    """Get Transfer Status V2."""
    subject = request.args.get("transfer_id", "")
    return doors.v2("transfers.get", Kind.READ, subject, _get_transfer)


def _get_transfer(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    ours, theirs = request.args.get("transfer_id", ""), request.args.get("cf_transfer_id", "")
    row = books.find(sim, client.client_id, ours) if ours else books.find_own(sim, client.client_id, theirs)
    if row is None or row["hidden_until"] > sim.clock.now():
        name = "cf_transfer_id" if theirs and not ours else "transfer_id"
        return error(f"{name}_not_found", f"{name} does not exist", status=404)
    return Said(200, books.describe(books.go_on(sim, row["id"], sim.clock.now())))


# ---------------------------------------------------------------- batches


@blueprint.post("/payout/transfers/batch")
def create_batch() -> Response:
    """Batch Transfer V2."""
    return doors.v2("batches.create", Kind.WRITE, _given("batch_transfer_id"), _create_batch)


def _create_batch(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    body = _body()
    batch_id, transfers = body.get("batch_transfer_id"), body.get("transfers")
    if batch_id in (None, ""):
        raise refuse("batch_transfer_id_missing", "batch_transfer_id is missing in the request")
    if not isinstance(batch_id, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,60}", batch_id):
        raise refuse("batch_transfer_id_invalid", "batch_transfer_id should be alphanumeric")
    if unknown := sorted(set(body) - {"batch_transfer_id", "transfers"}):
        raise refuse(f"{unknown[0]}_invalid", f"{unknown[0]} is not a parameter of this request")
    if not isinstance(transfers, list) or not transfers or len(transfers) > MOST_IN_A_BATCH:
        raise refuse("transfers_invalid", f"transfers should be a list of 1 to {MOST_IN_A_BATCH}")
    wanted = [_one_of(index, each) for index, each in enumerate(transfers)]
    with sim.store.writing():
        there = sim.store.one(
            "SELECT 1 FROM cashfree_batches WHERE client_id = ? AND batch_id = ?",
            (client.client_id, batch_id),
        )
        if there is not None:
            raise refuse(
                "batch_transfer_id_already_exists",
                "batch_transfer_id already exists. please pass unique id in each request",
                status=409,
            )
        number = sim.store.insert(
            "cashfree_batches", client_id=client.client_id, batch_id=batch_id, added_at=sim.clock.now()
        )
        for each in wanted:
            books.accept(sim, client, each, hits, batch_id=batch_id)
    return Said(200, _batch(batch_id, number, "RECEIVED"))


def _one_of(index: int, given: Any) -> check.Wanted:
    before = f"transfers[{index}]."
    if not isinstance(given, dict):
        raise refuse(f"{before}transfer_invalid", "a transfer should be an object")
    try:
        return check.transfer(given)
    except check.Refused as refused:
        raise refuse(before + refused.said.body["code"], refused.said.body["message"]) from None


def _batch(batch_id: str, number: int, status: str) -> dict[str, Any]:
    return {"batch_transfer_id": batch_id, "cf_batch_transfer_id": str(number), "status": status}


@blueprint.get("/payout/transfers/batch")
def get_batch() -> Response:
    """Get Batch Transfer Status V2."""
    return doors.v2("batches.get", Kind.READ, request.args.get("batch_transfer_id", ""), _get_batch)


def _get_batch(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    ours, theirs = request.args.get("batch_transfer_id", ""), request.args.get("cf_batch_transfer_id", "")
    row = sim.store.one(
        "SELECT * FROM cashfree_batches WHERE client_id = :client AND (batch_id = :ours OR (:ours = '' AND "
        "CAST(id AS TEXT) = :theirs))",
        {"client": client.client_id, "ours": ours, "theirs": theirs},
    )
    if row is None and theirs and not ours:
        return error("cf_batch_transfer_id", "cf_batch_transfer_id does not exist", status=404)
    if row is None:
        return error("batch_transfer_id_not_found", "batch_transfer_id does not exist", status=404)
    now = sim.clock.now()
    numbers = sim.store.read(
        "SELECT id FROM cashfree_transfers WHERE client_id = ? AND batch_id = ? ORDER BY id",
        (client.client_id, row["batch_id"]),
    )
    rows = [books.go_on(sim, each["id"], now) for each in numbers]
    is_through = now >= row["added_at"] + round(sim.options.settle_seconds * 1000)
    body = _batch(row["batch_id"], row["id"], "PROCESSED" if is_through else "RECEIVED")
    return Said(200, {**body, "transfers": [books.describe(each) for each in rows]})


# ---------------------------------------------------------------- beneficiaries


@blueprint.post("/payout/beneficiary")
def create_beneficiary() -> Response:
    """Create Beneficiary V2."""
    return doors.v2("beneficiary.create", Kind.SETUP, _given("beneficiary_id"), _create_beneficiary)


def _create_beneficiary(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    body = _body()
    given = check.beneficiary(body)
    row = books.add_beneficiary(sim, client.client_id, given, check.contact_details(body))
    return Said(201, books.describe_beneficiary(row))


@blueprint.get("/payout/beneficiary")
def get_beneficiary() -> Response:
    """Get Beneficiary V2."""
    return doors.v2("beneficiary.get", Kind.SETUP, request.args.get("beneficiary_id", ""), _get_beneficiary)


def _get_beneficiary(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    names = ("beneficiary_id", "bank_account_number", "bank_ifsc")
    by_id, account, ifsc = (request.args.get(name, "") for name in names)
    if by_id and (account or ifsc):
        raise refuse(
            "too_many_parameters_in_request",
            "Please provide either bank_account_number and bank_ifsc together or beneficiary_id alone.",
        )
    if by_id:
        row, message = books.get_beneficiary(sim, client.client_id, by_id), "Beneficiary does not exist"
    else:
        _need_account(account, ifsc)
        row = books.find_beneficiary(sim, client.client_id, account, ifsc)
        message = "Beneficiary with the given bank_account_number and bank_ifsc does not exist"
        if row is None and books.find_beneficiary(sim, client.client_id, account):
            message = "Beneficiary exists with the given bank_account_number but a different bank_ifsc"
    if row is None:
        raise refuse("beneficiary_not_found", message, status=404)
    return Said(200, books.describe_beneficiary(row))


def _need_account(account: str, ifsc: str) -> None:
    if not account and not ifsc:
        raise refuse(
            "beneficiary_identifiers_missing",
            "beneficiary_identifiers : Either beneficiary_id or the combination of bank_account_number and "
            "bank_ifsc has to be provided with the request",
        )
    if not ifsc:
        raise refuse(
            "bank_ifsc_missing",
            "bank_ifsc : should be provided with the request if bank_account_number is provided",
        )
    if not account:
        raise refuse(
            "bank_account_number_missing",
            "bank_account_number: should be provided with the request if bank_ifsc is provided",
        )


@blueprint.delete("/payout/beneficiary")
def delete_beneficiary() -> Response:
    """Remove Beneficiary V2."""
    subject = request.args.get("beneficiary_id", "")
    return doors.v2("beneficiary.delete", Kind.SETUP, subject, _delete_beneficiary)


def _delete_beneficiary(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    beneficiary_id = request.args.get("beneficiary_id", "")
    if not beneficiary_id:
        raise refuse("beneficiary_id_missing", "beneficiary_id is missing in the request")
    row = books.get_beneficiary(sim, client.client_id, beneficiary_id)
    if row is None:
        raise refuse("beneficiary_not_found", "Beneficiary does not exist", status=404)
    sim.store.write(
        "UPDATE cashfree_beneficiaries SET status = 'DELETED' WHERE client_id = ? AND beneficiary_id = ?",
        (client.client_id, beneficiary_id),
    )
    body: Mapping[str, Any] = {**books.describe_beneficiary(row), "beneficiary_status": "DELETED"}
    return Said(200, body)


# ---------------------------------------------------------------- V1


def _v1(code: str, message: str, data: Mapping[str, Any] | None = None) -> Said:
    """An answer of V1: always HTTP 200, the code is in the body (Cashfree's own kit reads it only there)."""
    word = "SUCCESS" if code == "200" else "ERROR"
    body: dict[str, Any] = {"status": word, "subCode": code, "message": message}
    return Said(200, {**body, "data": data} if data is not None else body)


TOKEN_MILLISECONDS = 300_000


@blueprint.post("/payout/v1/authorize")
def authorize() -> Response:
    """A token of V1, for five minutes. Only this call of V1 is sealed; the token stands for the seal afterwards."""
    sim, client_id = the_simulator(), request.headers.get("x-client-id", "")

    def work(hits: Hits) -> Said:
        client = sim.client(doors.NAME, client_id)
        if client is None or not client.opens(request.headers.get("x-client-secret", "")):
            return _v1("401", "Invalid clientId and clientSecret combination")
        if wrong := doors.seal_problem(sim, client):
            return _v1("403", wrong[1])
        token, expires_at = f"SIM{sim.random_digits(32)}", sim.clock.now() + TOKEN_MILLISECONDS
        with sim.store.writing():
            sim.store.write("DELETE FROM cashfree_tokens WHERE expires_at < ?", (sim.clock.now(),))
            sim.store.insert("cashfree_tokens", token=token, client_id=client_id, expires_at=expires_at)
        return _v1("200", "Token generated", {"token": token, "expiry": expires_at // 1000})

    return calls.answer(sim, calls.Call(doors.NAME, "v1.authorize", Kind.SETUP, "", client_id), work)


def _bearer(sim: Simulator) -> str:
    """The client whose token came with the request; empty for none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    row = sim.store.one(
        "SELECT client_id FROM cashfree_tokens WHERE token = ? AND expires_at > ?", (token, sim.clock.now())
    )
    return str(row["client_id"]) if row is not None and kind == "Bearer" else ""


@blueprint.post("/payout/v1/verifyToken")
def verify_token() -> Response:
    """Whether a token is still good."""
    sim = the_simulator()
    client_id = _bearer(sim)
    said = _v1("200", "Token is valid") if client_id else _v1("403", "Token is not valid")
    return calls.answer(
        sim, calls.Call(doors.NAME, "v1.verifyToken", Kind.SETUP, "", client_id), lambda _: said
    )


@blueprint.get("/payout/v1/getBalance")
@blueprint.get("/payout/v1.2/getBalance")
def get_balance() -> Response:
    """What there is, and what of it can be spent."""
    sim = the_simulator()
    client_id = _bearer(sim)

    def work(hits: Hits) -> Said:
        client = sim.client(doors.NAME, client_id)
        if client is None:
            return _v1("403", "Token is not valid")
        row = sim.store.one(
            "SELECT coalesce(sum(amount_minor + charge_minor), 0) AS held FROM cashfree_transfers WHERE "
            "client_id = ? AND status IN ('RECEIVED', 'APPROVAL_PENDING', 'QUEUED', 'PENDING')",
            (client_id,),
        )
        held = row["held"] if row is not None else 0
        amounts = {"balance": client.balance_minor + held, "availableBalance": client.balance_minor}
        data = {name: f"{minor // 100}.{minor % 100:02d}" for name, minor in amounts.items()}
        return _v1("200", "Ledger balance for the account", data)

    return calls.answer(sim, calls.Call(doors.NAME, "v1.getBalance", Kind.SETUP, "", client_id), work)


def parse(body: str) -> check.Wanted:
    """The transfer in a body that arrived late. Raises Refused."""
    return check.transfer(check.json_object(body))
