"""`paydesk quote repair` and `paydesk quote loan`: the instalments that an amount would become."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from webapp.kernel.checks import check_amount
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money, parse_money
from webapp.people import queries as people
from webapp.people.command_line import refuse
from webapp.people.models import Organisation
from webapp.programs.repairs import plans
from webapp.programs.repairs.drafts import LoanDraft
from webapp.programs.repairs.rules import Planned, first_week, loan_schedule

_STARTS = click.Choice(["current", "next"], case_sensitive=False)
_DAY = click.DateTime(["%Y-%m-%d"])


def _amount(text: str, organisation: Organisation) -> Money:
    amount = parse_money(text, organisation.currency, "en_US")
    check_amount("amount", amount.amount)
    return amount


def _show(head: dict[str, Any], planned: Sequence[Planned], currency: str, *, is_json: bool) -> None:
    """Every amount as exact decimal text in the major unit."""
    rows = [
        {
            "number": each.number,
            "week_start": each.week.start.isoformat(),
            "due_date": each.due_on.isoformat(),
            "amount": Money(each.amount, currency).plain,
            **({"interest": Money(each.interest, currency).plain} if "percent" in head else {}),
            "balance_after": Money(each.balance_after, currency).plain,
        }
        for each in planned
    ]
    if is_json:
        click.echo(json.dumps({**head, "instalments": rows}, ensure_ascii=False, indent=2))
        return
    click.echo(f"{'':>4}{'week of':>12}{'due':>12}{'amount':>16}{'balance after':>16}")
    for each in planned:
        amount, after = (Money(minor, currency).format() for minor in (each.amount, each.balance_after))
        click.echo(
            f"{each.number:>4}{each.week.start.isoformat():>12}{each.due_on.isoformat():>12}{amount:>16}{after:>16}"
        )


@click.command("repair")
@click.option(
    "--organisation", "slug", required=True, help="Short name of the organisation, such as metrocab."
)
@click.option("--amount", required=True, help="The workshop's invoice, such as 500.50.")
@click.option("--invoice-date", "day", type=_DAY, help="The day of the invoice; today by default.")
@click.option(
    "--start", type=_STARTS, default="next", show_default=True, help="The week of the first instalment."
)
@click.option("--json", "is_json", is_flag=True, help="Print the plan as JSON.")
def quote_repair(slug: str, amount: str, day: datetime | None, start: str, is_json: bool) -> None:
    """The instalments of a repair, by the payment matrix. Exit code 2 when an option cannot be used."""
    try:
        organisation = people.get_organisation(slug)
        money = _amount(amount, organisation)
        on = day.date() if day else local_date(utc_now(), organisation.timezone)
        planned = plans.preview(organisation.id, money.amount, on, start.upper(), organisation.week_start)
    except (Invalid, NotFound) as error:
        refuse(error.message, is_json=is_json)
    head = {
        "program": "repairs",
        "currency": organisation.currency,
        "amount": money.plain,
        "invoice_date": on.isoformat(),
        "start": start.upper(),
    }
    _show(head, planned, organisation.currency, is_json=is_json)


@click.command("loan")
@click.option(
    "--organisation", "slug", required=True, help="Short name of the organisation, such as metrocab."
)
@click.option("--amount", required=True, help="What is lent, such as 1200.00.")
@click.option("--percent", required=True, help="Interest of a year, such as 10.")
@click.option("--lent-on", "day", type=_DAY, help="The day on which it is lent; today by default.")
@click.option(
    "--start", type=_STARTS, default="next", show_default=True, help="The week of the first instalment."
)
@click.option("--json", "is_json", is_flag=True, help="Print the plan as JSON.")
def quote_loan(slug: str, amount: str, percent: str, day: datetime | None, start: str, is_json: bool) -> None:
    """The instalments of a loan: principal by the payment matrix, simple interest on what is left, by days of 365.

    Exit code 2 when an option cannot be used.
    """
    try:
        organisation = people.get_organisation(slug)
        money = _amount(amount, organisation)
        rate = _percent(percent)
        on = day.date() if day else local_date(utc_now(), organisation.timezone)
        # The same checks as when it is lent.
        LoanDraft(0, money.amount, rate, on, start.upper()).check()
        planned = loan_schedule(
            plans.amounts(organisation.id, money.amount),
            first_week(on, start.upper(), organisation.week_start),
            percent=rate,
            lent_on=on,
            currency=organisation.currency,
        )
    except (Invalid, NotFound) as error:
        refuse(error.message, is_json=is_json)
    head = {
        "program": "repairs",
        "currency": organisation.currency,
        "principal": money.plain,
        "percent": f"{rate:f}",
        "lent_on": on.isoformat(),
        "start": start.upper(),
        "interest": Money(sum(each.interest for each in planned), organisation.currency).plain,
    }
    _show(head, planned, organisation.currency, is_json=is_json)


def _percent(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise Invalid("percent", f"{text[:60]} is no number.", "10")
    return found
