"""No request from another site, and none without a form's token, changes anything."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.factories import PASSWORD, organisation, user
from tests.house.matrix import Entry, entries
from tests.house.test_access import addresses
from tests.house.town import Town, portal_kind


def test_without_a_token_nothing_happens(
    town: Town, unsafe_entry: Entry, with_csrf: None, fingerprint: Callable[[], str]
) -> None:
    if unsafe_entry.has_signed_address:
        pytest.skip("the signed address is the proof; see the tests of those below")
    targets = addresses(town, unsafe_entry)
    client = town.client(portal_kind(unsafe_entry.endpoint) or "admin")
    before = fingerprint()
    for target in targets:
        for data in ({}, {"csrf_token": "made-up"}):
            response = client.open(target, method=unsafe_entry.method, data=data)
            if unsafe_entry.is_api:
                # No form token is asked for, because no cookie is: whoever is signed in is nobody here.
                assert response.status_code == 401, target
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                continue
            assert response.status_code == 400, target
            assert "This form is no longer valid." in response.text
        by_htmx = client.open(target, method=unsafe_entry.method, headers={"HX-Request": "true"})
        assert by_htmx.status_code == (401 if unsafe_entry.is_api else 400)
    assert fingerprint() == before


def test_without_a_token_only_signed_addresses_are_taken(
    town: Town, with_csrf: None, fingerprint: Callable[[], str]
) -> None:
    signed = [entry for entry in entries(town.app) if entry.has_signed_address]
    assert [(entry.method, entry.endpoint) for entry in signed] == [
        ("POST", "public.hooks.receive"),
        ("POST", "public.notices.unsubscribe_now"),
    ]
    hooks, entry = signed
    (address,) = addresses(town, hooks)
    before = fingerprint()
    # Of a message the signature is in its headers; without it nothing is kept.
    assert town.client("admin").post(address, json={"event": "x"}).status_code == 401
    assert fingerprint() == before
    (address,) = addresses(town, entry)
    before = fingerprint()
    damaged = address[:-5] + ("A" if address[-5] != "A" else "B") + address[-4:]
    made_up = (damaged, address.rpartition("/")[0] + "/digest", address + ".x")
    for target in made_up:
        assert town.client("admin").post(target).status_code == 404
        assert town.client("anonymous").post(target).status_code == 404
    assert fingerprint() == before
    # The signature is all it takes, and it does one thing: a kind of mail of one person goes off.
    assert town.client("anonymous").post(address).status_code == 200
    assert fingerprint() != before


def test_other_sites_are_refused(town: Town, unsafe_entry: Entry, fingerprint: Callable[[], str]) -> None:
    targets = addresses(town, unsafe_entry)
    client = town.client(portal_kind(unsafe_entry.endpoint) or "admin")
    before = fingerprint()
    for target in targets:
        for site in ("cross-site", "same-site", "anything else"):
            response = client.open(target, method=unsafe_entry.method, headers={"Sec-Fetch-Site": site})
            assert response.status_code == 403, f"{target} from {site}"
    assert fingerprint() == before


def _token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_our_own_forms_work(client: FlaskClient, with_csrf: None) -> None:
    user("maya@x.example", organisation=organisation("home"), role="admin", password=PASSWORD)
    data = {
        "email": "maya@x.example",
        "password": PASSWORD,
        "csrf_token": _token(client.get("/sign-in").text),
    }
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert client.post("/sign-in", data=data, headers=headers).status_code == 303
    # The token of before sign-in is worth nothing afterwards.
    assert client.post("/account/sessions/end-others", data=data).status_code == 400
    token = _token(client.get("/account").text)
    assert client.post("/account/sessions/end-others", data={"csrf_token": token}).status_code == 303


def test_a_token_of_another_browser_is_refused(client: FlaskClient, town: Town, with_csrf: None) -> None:
    theirs = _token(town.client("technician").get("/account").text)
    mine = town.client("admin")
    assert mine.post("/account/sessions/end-others", data={"csrf_token": theirs}).status_code == 400
