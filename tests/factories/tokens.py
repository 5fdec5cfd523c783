"""API tokens for tests, and the browsers that send them."""

from __future__ import annotations

from itertools import count
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.factories.people import FACTORY, stored
from webapp.kernel.clock import utc_now
from webapp.people.access import tokens
from webapp.people.models import Organisation, User

_keys = count(1)


def token(user: User, organisation: Organisation, *scopes: str, days: int = 90) -> str:
    """A token with the scopes named, or with all that the person's roles allow; it counts as just used."""
    with stored():
        text, row = tokens.create(
            user_id=user.id,
            organisation_id=organisation.id,
            scopes=scopes,
            days=days,
            actor=FACTORY,
            now=utc_now(),
        )
        row.last_used_at = utc_now()
    return text


def headers(text: str, *, key: str | None = None) -> dict[str, str]:
    """The headers of a call; a new idempotency key each time unless one is given."""
    return {"Authorization": f"Bearer {text}", "Idempotency-Key": key or f"test-{next(_keys)}"}


class Api:
    """A program that calls with one token."""

    def __init__(self, app: Flask, text: str) -> None:
        self.client, self.text = app.test_client(), text

    def get(self, address: str, **values: Any) -> TestResponse:
        """A reading call under /api/v1."""
        return self.client.get(f"/api/v1{address}", headers=headers(self.text), **values)

    def send(self, method: str, address: str, body: Any = None, *, key: str | None = None) -> TestResponse:
        """A call that acts."""
        values = {} if body is None else {"json": body}
        return self.client.open(
            f"/api/v1{address}", method=method, headers=headers(self.text, key=key), **values
        )

    def post(self, address: str, body: Any = None, *, key: str | None = None) -> TestResponse:
        """The most frequent one."""
        return self.send("POST", address, body, key=key)
