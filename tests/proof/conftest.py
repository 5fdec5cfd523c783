"""What the proof needs beside the house's fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def ground(database: object, _store: Any) -> Any:
    """How the database is emptied, kept and put back in the middle of a test."""
    return _store


# Trials that put the whole database back again and again; races and workers run on PostgreSQL, too.
_ON_SQLITE = {"test_crashes", "test_life", "test_messages", "test_nemesis", "test_planted"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the trials out on PostgreSQL: their ground is made for SQLite so far."""
    if config.getoption("--database") != "postgresql":
        return
    skip = pytest.mark.skip(reason="the trials' ground is made for SQLite")
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem in _ON_SQLITE:
            item.add_marker(skip)
