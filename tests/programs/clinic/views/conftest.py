"""A clinic with two practitioners and its two admins."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories import clinic, people
from tests.support.world import World
from webapp.database import db
from webapp.people.models import Payee, User


class Carepoint(World):
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__(client, clinic.carepoint(slug="carepoint", locale="en_CA"))
        self.asha: User = people.user("asha@carepoint.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "b@carepoint.example", organisation=self.organisation, role="accountant"
        )
        self.mina: Payee = clinic.practitioner(self.organisation, name="Dr <b>Mina</b> Osei")
        self.theo: Payee = clinic.practitioner(self.organisation, name="Theo Tremblay")

    def holds(self, payee: Payee | None = None) -> int:
        """What a wallet holds."""
        db.session.rollback()
        return clinic.holds(self.organisation, payee)


@pytest.fixture
def carepoint(client: FlaskClient) -> Carepoint:
    """The clinic."""
    return Carepoint(client)


@pytest.fixture
def admin(carepoint: Carepoint) -> FlaskClient:
    """An admin's browser."""
    return carepoint.as_(carepoint.asha)
