"""A small organisation with tokens for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from flask import Flask

from tests import factories
from tests.factories import clinic, installations, partners, repairs
from tests.factories.payouts import payout
from tests.factories.tokens import Api, token
from webapp.database import db
from webapp.payouts.queries import current_method, get_payout
from webapp.people.models import Organisation, Payee, User
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.repairs.models import DriverLease

_invoices = count(1)


@dataclass
class House:
    """An organisation whose people have tokens. `admin` and `approver` are admins."""

    app: Flask
    organisation: Organisation
    users: dict[str, User]

    def api(self, name: str = "admin", *scopes: str) -> Api:
        """A program with a token of somebody."""
        return Api(self.app, token(self.users[name], self.organisation, *scopes))

    def outsider(self, other: Organisation) -> Api:
        """A program of an admin of another organisation."""
        admin = factories.user("admin@elsewhere.example", organisation=other, role="admin")
        return Api(self.app, token(admin, other))


def office(organisation: Organisation, name: str) -> dict[str, User]:
    """Two admins and an accountant, whose addresses have the name."""
    return {
        who: factories.user(f"{who}@{name}.example", organisation=organisation, role=role)
        for who, role in (("admin", "admin"), ("approver", "admin"), ("accountant", "accountant"))
    }


@dataclass
class World(House):
    """Who is there. `admin` and `approver` are admins; `maya` and `noor` are technicians."""

    maya: Payee
    noor: Payee

    def payout(self, payee: Payee | None = None, amount: int = 49_950, **values: Any) -> str:
        """The reference of a payout that waits for approval, made by nobody in particular."""
        return payout(self.organisation, payee or self.maya, amount, **values).reference

    def approval(self, reference: str, **values: Any) -> dict[str, Any]:
        """The body of an approval of a payout as it is now: its version, and that of where the money goes."""
        row = get_payout(self.organisation.id, reference)
        method = current_method(row)
        seen = {"version": row.version, "seen_details_version": method.version if method else 0}
        db.session.rollback()
        return {**seen, **values}

    def installation(self, payee: Payee | None = None, **values: Any) -> str:
        """The reference of an installation that is due."""
        return installations.installation(self.organisation, payee or self.maya, **values).reference


@pytest.fixture
def world(database: Flask) -> World:
    """One organisation; the technicians have bank accounts."""
    home = factories.organisation("home")
    users = {
        **office(home, "home"),
        "maya": factories.user("maya@home.example"),
        "noor": factories.user("noor@home.example"),
    }
    maya = factories.payee(home, user=users["maya"], name="Maya Fernandez")
    noor = factories.payee(home, user=users["noor"], name="Noor Haddad")
    for payee in (maya, noor):
        factories.method(payee)
    return World(database, home, users, maya, noor)


@dataclass
class Care(House):
    """A clinic. `admin` and `approver` are admins; `ana` and `ben` are practitioners."""

    ana: Payee
    ben: Payee

    def stranger(self) -> Api:
        """A program of another clinic's admin."""
        return self.outsider(clinic.carepoint(slug="other"))


@pytest.fixture
def care(database: Flask) -> Care:
    """A clinic in Toronto, whose practitioners sign in; nobody has a bank account."""
    here = clinic.carepoint(slug="care")
    users = {
        **office(here, "care"),
        "ana": factories.user("ana@care.example"),
        "ben": factories.user("ben@care.example"),
    }
    ana = clinic.practitioner(here, user=users["ana"], name="Dr Ana Souza")
    ben = clinic.practitioner(here, user=users["ben"], name="Ben Okafor")
    return Care(database, here, users, ana, ben)


def usd(amount: str) -> dict[str, str]:
    """An amount of dollars as programs send it."""
    return {"currency": "USD", "amount": amount}


@dataclass
class Cab(House):
    """A taxi fleet. `admin` and `approver` are admins; `ann` and `ben` are drivers; Ann has a lease of 500.00."""

    ann: Payee
    ben: Payee
    lease: DriverLease

    def stranger(self) -> Api:
        """A program of another fleet's admin."""
        return self.outsider(repairs.metrocab())

    def invoice(self, amount: Any = "500.50", **values: Any) -> dict[str, Any]:
        """The body of a repair: an invoice of 1 October 2025 under Ann's lease, charged from the coming Sunday on."""
        body = {
            "lease": self.lease.reference, "invoice_number": f"W-{next(_invoices)}", "invoice_date": "2025-10-01",
            "amount": usd(amount) if isinstance(amount, str) else amount, "start": "CURRENT",
        }  # fmt: skip
        return {**body, **values}

    def draft(self, amount: str = "500.50", **values: Any) -> str:
        """The reference of a repair that is made by API and not confirmed."""
        made = self.api().post("/repairs", self.invoice(amount, **values))
        assert made.status_code == 201, made.text
        return str(made.json["reference"])

    def repair(self, amount: str = "500.50", **values: Any) -> str:
        """The reference of one that is open."""
        reference = self.draft(amount, **values)
        assert self.api().post(f"/repairs/{reference}/confirm", {}).status_code == 200
        return reference


@pytest.fixture
def cab(database: Flask) -> Cab:
    """A fleet in New York, whose drivers sign in; nobody has a bank account."""
    here = repairs.metrocab()
    users = {
        **office(here, "cab"),
        "ann": factories.user("ann@cab.example"),
        "ben": factories.user("ben@cab.example"),
    }
    ann = repairs.driver(here, user=users["ann"], name="Ann Lee")
    ben = repairs.driver(here, user=users["ben"], name="Ben Ortiz")
    return Cab(database, here, users, ann, ben, repairs.lease(ann, 500_00))


@dataclass
class Guild(House):
    """A company with partners. `admin` and `approver` are admins; `anna` and `ben` are partners who get 5 %."""

    anna: Payee
    ben: Payee
    program: PartnerProgram

    def stranger(self) -> Api:
        """A program of another company's admin."""
        return self.outsider(partners.partnerbase(slug="other-guild"))

    def won(self, *by: Payee, amount: int = 1_000_00, **values: Any) -> Deal:
        """A deal of 10 February 2026 that partners brought, due since 12 March."""
        return partners.won(self.program, by or [self.anna], amount, **values)


@pytest.fixture
def guild(database: Flask) -> Guild:
    """A company in New York, whose partners sign in; nobody has a bank account."""
    here = partners.partnerbase(slug="guild")
    users = {
        **office(here, "guild"),
        "anna": factories.user("anna@guild.example"),
        "ben": factories.user("ben@guild.example"),
    }
    anna = partners.partner(here, user=users["anna"], name="Anna Snelling")
    ben = partners.partner(here, user=users["ben"], name="Ben Moss")
    return Guild(database, here, users, anna, ben, partners.program(here))
