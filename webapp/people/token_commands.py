"""`paydesk token`: keys for programs that use the API."""

from __future__ import annotations

import json

import click

from webapp.database import db, transaction
from webapp.kernel.actor import COMMAND
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.people import queries
from webapp.people.access import tokens
from webapp.people.access.models import ApiToken


@click.group()
def token() -> None:
    """Tokens for the API: each acts as one person in one organisation."""


@token.command()
@click.option("--email", required=True, help="Whose token it is.")
@click.option("--organisation", "slug", required=True, help="Short name of the organisation.")
@click.option("--scope", "scopes", multiple=True,
              help="Such as payouts:read; may be given several times. Left out: all that the roles allow.")  # fmt: skip
@click.option("--name", default="", help="What it is for.")
@click.option(
    "--days", default=tokens.DEFAULT_DAYS, show_default=True, help="How long it lives, at most a year."
)
def create(email: str, slug: str, scopes: tuple[str, ...], name: str, days: int) -> None:
    """Make a token and print it, alone; it is not shown again."""
    with transaction():
        user = queries.find_user(email)
        if user is None:
            raise PaydeskError(f"There is no user {email}.")
        text, _ = tokens.create(
            user_id=user.id,
            organisation_id=queries.get_organisation(slug).id,
            scopes=scopes,
            name=name,
            days=days,
            actor=COMMAND,
            now=utc_now(),
        )
    click.echo(text)


@token.command("list")
@click.option("--organisation", "slug", required=True, help="Short name of the organisation.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_tokens(slug: str, as_json: bool) -> None:
    """The tokens that open doors now, the newest first."""
    query = tokens.of_organisation(queries.get_organisation(slug).id, utc_now())
    rows = [_row(row) for row in db.session.scalars(query.order_by(ApiToken.id.desc()))]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['id']:>6}  {row['token']}…  {row['email']}  {row['name']}  until {row['expires_at']}"
                   f"  {row['scopes']}")  # fmt: skip
    if not rows:
        click.echo("There are no tokens.")


def _row(row: ApiToken) -> dict[str, object]:
    used = row.last_used_at
    return {
        "id": row.id,
        "token": row.hint,
        "name": row.name,
        "email": row.user.email,
        "scopes": row.scopes,
        "expires_at": row.expires_at.isoformat(timespec="seconds"),
        "last_used_at": used.isoformat(timespec="seconds") if used else None,
    }


@token.command()
@click.argument("token_id", type=int)
@click.option("--organisation", "slug", required=True, help="Short name of the organisation.")
def revoke(token_id: int, slug: str) -> None:
    """End a token at once, by the number that `token list` shows."""
    with transaction():
        row = tokens.revoke(
            token_id=token_id,
            organisation_id=queries.get_organisation(slug).id,
            actor=COMMAND,
            now=utc_now(),
        )
        hint = row.hint
    click.echo(f"{hint}… is revoked. It opens nothing any more.")
