"""Zoho's accounts server: a page of consent, tokens for its code, new access tokens, and taking it back."""

from __future__ import annotations

import secrets
from sqlite3 import Row
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request

from webapp.simulator import calls
from webapp.simulator.calls import Call
from webapp.simulator.core import Said, Simulator, the_simulator
from webapp.simulator.faults import Kind

NAME = "zoho"
TOKEN_SECONDS, CODE_SECONDS = 3600, 120
# What a consent in the browser would have given; fixed and public, as all keys here.
REFRESH_TOKEN = "1000.sim.refresh"  # noqa: S105 - opens nothing but the simulator
ALL_SCOPES = "ZohoBooks.fullaccess.all"
LOCATION = "in"
MOST_ACCESS, ACCESS_SPAN = 10, 600_000
MOST_REFRESH_A_MINUTE, MOST_REFRESH = 5, 20
SCHEMA = """
CREATE TABLE IF NOT EXISTS zoho_tokens (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, refresh TEXT NOT NULL DEFAULT '', scope TEXT NOT NULL DEFAULT '',
    issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS zoho_codes (
    code TEXT PRIMARY KEY, client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, scope TEXT NOT NULL,
    is_offline INTEGER NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS zoho_refresh (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, scope TEXT NOT NULL, issued_at INTEGER NOT NULL,
    is_revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
"""
blueprint = Blueprint("zoho_oauth", __name__, url_prefix="/oauth/v2")


def _error(name: str, status: int = 200) -> Said:
    """The token endpoint reports its errors under 200, too."""
    return Said(status, {"error": name})


# ---------------------------------------------------------------- the page of consent


@blueprint.get("/auth")
def ask() -> Response:
    """What an application asks for, with two buttons."""
    return _page(_wrong())


def _wrong() -> str:
    """What is wrong with the question; empty when nothing is."""
    given, sim = request.values, the_simulator()
    if sim.client(NAME, given.get("client_id", "")) is None:
        return "There is no application of this client id."
    if given.get("response_type") != "code" or not given.get("scope"):
        return "The application must ask for a code, and for scopes."
    if not _is_address(given.get("redirect_uri", "")):
        return "The address to come back to is none."
    return ""


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and len(text) <= 500


def _page(problem: str) -> Response:
    given = request.values
    names = ("client_id", "response_type", "scope", "redirect_uri", "state", "access_type", "prompt")
    page = render_template(
        "simulator/zoho.html", problem=problem, kept={name: given.get(name, "") for name in names}
    )
    response = make_response(page, 400 if problem else 200)
    if not problem:
        home = urlsplit(given["redirect_uri"])
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; form-action 'self' {home.scheme}://{home.netloc}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/auth")
def decide() -> Response:
    """Back to the application, with a code or with the no."""
    if problem := _wrong():
        return _page(problem)
    sim, given = the_simulator(), request.values
    said = {"state": given.get("state", "")}
    if given.get("action") != "accept":
        return _back(given["redirect_uri"], {"error": "access_denied", **said})
    code = f"1000.{secrets.token_hex(16)}"
    sim.store.insert(
        "zoho_codes", code=code, client_id=given["client_id"], redirect_uri=given["redirect_uri"],
        scope=given["scope"], is_offline=int(given.get("access_type") == "offline"),
        expires_at=sim.clock.now() + CODE_SECONDS * 1000,
    )  # fmt: skip
    server = f"{request.host_url}{NAME}"
    return _back(
        given["redirect_uri"], {"code": code, "location": LOCATION, "accounts-server": server, **said}
    )


def _back(address: str, words: dict[str, str]) -> Response:
    sign = "&" if "?" in address else "?"
    return make_response(redirect(f"{address}{sign}{urlencode(words)}", 303))


# ---------------------------------------------------------------- tokens


@blueprint.post("/token")
def token() -> Response:
    """An access token for a code or for a refresh token; the values come in the address or in a form."""
    sim = the_simulator()
    call = Call(NAME, "token", Kind.SETUP, "", request.values.get("client_id", "")[:60])
    return calls.answer(sim, call, lambda hits: _token(sim))


def _token(sim: Simulator) -> Said:
    given = request.values
    client = sim.client(NAME, given.get("client_id", ""))
    if client is None or not client.opens(given.get("client_secret", "")):
        return _error("invalid_client")
    with sim.store.writing():
        if given.get("grant_type") == "authorization_code":
            return _for_code(sim, client.client_id)
        if given.get("grant_type") != "refresh_token":
            return _error("unsupported_grant_type")
        scope = _scope_of(sim, client.client_id, given.get("refresh_token", ""))
        if scope is None:
            return _error("invalid_code")
        return _access(sim, client.client_id, given["refresh_token"], scope)


def _scope_of(sim: Simulator, client_id: str, refresh: str) -> str | None:
    row = sim.store.one("SELECT * FROM zoho_refresh WHERE token = ?", (refresh,))
    if row is None:
        return ALL_SCOPES if refresh == REFRESH_TOKEN else None
    return None if row["is_revoked"] or row["client_id"] != client_id else str(row["scope"])


def _for_code(sim: Simulator, client_id: str) -> Said:
    given, now = request.values, sim.clock.now()
    row = sim.store.one("SELECT * FROM zoho_codes WHERE code = ?", (given.get("code", ""),))
    # Whatever comes of it, a code is good for one try.
    sim.store.write("DELETE FROM zoho_codes WHERE code = ?", (given.get("code", ""),))
    if row is None or row["client_id"] != client_id or row["expires_at"] < now:
        return _error("invalid_code")
    if row["redirect_uri"] != given.get("redirect_uri"):
        return _error("invalid_redirect_uri")
    if not row["is_offline"]:
        return _access(sim, client_id, "", row["scope"])
    made = _refresh(sim, row, now)
    if made is None:
        return _error("access_denied", 400)
    said = _access(sim, client_id, made, row["scope"])
    return Said(said.status, {"refresh_token": made, **said.body}) if "access_token" in said.body else said


def _refresh(sim: Simulator, row: Row, now: int) -> str | None:
    """A new refresh token; the twenty-first deletes the oldest. None: too many in a minute."""
    owner = row["client_id"]
    recent = sim.store.one(
        "SELECT count(*) AS n FROM zoho_refresh WHERE client_id = ? AND issued_at > ?", (owner, now - 60_000)
    )
    if recent is not None and recent["n"] >= MOST_REFRESH_A_MINUTE:
        return None
    made = f"1000.{secrets.token_hex(16)}"
    sim.store.insert("zoho_refresh", token=made, client_id=owner, scope=row["scope"], issued_at=now)
    sim.store.write(
        "DELETE FROM zoho_refresh WHERE client_id = ? AND token NOT IN (SELECT token FROM zoho_refresh "
        "WHERE client_id = ? ORDER BY issued_at DESC, rowid DESC LIMIT ?)",
        (owner, owner, MOST_REFRESH),
    )
    return made


def _access(sim: Simulator, client_id: str, refresh: str, scope: str) -> Said:
    now = sim.clock.now()
    recent = sim.store.one(
        "SELECT count(*) AS n FROM zoho_tokens WHERE client_id = ? AND refresh = ? AND issued_at > ?",
        (client_id, refresh, now - ACCESS_SPAN),
    )
    if recent is not None and recent["n"] >= MOST_ACCESS:
        return _error("access_denied", 400)
    made = f"1000.{secrets.token_hex(16)}"
    sim.store.insert(
        "zoho_tokens", token=made, client_id=client_id, refresh=refresh, scope=scope, issued_at=now,
        expires_at=now + TOKEN_SECONDS * 1000,
    )  # fmt: skip
    return Said(
        200,
        {
            "access_token": made, "scope": scope, "api_domain": f"{request.host_url}{NAME}",
            "token_type": "Bearer", "expires_in": TOKEN_SECONDS,
        },
    )  # fmt: skip


@blueprint.post("/token/revoke")
def revoke() -> Response:
    """Take a consent back."""
    sim = the_simulator()
    call = Call(NAME, "revoke", Kind.SETUP, "", "")
    return calls.answer(sim, call, lambda hits: _revoke(sim, request.values.get("token", "")))


def _revoke(sim: Simulator, refresh: str) -> Said:
    if not take_back(sim, refresh):
        return Said(400, {"status": "failure", "error": "invalid_token"})
    return Said(200, {"status": "success"})


def take_back(sim: Simulator, refresh: str) -> bool:
    """Make a refresh token, and every access token of it, worthless; False when there is none."""
    with sim.store.writing():
        if refresh == REFRESH_TOKEN:
            sim.store.write(
                "INSERT INTO zoho_refresh (token, client_id, scope, issued_at, is_revoked) VALUES (?, '', '', 0, 1) "
                "ON CONFLICT DO NOTHING",
                (refresh,),
            )
            found = 1
        else:
            found = sim.store.write("UPDATE zoho_refresh SET is_revoked = 1 WHERE token = ?", (refresh,))
        sim.store.write("DELETE FROM zoho_tokens WHERE refresh = ?", (refresh,))
    return bool(found)
