"""What happens at the demo's fleet again and again: who acts, and a repair of a driver's vehicle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from sqlalchemy import or_, select

from webapp.database import db
from webapp.demo.times import moment
from webapp.kernel.actor import Actor
from webapp.programs.repairs import drafting, fleet
from webapp.programs.repairs.drafts import RepairDraft
from webapp.programs.repairs.models import DriverLease, Repair
from webapp.programs.repairs.rules import CURRENT, Week
from webapp.programs.repairs.states import Workshop

ZONE = "America/New_York"
WEEKS = 26


#: An hour of the fleet's day.
at = partial(moment, ZONE)


@dataclass(frozen=True)
class Cast:
    """Who acts; drivers by their position in `metrocab_people.DRIVERS`; the first of the weeks."""

    organisation_id: int
    admin: Actor
    approver: Actor
    driver: Actor
    drivers: tuple[int, ...]
    first: Week
    #: References of repairs and others that a later chapter of a story needs.
    kept: dict[str, str] = field(default_factory=dict)

    def lease(self, position: int, day: date) -> DriverLease | None:
        """The lease that a driver has on a day."""
        return fleet.lease_on(self.drivers[position], day)

    def leased(self, week: Week) -> list[int]:
        """The positions of those who have a lease at the end of a week."""
        with_one = set(
            db.session.scalars(
                select(DriverLease.payee_id).where(
                    DriverLease.organisation_id == self.organisation_id,
                    DriverLease.starts_on <= week.end,
                    or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= week.end),
                )
            )
        )
        return [position for position, payee_id in enumerate(self.drivers) if payee_id in with_one]


def repair(
    cast: Cast,
    position: int,
    day: date,
    amount_minor: int,
    words: str,
    *,
    workshop: Workshop = Workshop.EXTERNAL,
    is_open: bool = True,
) -> Repair:
    """A workshop's invoice of a day, confirmed the day after unless told otherwise."""
    lease = cast.lease(position, day)
    if lease is None:
        raise ValueError(f"driver {position} has no lease on {day}")
    number = f"{'IH' if workshop is Workshop.IN_HOUSE else 'QB'}-{day:%y%m}{position:02}{day.day:02}"
    made = drafting.create_repair(
        organisation_id=cast.organisation_id,
        draft=RepairDraft(
            lease_id=lease.id,
            invoice_number=number,
            invoice_date=day,
            amount_minor=amount_minor,
            workshop=workshop.value,
            description=words,
            start=CURRENT,
        ),
        actor=cast.admin,
        now=at(day, 15),
    )
    if is_open:
        drafting.confirm_repair(
            organisation_id=cast.organisation_id,
            reference=made.reference,
            actor=cast.approver,
            now=at(day + timedelta(days=1), 9),
        )
    return made
