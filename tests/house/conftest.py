"""Fixtures of the tests that look at the house as a whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from tests.house import (  # noqa: F401 - register example records
    objects_api,
    objects_partners_api,
    objects_repairs_api,
)
from tests.house import town as town_module
from tests.house.matrix import Entry, entries
from tests.house.town import Town
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import Base, db

# Written by looking at a page, or by asking: not a change that a refused request could have made.
_NOTES = {"user_sessions", "api_requests"}
_TRAIL = {"audit_events", "audit_heads"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `entry` runs once for each row; for `unsafe_entry` for those that may change things."""
    wanted: dict[str, Callable[[Entry], bool]] = {
        "entry": lambda entry: True,
        "unsafe_entry": lambda entry: entry.is_unsafe,
        "page_entry": lambda entry: (
            not entry.is_unsafe and entry.endpoint != "assets.serve" and not entry.is_api
        ),
        "api_entry": lambda entry: entry.is_api,
    }
    for name, keep in wanted.items():
        if name in metafunc.fixturenames:
            kept = [entry for entry in entries(_bare_app()) if keep(entry)]
            metafunc.parametrize(name, kept, ids=str)


_bare: list[Flask] = []


def _bare_app() -> Flask:
    """An application to read addresses from while tests are collected; it never opens its database."""
    if not _bare:
        keys = "t1:" + base64.b64encode(bytes(32)).decode()
        values = {"PAYDESK_ENV": "test", "SECRET_KEY": "collect" * 6, "PAYDESK_FIELD_KEYS": keys,
                  "PAYDESK_INDEX_KEY": "address" * 6}  # fmt: skip
        _bare.append(create_app(Settings(**values)))  # type: ignore[arg-type]
    return _bare[0]


@pytest.fixture
def town(database: Flask, scene: Callable[[Callable[[], object]], object]) -> Town:
    """Two organisations and everybody in them."""
    return town_module.build(database, scene)


@pytest.fixture
def with_csrf(app: Flask) -> Iterator[None]:
    """Form tokens are asked for, as in real life."""
    app.config["WTF_CSRF_ENABLED"] = True
    yield
    app.config["WTF_CSRF_ENABLED"] = False


@pytest.fixture
def fingerprint(database: Flask) -> Callable[..., str]:
    """A function that hashes everything the database holds, but for notes of when a session was used.

    With `without_trail` also but for the audit trail.
    """

    def take(without_trail: bool = False) -> str:
        left_out = _NOTES | _TRAIL if without_trail else _NOTES
        db.session.rollback()
        seen = hashlib.sha256()
        for table in Base.metadata.sorted_tables:
            if table.name not in left_out:
                rows = sorted(repr(tuple(row)) for row in db.session.execute(select(table)))
                seen.update(f"{table.name} {rows}".encode())
        db.session.rollback()
        return seen.hexdigest()

    return take
