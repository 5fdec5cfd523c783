"""Zoho as the simulator's core knows it: its words for faults, its rows, its buttons. It sends no messages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import Blueprint

from webapp.simulator.core import CannotAct, ClientRow, Message, Said, Simulator
from webapp.simulator.zoho import books, oauth, views
from webapp.simulator.zoho.check import Refused, error, json_object

_UNAUTHORISED = "You are not authorized to perform this operation"
_TOO_MANY = "The API call for this organization has exceeded the threshold"
_LATE = {
    "books/contacts": books.add_contact,
    "books/bills": books.add_bill,
    "books/vendorpayments": books.add_payment,
}


class Zoho:
    """Zoho Books: contacts, bills, payments of bills."""

    name = oauth.NAME
    schema = oauth.SCHEMA + books.SCHEMA
    retry_seconds: tuple[float, ...] = ()
    failures_allowed = 0

    def blueprint(self) -> Blueprint:
        """Its addresses."""
        root = Blueprint("zoho_root", __name__)
        root.register_blueprint(oauth.blueprint)
        root.register_blueprint(views.blueprint)
        return root

    def problem(self, name: str, **words: Any) -> Said:
        """What Zoho says when something is wrong."""
        known = {
            "server_error": (int(words.get("status", 500)), 1000, "Internal error"),
            "throttled": (429, 44, _TOO_MANY),
            "unauthorised": (401, 57, _UNAUTHORISED),
            "address_refused": (403, 57, _UNAUTHORISED),
            "duplicate": (400, 13011, "It has already been created. Please check and try again."),
        }
        return error(*known.get(name, (int(words.get("status", 400)), 2, "Invalid value passed")))

    def spoiled(self, name: str, body: Mapping[str, Any], **words: Any) -> Mapping[str, Any]:
        """An answer with something wrong in it."""
        if name == "unknown_status":
            return {**body, "code": 999_999}
        changed = dict(body)
        for record, key in (("bill", "bill_id"), ("contact", "contact_id"), ("vendorpayment", "payment_id")):
            found = body.get(record)
            if not isinstance(found, Mapping):
                continue
            if name == "wrong_id":
                changed[record] = {**found, key: "460000999999999"}
            if name == "wrong_amount":
                more = Decimal(int(words["add_minor"])).scaleb(-2)
                changed[record] = {
                    each: value + more if each in ("total", "balance", "amount") else value
                    for each, value in found.items()
                }
        return changed

    def advance(self, sim: Simulator, now: int) -> int:
        """Nothing happens by itself."""
        return 0

    def arrive(self, sim: Simulator, endpoint: str, client_id: str, body: str) -> None:
        """A late request makes its record in the first organisation, unless it is refused."""
        add = _LATE.get(endpoint)
        if add is None or not body:
            return
        try:
            add(sim, books.ORGANISATION_ID, json_object(body))
        except Refused:
            return

    def sign(self, sim: Simulator, client: ClientRow, row: Mapping[str, Any], now: int) -> Message:
        """It has no messages."""
        raise CannotAct("Zoho sends no messages here.")

    def rows(self, sim: Simulator, limit: int) -> list[dict[str, Any]]:
        """The newest bills."""
        found = sim.store.read(
            "SELECT b.*, c.name AS vendor FROM zoho_bills b JOIN zoho_contacts c ON c.id = b.vendor_id "
            "ORDER BY b.id DESC LIMIT ?",
            (limit,),
        )
        return [
            {
                "subject": row["number"], "client_id": "", "what": f"bill of {row['vendor']}, {row['currency']}",
                "amount_minor": row["total_minor"], "state": books.bill_json(row)["status"], "utr": "",
                "at": row["added_at"], "actions": (),
            }
            for row in found
        ]  # fmt: skip

    def act(self, sim: Simulator, action: str, subject: str, words: Mapping[str, Any]) -> None:
        """ "revoke": take a refresh token back, as its owner does at Zoho. Raises CannotAct."""
        if action != "revoke" or not oauth.take_back(sim, subject):
            raise CannotAct(f"{subject or 'Nothing'} cannot do {action!r} now.")
