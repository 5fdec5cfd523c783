"""Who is in the demo: accounts, technicians and their (invented) bank accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from webapp.kernel.actor import COMMAND, DEMO_AGENT, Actor
from webapp.people import accounts, methods
from webapp.people import service as people_service
from webapp.people.models import Payee, User

PASSWORD = "paydesk-demo"  # noqa: S105 - public on purpose; demo accounts exist in demo mode only
ORGANISATION = "solaria"

ACCOUNTS = (
    ("admin@solaria.example", "Avery Admin", "admin"),
    ("approver@solaria.example", "Blake Approver", "admin"),
    ("accountant@solaria.example", "Casey Accountant", "accountant"),
    ("technician@solaria.example", "Dana Okafor", "technician"),
)


@dataclass(frozen=True)
class DemoTechnician:
    """A technician of the demo; `account` is None for one without a payout method."""

    name: str
    account: str | None
    routing: str = "021000021"
    method: str = "bank_account"
    # The name in Latin letters, where the display name is not.
    name_at_bank: str = ""


# The last four digits decide what the sandbox bank does: see webapp/providers/sandbox.py.
TECHNICIANS = (
    DemoTechnician("Dana Okafor", "400012344821"),
    DemoTechnician("Luis Hernández", "400012344822"),
    DemoTechnician("Priya Raman", "400012344823"),
    DemoTechnician("Mei-Ling Chen", "400012344824"),
    DemoTechnician("Oluwaseun Adeyemi-Fitzgerald and Daughters Solar Installations", "400012344825"),
    DemoTechnician("கவிதா முருகன்", "400012344826", name_at_bank="Kavitha Murugan"),
    DemoTechnician("राजेश कुमार", "400012344827", name_at_bank="Rajesh Kumar"),
    DemoTechnician("ليلى حداد", "400012344828", name_at_bank="Layla Haddad"),
    DemoTechnician("Bright Roof LLC", "400012340001"),
    DemoTechnician("Sunny Side Electric", "400012340002"),
    DemoTechnician("Harbor Solar Co", "400012340003"),
    DemoTechnician("Northwind Installers", "400012340004"),
    DemoTechnician("Mesa Power Crew", "400012340005"),
    DemoTechnician("Jonas Lindqvist", "400012344829"),
    DemoTechnician("Aroha Ngata", "400012344830"),
    DemoTechnician("Tomasz Wójcik", "400012344831"),
    DemoTechnician("Fatima Zahra El Idrissi", "400012344832"),
    DemoTechnician("Kofi Mensah", "400012344833"),
    DemoTechnician("Isabella Rossi", "400012344834"),
    DemoTechnician("Wei Zhang", "400012344835"),
    DemoTechnician("Hannah Müller", "400012344836"),
    DemoTechnician("Sam O'Neill", "400012344837"),
    DemoTechnician("Cheque Only Roofing", None, method="manual"),
    DemoTechnician("New Starter Solar", None),
)


def add_users(organisation_id: int, listed: Iterable[tuple[str, str, str]], now: datetime) -> dict[str, User]:
    """Accounts of (address, name, role) in an organisation, by the part of the address before the sign."""
    users = {}
    for email, name, role in listed:
        user = people_service.create_user(
            email=email, name=name, password=PASSWORD, actor=COMMAND, now=now, is_demo=True
        )
        people_service.add_membership(
            organisation_id=organisation_id, user_id=user.id, role=role, actor=COMMAND, now=now
        )
        users[email.partition("@")[0]] = user
    return users


def link(organisation_id: int, payee_id: int, user: User, now: datetime) -> None:
    """The payee is the person who signs in with this account."""
    people_service.link_user(
        organisation_id=organisation_id, payee_id=payee_id, user_id=user.id, actor=COMMAND, now=now
    )


def pay_to(payee: Payee, destination: accounts.Destination | None, now: datetime) -> None:
    """Where the payee's money goes; None for one who has not said it yet."""
    if destination is not None:
        methods.set_payout_method(
            organisation_id=payee.organisation_id, payee_id=payee.id, destination=destination, actor=COMMAND, now=now
        )  # fmt: skip


def us_account(number: str, name: str) -> accounts.Destination:
    """An account at the demo's bank in the United States."""
    return accounts.aba_account(
        account_number=number, routing_number="021000021", name_at_bank=name, bank_name="Demo Bank"
    )


def acting(user: User) -> Actor:
    """A person of the demo, as the one who does something."""
    return Actor(user.id, user.email, "127.0.0.1", DEMO_AGENT)
