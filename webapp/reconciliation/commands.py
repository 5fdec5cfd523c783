"""`paydesk reconcile`. Run inside an application context, which the caller pushes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from webapp.database import db
from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, PaydeskError
from webapp.kernel.money import Money
from webapp.people import queries as people
from webapp.people.models import Organisation
from webapp.reconciliation import balance, nightly, queries, reading, service, work
from webapp.reconciliation.models import ColumnMapping
from webapp.reconciliation.states import FileFormat, FileState


@click.command()
@click.option("--organisation", "slug", metavar="SLUG", required=True, help="Whose books.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--format", "wanted", type=click.Choice([f.value for f in FileFormat]), default=None,
    help="What the file must be; found out when left out.",
)  # fmt: skip
@click.option(
    "--columns", metavar="NAME", help="Saved columns to read a list by; found by its header when left out."
)
@click.option("--provider", default="", metavar="RAIL", help="Whose list it is, with --format provider_csv.")
@click.option("--switch", is_flag=True, help="The ledger is compared with this account from now on.")
@click.option("--dry-run", is_flag=True, help="Only say what would be found; nothing of it is stored.")
@click.option(
    "--status", "ask", is_flag=True, help="Ask the providers about open and recent transfers instead."
)
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def reconcile(
    slug: str,
    file: Path | None,
    wanted: str | None,
    columns: str | None,
    provider: str,
    switch: bool,
    dry_run: bool,
    ask: bool,
    as_json: bool,
) -> None:
    """Compare FILE (camt.053, MT940, a bank's or a provider's list) with the books of an organisation.

    Nothing is booked and nothing moves: what differs is listed among the findings.
    """
    organisation = people.get_organisation(slug)
    if (file is None) != ask:
        raise click.UsageError("Give a FILE, or --status to ask the providers.")
    if ask:
        run = nightly.ask_all(organisation.id)
        _say(run.counts if run else {"asked": 0}, run.reference if run else "", organisation, as_json)
        return
    assert file is not None  # noqa: S101 - refused above
    counts, reference = _compare(organisation, file, wanted or "", columns, provider, switch, dry_run)
    _say(counts, reference, db.session.get_one(Organisation, organisation.id), as_json)


def _compare(
    organisation: Organisation,
    file: Path,
    wanted: str,
    columns: str | None,
    provider: str,
    switch: bool,
    dry_run: bool,
) -> tuple[dict[str, int], str]:
    if file.stat().st_size > reading.MAXIMUM_COMMAND_BYTES:
        raise PaydeskError(
            f"{file.name} is larger than {reading.MAXIMUM_COMMAND_BYTES // 1024**2} MB. Split it."
        )
    now = utc_now()
    reference = work.take(
        organisation=organisation, file_name=file.name, data=file.read_bytes(), wanted=wanted, provider=provider,
        actor=COMMAND, now=now, limit=reading.MAXIMUM_COMMAND_BYTES,
    )  # fmt: skip
    kept = queries.get_file(organisation.id, reference)
    if kept.state != FileState.CHECKED:
        raise Conflict(f"This same file was compared already, as {reference}.")
    if columns is not None:
        work.use_saved(organisation=organisation, reference=reference, mapping=_saved(organisation, columns))
    opened = work.open_file(organisation, reference)
    if opened.parsed is None:
        raise PaydeskError(
            f"Nobody has said yet which column of {file.name} is which. Open {reference} on the page Reconciliation, "
            "or name saved columns with --columns."
        )
    if dry_run:
        figures = work.dry_run(
            organisation_id=organisation.id, reference=reference, parsed=opened.parsed, actor=COMMAND, now=now,
            at_once=True,
        )  # fmt: skip
        return figures, ""
    done = work.start(
        organisation=organisation, reference=reference, switch=switch, expected_version=None, actor=COMMAND, now=now,
        at_once=True,
    )  # fmt: skip
    return dict(queries.get_run(organisation.id, done).counts), done


def _saved(organisation: Organisation, name: str) -> ColumnMapping:
    for row in queries.mappings(organisation.id):
        if row.name == name:
            return row
    names = ", ".join(row.name for row in queries.mappings(organisation.id)) or "none yet"
    raise PaydeskError(f"There are no saved columns called {name!r}. There are: {names}.")


def _say(counts: dict[str, int], reference: str, organisation: Organisation, as_json: bool) -> None:
    ties = balance.ties(organisation.id)
    if as_json:
        shown = [
            {
                "currency": t.currency,
                "ours": Money(t.ours, t.currency).plain,
                "theirs": Money(t.theirs, t.currency).plain,
                "difference": Money(t.difference, t.currency).plain,
            }
            for t in ties
        ]
        click.echo(json.dumps({"run": reference, "counts": counts, "balances": shown}, indent=2))
        return
    click.echo(f"Comparison {reference}" if reference else "Nothing is stored.")
    for name, n in counts.items():
        click.echo(f"  {name.replace('_', ' '):<16} {n:>10,}")
    for t in ties:
        click.echo(
            f"  {t.currency} on {t.closing_on}: ours {Money(t.ours, t.currency).plain}, theirs "
            f"{Money(t.theirs, t.currency).plain}, difference {Money(t.difference, t.currency).plain}"
        )
    click.echo(f"  {service.count_unsettled(organisation.id):,} findings wait for somebody.")
