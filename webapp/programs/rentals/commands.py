"""Command line: what becomes of a rent, worked out and explained."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money, parse_money
from webapp.people import queries as people
from webapp.people.command_line import refuse
from webapp.people.models import Organisation
from webapp.programs.rentals import terms
from webapp.programs.rentals.models import Property
from webapp.programs.rentals.rules import (
    Distribution,
    Owner,
    Received,
    distribute,
    gateway_charge,
)


def _owners(text: str, place: Property | None) -> tuple[Owner, ...]:
    """The property's owners; or those of a text of weights, "60,40"; or one who owns all."""
    if text:
        try:
            weights = [int(part) for part in text.split(",")]
        except ValueError:
            weights = [0]
        if min(weights) <= 0:
            raise Invalid("shares", "Write the owners' shares as whole numbers.", "60,40")
        return tuple(Owner(n, f"Owner {n}", weight) for n, weight in enumerate(weights, start=1))
    if place is None:
        return (Owner(1, "Owner", 1),)
    if not place.shares:
        raise Invalid("property", f"{place.reference} has no owners yet.")
    return tuple(Owner(s.payee_id, s.payee.name, s.weight) for s in place.shares)


def _property(organisation: Organisation, reference: str) -> Property | None:
    if not reference:
        return None
    found = db.session.scalar(
        select(Property).where(Property.organisation_id == organisation.id, Property.reference == reference)
    )
    if found is None:
        raise NotFound(f"There is no property {reference} in {organisation.slug}.")
    return found


@click.command("rent")
@click.option("--organisation", "slug", required=True, help="Short name of the organisation, such as griha.")
@click.option("--amount", required=True, help="The month's rent, such as 10000.01.")
@click.option(
    "--property", "reference", default="", help="A property: its owners, terms, bills and reserve count."
)
@click.option("--shares", default="", help="Owners' shares instead of a property's, such as 60,40.")
@click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day it is received; today by default."
)
@click.option("--json", "is_json", is_flag=True, help="Print the quote as JSON.")
def quote_rent(
    slug: str, amount: str, reference: str, shares: str, day: datetime | None, is_json: bool
) -> None:
    """What a tenant pays for a rent, and what each owner gets of it.

    Without a property the organisation's terms count, and one owner, or the owners of --shares. Exit code 2 when an
    option cannot be used.
    """
    try:
        organisation = people.get_organisation(slug)
        rent = parse_money(amount, organisation.currency, "en_US")
        if rent.amount <= 0:
            raise Invalid("amount", "Enter a rent of more than zero.", "10000.00")
        on = day.date() if day else local_date(utc_now(), organisation.timezone)
        place = _property(organisation, reference)
        received = Received(
            rent,
            _owners(shares, place),
            terms.terms_on(organisation.id, place.id if place else None, on),
            terms.withholdings_on(organisation.id, None, on),
            terms.open_bills(place.id) if place else (),
            terms.reserve_missing(place) if place else 0,
        )
        charge = gateway_charge(rent, terms.bands_on(organisation.id, on))
    except (Invalid, NotFound, ValueError) as error:
        refuse(getattr(error, "message", "") or str(error), is_json=is_json)
    shared = distribute(received)
    if is_json:
        click.echo(json.dumps(_as_json(received, charge, shared, on), ensure_ascii=False, indent=2))
    else:
        _say(received, charge, shared, on)


def _as_json(received: Received, charge: Money, shared: Distribution, day: date) -> dict[str, Any]:
    """Every amount as exact decimal text in the major unit."""
    total = sum(owner.weight for owner in received.owners)
    return {
        "program": "rentals",
        "on": day.isoformat(),
        "currency": shared.rent.currency,
        "rent": shared.rent.plain,
        "gateway_charge": charge.plain,
        "tenant_pays": (shared.rent + charge).plain,
        "management_fee": shared.fee.plain,
        "tax_on_fee": shared.fee_tax.plain,
        "withheld_tax": shared.withheld.plain,
        "withheld_by_section": {section: tax.plain for section, tax in shared.withheld_by_section},
        "bills": shared.bills.plain,
        "reserve": shared.reserve.plain,
        "distributable": shared.distributable.plain,
        "owners": [
            {
                "name": part.owner.name,
                "share_percent": str(round(Decimal(part.owner.weight) * 100 / total, 4)),
                "gross": part.gross.plain,
                "net": part.net.plain,
            }
            for part in shared.parts
        ],
        "terms": {
            "fee_percent": f"{received.terms.fee_percent:f}",
            "fee_flat": Money(received.terms.fee_flat_minor, shared.rent.currency).plain,
            "fee_tax_percent": f"{received.terms.fee_tax_percent:f}",
        },
    }


def _say(received: Received, charge: Money, shared: Distribution, day: date) -> None:
    rows = [
        ("Rent", shared.rent),
        ("Gateway charge, paid by the tenant on top", charge),
        (f"Management fee ({received.terms.fee_percent:f} %)", -shared.fee),
        (f"Tax on the fee ({received.terms.fee_tax_percent:f} %)", -shared.fee_tax),
        *((f"Tax withheld, {section}", -tax) for section, tax in shared.withheld_by_section),
        ("Bills of the property", -shared.bills),
        ("Kept for the reserve", -shared.reserve),
        ("For the owners", shared.distributable),
        *((f"  {part.owner.name}", part.net) for part in shared.parts),
    ]
    click.echo(f"As of {day}:")
    for label, amount in rows:
        click.echo(f"{label:<44}{amount.format():>20}")
