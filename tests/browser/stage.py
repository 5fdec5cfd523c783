"""People and records for the browser tests, put into a running demo by a process of its own; prints what it made.

Each of the workflows that are done twice (by keyboard, without JavaScript) has an organisation of its own, and so
has every test that uses something up: none takes what another needs, whichever comes first. Run with the settings
of the demo in the environment.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from tests.factories import clinic, factors, installations, partners, payouts, people, repairs
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.demo.people import PASSWORD
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date, utc_now
from webapp.notices import marks
from webapp.payouts import service as payouts_service
from webapp.payouts.policy import default_rules
from webapp.people import users
from webapp.people.access import links
from webapp.people.access.models import AccountLink
from webapp.people.models import Organisation, Payee, User
from webapp.programs.repairs.rules import week_of
from webapp.statements import monthly

#: Organisations with payouts in every state that a workflow starts from.
WORKPLACES = ("keys", "plain")
#: Organisations of single tests, named after what is done there, each with a few payouts.
DESKS = (
    "ready",
    "at-work",
    "finished",
    "one",
    "bank",
    "passkey",
    "unproven",
    "holding",
    "stopping",
    "looking",
)
#: Clinics, named after how the workflow is done there, each with invoices that are paid and not paid out.
CLINICS = ("clinic-keys", "clinic-plain")
#: Fleets, likewise, each with a driver whose lease began with the week before.
FLEETS = ("fleet-keys", "fleet-plain")
#: Companies with partners, likewise: some of what they earned is due, some is not yet.
PARTNERS = ("partners-keys", "partners-plain")
#: Organisations without books, likewise: keys of Zoho are entered there, and it is connected.
BOOKS = ("books-keys", "books-plain")
BULK = 50
AGO = timedelta(days=40)


def _user(organisation: Organisation, name: str, role: str | None = None) -> User:
    return people.user(
        f"{name}@{organisation.slug}.example",
        organisation=organisation,
        role=role,
        password=PASSWORD,
        is_demo=True,
        name=name.capitalize(),
    )


def _organisation(slug: str) -> Organisation:
    made = people.organisation(slug, contact_email=f"payouts@{slug}.example")
    made.is_demo = True
    return made


def _team(organisation: Organisation) -> tuple[User, User]:
    """Two admins: each approves and verifies what the other asked for."""
    return _user(organisation, "first", "admin"), _user(organisation, "second", "admin")


def _payee(organisation: Organisation, name: str, **values: Any) -> Payee:
    made = people.payee(
        organisation, name=name, email=f"{name.lower()}@{organisation.slug}.example", **values
    )
    people.method(made)
    return made


def _paid_last_month(organisation: Organisation, payee: Payee, admin: User, now: datetime) -> None:
    """What a monthly statement needs: something that happened in a month that is over."""
    then = now - AGO
    made = payouts.payout_ready(organisation, payee, 12_300, approver=admin, now=then)
    payouts_service.mark_paid(
        organisation_id=organisation.id,
        reference=made.reference,
        payment_reference="ACH-700001",
        paid_on=local_date(then, organisation.timezone),
        actor=people.FACTORY,
        now=then,
    )


def _workplace(slug: str, now: datetime) -> dict[str, Any]:
    organisation = _organisation(slug)
    first, _ = _team(organisation)
    person = _user(organisation, "payee")
    _payee(organisation, "Maya", user=person)
    worker = _payee(organisation, "Ravi")
    installations.rate(organisation, now=now - AGO)
    _paid_last_month(organisation, worker, first, now)
    waiting = [payouts.payout(organisation, worker, 10_000 + n, now=now).reference for n in range(7)]
    approved = [
        payouts.payout_ready(organisation, worker, 20_000 + n, approver=first, now=now).reference
        for n in range(4)
    ]
    return {
        "waiting": waiting,
        "approved": approved,
        "month": monthly.month_name(local_date(now - AGO, organisation.timezone)),
    }


def _desk(slug: str, now: datetime) -> None:
    organisation = _organisation(slug)
    first, _ = _team(organisation)
    worker = _payee(organisation, "Ravi")
    for n in range(4):
        payouts.payout(organisation, worker, 10_000 + n, now=now)
    payouts.payout_ready(organisation, worker, 20_000, approver=first, now=now)


def _clinic(slug: str) -> dict[str, Any]:
    """One practitioner, an invoice that is paid, one that is paid in part, and one of the shop."""
    organisation = clinic.carepoint(slug=slug, contact_email=f"payouts@{slug}.example", locale="en_CA")
    organisation.is_demo = True
    _team(organisation)
    theo = clinic.practitioner(organisation, name="Theo Tremblay", user=_user(organisation, "theo"))
    paid = [clinic.paid(organisation, [theo], minor).number for minor in (100_00, 99_99, 5)]
    part = clinic.invoice(organisation, [theo], 80_00)
    clinic.pay(part, 20_00)
    return {"paid": paid, "part": part.number, "order": clinic.paid(organisation, None, 50_00).number}


def _fleet(slug: str, now: datetime) -> dict[str, Any]:
    """A driver who earned something last week; an invoice of last week is charged in the week that runs."""
    organisation = repairs.metrocab(slug=slug, contact_email=f"payouts@{slug}.example")
    organisation.is_demo = True
    _team(organisation)
    ann = repairs.driver(
        organisation, name="Ann Lee", email=f"ann@{slug}.example", user=_user(organisation, "ann")
    )
    people.method(ann)
    week = week_of(local_date(now, organisation.timezone), organisation.week_start)
    before = week.following(-1)
    repairs.lease(ann, 300_00, before.start)
    repairs.earn(ann, 900_00, before.start + timedelta(days=2))
    return {
        "driver": ann.reference,
        "week": week.start.isoformat(),
        "invoice_date": (before.start + timedelta(days=3)).isoformat(),
    }


def _partners(slug: str, now: datetime) -> None:
    """Deals of Ada, Ben and Eve are due, and one of Cleo that the second admin entered; Dora has to wait for hers."""
    organisation = partners.partnerbase(slug=slug, contact_email=f"payouts@{slug}.example")
    organisation.is_demo = True
    payouts_service.change_policy(
        organisation_id=organisation.id,
        rules=default_rules("USD", automatic_limit_minor=0),
        actor=people.FACTORY,
        now=now,
    )
    _, second = _team(organisation)
    ada, dora = (
        partners.partner(
            organisation,
            1_000,
            name=name,
            email=f"{first}@{slug}.example",
            user=_user(organisation, first),
        )
        for first, name in (("ada", "Ada Park"), ("dora", "Dora Quist"))
    )
    ben, cleo, eve = (
        partners.partner(organisation, name=name) for name in ("Ben Roy", "Cleo Sand", "Eve Tal")
    )
    for payee in (ada, ben, cleo, dora, eve):
        people.method(payee)
    at_once = partners.program(organisation, name="Referrals", holding_days=0)
    later = partners.program(organisation, name="Resellers", holding_days=90)
    partners.won(at_once, [ada, ben], 1_000_00, name="Acme: seats", customer="Acme")
    partners.won(at_once, [ada, eve], 80_00, name="Birch: seats", customer="Birch")
    partners.won(
        at_once, [cleo], 700_00, name="Cedar: seats", customer="Cedar", actor=Actor(second.id, second.email)
    )
    partners.won(
        later, [dora], 900_00, name="Dune: seats", customer="Dune", closed_at=now - timedelta(days=1)
    )


def _links(organisation: Organisation, now: datetime, settings: Settings) -> dict[str, str]:
    """Addresses as the mails carry them: invitation, reset, one that is spent, unsubscribing."""
    known, other = _user(organisation, "forgetful", "admin"), _user(organisation, "late", "admin")
    actor = people.FACTORY
    invited = users.invite(
        organisation_id=organisation.id,
        email="new@empty.example",
        name="New",
        roles=("admin",),
        actor=actor,
        now=now,
    )
    invitation = db.session.scalars(select(AccountLink).where(AccountLink.user_id == invited.id)).one()
    found = {
        "invitation": invitation,
        "reset": links.create_reset(user_id=known.id, actor=actor, now=now),
        "spent": links.create_reset(user_id=other.id, actor=actor, now=now),
    }
    links.revoke(user_id=other.id, kind=links.RESET, now=now)
    addresses = {name: links.url_of(link, settings.public_url) for name, link in found.items()}
    token = marks.token_of(marks.Subscription("digest", user_id=known.id), settings)
    return addresses | {"unsubscribe": f"{settings.public_url}/unsubscribe/{token}"}


def put_up(now: datetime, settings: Settings) -> dict[str, Any]:
    """Make everything in one transaction; returns references and addresses by name."""
    with transaction():
        made: dict[str, Any] = {slug: _workplace(slug, now) for slug in WORKPLACES}
        for slug in DESKS:
            _desk(slug, now)
        made |= {slug: _clinic(slug) for slug in CLINICS}
        made |= {slug: _fleet(slug, now) for slug in FLEETS}
        for slug in PARTNERS:
            _partners(slug, now)
        for slug in BOOKS:
            _team(_organisation(slug))
        bulk = _organisation("bulk")
        _team(bulk)
        workers = [_payee(bulk, f"Worker{n}") for n in range(5)]
        for n in range(BULK):
            payouts.payout(bulk, workers[n % 5], 5_000 + n, now=now)
        empty = _organisation("empty")
        _user(empty, "first", "admin")
        _payee_without_anything(empty)
        factors.app_of(_user(empty, "careful", "admin"))
        made["links"] = _links(empty, now, settings)
    return made


def _payee_without_anything(organisation: Organisation) -> None:
    people.payee(organisation, name="Nobody Yet", user=_user(organisation, "payee"))


def main() -> None:
    """Put the stage up in the demo that the environment names."""
    app = create_app()
    # Nobody is rung: the scheduler's sweep finds what has to be done.
    app.extensions["paydesk_redis"] = None
    settings: Settings = app.config["SETTINGS"]
    with app.app_context():
        json.dump(put_up(utc_now(), settings), sys.stdout, default=date.isoformat)


if __name__ == "__main__":
    main()
