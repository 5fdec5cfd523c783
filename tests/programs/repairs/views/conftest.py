"""A taxi fleet with a driver who has a lease, its two admins and its accountant."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import people, repairs
from webapp.database import db
from webapp.people.models import Organisation, Payee, User
from webapp.programs.repairs.models import DriverLease


class Metrocab:
    """What a test looks at; records are read anew by their keys."""

    def __init__(self, client: FlaskClient) -> None:
        self.browser = client
        self.organisation: Organisation = repairs.metrocab(slug="metrocab", locale="en_US")
        self.dana: User = people.user("dana@metrocab.example", organisation=self.organisation, role="admin")
        self.sam: User = people.user("sam@metrocab.example", organisation=self.organisation, role="admin")
        self.books: User = people.user(
            "b@metrocab.example", organisation=self.organisation, role="accountant"
        )
        self.ada: Payee = repairs.driver(self.organisation, name="Ada <b>Ray</b>")
        self.lease: DriverLease = repairs.lease(self.ada)

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
def metrocab(client: FlaskClient) -> Metrocab:
    """The fleet."""
    return Metrocab(client)


@pytest.fixture
def admin(metrocab: Metrocab) -> FlaskClient:
    """An admin's browser."""
    return metrocab.as_(metrocab.dana)
