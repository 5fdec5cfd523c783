"""A taxi fleet with a driver who has a lease, its two admins and its accountant."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories import people, repairs
from tests.support.world import World
from webapp.people.models import Payee, User
from webapp.programs.repairs.models import DriverLease


class Metrocab(World):
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__(client, repairs.metrocab(slug="metrocab", locale="en_US"))
        self.dana: User = people.user("dana@metrocab.example", organisation=self.organisation, role="admin")
        self.sam: User = people.user("sam@metrocab.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "b@metrocab.example", organisation=self.organisation, role="accountant"
        )
        self.ada: Payee = repairs.driver(self.organisation, name="Ada <b>Ray</b>")
        self.lease: DriverLease = repairs.lease(self.ada)


@pytest.fixture
def metrocab(client: FlaskClient) -> Metrocab:
    """The fleet."""
    return Metrocab(client)


@pytest.fixture
def admin(metrocab: Metrocab) -> FlaskClient:
    """An admin's browser."""
    return metrocab.as_(metrocab.dana)
