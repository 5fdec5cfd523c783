"""Fixtures of the pages around payouts: a fixed hour, and an organisation with people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask

from tests.factories.pages import Place
from tests.factories.pages import place as make_place

HOUR = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(HOUR, tick=False):
        yield


@pytest.fixture
def place(database: Flask) -> Place:
    """Two admins, a technician with a login, two payees with bank accounts."""
    return make_place(database)
