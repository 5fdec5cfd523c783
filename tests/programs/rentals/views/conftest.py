"""An organisation with two owners, a let flat and its rent; its admins; and another organisation."""

from __future__ import annotations

from datetime import date

import pytest
from flask.testing import FlaskClient

from tests.factories import people, rentals, rents
from tests.support.world import World
from webapp.people.models import Payee, User
from webapp.programs.rentals.models import Lease, Property, RentCharge, RentPayment
from webapp.programs.rentals.views import common

TODAY = date(2026, 11, 20)


class Griha(World):
    """What a test looks at; records are read anew by their references."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__(client, rentals.griha(slug="griha", locale="en_IN"))
        self.asha: User = people.user("asha@griha.example", organisation=self.organisation, role="admin")
        self.bina: User = people.user("bina@griha.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "books@griha.example", organisation=self.organisation, role="accountant"
        )
        self.meera: Payee = rentals.owner(self.organisation, name="Meera <b>Iyer</b>", email="m@example.com")
        self.anil: Payee = rentals.owner(self.organisation, name="Anil Kumar")
        self.place: Property = rentals.property_of(self.organisation, [(self.meera, 60), (self.anil, 40)])
        self.charge: RentCharge = rentals.charge(self.place)
        self.lease: Lease = self.charge.lease

    def received(self) -> RentPayment:
        """The month's rent is there, and the owners' payouts are made."""
        return rents.received(self.charge)


@pytest.fixture
def griha(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Griha:
    """A house with one let flat, on a day on which its rent is fifteen days late."""
    monkeypatch.setattr(common, "today", lambda: TODAY)
    return Griha(client)


@pytest.fixture
def admin(griha: Griha) -> FlaskClient:
    """Asha's browser."""
    return griha.as_(griha.asha)
