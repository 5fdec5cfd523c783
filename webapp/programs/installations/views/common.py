"""Shared by the pages: chips, addresses of the same list, words for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import Form

from webapp.database import db
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.programs.installations import creation, queries
from webapp.programs.installations.models import (
    Installation,
    InstallationShare,
    InstallationStatus,
    QualityCheck,
)
from webapp.programs.installations.pricing import Part
from webapp.programs.installations.terms import say_size
from webapp.web.i18n import gettext, locale_name, translated

EXPORT_HEADERS = (
    "Reference", "Your reference", "Type", "Customer", "Site", "Size", "Unit", "Order value", "Currency", "Status",
    "Commissioned on", "Quality check", "Technicians", "Shares", "Payouts",
)  # fmt: skip
TECHNICIAN_EXPORT_HEADERS = (
    "Reference", "Type", "Customer", "Site", "Size", "Unit", "Status", "Commissioned on", "Your share", "Your amount",
    "Currency", "Calculation", "Payout", "Payout status",
)  # fmt: skip
BATCH = 500


@dataclass(frozen=True)
class Chip:
    """One filter in use, and the address of the list without it."""

    label: str
    remove_href: str


def today() -> date:
    """The organisation's own day."""
    return local_date(utc_now(), g.organisation.timezone)


def address(endpoint: str, **changes: Any) -> str:
    """The present list at another endpoint or with other values; the position is dropped."""
    values = MultiDict(request.args)
    for name in ("before", "after", *changes):
        values.poplist(name)
    kept = {name: value for name, value in changes.items() if value is not None}
    return url_for(endpoint, **kept, **dict[str, Any](values.to_dict(flat=False)))


def chips(form: Form, endpoint: str) -> list[Chip]:
    """A chip for every filter in use: "Status: Active"."""
    found = []
    for name, field in form._fields.items():
        raw = request.args.get(name, "").strip()
        if raw:
            choices = {choice.value: choice.label for choice in getattr(field, "choices", None) or []}
            label = f"{translated(field.label.text)}: {translated(choices[raw]) if raw in choices else raw}"
            found.append(Chip(label, address(endpoint, **{name: None})))
    return found


def type_labels() -> dict[str, str]:
    """Code → label of the organisation's types."""
    return dict(queries.types_of(g.organisation.id))


def type_choices(also: str = "") -> list[tuple[str, str]]:
    """Choices of a type field; a type that an old record still carries stays choosable."""
    found = type_labels()
    if also and also not in found:
        found[also] = also
    return list(found.items())


def count_words(count: str, noun: str) -> str:
    """ "1 installation", "10,000+ installations"."""
    return f"{count} {noun}" if count == "1" else f"{count} {noun}s"


def wording(currency: str) -> Callable[[int], str]:
    """How a plot writes an amount of a currency, given in minor units."""
    locale = locale_name()

    def say(value: int) -> str:
        return Money(value, currency).format(locale)

    return say


def say_share(share: InstallationShare) -> str:
    """A technician's share of their installation in words."""
    total = sum(each.weight for each in share.installation.shares)
    hundredths, rest = divmod(share.weight * 10_000, total)
    if rest:
        return gettext("%(part)s of %(total)s", part=share.weight, total=total)
    return f"{hundredths // 100}.{hundredths % 100:02d} %".replace(".00 %", " %")


def size_of(row: Installation) -> str:
    """ "9.99 kW", or empty."""
    return "" if row.size is None else say_size(row.size, row.capacity_unit)


def part_words(part: Part) -> list[dict[str, Any]]:
    """The lines of a technician's part for a table."""
    return [
        {
            "description": line.description,
            "formula": creation.formula_of(part, line, amount),
            "amount": amount,
            "rule": line.rule,
        }
        for line, amount in part.lines
    ]


def batches(query: Any) -> Iterator[Sequence[Installation]]:
    """All rows of a list query by descending id, a few hundred at a time."""
    last: int | None = None
    while True:
        step = query if last is None else query.where(Installation.id < last)
        rows = list(
            db.session.scalars(step.order_by(None).order_by(Installation.id.desc()).limit(BATCH)).unique()
        )
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        last = rows[-1].id
        for row in rows:
            db.session.expunge(row)


def export_cells(query: Any, organisation_id: int) -> Iterator[tuple[Any, ...]]:
    """The rows of the admins' file: ISO days, plain amounts, a currency column."""
    for rows in batches(query):
        claims = queries.live_claims(organisation_id, [row.id for row in rows])
        for row in rows:
            payouts = sorted({c.reference for (ident, _), c in claims.items() if ident == row.id})
            value = row.order_value_minor
            yield (
                row.reference, row.external_ref, row.installation_type, row.customer_name, row.site, row.size,
                row.capacity_unit, None if value is None else Money(value, row.currency), row.currency,
                InstallationStatus(row.status).label, row.commissioned_on, QualityCheck(row.quality_check).label,
                "; ".join(share.payee.name for share in row.shares),
                "; ".join(say_share(share) for share in row.shares), "; ".join(payouts),
            )  # fmt: skip


def claim_state(claim: queries.ClaimedBy | None) -> PayoutState | None:
    """The state of the payout that pays for a part."""
    return None if claim is None else PayoutState(claim.state)


def say_sum(amounts: Iterable[Money]) -> str:
    """Amounts per currency, side by side, never added across currencies."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.amount
    return " and ".join(
        Money(minor, code).format(g.organisation.locale) for code, minor in sorted(sums.items())
    )
