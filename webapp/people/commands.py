"""What `paydesk user` does to people. Run inside an application context, which the caller pushes."""

from __future__ import annotations

import json

import click

from webapp.database import transaction
from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.people import queries, users
from webapp.people.access import second_factor
from webapp.people.models import Role


@click.command()
@click.option("--email", required=True, help="Address to invite.")
@click.option("--name", default="", help="Name shown to others; the address when left out.")
@click.option("--organisation", "slug", required=True, metavar="SLUG", help="Short name of the organisation.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="Role; may be given several times.",
)
@click.option("--payee", "reference", metavar="PY-0001", help="Invite the address as this payee.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def invite(
    email: str, name: str, slug: str, roles: tuple[str, ...], reference: str | None, as_json: bool
) -> None:
    """Invite a person by mail: the link in it works once, for seven days.

    The mail goes out as soon as a mail worker runs and a mail server is set.
    """
    with transaction():
        organisation = queries.get_organisation(slug)
        payee = queries.get_payee(organisation.id, reference) if reference else None
        users.invite(
            organisation_id=organisation.id,
            email=email,
            name=name,
            roles=roles,
            payee_id=payee.id if payee else None,
            actor=COMMAND,
            now=utc_now(),
        )
    result = {"email": email, "organisation": slug, "roles": list(roles), "mail": "queued"}
    said = f"The mail that invites {email} to {slug} as {', '.join(roles)} is queued."
    click.echo(json.dumps(result) if as_json else said)


@click.command("remove-second-factor")
@click.option("--email", required=True, help="Address of the person who lost it.")
@click.option("--reason", default="", help="Kept in the audit trail.")
def remove_second_factor(email: str, reason: str) -> None:
    """Take app, passkeys and recovery codes away from a person who lost them all.

    They are told by mail, signed out everywhere, and sign in with their password until they set up a new one.
    """
    with transaction():
        person = queries.find_user(email)
        if person is None:
            raise NotFound(f"There is no user {email!r}.")
        second_factor.remove_all(user_id=person.id, actor=COMMAND, now=utc_now(), note=reason)
        address = person.email
    click.echo(f"The second factor of {address} is removed.")
