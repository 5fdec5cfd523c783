"""Cashfree as the simulator's core knows it: its schedule, its words for faults, its buttons."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint

from webapp.simulator import webhooks
from webapp.simulator.cashfree import books, doors, outcomes, verification, views
from webapp.simulator.cashfree.check import Refused, error
from webapp.simulator.core import CannotAct, ClientRow, Message, Said, Simulator
from webapp.simulator.faults import Hits

_HOUR = 3_600_000
_REFUSALS = {400: "transfer_amount_invalid", 404: "beneficiary_not_found", 422: "beneficiary_invalid"}


class Cashfree:
    """Payouts V2, V1's balance, verification."""

    name = doors.NAME
    schema = books.SCHEMA
    # The real schedule is not documented; that an address is switched off after five failures is.
    retry_seconds: tuple[float, ...] = (60.0, 300.0, 900.0, 3600.0, 21_600.0)
    failures_allowed = 5

    def blueprint(self) -> Blueprint:
        """Its addresses."""
        root = Blueprint("cashfree_root", __name__)
        root.register_blueprint(views.blueprint)
        root.register_blueprint(verification.blueprint)
        return root

    def problem(self, name: str, **words: Any) -> Said:
        """What Cashfree says when something is wrong."""
        if name == "server_error":
            return error(
                "internal_server_error",
                "Error at cashfree's server",
                status=int(words.get("status", 500)),
                kind="api_error",
            )
        if name == "throttled":
            return doors.throttled(9000, int(words.get("retry_after", 7)))
        if name == "unauthorised":
            return doors.unauthorised()
        if name == "address_refused":
            return error("ip_not_whitelisted", "IP not whitelisted", status=403, kind="authentication_error")
        if name == "duplicate":
            return error("transfer_id_already_exists", "Transfer Id already exists.", status=409)
        status = int(words.get("status", 400))
        code = _REFUSALS.get(status, "request_invalid")
        return error(code, code.replace("_", " "), status=status)

    def spoiled(self, name: str, body: Mapping[str, Any], **words: Any) -> Mapping[str, Any]:
        """A transfer's answer with something wrong in it."""
        if name == "unknown_status":
            return {**body, "status": words["word"], "status_code": words["word"]}
        if name == "wrong_amount" and "transfer_amount" in body:
            return {
                **body,
                "transfer_amount": body["transfer_amount"] + Decimal(words["add_minor"]).scaleb(-2),
            }
        if name == "wrong_id":
            return {**body, "transfer_id": words["id"]}
        if name == "stale":
            gone = ("transfer_utr", "transfer_service_charge", "transfer_service_tax")
            rest = {key: value for key, value in body.items() if key not in gone}
            return {**rest, "status": "PENDING", "status_code": "PENDING"}
        return body

    def advance(self, sim: Simulator, now: int) -> int:
        """Take every step that is due."""
        return books.advance(sim, now)

    def arrive(self, sim: Simulator, endpoint: str, client_id: str, body: str) -> None:
        """A late request: taken in as if it had just been sent. One that is refused leaves no trace."""
        client = sim.client(self.name, client_id)
        if endpoint != "transfers.create" or client is None:
            return
        try:
            books.accept(sim, client, views.parse(body), Hits())
        except Refused:
            return

    def sign(self, sim: Simulator, client: ClientRow, row: Mapping[str, Any], now: int) -> Message:
        """Version 2: time stamp and body, in a header. Version 1: the form's values, in a field of their own.

        Of two secrets the older one signs, as long as it is there.
        """
        secret = client.old_secret or client.secret
        if row["variant"] == "forged":
            secret = "a-forger-has-another-one"  # noqa: S105 - that is the point
        body: str = row["body"]
        if body.startswith("{"):
            stamp = str((now - (_HOUR if row["variant"] == "old" else 0)) // 1000)
            headers = {
                "content-type": "application/json", "x-webhook-timestamp": stamp, "x-webhook-version": "2024-01-01",
                "x-webhook-attempt": str(row["attempts"] + 1),
                "x-webhook-signature": _signature(secret, stamp + body),
            }  # fmt: skip
            return Message(body.encode(), headers)
        fields = dict(parse_qsl(body, keep_blank_values=True))
        signature = _signature(secret, "".join(fields[name] for name in sorted(fields)))
        return Message(
            urlencode({**fields, "signature": signature}).encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )

    def rows(self, sim: Simulator, limit: int) -> list[dict[str, Any]]:
        """The newest transfers."""
        found = sim.store.read("SELECT * FROM cashfree_transfers ORDER BY id DESC LIMIT ?", (limit,))
        return [
            {
                "subject": row["transfer_id"], "client_id": row["client_id"],
                "what": f"{row['mode']} to {row['account'] or row['vpa']} {row['ifsc']}".strip(),
                "amount_minor": row["amount_minor"],
                "state": " ".join(dict.fromkeys((row["status"], row["status_code"]))),
                "utr": row["utr"], "at": row["added_at"],
                "actions": outcomes.ACTIONS.get(_group(row["status"]), ()),
            }
            for row in found
        ]  # fmt: skip

    def act(self, sim: Simulator, action: str, subject: str, words: Mapping[str, Any]) -> None:
        """One of the actions below, "resend", or "order": a behaviour for what is to come. Raises CannotAct."""
        if action == "order":
            self._order(sim, subject, words)
            return
        row = sim.store.one(
            "SELECT * FROM cashfree_transfers WHERE transfer_id = ? AND (? = '' OR client_id = ?) ORDER BY id LIMIT 1",
            (subject, words.get("client_id", ""), words.get("client_id", "")),
        )
        if row is None:
            raise CannotAct(f"There is no transfer {subject}.")
        if action == "resend":
            webhooks.resend(sim, self.name, subject)
            return
        change = _CHANGES.get(action)
        if change is None:
            raise CannotAct(f"There is no action {action!r} for a transfer.")
        status, code, allowed = change
        if _group(row["status"]) not in allowed:
            raise CannotAct(f"A transfer that is {row['status']} cannot do that.")
        with sim.store.writing():
            sim.store.write(
                "UPDATE cashfree_transfers SET steps = '[]', next_at = NULL WHERE id = ?", (row["id"],)
            )
            books.change(sim, row, status, str(words.get("code") or code), at=sim.clock.now())

    def _order(self, sim: Simulator, subject: str, words: Mapping[str, Any]) -> None:
        behaviour = str(words.get("behaviour", ""))
        try:
            outcomes.steps_of(behaviour, sim.options)
        except ValueError as problem:
            raise CannotAct(str(problem)) from None
        sim.store.write(
            "INSERT OR REPLACE INTO cashfree_orders VALUES (?, ?, ?)",
            (words.get("client_id", "SIM_CASHFREE"), subject or "next", behaviour),
        )


# action → status, code, and from where it may be done
_CHANGES = {
    "settle": ("SUCCESS", "SENT_TO_BENEFICIARY", ("open", "negative")),
    "credit": ("SUCCESS", "COMPLETED", ("SUCCESS",)),
    "fail": ("FAILED", "BENE_BANK_DECLINED", ("open",)),
    "reject": ("MANUALLY_REJECTED", "REJECTED_BY_APPROVER", ("open",)),
    "hold": ("PENDING", "PENDING", ("open",)),
    "reverse": ("REVERSED", "RETURNED_FROM_BENEFICIARY", ("SUCCESS",)),
}


def _group(status: str) -> str:
    if status in outcomes.OPEN:
        return "open"
    return "negative" if status in outcomes.NEGATIVE else status


def _signature(secret: str, content: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest()).decode()
