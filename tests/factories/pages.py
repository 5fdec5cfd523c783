"""A small organisation to open pages in: two admins, an accountant, a technician with a portal login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.factories import payouts as made
from tests.factories import people
from webapp.database import db
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee, User


@dataclass
class Place:
    """Who is there, and browsers signed in as them."""

    app: Flask
    organisation: Organisation
    maker: User
    approver: User
    technician: User
    payee: Payee
    other: Payee

    def client(self, who: User, organisation: Organisation | None = None) -> FlaskClient:
        """A browser without JavaScript, signed in."""
        client = self.app.test_client()
        people.sign_in(client, who, organisation or self.organisation)
        return client

    def payout(self, payee: Payee | None = None, amount: int = 49_950, **values: Any) -> Payout:
        """A payout that waits for approval, made by the maker unless told otherwise."""
        values.setdefault("actor", people.actor_of(self.maker))
        return made.payout(self.organisation, payee or self.payee, amount, **values)

    def approved(self, payee: Payee | None = None, amount: int = 49_950, **values: Any) -> Payout:
        """A payout that the approver approved."""
        return made.payout_ready(
            self.organisation, payee or self.payee, amount, approver=self.approver, **values
        )


def place(app: Flask) -> Place:
    """Make the organisation and its people."""
    organisation = people.organisation("solaria")
    technician = people.user("tomas@example.com", name="Tomas Ek")
    payee = people.payee(organisation, name="Tomas Ek", user=technician)
    other = people.payee(organisation, name="Ana Souza")
    for one in (payee, other):
        people.method(one)
    return Place(
        app,
        organisation,
        people.user("maya@example.com", organisation=organisation, role="admin", name="Maya"),
        people.user("ravi@example.com", organisation=organisation, role="admin", name="Ravi"),
        technician,
        payee,
        other,
    )


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """The statements that reach the database in the block, without the transaction's own."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")):
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
