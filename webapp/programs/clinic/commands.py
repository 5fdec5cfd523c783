"""`paydesk quote clinic` and `paydesk quote split`: what a practitioner would get, and how an amount is split."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import click
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money, parse_money
from webapp.people import queries as people
from webapp.people.command_line import refuse
from webapp.people.models import Organisation, Payee, Role
from webapp.programs.clinic.commission_rules import load_rules
from webapp.programs.clinic.planning import volume_before
from webapp.programs.clinic.rules import Cut, Rule, cut, find_rule, split


def _practitioner(organisation: Organisation, reference: str) -> Payee | None:
    if not reference:
        return None
    found = db.session.scalar(
        select(Payee).where(
            Payee.organisation_id == organisation.id,
            Payee.reference == reference,
            Payee.kind == Role.PRACTITIONER.value,
        )
    )
    if found is None:
        raise NotFound(f"There is no practitioner {reference} in {organisation.slug}.")
    return found


def _amount(text: str, currency: str) -> Money:
    amount = parse_money(text, currency, "en_US")
    if amount.amount <= 0:
        raise Invalid("amount", "Enter an amount of more than zero.", "99.99")
    return amount


@click.command("clinic")
@click.option(
    "--organisation", "slug", required=True, help="Short name of the organisation, such as carepoint."
)
@click.option("--amount", required=True, help="What was received, less tax, such as 99.99.")
@click.option(
    "--practitioner", "reference", default="", help="A practitioner, such as PY-0001: their rules count."
)
@click.option("--category", default="", help="The service category of the appointment.")
@click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the appointment; today by default."
)
@click.option("--json", "is_json", is_flag=True, help="Print the quote as JSON.")
def quote_clinic(
    slug: str, amount: str, reference: str, category: str, day: datetime | None, is_json: bool
) -> None:
    """What the clinic keeps of an amount, and what the practitioner gets.

    Without a practitioner the rules for everybody count. Exit code 2 when an option cannot be used.
    """
    try:
        organisation = people.get_organisation(slug)
        base = _amount(amount, organisation.currency)
        payee = _practitioner(organisation, reference)
    except (Invalid, NotFound, ValueError) as error:
        refuse(getattr(error, "message", "") or str(error), is_json=is_json)
    on = day.date() if day else local_date(utc_now(), organisation.timezone)
    rule = find_rule(load_rules(organisation.id), payee_id=payee.id if payee else 0, category=category, on=on)
    volume = volume_before(payee.id, base.currency, on) if payee and rule.commission.tiers else 0
    found = cut(base, rule.commission, volume_minor=volume)
    if is_json:
        click.echo(json.dumps(_as_json(found, rule, on), ensure_ascii=False, indent=2))
        return
    click.echo(f"As of {on}, by the rule “{rule.label}” ({found.percent.normalize():f} %):")
    for label, money in (("Base", found.base), ("Commission", found.commission), ("Payout", found.amount)):
        click.echo(f"{label:<44}{money.format():>20}")


def _as_json(found: Cut, rule: Rule, on: date) -> dict[str, Any]:
    """Every amount as exact decimal text in the major unit."""
    return {
        "program": "clinic",
        "on": on.isoformat(),
        "currency": found.base.currency,
        "base": found.base.plain,
        "commission": found.commission.plain,
        "payout": found.amount.plain,
        "percent": f"{found.percent.normalize():f}",
        "rule": rule.label,
    }


@click.command("split")
@click.option("--amount", required=True, help="What is split, such as 100.01.")
@click.option("--weights", required=True, help="Whole numbers, such as 1,1,1 or 60,40.")
@click.option(
    "--currency", default="USD", show_default=True, help="The currency, which says how many decimals."
)
@click.option("--json", "is_json", is_flag=True, help="Print the parts as JSON.")
def quote_split(amount: str, weights: str, currency: str, is_json: bool) -> None:
    """How an amount is split by shares, to the last minor unit. Exit code 2 when an option cannot be used."""
    try:
        total = _amount(amount, currency)
        parts = split(total, _weights(weights))
    except (Invalid, ValueError) as error:
        refuse(getattr(error, "message", "") or str(error), is_json=is_json)
    if is_json:
        found = {"amount": total.plain, "currency": currency, "parts": [part.plain for part in parts]}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(", ".join(part.plain for part in parts))


def _weights(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 0 or not sum(found):
        raise Invalid("weights", "Write the weights as whole numbers with commas.", "1,1,1")
    return found
