"""A company with partners, its two admins and its accountant."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories import partners, people
from tests.support.world import World
from webapp.people.models import Payee, User
from webapp.programs.partners.models import PartnerProgram


class Partnerbase(World):
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        super().__init__(client, partners.partnerbase(slug="partnerbase", locale="en_US"))
        self.dana: User = people.user(
            "dana@partnerbase.example", organisation=self.organisation, role="admin"
        )
        self.sam: User = people.user("sam@partnerbase.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "b@partnerbase.example", organisation=self.organisation, role="accountant"
        )
        self.program: PartnerProgram = partners.program(self.organisation, name="Referrals")
        self.ada: Payee = partners.partner(self.organisation, name="Ada <b>Ray</b>")
        self.ben: Payee = partners.partner(self.organisation, name="Ben Ortiz")


@pytest.fixture
def partnerbase(client: FlaskClient) -> Partnerbase:
    """The company."""
    return Partnerbase(client)


@pytest.fixture
def admin(partnerbase: Partnerbase) -> FlaskClient:
    """An admin's browser."""
    return partnerbase.as_(partnerbase.dana)
