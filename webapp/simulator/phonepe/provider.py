"""PhonePe as the simulator's core knows it: its schedule, its words for faults, its buttons."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from webapp.simulator import webhooks
from webapp.simulator.core import CannotAct, ClientRow, Message, Said, Simulator
from webapp.simulator.faults import Hits
from webapp.simulator.phonepe import books, check, checkout, views
from webapp.simulator.phonepe.check import Refused, error

# Fixed and public, as all keys here: what the header of every message is made of.
WEBHOOK_USERNAME, WEBHOOK_PASSWORD = "paydesk_hooks", "simulator1"
_ORDER_ACTIONS = (("pay", "Pay"), ("decline", "Decline"), ("later", "Pay in a while"), ("expire", "Run out"))
_REFUND_ACTIONS = (("complete", "Complete"), ("fail", "Fail"))


class PhonePe:
    """Standard Checkout V2: it takes money in and gives it back; it pays nobody."""

    name = books.NAME
    schema = books.SCHEMA
    # Messages are repeated for some minutes, then given up.
    retry_seconds: tuple[float, ...] = (15.0, 60.0, 300.0, 900.0, 1800.0)
    failures_allowed = 0

    def blueprint(self) -> Blueprint:
        """Its addresses."""
        root = Blueprint("phonepe_root", __name__)
        root.register_blueprint(views.blueprint)
        root.register_blueprint(checkout.blueprint)
        return root

    def problem(self, name: str, **words: Any) -> Said:
        """What PhonePe says when something is wrong."""
        if name == "server_error":
            return error("INTERNAL_SERVER_ERROR", "Internal server error", int(words.get("status", 500)))
        if name == "throttled":
            return views.throttled(int(words.get("retry_after", 7)))
        if name == "unauthorised":
            return views.unauthorised()
        if name == "address_refused":
            return error("FORBIDDEN", "Forbidden", 403)
        if name == "duplicate":
            is_refund = str(words.get("subject", "")).startswith("RF")
            return error("DUPLICATE_REFUND" if is_refund else "ORDER_ALREADY_EXISTS", "It is there already")
        return error("BAD_REQUEST", "Bad request", int(words.get("status", 400)))

    def spoiled(self, name: str, body: Mapping[str, Any], **words: Any) -> Mapping[str, Any]:
        """An answer with something wrong in it."""
        if name == "unknown_status" and "state" in body:
            return {**body, "state": words["word"]}
        if name == "wrong_amount" and "amount" in body:
            return {**body, "amount": body["amount"] + int(words["add_minor"])}
        if name == "wrong_id":
            return {**body, **{each: words["id"] for each in ("orderId", "refundId") if each in body}}
        if name == "stale" and "state" in body:
            rest = {
                key: value for key, value in body.items() if key not in ("errorCode", "detailedErrorCode")
            }
            return {**rest, "state": "PENDING", "paymentDetails": []}
        return body

    def advance(self, sim: Simulator, now: int) -> int:
        """Take every step that is due."""
        return books.advance(sim, now)

    def arrive(self, sim: Simulator, endpoint: str, client_id: str, body: str) -> None:
        """A late request: taken in as if it had just been sent. One that is refused leaves no trace."""
        client = sim.client(self.name, client_id)
        if client is None:
            return
        try:
            if endpoint == "pay":
                books.accept(sim, client, check.order(check.json_object(body)), Hits())
            elif endpoint == "refund":
                books.accept_refund(sim, client, check.refund(check.json_object(body)), Hits())
        except Refused:
            return

    def sign(self, sim: Simulator, client: ClientRow, row: Mapping[str, Any], now: int) -> Message:
        """The header is the hash of a user name and a password; it says nothing about the body.

        A message signed by an old key carries the hash of another password.
        """
        word = "an-older-password1" if row["variant"] == "old" else WEBHOOK_PASSWORD
        if row["variant"] == "forged":
            word = "a-forger-guesses1"
        digest = hashlib.sha256(f"{WEBHOOK_USERNAME}:{word}".encode()).hexdigest()
        body: str = row["body"]
        return Message(body.encode(), {"content-type": "application/json", "authorization": digest})

    def rows(self, sim: Simulator, limit: int) -> list[dict[str, Any]]:
        """The newest orders and refunds."""
        orders = sim.store.read("SELECT * FROM phonepe_orders ORDER BY id DESC LIMIT ?", (limit,))
        refunds = sim.store.read("SELECT * FROM phonepe_refunds ORDER BY id DESC LIMIT ?", (limit,))
        return [
            *(_row(row, row["order_id"], f"order: {row['message']}", _ORDER_ACTIONS) for row in orders),
            *(
                _row(row, row["refund_id"], f"refund of {row['order_id']}", _REFUND_ACTIONS)
                for row in refunds
            ),
        ]

    def act(self, sim: Simulator, action: str, subject: str, words: Mapping[str, Any]) -> None:
        """An action of an order or a refund, "revive" a failed order, "settle" an account, or "resend".

        Raises CannotAct.
        """
        if action == "resend":
            webhooks.resend(sim, self.name, subject)
            return
        if action == "settle":
            books.settle(sim, str(words.get("client_id") or subject or "SIM_PHONEPE"))
            return
        order = _one(sim, "phonepe_orders", "order_id", subject, words)
        refund = _one(sim, "phonepe_refunds", "refund_id", subject, words)
        mode = str(words.get("mode", "UPI_QR"))
        if order is not None and action in ("pay", "decline", "later"):
            {"pay": books.pay, "decline": books.decline, "later": books.delay}[action](sim, order, mode)
        elif order is not None and action == "expire" and order["state"] == "PENDING":
            books.finish(sim, order, "FAILED", "", books.RAN_OUT[0])
        elif order is not None and action == "revive" and order["state"] == "FAILED":
            books.finish(sim, order, "COMPLETED", mode, "")
        elif refund is not None and action in ("complete", "fail"):
            books.end_refund(sim, refund, "COMPLETED" if action == "complete" else "FAILED")
        else:
            raise CannotAct(f"{subject or 'Nothing'} cannot do {action!r} now.")


def _one(sim: Simulator, table: str, column: str, subject: str, words: Mapping[str, Any]) -> Any:
    client_id = words.get("client_id", "")
    return sim.store.one(
        f"SELECT * FROM {table} WHERE {column} = ? AND (? = '' OR client_id = ?) ORDER BY id LIMIT 1",  # noqa: S608
        (subject, client_id, client_id),
    )


def _row(row: Any, subject: str, what: str, actions: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {
        "subject": subject, "client_id": row["client_id"], "what": what, "amount_minor": row["amount_minor"],
        "state": row["state"], "utr": "", "at": row["added_at"],
        "actions": actions if row["state"] == "PENDING" else (),
    }  # fmt: skip
