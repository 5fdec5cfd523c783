"""The people and records that the house tests send to every address.

Two organisations with the same set of people, and in the first one for every kind of payee a neighbour: another
payee of the same kind. `example` registers, for a group of endpoints, how to make a record with the arguments
of its address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient

from tests.factories import method, organisation, payee, sign_in, stored, user
from webapp.database import db
from webapp.people import numbers
from webapp.people.models import PAYEE_KINDS, Organisation, Payee, Role, User

KINDS = tuple(kind.value for kind in PAYEE_KINDS)
ROLES = tuple(role.value for role in Role)
# Everybody who knocks: "stranger" is an admin of the other organisation, "neighbour" another payee of the kind.
PEOPLE = ("anonymous", *ROLES, "stranger", "neighbour")


@dataclass
class House:
    """One organisation with its people."""

    organisation: Organisation
    users: dict[str, User] = field(default_factory=dict)
    payees: dict[str, Payee] = field(default_factory=dict)
    neighbours: dict[str, Payee] = field(default_factory=dict)


@dataclass
class Town:
    """Two houses, and the browsers of the people who live there."""

    app: Flask
    home: House
    elsewhere: House

    def client(self, person: str, kind: str = "") -> FlaskClient:
        """A browser in which `person` is signed in; `kind` says whose neighbour is meant."""
        client = self.app.test_client()
        if person == "anonymous":
            return client
        if person == "stranger":
            sign_in(client, self.elsewhere.users["admin"], self.elsewhere.organisation)
        elif person == "neighbour":
            sign_in(client, self.home.users[f"neighbour {kind}"], self.home.organisation)
        else:
            sign_in(client, self.home.users[person], self.home.organisation)
        return client


def _house(slug: str) -> House:
    house = House(organisation(slug))
    for role in ("admin", "accountant"):
        house.users[role] = user(f"{role}@{slug}.example", organisation=house.organisation, role=role)
    for kind in KINDS:
        house.users[kind] = user(f"{kind}@{slug}.example")
        house.payees[kind] = payee(house.organisation, kind, user=house.users[kind])
        house.users[f"neighbour {kind}"] = user(f"neighbour-{kind}@{slug}.example")
        house.neighbours[kind] = payee(house.organisation, kind, user=house.users[f"neighbour {kind}"])
        method(house.payees[kind])
    return house


Ids = tuple[int, dict[str, int], dict[str, int], dict[str, int]]


def _built() -> tuple[Ids, Ids]:
    """Both houses, committed; what they are made of by its ids."""
    with stored():
        home = _house("home")
        # Numbers begin anew in each organisation; here they must not be the same.
        numbers.next_numbers(home.organisation.id, "PY", 4, 500)
        for kind in KINDS:
            home.payees[kind].reference = numbers.next_number(home.organisation.id, "PY")
        elsewhere = _house("elsewhere")
    return _ids(home), _ids(elsewhere)


def _ids(house: House) -> Ids:
    people = (house.users, house.payees, house.neighbours)
    users, payees, neighbours = ({name: one.id for name, one in each.items()} for each in people)
    return house.organisation.id, users, payees, neighbours


def _found(ids: Ids) -> House:
    organisation_id, users, payees, neighbours = ids
    get = db.session.get_one
    return House(
        get(Organisation, organisation_id),
        {name: get(User, one) for name, one in users.items()},
        {name: get(Payee, one) for name, one in payees.items()},
        {name: get(Payee, one) for name, one in neighbours.items()},
    )


def build(app: Flask, scene: Callable[[Callable[[], object]], object]) -> Town:
    """Both houses, by the fixture `scene`: made once in a process, then put back for every test."""
    home, elsewhere = cast("tuple[Ids, Ids]", scene(_built))
    return Town(app, _found(home), _found(elsewhere))


Arguments = dict[str, Any]
Example = Callable[[House, str], list[Arguments]]
EXAMPLES: dict[str, Example] = {}


def example(*names: str) -> Callable[[Example], Example]:
    """Register a maker of records for endpoints or groups of them ("admin.payees", "payee.payouts.show").

    The maker gets the house and, in payees' portals, the kind whose record is wanted ("" for admins); it answers
    a list of address arguments. The longest registered name that fits an endpoint wins.
    """

    def register(maker: Example) -> Example:
        for name in names:
            EXAMPLES[name] = maker
        return maker

    return register


def generic(endpoint: str) -> str:
    """The endpoint's name with a payee portal written as "payee"."""
    portal, _, rest = endpoint.partition(".")
    return f"payee.{rest}" if portal in KINDS else endpoint


def portal_kind(endpoint: str) -> str:
    """The kind of payee that a portal is for; "" for the admins' and the public pages."""
    portal = endpoint.partition(".")[0]
    return portal if portal in KINDS else ""


def arguments_of(endpoint: str, house: House) -> list[Arguments]:
    """Arguments of records in `house` for an endpoint; raises LookupError that says what to add."""
    name = generic(endpoint)
    while name:
        if maker := EXAMPLES.get(name):
            with stored():
                return maker(house, portal_kind(endpoint))
        name = name.rpartition(".")[0]
    raise LookupError(
        f"{endpoint}: no example record. Register one in tests/house/objects.py with @example({generic(endpoint)!r})."
    )


__all__ = ["EXAMPLES", "KINDS", "PEOPLE", "ROLES", "House", "Town", "arguments_of", "build", "example"]
