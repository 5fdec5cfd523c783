"""What other currencies are worth in the organisation's own: entered by day, found for a day, never edited.

A rate counts from its day until a later one. A correction is the next version of the same day, with its reason; the
rate that it replaces stays in the list. What was booked by a rate stays booked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation, localcontext

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from webapp.database import db, lock_row, savepoint
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_currency, check_length, need_reason
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money, round_to_minor
from webapp.people.models import Organisation
from webapp.programs.partners import trail
from webapp.programs.partners.models_rates import ExchangeRate, RateDecimal

PLACES = RateDecimal.places
HIGHEST = Decimal(100_000_000)
EARLIEST = date(1990, 1, 1)
EXAMPLE = "1.0832"


def parse_rate(text: str) -> Decimal:
    """A rate as people write it, with a point. Raises Invalid."""
    try:
        rate = Decimal(text.strip())
    except InvalidOperation:
        rate = Decimal(-1)
    check_rate(rate)
    return rate


def check_rate(rate: Decimal) -> None:
    """More than nothing, at most ten decimals. Raises Invalid."""
    if not rate.is_finite() or not 0 < rate <= HIGHEST:
        raise Invalid("rate", "Enter a number of more than zero, with a point for the decimals.", EXAMPLE)
    if rate != round(rate, PLACES):
        raise Invalid("rate", f"Write at most {PLACES} decimals.", EXAMPLE)


@dataclass(frozen=True)
class RateDraft:
    """What one unit of `currency` is worth in the organisation's currency from a day on."""

    currency: str
    rate: Decimal
    valid_from: date
    note: str = ""

    def check(self, base: str, today: date) -> None:
        """Raises Invalid."""
        check_currency("currency", self.currency)
        if self.currency == base:
            raise Invalid("currency", f"{base} is the currency that rates lead to. Choose another.", "EUR")
        check_rate(self.rate)
        if self.valid_from > today:
            raise Invalid("valid_from", "This day has not come yet.", today.isoformat())
        if self.valid_from < EARLIEST:
            raise Invalid("valid_from", f"Rates begin on {EARLIEST.isoformat()}.", today.isoformat())
        check_length("note", self.note, 2000)


def base_of(organisation_id: int) -> str:
    """The currency that rates lead to: the organisation's own."""
    return db.session.get_one(Organisation, organisation_id).currency


def enter(
    *, organisation_id: int, draft: RateDraft, actor: Actor, now: datetime, reason: str = ""
) -> tuple[ExchangeRate, str]:
    """Enter the rate of a day; answers it with created, updated or unchanged.

    The same rate again changes nothing; another one for the day is a correction and needs a reason.
    Raises Invalid; Conflict when somebody else has just entered one.
    """
    base = base_of(organisation_id)
    draft.check(base, trail.today(organisation_id, now))
    standing = find_current(organisation_id, base, draft.currency, draft.valid_from)
    if standing is not None and standing.rate == draft.rate:
        return standing, "unchanged"
    note = draft.note.strip()
    if standing is not None:
        note = need_reason(reason or note, "The list had a typing error.", "rate")
        _end(standing, now)
    row = ExchangeRate(
        organisation_id=organisation_id, currency=draft.currency, base=base, rate=draft.rate,
        valid_from=draft.valid_from, version=_next_version(organisation_id, base, draft), note=note,
        created_by_id=actor.user_id, created_by_label=actor.label, created_at=now,
    )  # fmt: skip
    _store(row)
    before = None if standing is None else str(standing.rate)
    word = "entered" if standing is None else "corrected"
    trail.record(
        "exchange_rate", word, row, label_of(row), actor, now, {"rate": [before, str(row.rate)]}, note
    )
    return row, "created" if standing is None else "updated"


def _store(row: ExchangeRate) -> None:
    try:
        with savepoint():
            db.session.add(row)
            db.session.flush()
    except IntegrityError as error:
        words = f"Somebody has just entered the rate of {row.currency} for {row.valid_from.isoformat()}."
        raise Conflict(f"{words} Look at it; nothing was done.") from error


def _end(row: ExchangeRate, now: datetime) -> None:
    row.is_current, row.ended_at = False, now
    db.session.flush()


def _next_version(organisation_id: int, base: str, draft: RateDraft) -> int:
    newest = db.session.scalar(
        select(func.max(ExchangeRate.version)).where(
            ExchangeRate.organisation_id == organisation_id, ExchangeRate.base == base,
            ExchangeRate.currency == draft.currency, ExchangeRate.valid_from == draft.valid_from,
        )
    )  # fmt: skip
    return (newest or 0) + 1


def withdraw(*, organisation_id: int, rate_id: int, reason: str, actor: Actor, now: datetime) -> ExchangeRate:
    """A rate that should not be there counts no more; the one before it does again.

    Raises NotFound, Invalid without a reason, Conflict when it does not count any more.
    """
    row = get_rate(organisation_id, rate_id)
    reason = need_reason(reason, "It is the rate of another currency.", "rate")
    need_current(row)
    _end(row, now)
    changes = {"rate": [str(row.rate), None]}
    trail.record("exchange_rate", "withdrawn", row, label_of(row), actor, now, changes, reason)
    return row


def need_current(row: ExchangeRate) -> None:
    """Raises Conflict for a rate that does not count any more."""
    if not row.is_current:
        raise Conflict(f"{label_of(row)} was replaced or withdrawn already. Nothing was done.")


def get_rate(organisation_id: int, rate_id: int) -> ExchangeRate:
    """A rate by its id, locked. Raises NotFound."""
    return lock_row(ExchangeRate, ExchangeRate.organisation_id == organisation_id, ExchangeRate.id == rate_id)


def find_current(organisation_id: int, base: str, currency: str, day: date) -> ExchangeRate | None:
    """The rate that was entered for exactly this day, locked."""
    query = select(ExchangeRate).where(
        ExchangeRate.organisation_id == organisation_id, ExchangeRate.base == base,
        ExchangeRate.currency == currency, ExchangeRate.valid_from == day, ExchangeRate.is_current,
    )  # fmt: skip
    return db.session.scalar(query.with_for_update())


def rates_on(
    organisation_id: int, base: str, currencies: Collection[str], day: date
) -> dict[str, ExchangeRate]:
    """The rate of each currency that counts on a day; those without one are missing."""
    if not currencies:
        return {}
    newest = (
        select(ExchangeRate.currency, func.max(ExchangeRate.valid_from).label("valid_from"))
        .where(
            ExchangeRate.organisation_id == organisation_id, ExchangeRate.base == base, ExchangeRate.is_current,
            ExchangeRate.currency.in_(sorted(currencies)), ExchangeRate.valid_from <= day,
        )
        .group_by(ExchangeRate.currency)
        .subquery()
    )  # fmt: skip
    rows = db.session.scalars(
        select(ExchangeRate)
        .join(
            newest,
            (newest.c.currency == ExchangeRate.currency) & (newest.c.valid_from == ExchangeRate.valid_from),
        )
        .where(
            ExchangeRate.organisation_id == organisation_id, ExchangeRate.base == base, ExchangeRate.is_current
        )
    )  # fmt: skip
    return {row.currency: row for row in rows}


def in_base(amount: Money, rate: Decimal, base: str) -> Money:
    """An amount at a rate, rounded half to even to the base currency's minor unit, once."""
    with localcontext() as context:
        # The largest amount times the finest rate has more digits than Decimal keeps by itself.
        context.prec = 60
        return round_to_minor(amount.decimal * rate, base)


def label_of(row: ExchangeRate) -> str:
    """What people call a rate: "EUR on 2026-02-01"."""
    return f"{row.currency} on {row.valid_from.isoformat()}"


def missing(amounts: Iterable[Money], base: str, rates: Collection[str]) -> list[str]:
    """The currencies among amounts that have no rate."""
    return sorted({amount.currency for amount in amounts} - {base} - set(rates))
