"""Command line: quote an installation. The caller pushes the application context."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import click

from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.command_line import organisation_of, refuse
from webapp.people.models import Organisation
from webapp.programs.installations import queries
from webapp.programs.installations.drafts import MAXIMUM_SIZE, parse_decimal
from webapp.programs.installations.importing.values import parse_minor
from webapp.programs.installations.pricing import load_terms
from webapp.programs.installations.terms import Job, Quote, Rule, say_number, say_rate

NO_RATE = 1


def rule_json(rule: Rule) -> dict[str, Any]:
    """A rule as plain data: exact numbers as text."""
    return {
        "name": rule.name,
        "version": rule.version,
        "installation_type": rule.installation_type,
        "unit": rule.capacity_unit or None,
        "min_size": None if rule.min_size is None else say_number(rule.min_size),
        "max_size": None if rule.max_size is None else say_number(rule.max_size),
        "rate_type": rule.rate_type,
        "rate": say_rate(rule),
        "priority": rule.priority,
    }


def quote_json(quote: Quote) -> dict[str, Any]:
    """A quote as plain data: amounts as exact text in major units."""
    return {
        "amount": None if quote.amount is None else quote.amount.plain,
        "currency": quote.currency,
        "range_mode": quote.range_mode,
        "progressive": quote.is_progressive,
        "lines": [
            {
                "kind": line.kind,
                "description": line.description,
                "quantity": None if line.quantity is None else say_number(line.quantity),
                "unit": line.unit or None,
                "rate": None if line.rate is None else say_rate(line.rule),
                "formula": line.formula,
                "amount": line.amount.plain,
            }
            for line in quote.lines
        ],
        "rules": [
            {**rule_json(attempt.rule), "outcome": attempt.outcome, "reason": attempt.reason}
            for attempt in quote.attempts
        ],
        "problem": quote.problem or None,
    }


@click.group("quote")
def quote() -> None:
    """Say what would be paid, and why, without storing anything."""


@quote.command("installation")
@click.option(
    "--organisation", "slug", required=True, help="Short name of the organisation, such as solaria."
)
@click.option("--type", "installation_type", required=True, help="Installation type, such as solar.")
@click.option("--unit", default="", help="Unit of the size: kW, Mbps or units.")
@click.option("--size", help="Size, such as 9.99; flat rates need none.")
@click.option("--order-value", help="Order value, for rates that are a percentage of it.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="Commissioning day; today by default.")
@click.option(
    "--quality-passed", is_flag=True, help="The quality check passed: add the bonus where there is one."
)
@click.option(
    "--range-mode", type=click.Choice(["half_open", "inclusive"]), help="Override how ranges are read."
)
@click.option(
    "--progressive/--no-progressive", default=None, help="Override: each slice at its own band's rate."
)
@click.option("--json", "is_json", is_flag=True, help="Print the quote as JSON.")
def quote_installation(
    slug: str, installation_type: str, unit: str, size: str | None, order_value: str | None, day: Any,
    quality_passed: bool, range_mode: str | None, progressive: bool | None, is_json: bool,
) -> None:  # fmt: skip
    """Price an installation by the organisation's rates, with every rate that was tried.

    Exit code 1 when no rate applies, 2 when an option cannot be used.
    """
    organisation = organisation_of(slug, is_json=is_json)
    try:
        job = _job(organisation, installation_type, unit, size, order_value, day, quality_passed)
    except Invalid as error:
        refuse(error.message, is_json=is_json)
    terms = load_terms(organisation.id, range_mode=range_mode, is_progressive=progressive)
    result = terms.quote(job)
    click.echo(json.dumps(quote_json(result), ensure_ascii=False, indent=2) if is_json else _text(result))
    raise SystemExit(NO_RATE if result.problem else 0)


def _job(
    organisation: Organisation, installation_type: str, unit: str, size: str | None,
    order_value: str | None, day: Any, quality_passed: bool,
) -> Job:  # fmt: skip
    known = queries.types_in_use(organisation.id)
    if installation_type not in known:
        raise Invalid(
            "type", f"There is no installation type {installation_type!r} ({', '.join(known)}).", "solar"
        )
    amount = parse_decimal("size", size) if size else None
    if amount is not None and not 0 < amount <= MAXIMUM_SIZE:
        raise Invalid("size", f"The size must be above 0 and at most {MAXIMUM_SIZE:,}.", "9.99")
    minor = parse_minor("order_value", order_value or "", organisation.currency)
    chosen: date = day.date() if day else local_date(utc_now(), organisation.timezone)
    return Job(
        installation_type=installation_type,
        capacity_unit=unit,
        size=amount,
        on=chosen,
        currency=organisation.currency,
        order_value=None if minor is None else Money(minor, organisation.currency),
        quality_passed=quality_passed,
    )


def _text(result: Quote) -> str:
    """The quote as lines of text."""
    total = result.problem if result.amount is None else f"{result.amount.plain} {result.currency}"
    lines = [f"  {line.description}: {line.formula}" for line in result.lines]
    tried = [f"  {attempt.rule.label}: {attempt.outcome} – {attempt.reason}" for attempt in result.attempts]
    return "\n".join([total, *lines, "Rates tried:", *(tried or ["  none"])])
