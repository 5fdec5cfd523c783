"""Example records for the pages of exchange rates: the rate of a day, made once, and the files of the lists."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import select

from tests.factories.people import actor_of, stored
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.programs.partners import exchange_rates
from webapp.programs.partners.exchange_rates import RateDraft
from webapp.programs.partners.models_rates import ExchangeRate
from webapp.web.table_files import FORMATS


def rate_of(house: House) -> ExchangeRate:
    """What a Swiss franc is worth in the house's organisation; entered once."""
    query = select(ExchangeRate).where(
        ExchangeRate.organisation_id == house.organisation.id, ExchangeRate.is_current.is_(True)
    )
    found = db.session.scalars(query.order_by(ExchangeRate.id).limit(1)).first()
    if found is None:
        with stored():
            found, _ = exchange_rates.enter(
                organisation_id=house.organisation.id,
                draft=RateDraft("CHF", Decimal("1.1234"), date(2026, 1, 5), "The bank's list"),
                actor=actor_of(house.users["admin"]), now=utc_now(),
            )  # fmt: skip
    return found


@example("admin.partners.correct_rate", "admin.partners.withdraw_rate")
def a_rate(house: House, kind: str) -> list[Arguments]:
    """A rate that counts."""
    return [{"rate_id": rate_of(house).id}]


@example("admin.partners.rates_file", "admin.partners.differences_file")
def formats(house: House, kind: str) -> list[Arguments]:
    """Every format of the files of lists."""
    rate_of(house)
    return [{"format": name} for name in FORMATS]
