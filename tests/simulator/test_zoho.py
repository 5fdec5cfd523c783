"""The frame of the books: tokens, who is let in, and errors in the books' own envelope."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from webapp.simulator.server import Running
from webapp.simulator.zoho import ORGANISATION_ID, REFRESH_TOKEN

KEYS = {
    "client_id": "SIM_ZOHO",
    "client_secret": "sim-zoho-secret",
    "grant_type": "refresh_token",
    "refresh_token": REFRESH_TOKEN,
}


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    """A program that calls."""
    with httpx.Client(base_url=f"{running.url}/zoho") as made:
        yield made


def _token(http: httpx.Client) -> dict[str, str]:
    said = http.post("/oauth/v2/token", data=KEYS).json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 3600)
    assert said["api_domain"].endswith("/zoho")
    return {"authorization": f"Zoho-oauthtoken {said['access_token']}"}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"client_secret": "x"}, "invalid_client"), ({"refresh_token": "x"}, "invalid_code")],
)
def test_wrong_keys_are_an_error_under_200(http: httpx.Client, wrong: dict[str, str], error: str) -> None:
    said = http.post("/oauth/v2/token", params={**KEYS, **wrong})
    assert (said.status_code, said.json()) == (200, {"error": error})


def test_ten_tokens_in_ten_minutes_are_enough(http: httpx.Client) -> None:
    for _ in range(10):
        _token(http)
    assert http.post("/oauth/v2/token", data=KEYS).json() == {"error": "access_denied"}


def test_the_envelope_says_what_is_wrong(http: httpx.Client) -> None:
    assert http.get("/books/v3/bills").json()["code"] == 57
    headers = _token(http)
    # The word of the token's type is not the word of the header.
    bearer = {"authorization": headers["authorization"].replace("Zoho-oauthtoken", "Bearer")}
    assert http.get("/books/v3/bills", headers=bearer).status_code == 401
    assert http.get("/books/v3/bills", headers=headers).json()["code"] == 6041
    nothing = http.get("/books/v3/bills", headers=headers, params={"organization_id": ORGANISATION_ID})
    assert (nothing.status_code, nothing.json()["code"]) == (404, 5)
    found = http.get("/books/v3/organizations", headers=headers).json()
    assert (found["code"], found["organizations"][0]["organization_id"]) == (0, ORGANISATION_ID)


def test_faults_strike_here_too(http: httpx.Client, running: Running) -> None:
    headers = _token(http)
    running.sim.plan.add("F6", provider="zoho")
    said = http.get("/books/v3/bills", headers=headers, params={"organization_id": ORGANISATION_ID})
    assert (said.status_code, said.json()["code"]) == (429, 44)
