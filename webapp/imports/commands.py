"""Command line: bring a list of any kind in. The caller pushes the application context."""

from __future__ import annotations

import json
from typing import Any

import click
from sqlalchemy import select

from webapp.database import db
from webapp.imports import kinds
from webapp.imports.kinds import Kind
from webapp.imports.perform import audit_tag, perform
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.people.command_line import organisation_of, refuse
from webapp.people.models import Membership, Organisation, User

SOME_ROWS_BAD = 1


def _kind(code: str, organisation: Organisation, *, is_json: bool) -> Kind:
    offered = kinds.offered({row.program for row in organisation.programs})
    found = next((kind for kind in offered if kind.code == code), None)
    if found is None:
        known = ", ".join(kind.code for kind in offered)
        refuse(f"{organisation.slug} imports no {code!r}. It imports: {known}.", is_json=is_json)
    return found


def _actor(email: str | None, organisation: Organisation, *, is_json: bool) -> Actor:
    if email is None:
        return COMMAND
    user = db.session.scalar(
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(User.email == email.strip().lower(), Membership.organisation_id == organisation.id)
    )
    if user is None:
        refuse(f"{email} has no role in {organisation.slug}.", is_json=is_json)
    return Actor(user.id, user.email)


def _mapping(pairs: tuple[str, ...], *, is_json: bool) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        theirs, separator, ours = pair.partition("=")
        if not separator or not theirs or not ours:
            refuse(
                f"--map {pair!r} is not their_column=our_column, such as project_id=external_ref.",
                is_json=is_json,
            )
        mapping[theirs] = ours
    return mapping


@click.command("import")
@click.argument("kind")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--organisation", "slug", required=True, help="Short name of the organisation, such as solaria."
)
@click.option("--dry-run", is_flag=True, help="Check every row, report, and store nothing.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="THEIRS=OURS",
    help="Read their column as ours, such as --map project_id=external_ref. May be given several times.",
)
@click.option(
    "--as", "email", help="E-mail of the person who imports; they may not approve what comes of it."
)
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
def import_file(
    kind: str, file: Any, slug: str, dry_run: bool, pairs: tuple[str, ...], email: str | None, is_json: bool
) -> None:  # fmt: skip
    """Bring a list in from a CSV file or an Excel workbook ("-" reads standard input).

    KIND is payees; technicians, rates, installations; owners, properties, shares, tenants, leases, open_rents;
    practitioners, customers, appointments, invoices, payments; drivers, vehicles, medallions, driver_leases,
    trips, charges; partners, deals, touchpoints, exchange_rates: those of the programs that the organisation
    uses, in the order in which they refer to one another. Rows are known by their reference, so a file can be
    brought in again. A bad row is named and left out, the others are stored. A list of jobs serves twice: first as
    technicians (its distinct names), then as installations; so do a list of trips and one of deals. Exit code 1
    when a row was left out, 2 when the file or an option cannot be used.
    """
    organisation = organisation_of(slug, is_json=is_json)
    found = _kind(kind, organisation, is_json=is_json)
    actor = _actor(email, organisation, is_json=is_json)
    mapping = _mapping(pairs, is_json=is_json)
    try:
        report = perform(
            kind=found,
            data=file.read(),
            organisation=organisation,
            actor=actor,
            now=utc_now(),
            audit_tag=audit_tag(found),
            is_dry_run=dry_run,
            mapping=mapping,
        )
    except Invalid as error:
        refuse(error.message, is_json=is_json)
    if is_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        for line in (*report.notes, *(problem.text for problem in report.problems), report.summary):
            click.echo(line)
    raise SystemExit(SOME_ROWS_BAD if report.has_problems else 0)
