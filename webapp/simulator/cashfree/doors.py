"""Who may call: keys, version, signature and limits; and the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Response, request

from webapp.simulator import calls, signing
from webapp.simulator.calls import Call
from webapp.simulator.cashfree.check import Refused, error, refuse
from webapp.simulator.core import ClientRow, Said, Simulator, the_simulator
from webapp.simulator.faults import Hits, Kind

API_VERSION = "2024-01-01"
NAME = "cashfree"

_FORBIDDEN: dict[str, Any] = {"status": 403, "kind": "authentication_error"}

Work = Callable[[Simulator, ClientRow, Hits], Said]


def v2(endpoint: str, kind: Kind, subject: str, work: Work, *, verification: bool = False) -> Response:
    """One call of V2: let in by its headers, then worked on. A refusal is journalled like everything else."""
    sim = the_simulator()
    call = Call(NAME, endpoint, kind, subject, request.headers.get("x-client-id", ""))

    def inside(hits: Hits) -> Said:
        try:
            client = _let_in(sim, verification=verification)
            return _with_headers(sim, call, work(sim, client, hits))
        except Refused as refused:
            return _with_headers(sim, call, refused.said)

    limit, _, wait = sim.count(NAME, call.client_id, endpoint)
    if wait:
        return calls.answer(sim, replace(call, kind=Kind.SETUP), lambda _: throttled(limit, wait))
    return calls.answer(sim, call, inside)


def throttled(limit: int, wait: int) -> Said:
    """429 with the seconds to wait."""
    said = error(
        "too_many_requests", "Too many requests. Please try again later", status=429, kind="rate_limit_error"
    )
    headers = {
        "x-ratelimit-limit": str(limit), "x-ratelimit-remaining": "0", "x-ratelimit-retry": str(wait),
        "retry-after": str(wait),
    }  # fmt: skip
    return replace(said, headers=headers)


def _with_headers(sim: Simulator, call: Call, said: Said) -> Said:
    headers = {
        "x-api-version": API_VERSION, "x-ratelimit-limit": str(sim.options.requests_a_minute or 9000),
        "x-ratelimit-remaining": "8999", "x-ratelimit-retry": "0", **said.headers,
    }  # fmt: skip
    if request_id := request.headers.get("x-request-id"):
        headers["x-request-id"] = request_id[:200]
    return replace(said, headers=headers)


def unauthorised() -> Said:
    """401 for keys that are not taken."""
    return error(
        "authentication_failed",
        "authentication failed: invalid x-client-id and x-client-secret combination",
        status=401,
        kind="authentication_error",
    )


def _let_in(sim: Simulator, *, verification: bool) -> ClientRow:
    given_id, secret = request.headers.get("x-client-id", ""), request.headers.get("x-client-secret", "")
    if verification:
        for name, value in (("x-client-id", given_id), ("x-client-secret", secret)):
            if not value:
                raise refuse(f"{name}_missing", f"{name} is missing in the request", kind="validation_error")
    client = sim.client(NAME, given_id)
    if client is None or not client.opens(secret):
        if verification:
            raise refuse(
                "x-client-secret_value_invalid", "x-client-secret is invalid", kind="validation_error"
            )
        raise Refused(unauthorised())
    _signed(sim, client)
    if not verification:
        version = request.headers.get("x-api-version")
        if not version:
            raise refuse("x-api-version_missing", "x-api-version is missing in the request")
        if version != API_VERSION:
            raise refuse("x-api-version_invalid", f"x-api-version is invalid. allowed value is {API_VERSION}")
    return client


SIGNATURE_MILLISECONDS = 600_000


def _signed(sim: Simulator, client: ClientRow) -> None:
    if wrong := seal_problem(sim, client):
        raise refuse(*wrong, **_FORBIDDEN)


def seal_problem(sim: Simulator, client: ClientRow) -> tuple[str, str] | None:
    """Code and words for a call that is not sealed with the key that the account's dashboard gave out.

    The seal stands in for a fixed address: an account without a key has one, and needs no header.
    """
    key = client.data.get("private_key")
    if key is None:
        return None
    given = request.headers.get("x-cf-signature", "")
    if not given:
        return "signature_missing", "Signature missing in the request"
    try:
        who, _, at = signing.opened(key, given).rpartition(".")
        is_fresh = abs(sim.clock.now() - int(at) * 1000) <= SIGNATURE_MILLISECONDS
    except ValueError:
        who, is_fresh = "", False
    if who != client.client_id or not is_fresh:
        return "invalid_signature", "Invalid signature"
    return None
