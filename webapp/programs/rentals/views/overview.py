"""The first page of rentals: what needs somebody and how late rents are; and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.payouts.views.words import short_wording
from webapp.people.views.session import may_change
from webapp.programs.rentals import arrears_lists, figures, lists, owner_lists, queries
from webapp.programs.rentals.views import common, payments, payouts, pictures


@dataclass(frozen=True)
class Task:
    """One entry of the task list."""

    title: str
    text: str
    href: str
    count: str
    tone: str


def _many(n: int, one: str, many: str) -> str:
    return f"1 {one}" if n == 1 else f"{n:,} {many}"


def columns(organisation_id: int) -> tuple[Any, ...]:
    """The counts that `tasks` is made of, to be asked for together with others."""
    return (*lists.needs_columns(organisation_id, utc_now()), owner_lists.without_details(organisation_id))


def tasks(counts: Sequence[int]) -> list[Task]:
    """What of the rents needs somebody now, each with the list where it is done; `counts` answers `columns`."""
    needs = lists.Needs(*counts[:-1])
    found = [
        (needs.to_verify, "payment waits to be verified", "payments wait to be verified",
         "Another person than the one who entered it compares it with its proof.",
         url_for("admin.rentals.payments", state="to_verify"), "todo"),
        (needs.differing, "payment with another amount", "payments with another amount",
         "The gateway says another amount than was asked for. Propose what becomes of it.",
         url_for("admin.rentals.payments", look="differs"), "failed"),
        (needs.proposed, "settlement waits for a second person", "settlements wait for a second person",
         "Another person than the one who proposed it confirms it, or drops it.",
         url_for("admin.rentals.payments", look="proposed"), "todo"),
        (needs.left, "refund is left to a person", "refunds are left to a person",
         "The gateway refused it, or its end is not known. Ask again, try again, or settle it.",
         url_for("admin.rentals.returns", left="people"), "failed"),
        (needs.blocked, "owner's share waits for a decision", "owners' shares wait for a decision",
         "Its payout was rejected or cancelled. Pay it again, or dismiss it.",
         url_for("admin.rentals.waiting"), "todo"),
        (needs.waiting, "owner's share has no payout yet", "owners' shares have no payout yet",
         "They are tried again every ten minutes; the list says what stands in the way.",
         url_for("admin.rentals.waiting"), "waiting"),
        (needs.unshared, "received rent is not shared out", "received rents are not shared out",
         "The property has no owners. Enter them, and it is shared out.",
         url_for("admin.rentals.payments", state="completed"), "waiting"),
        (counts[-1], "owner has no payment details",
         "owners have no payment details", "Their payouts wait. Ask them by e-mail.",
         url_for("admin.rentals.owners", waits="missing"), "waiting"),
    ]  # fmt: skip
    return [
        Task(_many(n, one, many), text, href, f"{n:,}", tone) for n, one, many, text, href, tone in found if n
    ]


def index() -> ResponseReturnValue:
    """What needs somebody, counts and sums of payments and payouts, how late rents are."""
    here = g.organisation
    ages = arrears_lists.arrears_by_age(here.id, common.today())
    return render_template(
        "rentals/index.html",
        area=common.AREA,
        tasks=tasks(db.session.execute(select(*columns(here.id))).one()),
        payment_sums=payments.sums(),
        payout_sums=payouts.sums(),
        figures=[pictures.arrears(code, found) for code, found in sorted(ages.items())],
        has_properties=queries.has_properties(here.id),
        tab="index",
        may_change=may_change(),
        now=utc_now(),
    )


def plots() -> ResponseReturnValue:
    """How transfers went, how long owners waited, what is about to leave."""
    here, now = g.organisation, utc_now()
    found = (
        pictures.success(figures.success_by_try(here.id, now)),
        pictures.reasons(figures.failure_reasons(here.id, now)),
        pictures.times(figures.rent_to_paid(here.id, now)),
    )
    forecast = figures.forecast(here.id, here.currency, here.timezone, now)
    return render_template(
        "rentals/figures.html",
        area=common.AREA,
        rankings=[figure for figure in found if figure is not None],
        forecast=pictures.forecast(forecast, short_wording(here.currency, here.locale)),
        tab="figures",
        now=now,
    )
