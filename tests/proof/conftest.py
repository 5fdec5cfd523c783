"""What the proof needs beside the house's fixtures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proof.ground import Ground


@pytest.fixture
def ground(database: object, _store: Any) -> Ground:
    """How the database is emptied, kept and put back in the middle of a test."""
    return Ground(_store)
