"""What commands about an organisation share: which one is meant, and how a command ends that cannot be done."""

from __future__ import annotations

import json
from typing import NoReturn

import click
from sqlalchemy import select

from webapp.database import db
from webapp.people.models import Organisation
from webapp.people.queries import find_organisation

#: The exit code of a command whose options cannot be used.
USAGE = 2


def refuse(message: str, *, is_json: bool) -> NoReturn:
    """End with exit code 2; the reason goes where the reader looks."""
    if is_json:
        click.echo(json.dumps({"error": message}, ensure_ascii=False))
    else:
        click.echo(message, err=True)
    raise SystemExit(USAGE)


def organisation_of(slug: str, *, is_json: bool) -> Organisation:
    """The organisation of a short name; ends the command, naming those there are, when there is none."""
    found = find_organisation(slug)
    if found is None:
        known = ", ".join(db.session.scalars(select(Organisation.slug).order_by(Organisation.slug)))
        refuse(f"There is no organisation {slug!r}. There are: {known or 'none yet'}.", is_json=is_json)
    return found
