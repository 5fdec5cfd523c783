"""The list of installations: whose it is narrowed to, and what of it is to be paid."""

from __future__ import annotations

from datetime import datetime

from flask import Flask

from tests.factories import installations as make
from tests.factories import people
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.people.models import Organisation
from webapp.programs.installations import creation, queries
from webapp.programs.installations.queries import InstallationFilter


def found(organisation: Organisation, **chosen: str) -> list[str]:
    query = queries.list_installations(organisation.id, InstallationFilter(**chosen))  # type: ignore[arg-type]
    return [row.reference for row in db.session.scalars(query)]


def test_each_part_is_looked_at_by_itself(database: Flask, now: datetime) -> None:
    """A technician's installation that is in a payout says nothing of the technician's other ones."""
    solaria = people.organisation("solaria")
    ana, ben = people.payee(solaria, name="Ana"), people.payee(solaria, name="Ben")
    make.known_rates(solaria)
    paid, due = make.installation(solaria, ana), make.installation(solaria, ana)
    shared = make.installation(solaria, ana, ben)
    with transaction():
        creation.create_chosen(
            organisation_id=solaria.id, payee_reference=ana.reference, now=now, actor=Actor(None, "test"),
            installation_references=[paid.reference, shared.reference],
        )  # fmt: skip
    assert found(solaria, payment="in_payout") == [shared.reference, paid.reference]
    assert found(solaria, payment="due") == [shared.reference, due.reference]
    assert found(solaria, payment="due", technician="ana") == [due.reference]
    assert found(solaria, payment="due", technician=ben.reference.lower()) == [shared.reference]
    assert found(solaria, payment="in_payout", technician="Ben") == []
    assert found(people.organisation("griha"), payment="due") == []
