"""Other settings for one test, and a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis

from tests.support.valkey import running_store
from webapp.config import Settings
from webapp.embedded.valkey import Store
from webapp.operations import readiness


@pytest.fixture
def set_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Change settings of the running application by the names of their variables."""

    def change(**names: object) -> Settings:
        old: Settings = app.config["SETTINGS"]
        values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
        changed = Settings(**{**values, **names})
        monkeypatch.setitem(app.config, "SETTINGS", changed)
        monkeypatch.delitem(app.extensions, "paydesk_key_ring", raising=False)
        return changed

    return change


@pytest.fixture(autouse=True)
def _fresh_look() -> Iterator[None]:
    readiness._storage.clear()
    yield
    readiness._storage.clear()


@pytest.fixture
def store(database: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of its own, to which the application is connected."""
    with running_store() as started:
        redis = Redis.from_url(started.url)
        monkeypatch.setitem(database.extensions, "paydesk_redis", redis)
        yield started
        redis.close()
