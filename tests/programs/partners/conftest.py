"""A company with partners, as most of these tests begin: its program, and a partner of it."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.factories import partners
from tests.programs.partners.crossing import Crossing
from webapp.database import db
from webapp.people.models import Organisation, Payee
from webapp.programs.partners.models import PartnerProgram


@pytest.fixture
def base(database: Flask) -> Organisation:
    """A company with partners, in dollars and in New York."""
    return partners.partnerbase()


@pytest.fixture
def program(base: Organisation) -> PartnerProgram:
    """Equal parts, paid thirty days after the close."""
    return partners.program(base)


@pytest.fixture
def ann(base: Organisation) -> Payee:
    """A partner who gets 5 %."""
    return partners.partner(base, name="Ann")


@pytest.fixture
def crossing(database: Flask, monkeypatch: pytest.MonkeyPatch) -> Crossing:
    """Where two acts meet."""
    if db.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    return Crossing(database, monkeypatch)
