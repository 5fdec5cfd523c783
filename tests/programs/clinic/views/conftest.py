"""A clinic with two practitioners and its two admins."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import clinic, people
from webapp.database import db
from webapp.people.models import Organisation, Payee, User


class Carepoint:
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        self.browser = client
        self.organisation: Organisation = clinic.carepoint(slug="carepoint", locale="en_CA")
        self.asha: User = people.user("asha@carepoint.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "b@carepoint.example", organisation=self.organisation, role="accountant"
        )
        self.mina: Payee = clinic.practitioner(self.organisation, name="Dr <b>Mina</b> Osei")
        self.theo: Payee = clinic.practitioner(self.organisation, name="Theo Tremblay")

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
