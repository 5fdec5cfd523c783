"""Walks over all addresses of the house in one database, where the house tests begin anew for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for
from flask.testing import FlaskClient

from tests.factories import stored
from tests.house.matrix import Entry, entries
from tests.house.town import EXAMPLES, Arguments, Town, generic, portal_kind


class Walk:
    """The addresses of all entries; each kind of example record is made once."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.entries = entries(town.app)
        self._made: dict[tuple[Any, str], list[Arguments]] = {}

    def addresses(self, entry: Entry) -> list[str]:
        """The addresses of an entry, with records of the home organisation where it names one."""
        rules = self.town.app.url_map.iter_rules(entry.endpoint)
        rule = next(r for r in rules if entry.method in (r.methods or ()))
        cases = self._arguments(entry.endpoint) if rule.arguments else [{}]
        with self.town.app.test_request_context():
            return [url_for(entry.endpoint, **case) for case in cases]

    def _arguments(self, endpoint: str) -> list[Arguments]:
        name, kind = generic(endpoint), portal_kind(endpoint)
        while name not in EXAMPLES:
            name = name.rpartition(".")[0]
        key = (EXAMPLES[name], kind)
        if key not in self._made:
            with stored():
                self._made[key] = EXAMPLES[name](self.town.home, kind)
        return self._made[key]

    def pages(self) -> list[tuple[str, str]]:
        """Visitor and address of every page and file, without the API."""
        chosen = [
            e for e in self.entries if not e.is_unsafe and not e.is_api and e.endpoint != "assets.serve"
        ]
        return [(visitor(entry), target) for entry in chosen for target in self.addresses(entry)]


def visitor(entry: Entry) -> str:
    """Whom a page is for: the payee of its portal, or the admin."""
    return portal_kind(entry.endpoint) or "admin"


class Visitors:
    """The browsers of the people; a new one where the last act ended the session."""

    def __init__(self, sign_in: Callable[[str], FlaskClient]) -> None:
        self._sign_in = sign_in
        self._clients: dict[str, FlaskClient] = {}

    def get(self, who: str, target: str) -> Any:
        """Open a page."""
        answer = self._client(who).get(target)
        if answer.status_code == 302 and "/sign-in" in answer.headers.get("Location", ""):
            answer = self._client(who, anew=True).get(target)
        return answer

    def post(self, who: str, target: str, data: dict[str, Any]) -> Any:
        """Send a form."""
        answer = self._client(who).post(target, data=data)
        if answer.status_code == 401:
            answer = self._client(who, anew=True).post(target, data=data)
        return answer

    def _client(self, who: str, *, anew: bool = False) -> FlaskClient:
        if anew or who not in self._clients:
            self._clients[who] = self._sign_in(who)
        return self._clients[who]
