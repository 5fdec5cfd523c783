"""A taxi fleet, a driver and her lease."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import repairs
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs.models import DriverLease


@pytest.fixture
def fleet_of(database: Flask) -> Organisation:
    """A taxi fleet."""
    return repairs.metrocab()


@pytest.fixture
def ann(fleet_of: Organisation) -> Payee:
    """A driver."""
    return repairs.driver(fleet_of, name="Ann Lee")


@pytest.fixture
def lease(ann: Payee) -> DriverLease:
    """Her lease."""
    return repairs.lease(ann)
