"""Example records of what is held back of technicians' payouts."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from tests.factories import FACTORY, installations
from tests.factories.payouts import payout
from tests.factories.people import stored
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.money import Money
from webapp.programs.installations import retaining
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import HeldBack
from webapp.web.table_files import FORMATS


def _held(house: House) -> Retention:
    technician = house.payees["technician"]
    made = installations.installation(house.organisation, technician)
    of = payout(house.organisation, technician, actor=FACTORY)
    now = utc_now()
    with stored():
        held = HeldBack(Money(25_00, of.currency), 1_000, (now + timedelta(days=30)).date())
        retaining.store(of, [(made.id, held)], now)
    return db.session.scalars(select(Retention).where(Retention.payout_id == of.id)).one()


@example("admin.installations.charge_retention", "admin.installations.set_retention_day", "api.retentions")
def a_part_that_is_held(house: House, kind: str) -> list[Arguments]:
    """What is held back of a technician."""
    return [{"retention_id": _held(house).id}]


@example("admin.installations.retention_file")
def formats(house: House, kind: str) -> list[Arguments]:
    """Every format of the file of the list."""
    _held(house)
    return [{"format": name} for name in FORMATS]
