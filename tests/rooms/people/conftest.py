"""Fixtures of this room's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from webapp.people.throttle import limiter


@pytest.fixture
def demo_mode(database: Flask) -> Iterator[Flask]:
    """The application as if it had been started in demo mode."""
    settings = database.config["SETTINGS"]
    database.config["SETTINGS"] = settings.model_copy(update={"environment": "demo"})
    yield database
    database.config["SETTINGS"] = settings


@pytest.fixture
def limits(database: Flask) -> Iterator[None]:
    """Sign-in limits on, counted from nothing."""
    was = limiter.enabled
    limiter.enabled = True
    limiter.reset()
    yield
    limiter.reset()
    limiter.enabled = was
