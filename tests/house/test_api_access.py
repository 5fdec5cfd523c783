"""Every address of the API, with the token of everybody: who is let in, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.factories.tokens import headers, token
from tests.house.headers import check_headers
from tests.house.matrix import Entry
from tests.house.test_access import addresses
from tests.house.town import PEOPLE, Town
from webapp.api import openapi
from webapp.people.access.tokens import Scope, allowed_scopes

VISITORS = [person for person in PEOPLE if person != "anonymous"]


def _person(town: Town, visitor: str, kind: str) -> tuple[Any, Any]:
    if visitor == "stranger":
        return town.elsewhere.users["admin"], town.elsewhere.organisation
    name = f"neighbour {kind}" if visitor == "neighbour" else visitor
    return town.home.users[name], town.home.organisation


def _operation(app: Flask, entry: Entry) -> dict[str, Any]:
    rule = next(r.rule for r in app.url_map.iter_rules(entry.endpoint) if entry.method in (r.methods or ()))
    path = rule.replace("<int:", "<").replace("<", "{").replace(">", "}")
    return openapi.document()["paths"][path][entry.method.lower()]


def _call(town: Town, entry: Entry, target: str, text: str) -> Any:
    body = _operation(town.app, entry).get("requestBody")
    values = {"json": body["content"]["application/json"]["example"]} if body else {}
    return town.app.test_client().open(target, method=entry.method, headers=headers(text), **values)


def test_tokens_open_what_the_matrix_says(
    town: Town, api_entry: Entry, fingerprint: Callable[[], str]
) -> None:
    targets = addresses(town, api_entry)
    texts = {visitor: token(*_person(town, visitor, api_entry.api_kind)) for visitor in VISITORS}
    before = fingerprint()
    for visitor in sorted(VISITORS, key=lambda v: api_entry.expected_with_token(v) == api_entry.let_in):
        expected = api_entry.expected_with_token(visitor)
        if expected == api_entry.let_in and api_entry.is_unsafe and before:
            assert fingerprint() == before, f"{api_entry}: somebody who was refused changed something"
            before = ""
        for target in targets:
            response = _call(town, api_entry, target, texts[visitor])
            assert response.status_code in expected, f"{target} with the token of {visitor}: {response.text}"
            check_headers(response)
            assert response.mimetype.endswith("json"), response.mimetype
            assert (response.mimetype == "application/problem+json") == (response.status_code >= 400)
            assert "Set-Cookie" not in response.headers
            if response.status_code == 403:
                assert response.json["scope"] == _operation(town.app, api_entry)["x-scope"]
    if before:
        assert fingerprint() == before, f"{api_entry}: reading, or being refused, changed something"


def test_a_token_without_the_scope_is_told_which(
    town: Town, api_entry: Entry, fingerprint: Callable[[], str]
) -> None:
    needed = _operation(town.app, api_entry).get("x-scope")
    if needed is None:
        assert api_entry.endpoint == "api.me.show"
        return
    others = [scope.value for scope in Scope if scope != needed]
    text = token(town.home.users["admin"], town.home.organisation, *others)
    targets = addresses(town, api_entry)
    before = fingerprint()
    for target in targets:
        response = _call(town, api_entry, target, text)
        assert response.status_code == 403
        assert response.json["scope"] == needed
        assert needed in response.json["detail"]
    assert fingerprint() == before


@pytest.mark.parametrize("role", ["accountant", "technician", "owner", "practitioner", "driver", "partner"])
def test_only_admins_can_be_given_scopes_that_act(role: str) -> None:
    """But for a practitioner's own wallet: what they ask for goes to their own account, after an approval. And for a
    partner's word: a registration or an objection makes no money, and an admin decides it."""
    acting = {scope for scope in allowed_scopes([role]) if not scope.endswith(":read")}
    own = {"practitioner": {Scope.WITHDRAWALS_CREATE}, "partner": {Scope.REGISTRATIONS_CREATE}}
    assert acting == own.get(role, set())
