"""A world of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.simulator.world import Receiver, World, simulator
from webapp.simulator.server import Running


@pytest.fixture
def running() -> Iterator[Running]:
    """A simulator alone."""
    found = simulator()
    yield found
    found.close()


@pytest.fixture
def world(database: Flask) -> Iterator[World]:
    """A simulator and an organisation that pays through it."""
    found = World(simulator())
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who takes messages."""
    found = Receiver()
    yield found
    found.close()
