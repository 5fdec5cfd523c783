"""An organisation as tests of pages look at it: who signs in, and its records, read anew."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from tests.factories import people
from webapp.database import db
from webapp.people.models import Organisation, User


class World:
    """One organisation and the browser of its people; those who extend it add the people and the records."""

    def __init__(self, client: FlaskClient, organisation: Organisation) -> None:
        self.browser = client
        self.organisation = organisation

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
