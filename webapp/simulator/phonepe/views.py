"""The addresses of the gateway: token, order, status, refund, settlement."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from flask import Blueprint, Response, request, url_for

from webapp.simulator import calls
from webapp.simulator.calls import Call
from webapp.simulator.core import ClientRow, Said, Simulator, the_simulator
from webapp.simulator.faults import Hits, Kind
from webapp.simulator.phonepe import books, check, words
from webapp.simulator.phonepe.books import DESCRIPTIONS, NAME
from webapp.simulator.phonepe.check import Refused, error, refuse

blueprint = Blueprint("phonepe", __name__)
TOKEN_SECONDS = 3600
_SCHEME = "O-Bearer "

Work = Callable[[Simulator, ClientRow, Hits], Said]


def token_error(status: int, code: str, message: str) -> Said:
    """An error as the token endpoint writes it."""
    return Said(status, {"code": code, "errorCode": code, "message": message, "context": {}})


@blueprint.post("/v1/oauth/token")
def token() -> Response:
    """An access token for a client's keys."""
    sim, form = the_simulator(), request.form
    call = Call(NAME, "token", Kind.SETUP, "", form.get("client_id", "")[:60])
    return calls.answer(sim, call, lambda hits: _token(sim))


def _token(sim: Simulator) -> Said:
    form = request.form
    if form.get("grant_type") != "client_credentials" or not form.get("client_version"):
        return token_error(400, "BAD_REQUEST", "grant_type is client_credentials, with a client_version")
    client = sim.client(NAME, form.get("client_id", ""))
    if client is None or not client.opens(form.get("client_secret", "")):
        return token_error(401, "INVALID_CLIENT", "Client id or secret is wrong")
    now = sim.clock.now()
    made, ends = secrets.token_urlsafe(32), now + TOKEN_SECONDS * 1000
    sim.store.insert("phonepe_tokens", token=made, client_id=client.client_id, expires_at=ends)
    return Said(
        200,
        {
            "access_token": made, "encrypted_access_token": made, "expires_in": None, "issued_at": now // 1000,
            "expires_at": ends // 1000, "session_expires_at": ends // 1000, "token_type": "O-Bearer",
        },
    )  # fmt: skip


def _client(sim: Simulator) -> ClientRow | None:
    header = request.headers.get("authorization", "")
    if not header.startswith(_SCHEME):
        return None
    row = sim.store.one(
        "SELECT client_id FROM phonepe_tokens WHERE token = ? AND expires_at > ?",
        (header.removeprefix(_SCHEME), sim.clock.now()),
    )
    return sim.client(NAME, row["client_id"]) if row else None


def _called(endpoint: str, kind: Kind, subject: str, work: Work) -> Response:
    """One call: let in by its token, then worked on."""
    sim = the_simulator()
    client = _client(sim)
    client_id = client.client_id if client else ""
    call = Call(NAME, endpoint, kind, subject, client_id)

    def inside(hits: Hits) -> Said:
        if client is None:
            return unauthorised()
        try:
            return work(sim, client, hits)
        except Refused as refused:
            return refused.said

    _, _, wait = sim.count(NAME, client_id, endpoint)
    if wait:
        return calls.answer(
            sim, Call(NAME, endpoint, Kind.SETUP, subject, client_id), lambda _: throttled(wait)
        )
    return calls.answer(sim, call, inside)


def unauthorised() -> Said:
    """401 for a token that is not, or no longer, taken."""
    return error("AUTHORIZATION_FAILED", "Authorization failed", 401)


def throttled(wait: int) -> Said:
    """429 with the seconds to wait."""
    body = {"code": "TOO_MANY_REQUESTS", "message": "Too many requests"}
    return Said(429, body, {"retry-after": str(wait)})


def _given(name: str) -> str:
    """An id of the body before anybody has checked it; says what a call is about."""
    body = request.get_json(force=True, silent=True)
    value = body.get(name) if isinstance(body, dict) else None
    return value[:63] if isinstance(value, str) else ""


@blueprint.post("/checkout/v2/pay")
def pay() -> Response:
    """Open an order."""
    return _called("pay", Kind.WRITE, _given("merchantOrderId"), _pay)


def _pay(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    wanted = check.order(check.json_object(request.get_data(as_text=True)))
    row = books.accept(sim, client, wanted, hits)
    page = url_for("phonepe_root.checkout.show", page=row["page"], _external=True)
    body = {"orderId": row["reference"], "state": row["state"], "expireAt": row["expires_at"]}
    return Said(200, {**body, "redirectUrl": page})


@blueprint.get("/checkout/v2/order/<order_id>/status")
def order_status(order_id: str) -> Response:
    """What became of an order."""

    def work(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
        row = books.find(sim, client.client_id, order_id)
        if row is None or row["hidden_until"] > sim.clock.now():
            raise refuse("No order with this merchantOrderId", "INVALID_MERCHANT_ORDER_ID")
        row = books.up_to_date(sim, row)
        # PhonePe's own kit writes "False".
        wants = {name: request.args.get(name, "").lower() == "true" for name in ("details", "errorContext")}
        body = words.describe(row, all_tries=wants["details"])
        if row["error_code"] and wants["errorContext"]:
            body["errorContext"] = {
                "errorCode": row["error_code"], "detailedErrorCode": row["detail"], "source": "CUSTOMER",
                "stage": "AUTHORIZATION", "description": DESCRIPTIONS.get(row["error_code"], ""),
            }  # fmt: skip
        return Said(200, body)

    return _called("status", Kind.READ, order_id[:63], work)


@blueprint.get("/checkout/v2/transaction/<transaction_id>/status")
def transaction_status(transaction_id: str) -> Response:
    """What became of one try to pay: its order, with that try alone."""

    def work(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
        row = books.find_try(sim, client.client_id, transaction_id)
        if row is None or row["hidden_until"] > sim.clock.now():
            raise refuse("No transaction with this transactionId", "INVALID_TRANSACTION_ID")
        body = words.describe(books.up_to_date(sim, row))
        tries = [each for each in body["paymentDetails"] if each["transactionId"] == transaction_id]
        return Said(200, {**body, "paymentDetails": tries})

    return _called("transaction_status", Kind.READ, transaction_id[:63], work)


@blueprint.post("/payments/v2/refund")
def refund() -> Response:
    """Give money of an order back."""
    return _called("refund", Kind.WRITE, _given("merchantRefundId"), _refund)


def _refund(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
    wanted = check.refund(check.json_object(request.get_data(as_text=True)))
    row = books.accept_refund(sim, client, wanted, hits)
    return Said(200, {"refundId": row["reference"], "amount": row["amount_minor"], "state": row["state"]})


@blueprint.get("/payments/v2/refund/<refund_id>/status")
def refund_status(refund_id: str) -> Response:
    """What became of a refund."""

    def work(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
        row = books.find_refund(sim, client.client_id, refund_id)
        if row is None or row["hidden_until"] > sim.clock.now():
            raise refuse("No refund with this merchantRefundId", "INVALID_MERCHANT_REFUND_ID")
        return Said(200, words.describe_refund(row))

    return _called("refund_status", Kind.READ, refund_id[:63], work)


@blueprint.get("/settlements/v1/<settlement_id>/status")
def settlement_status(settlement_id: str) -> Response:
    """What became of a settlement."""

    def work(sim: Simulator, client: ClientRow, hits: Hits) -> Said:
        row = sim.store.one(
            "SELECT * FROM phonepe_settlements WHERE client_id = ? AND settlement_id = ?",
            (client.client_id, settlement_id),
        )
        if row is None:
            raise refuse("No settlement with this id", "INVALID_SETTLEMENT_ID")
        return Said(200, words.describe_settlement(row))

    return _called("settlement_status", Kind.READ, settlement_id[:63], work)
