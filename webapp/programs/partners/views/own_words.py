"""What a partner reads about a commission: how it stands, how it was worked out, until when it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from flask import g
from sqlalchemy import func, select

from webapp.database import ask
from webapp.kernel.clock import local_date
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.programs.partners import rules
from webapp.programs.partners.models import Commission
from webapp.programs.partners.rules import Rate
from webapp.programs.partners.standing import Standing, standing
from webapp.programs.partners.states import CommissionKind
from webapp.web import filters
from webapp.web.i18n import N_, gettext


def row_of(row: Any, today: date) -> dict[str, Any]:
    """A commission (a record, or a row of a list) as tables show it."""
    return {
        "row": row,
        "kind": CommissionKind(row.kind),
        "standing": standing_of(row, today),
        "amount": Money(row.amount_minor, row.currency),
    }


def standing_of(row: Any, today: date) -> Standing:
    """How a commission stands on a day."""
    return standing(
        state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=today
    )


def percent(basis_points: int) -> str:
    """A rate for people: 550 is "5.5 %"."""
    return f"{(Decimal(basis_points) / 100).normalize():f} %"


def calculation(row: Commission) -> list[tuple[str, Any]]:
    """How an amount came about: label and value of each step."""
    amount, base = Money(row.amount_minor, row.currency), Money(row.base_minor, row.currency)
    if row.kind == CommissionKind.RETAINER:
        return [(N_("A fixed amount by the period"), filters.money(amount))]
    exact = rules.commission(base, Rate(row.rate_bp))
    if not base:
        return [(N_("What the deal earns you now"), filters.money(base))]
    steps = [
        (N_("Your part of the deal"), filters.money(base)),
        (N_("Rate"), percent(row.rate_bp)),
        (N_("Rate of your part"), filters.money(exact)),
    ]
    if row.kind == CommissionKind.SALE and exact != amount:
        steps.append((N_("By the least or the most of the rule"), filters.money(amount)))
    return steps


def rate_words(row: Commission) -> str:
    """Where the rate comes from; a rule's name and terms are the organisation's own."""
    if row.kind == CommissionKind.RETAINER or row.rule_id is not None:
        return gettext("By a rule of the program.")
    if not row.base_minor:
        return ""
    return gettext("Your own rate: no rule is for this deal.")


def final_day(row: Commission) -> date | None:
    """The last day on which what was paid can be taken back; None while it is not paid."""
    if row.paid_at is None or row.amount_minor <= 0:
        return None
    return local_date(row.paid_at + timedelta(days=row.program.final_days), g.organisation.timezone)


def payout_story(payout: Payout) -> Sequence[Mapping[str, Any]]:
    """What comes before a payout of a partner in its time line: when its commissions were earned."""
    found = ask(
        select(
            func.count(), func.min(Commission.earned_on), func.max(Commission.earned_on),
            func.max(Commission.created_at),
        ).where(Commission.payout_id == payout.id, Commission.created_at <= payout.created_at)
    )  # fmt: skip
    count, first, last, at = found[0]
    if not count:
        return []
    if count == 1:
        text = gettext("1 commission, of %(day)s.", day=filters.day(first))
    else:
        text = gettext(
            "%(count)s commissions, from %(first)s to %(last)s.",
            count=count,
            first=filters.day(first),
            last=filters.day(last),
        )
    return [{"at": at, "tone": "todo", "title": N_("Commissions earned"), "who": None, "text": text}]
