"""The people of the house tests, for attackers too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.house import (  # noqa: F401 - register the example records
    objects,
    objects_api,
    objects_partners_api,
    objects_repairs_api,
)
from tests.house import town as town_module
from tests.house.town import Town


@pytest.fixture
def town(database: Flask, scene: Callable[[Callable[[], object]], object]) -> Town:
    """Two organisations and everybody in them."""
    return town_module.build(database, scene)
