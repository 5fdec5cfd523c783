"""A house of two owners who know nothing of each other's money, and a third owner elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import people, rentals, rents
from webapp.people.models import Organisation, Payee, User
from webapp.programs.rentals.models import Property, RentPayment

NOW = datetime.fromisoformat("2026-11-20T06:30:00+00:00")


@dataclass
class House:
    """Asha owns 60, Bilal 40; Asha has payment details."""

    app: Flask
    organisation: Organisation
    asha: Payee
    bilal: Payee
    asha_user: User
    bilal_user: User
    place: Property

    def client(self, user: User) -> FlaskClient:
        """A browser in which an owner is signed in."""
        client = self.app.test_client()
        people.sign_in(client, user, self.organisation)
        return client

    def rent(self, rent_minor: int = 10_000_00) -> RentPayment:
        """A month's rent of a new unit, received and shared out."""
        return rents.received(rentals.charge(self.place, rent_minor))


@pytest.fixture(autouse=True)
def _hour() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def house(database: Flask) -> House:
    """The house without any rent yet."""
    organisation = rentals.griha(slug="griha", contact_email="help@griha.example")
    users = [people.user(f"{name}@example.com", name=name.capitalize()) for name in ("asha", "bilal")]
    asha, bilal = (
        rentals.owner(organisation, name=f"{user.name} Rao", email=user.email, user=user) for user in users
    )
    people.method(asha, rents.upi())
    place = rentals.property_of(organisation, [(asha, 60), (bilal, 40)], address="14 Lake Road, Pune")
    return House(database, organisation, asha, bilal, users[0], users[1], place)
