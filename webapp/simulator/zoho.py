"""The frame of Zoho Books v3: tokens, how calls are let in, and the shape of its errors. No records yet.

Every address below `/books/v3` answers in Zoho's envelope: `code` 0 for success, another number and a message for the
rest, whatever the HTTP status is. What is let in is told that there is nothing at the address (404, code 5).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from webapp.simulator import calls
from webapp.simulator.calls import Call
from webapp.simulator.core import CannotAct, ClientRow, Message, Said, Simulator, the_simulator
from webapp.simulator.faults import Kind

NAME = "zoho"
TOKEN_SECONDS = 3600
# What a consent in the browser would have given; fixed and public, as all keys here.
REFRESH_TOKEN, ORGANISATION_ID = "1000.sim.refresh", "60000000001"
_SCHEME = "Zoho-oauthtoken "
_MOST_TOKENS, _SPAN = 10, 600_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS zoho_tokens (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
"""
blueprint = Blueprint(NAME, __name__)


def _error(status: int, code: int, message: str) -> Said:
    return Said(status, {"code": code, "message": message})


def _token_error(name: str, status: int = 200) -> Said:
    """The token endpoint reports its errors under 200, too."""
    return Said(status, {"error": name})


@blueprint.post("/oauth/v2/token")
def token() -> Response:
    """An access token for a refresh token; the values come in the address or in a form."""
    sim = the_simulator()
    call = Call(NAME, "token", Kind.SETUP, "", request.values.get("client_id", "")[:60])
    return calls.answer(sim, call, lambda hits: _token(sim))


def _token(sim: Simulator) -> Said:
    given = request.values
    client = sim.client(NAME, given.get("client_id", ""))
    if client is None or not client.opens(given.get("client_secret", "")):
        return _token_error("invalid_client")
    if given.get("grant_type") != "refresh_token" or given.get("refresh_token") != REFRESH_TOKEN:
        return _token_error("invalid_code")
    now = sim.clock.now()
    with sim.store.writing():
        recent = sim.store.one(
            "SELECT count(*) AS n FROM zoho_tokens WHERE client_id = ? AND issued_at > ?",
            (client.client_id, now - _SPAN),
        )
        if recent is not None and recent["n"] >= _MOST_TOKENS:
            return _token_error("access_denied", 400)
        made = f"1000.{secrets.token_hex(16)}"
        sim.store.insert(
            "zoho_tokens",
            token=made,
            client_id=client.client_id,
            issued_at=now,
            expires_at=now + TOKEN_SECONDS * 1000,
        )
    domain = f"{request.host_url}{NAME}"
    return Said(
        200,
        {"access_token": made, "api_domain": domain, "token_type": "Bearer", "expires_in": TOKEN_SECONDS},
    )


@blueprint.route("/books/v3/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
def books(rest: str) -> Response:
    """Any call of the books: let in as the real one does, then told that there is nothing."""
    sim = the_simulator()
    client_id = _client_of(sim)
    kind = Kind.READ if request.method == "GET" else Kind.WRITE
    call = Call(NAME, f"books/{rest.partition('/')[0]}", kind, "", client_id)
    return calls.answer(sim, call, lambda hits: _books(client_id, rest))


def _client_of(sim: Simulator) -> str:
    header = request.headers.get("authorization", "")
    row = sim.store.one(
        "SELECT client_id FROM zoho_tokens WHERE token = ? AND expires_at > ?",
        (header.removeprefix(_SCHEME), sim.clock.now()),
    )
    return str(row["client_id"]) if row is not None and header.startswith(_SCHEME) else ""


def _books(client_id: str, rest: str) -> Said:
    if not client_id:
        return _error(401, 57, "You are not authorized to perform this operation")
    if rest == "organizations" and request.method == "GET":
        found = [{"organization_id": ORGANISATION_ID, "name": "Simulated books", "currency_code": "INR"}]
        return Said(200, {"code": 0, "message": "success", "organizations": found})
    if request.args.get("organization_id") != ORGANISATION_ID:
        return _error(400, 6041, "This user is not associated with the CompanyID/CompanyName.")
    return _error(404, 5, "Invalid URL Passed")


class Zoho:
    """Its frame, as the simulator's core knows it. It sends no messages and keeps no records."""

    name = NAME
    schema = _SCHEMA
    retry_seconds: tuple[float, ...] = ()
    failures_allowed = 0

    def blueprint(self) -> Blueprint:
        """Its addresses."""
        return blueprint

    def problem(self, name: str, **words: Any) -> Said:
        """What Zoho says when something is wrong."""
        known = {
            "server_error": (int(words.get("status", 500)), 1000, "Internal error"),
            "throttled": (429, 44, "The API call for this organization has exceeded the threshold"),
            "unauthorised": (401, 57, "You are not authorized to perform this operation"),
            "address_refused": (403, 57, "You are not authorized to perform this operation"),
            "duplicate": (400, 1001, "It exists already"),
        }
        return _error(*known.get(name, (int(words.get("status", 400)), 2, "Invalid value passed")))

    def spoiled(self, name: str, body: Mapping[str, Any], **words: Any) -> Mapping[str, Any]:
        """Zoho's envelope has one word that can be spoiled: the code, which may be anything."""
        return {**body, "code": 999_999} if name == "unknown_status" else body

    def advance(self, sim: Simulator, now: int) -> int:
        """Nothing happens by itself."""
        return 0

    def arrive(self, sim: Simulator, endpoint: str, client_id: str, body: str) -> None:
        """A late request is told nothing, and nothing is kept of it."""

    def sign(self, sim: Simulator, client: ClientRow, row: Mapping[str, Any], now: int) -> Message:
        """It has no messages."""
        raise CannotAct("Zoho sends no messages here.")

    def rows(self, sim: Simulator, limit: int) -> list[dict[str, Any]]:
        """There is nothing to list."""
        return []

    def act(self, sim: Simulator, action: str, subject: str, words: Mapping[str, Any]) -> None:
        """There is nothing to do anything with."""
        raise CannotAct("Zoho keeps no records here.")
