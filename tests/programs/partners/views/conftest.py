"""A company with partners, its two admins and its accountant."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import partners, people
from webapp.database import db
from webapp.people.models import Organisation, Payee, User
from webapp.programs.partners.models import PartnerProgram


class Partnerbase:
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        self.browser = client
        self.organisation: Organisation = partners.partnerbase(slug="partnerbase", locale="en_US")
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

    def as_(self, user: User) -> FlaskClient:
        """A browser in which a person of the organisation is signed in."""
        people.sign_in(self.browser, user, self.organisation)
        return self.browser

    def newest(self, model: Any) -> Any:
        """The newest record of a kind, read anew."""
        db.session.rollback()
        query = select(model).order_by(model.id.desc()).limit(1).execution_options(populate_existing=True)
        return db.session.scalars(query).one()

    def again(self, row: Any) -> Any:
        """A record, read anew."""
        model, ident = type(row), row.id
        db.session.rollback()
        return db.session.get(model, ident, populate_existing=True)


@pytest.fixture
def partnerbase(client: FlaskClient) -> Partnerbase:
    """The company."""
    return Partnerbase(client)


@pytest.fixture
def admin(partnerbase: Partnerbase) -> FlaskClient:
    """An admin's browser."""
    return partnerbase.as_(partnerbase.dana)
