"""People for tests, made through the services and committed; inside a `transaction()` they join it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

from flask.testing import FlaskClient

from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.people import accounts, service, sessions
from webapp.people.models import Organisation, Payee, PayoutMethod, User

FACTORY = Actor(None, "test")
WHEN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PASSWORD = "a quiet harbour in the north"
_numbers = count(1)


@contextmanager
def stored() -> Iterator[None]:
    """Commit what the block makes, unless a transaction is open that will do so."""
    if db.session.info.get("is_writing"):
        yield
        return
    with transaction():
        yield


def organisation(slug: str | None = None, **values: Any) -> Organisation:
    """An organisation in US dollars with the program installations, unless told otherwise."""
    n = next(_numbers)
    defaults: dict[str, Any] = {
        "slug": slug or f"organisation-{n}",
        "name": (slug or f"Organisation {n}").capitalize(),
        "currency": "USD",
        "timezone": "America/New_York",
        "programs": ["installations"],
        "actor": FACTORY,
        "now": WHEN,
    }
    with stored():
        return service.create_organisation(**{**defaults, **values})


def user(
    email: str | None = None,
    *,
    organisation: Organisation | None = None,
    role: str | tuple[str, ...] | None = None,
    password: str | None = None,
    **values: Any,
) -> User:
    """A user; with `organisation` and `role` (one or several) also their membership. No password by default."""
    n = next(_numbers)
    defaults: dict[str, Any] = {
        "email": email or f"person{n}@example.com",
        "name": f"Person {n}",
        "actor": FACTORY,
        "now": WHEN,
    }
    with stored():
        made = service.create_user(password=password, **{**defaults, **values})
        if organisation is not None:
            for one in (role,) if isinstance(role, str) else role or ():
                membership(made, organisation, one)
    return made


def membership(user: User, organisation: Organisation, role: str) -> Any:
    """One role of a user in an organisation."""
    with stored():
        return service.add_membership(
            user_id=user.id, organisation_id=organisation.id, role=role, actor=FACTORY, now=WHEN
        )


def payee(
    organisation: Organisation, kind: str = "technician", *, user: User | None = None, **values: Any
) -> Payee:
    """A payee; with `user` linked to them, which also gives the user the role."""
    defaults: dict[str, Any] = {"name": f"Payee {next(_numbers)}", "actor": FACTORY, "now": WHEN}
    with stored():
        return service.create_payee(
            organisation_id=organisation.id,
            kind=kind,
            user_id=user.id if user else None,
            **{**defaults, **values},
        )


def destination(number: str | None = None) -> accounts.Destination:
    """A US bank account that nobody else has, or the one with the given number."""
    return accounts.aba_account(
        account_number=number or f"{next(_numbers):012d}",
        routing_number="021000021",
        name_at_bank="Maya Fernandez",
        bank_name="First Bank",
    )


def method(payee: Payee, where: accounts.Destination | None = None, **values: Any) -> PayoutMethod:
    """A payee's payout method: a US bank account of their own unless `where` says otherwise."""
    defaults: dict[str, Any] = {"actor": FACTORY, "now": WHEN}
    with stored():
        return service.set_payout_method(
            organisation_id=payee.organisation_id,
            payee_id=payee.id,
            destination=where or destination(),
            **{**defaults, **values},
        )


def actor_of(user: User) -> Actor:
    """The actor that services take for a user."""
    return Actor(user.id, user.email)


def sign_in(client: FlaskClient, user: User, organisation: Organisation | None = None) -> None:
    """Give the client a real session of the user, with an organisation chosen; ends what it had before."""
    with stored():
        token, _ = sessions.start(
            user_id=user.id,
            organisation_id=organisation.id if organisation else None,
            ip="127.0.0.1",
            user_agent="test",
            now=utc_now(),
        )
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie["session"] = token
