"""`paydesk user invite`. Run inside an application context, which the caller pushes."""

from __future__ import annotations

import json

import click

from webapp.database import transaction
from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now
from webapp.people import queries, users
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
