"""`paydesk keys …`, `storage …`, `backup`, `restore`. The caller pushes the application context."""

from __future__ import annotations

import json
from pathlib import Path

import click

from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now


@click.group()
def storage() -> None:
    """The storage of files: documents and uploads."""


@storage.command("check")
def storage_check() -> None:
    """Write, read and remove a small file. Exits 1 and names the step that failed."""
    from webapp.providers import storage as files

    click.echo(f"The storage works: {files.probe()}")


@click.group()
def keys() -> None:
    """The keys that bank details and second factors are encrypted with."""


@keys.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def keys_status(as_json: bool) -> None:
    """Count the rows of each key. Exits 1 when rows need a key that PAYDESK_FIELD_KEYS does not name."""
    from webapp.operations import keys as field_keys
    from webapp.secrets import key_ring

    found = field_keys.status()
    if as_json:
        click.echo(json.dumps([vars(count) for count in found], indent=2))
    else:
        click.echo(f"The key {key_ring().keys[0][0]} writes.")
        for count in found:
            word = "first" if count.is_first else "older" if count.is_known else "MISSING"
            click.echo(f"{count.column:<36} {count.key_id:<12} {count.rows:>9,} rows  {word}")
        if all(count.is_first for count in found):
            click.echo("Every row is under the first key; older ones can be taken out of PAYDESK_FIELD_KEYS.")
        elif all(count.is_known for count in found):
            click.echo("Move the rest to the first key with: paydesk keys rotate")
    if not all(count.is_known for count in found):
        raise SystemExit(1)


@keys.command("rotate")
@click.option(
    "--batch", default=200, show_default=True, type=click.IntRange(1, 5000), help="Rows per transaction."
)
def keys_rotate(batch: int) -> None:
    """Move every row to the first key of PAYDESK_FIELD_KEYS, while everything runs.

    It may be stopped at any time and started again. Exits 1 when rows could not be read.
    """
    from webapp.operations import keys as field_keys

    result = field_keys.rotate(actor=COMMAND, clock=utc_now, say=click.echo, batch=batch)
    click.echo(f"{result.rows:,} rows moved to the key {result.key_id}.")
    if result.damaged:
        click.echo(f"{len(result.damaged)} rows cannot be read: {', '.join(result.damaged[:20])}", err=True)
        raise SystemExit(1)


_PG_BIN = click.option(
    "--pg-bin",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of pg_dump and pg_restore.",
)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_PG_BIN
def backup(folder: Path, pg_bin: Path | None) -> None:
    """Write the database, the files and a manifest into a new FOLDER, while everything runs.

    The keys are not in it: keep them apart. Exits 1 when a file that a record names is missing or changed.
    """
    from webapp.operations import backup as backups
    from webapp.operations.manifest import ABOUT_KEYS

    made, digest = backups.make(folder, actor=COMMAND, now=utc_now(), say=click.echo, pg_bin=pg_bin)
    click.echo(ABOUT_KEYS)
    click.echo(f"Manifest {digest}: note it elsewhere; a back-up that was changed shows by it.")
    if made.storage == "folder" and made.notes:
        for note in made.notes[:20]:
            click.echo(f"FOUND {note}", err=True)
        raise SystemExit(1)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option(
    "--into", required=True, metavar="NAME", help="The SQLite file's path, or the PostgreSQL database's name."
)
@_PG_BIN
def restore(folder: Path, into: str, pg_bin: Path | None) -> None:
    """Put the back-up in FOLDER into the empty installation that the settings name.

    NAME repeats which one that is. Every payment is halted afterwards. Exits 1 when the ledger or the audit trail does
    not agree with itself.
    """
    from webapp.operations import restore as restores

    done = restores.run(folder, into=into, actor=COMMAND, now=utc_now(), say=click.echo, pg_bin=pg_bin)
    click.echo(f"{done.rows:,} rows and {done.files:,} files are back.")
    click.echo(
        f"Open transfers: {done.open_transfers}. Ask the bank about each, compare with its statement, then two "
        "people lift the halt under Settings."
    )
    if done.live_tokens:
        click.echo(f"API tokens that work again: {done.live_tokens}. Revoke those that were revoked since.")
    for finding in done.findings:
        click.echo(f"FOUND {finding}", err=True)
    if done.findings:
        raise SystemExit(1)
    click.echo("The ledger and the audit trail agree with themselves.")


COMMANDS = (storage, keys, backup, restore)
