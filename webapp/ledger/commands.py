"""`paydesk ledger …`. Run inside an application context, which the caller pushes."""

from __future__ import annotations

import json
from typing import TextIO

import click
from sqlalchemy import select

from webapp.database import db
from webapp.ledger import check as ledger_check
from webapp.ledger import export as ledger_export
from webapp.people.models import Organisation


@click.group()
def ledger() -> None:
    """The ledger: prove it, take it with you."""


def _organisation(slug: str | None) -> Organisation | None:
    if slug is None:
        return None
    found = db.session.scalar(select(Organisation).where(Organisation.slug == slug))
    if found is None:
        raise click.BadParameter(f"There is no organisation {slug}.", param_hint="--organisation")
    return found


@ledger.command()
@click.option("--organisation", "slug", metavar="SLUG", help="Only this organisation; all when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: ok, figures, findings.")
def check(slug: str | None, as_json: bool) -> None:
    """Recompute every balance and rule from the postings.

    Prints the figures. Exits 0 when everything agrees; otherwise names the rows and exits 1.
    """
    organisation = _organisation(slug)
    report = ledger_check.run(organisation.id if organisation else None)
    if as_json:
        findings = [{"rule": f.rule, "subject": f.subject, "message": f.message} for f in report.findings]
        click.echo(
            json.dumps({"ok": report.is_clean, "figures": report.figures, "findings": findings}, indent=2)
        )
    else:
        for name, value in report.figures.items():
            click.echo(f"{name.replace('_', ' '):<26} {value if isinstance(value, str) else f'{value:,}'}")
        for finding in report.findings:
            click.echo(f"FOUND {finding.rule}: {finding.subject}. {finding.message}", err=True)
        click.echo(
            "The ledger agrees with itself." if report.is_clean else "The ledger does not agree with itself."
        )
    if not report.is_clean:
        raise SystemExit(1)


@ledger.command()
@click.option("--format", "format_name", type=click.Choice(sorted(ledger_export.FORMATS)), required=True)
@click.option(
    "--organisation", "slug", metavar="SLUG", help="Whose journal; may be left out where there is one alone."
)
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", metavar="FILE")
def export(format_name: str, slug: str | None, output: TextIO) -> None:
    """Write the journal as CSV, or as plain text for hledger or beancount."""
    organisation = _organisation(slug)
    if organisation is None:
        everyone = db.session.scalars(select(Organisation).order_by(Organisation.slug).limit(21)).all()
        if len(everyone) != 1:
            names = ", ".join(o.slug for o in everyone[:20]) or "none yet"
            raise click.UsageError(f"Say whose journal, with --organisation. There are: {names}.")
        organisation = everyone[0]
    for piece in ledger_export.export(organisation, format_name):
        output.write(piece)
