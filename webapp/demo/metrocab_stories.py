"""What is told of the demo's drivers: a repair in every state, loans, disputes, a last receipt, money that comes back.

`CHAPTERS` says in which of the weeks what happens; `now` and `over_the_sandbox` are the last days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from webapp.database import db
from webapp.demo import bank
from webapp.demo import metrocab_people as who
from webapp.demo.metrocab_work import WEEKS, ZONE, Cast, at, repair
from webapp.kernel.actor import COMMAND, DEMO_AGENT, Actor
from webapp.kernel.clock import local_date
from webapp.programs.repairs import (
    changing,
    charging,
    correcting,
    crediting,
    disputing,
    drafting,
    fleet,
    leaving,
)
from webapp.programs.repairs.books import Charge, Receipt
from webapp.programs.repairs.correcting import CorrectionLine
from webapp.programs.repairs.drafts import ChargeDraft, LoanDraft, RepairDraft
from webapp.programs.repairs.models import Instalment, Repair
from webapp.programs.repairs.rules import CURRENT, Week, week_of
from webapp.programs.repairs.states import Category, PaymentMethod, Posted, Workshop

Chapter = Callable[[Cast, Week], None]
_DAY = timedelta(days=1)
_SUNDAY = 6


def before(cast: Cast, n: int, week: Week) -> None:
    """What happens in the week `n`, before its trips come in."""
    for chapter in CHAPTERS.get(n, ()):
        chapter(cast, week)


def _repaired(
    position: int, minor: int, words: str, after: int = 2, workshop: Workshop = Workshop.EXTERNAL
) -> Chapter:
    """A repair, so many days after the week's first."""

    def chapter(cast: Cast, week: Week) -> None:
        repair(cast, position, week.start + after * _DAY, minor, words, workshop=workshop)

    return chapter


def _newest(cast: Cast, position: int) -> Repair:
    query = select(Repair).where(Repair.payee_id == cast.drivers[position]).order_by(Repair.id.desc())
    return db.session.scalars(query.limit(1)).one()


def _charge(
    cast: Cast, position: int, category: Category, words: str, minor: int, day: date, actor: Actor
) -> None:
    draft = ChargeDraft(cast.drivers[position], category.value, words, minor, day)
    charging.add_charges(organisation_id=cast.organisation_id, drafts=[draft], actor=actor, now=at(day, 12))


def _lend(cast: Cast, position: int, minor: int, percent: int, day: date) -> None:
    draft = LoanDraft(
        cast.drivers[position],
        minor,
        Decimal(percent),
        day,
        CURRENT,
        "For the licence and the first insurance.",
    )
    charging.lend(organisation_id=cast.organisation_id, draft=draft, actor=cast.admin, now=at(day, 11))


def _loans(cast: Cast, week: Week) -> None:
    _lend(cast, who.PORTAL, 1_200_00, 10, week.start + _DAY)
    _lend(cast, who.ADVANCED, 600_00, 0, week.start + _DAY)


def _deposits(cast: Cast, week: Week) -> None:
    for position in (who.LEAVING, who.LATE_STARTER - 1, who.PORTAL):
        _charge(cast, position, Category.DEPOSIT, "Security deposit", 250_00, week.start + _DAY, cast.admin)


def _advance(cast: Cast, week: Week) -> None:
    _charge(
        cast, who.ADVANCED, Category.ADVANCES, "Advance in cash", 150_00, week.start + 3 * _DAY, cast.admin
    )


def _hold(cast: Cast, week: Week) -> None:
    changing.hold_repair(
        organisation_id=cast.organisation_id,
        reference=_newest(cast, who.ON_HOLD).reference,
        reason="The gearbox fails again; the workshop looks at its own work.",
        actor=cast.admin,
        now=at(week.start + 2 * _DAY, 10),
    )


def _drop(cast: Cast, week: Week) -> None:
    day = week.start + _DAY
    made = repair(cast, who.DROPPED, day, 780_00, "Bumper, painted", is_open=False)
    changing.cancel_repair(
        organisation_id=cast.organisation_id,
        reference=made.reference,
        reason="The other driver's insurance pays it.",
        actor=cast.admin,
        now=at(day + _DAY, 10),
    )


def _cancelled(position: int, posted: Posted, reason: str) -> Chapter:
    def chapter(cast: Cast, week: Week) -> None:
        changing.cancel_repair(
            organisation_id=cast.organisation_id,
            reference=_newest(cast, position).reference,
            reason=reason,
            posted=posted.value,
            actor=cast.admin,
            now=at(week.start + 3 * _DAY, 10),
        )

    return chapter


def _settle(cast: Cast, week: Week) -> None:
    reference = _newest(cast, who.SETTLED).reference
    day = week.start + 4 * _DAY
    changing.settle_repair(
        organisation_id=cast.organisation_id,
        reference=reference,
        amount_minor=changing.settlement_of(cast.organisation_id, reference).amount,
        method=PaymentMethod.CHECK.value,
        received_on=day,
        actor=cast.admin,
        now=at(day, 14),
    )


def _propose(cast: Cast, position: int, weekly_minor: int, day: date) -> int:
    return changing.propose_replan(
        organisation_id=cast.organisation_id,
        reference=_newest(cast, position).reference,
        weekly_minor=weekly_minor,
        reason="Drives three days a week until the summer.",
        actor=cast.admin,
        now=at(day, 10),
    ).id


def _replan(cast: Cast, week: Week) -> None:
    day = week.start + 2 * _DAY
    changing.decide_replan(
        organisation_id=cast.organisation_id,
        replan_id=_propose(cast, who.REPLANNED, 125_00, day),
        is_accepted=True,
        actor=cast.approver,
        now=at(day + _DAY, 10),
    )


def _skip(cast: Cast, week: Week) -> None:
    query = select(Instalment.reference).where(
        Instalment.payee_id == cast.drivers[who.SKIPPED], Instalment.state == "scheduled"
    )
    reference = db.session.scalars(query.order_by(Instalment.week_start).limit(1)).one()
    changing.skip_instalment(
        organisation_id=cast.organisation_id,
        reference=reference,
        reason="In hospital for a week.",
        actor=cast.admin,
        now=at(week.start + 2 * _DAY, 10),
    )


def _swap(cast: Cast, week: Week) -> None:
    day = week.start + 3 * _DAY
    lease = cast.lease(who.SWAPPED, day)
    spare = fleet.create_vehicle(
        organisation_id=cast.organisation_id, plate="T699001C", vin="1FTBR1Y80PKA99001", actor=cast.admin,
        now=at(day, 9),
    )  # fmt: skip
    if lease is not None:
        fleet.swap_vehicle(
            organisation_id=cast.organisation_id, lease_id=lease.id, vehicle_id=spare.id, from_on=day,
            actor=cast.admin, now=at(day, 10),
        )  # fmt: skip


def _leave(cast: Cast, week: Week) -> None:
    day = week.start + 3 * _DAY
    leaving.driver_leaves(
        organisation_id=cast.organisation_id,
        payee_id=cast.drivers[who.LEAVING],
        last_day=day,
        reason="Moved to another city.",
        actor=cast.admin,
        now=at(day, 16),
    )


def _credit(cast: Cast, week: Week) -> None:
    crediting.give_credit(
        organisation_id=cast.organisation_id,
        payee_id=cast.drivers[who.CREDITED],
        amount_minor=85_00,
        reason="Two days without a vehicle",
        actor=cast.admin,
        now=at(week.start + 3 * _DAY, 15),
    )


def _ticket(cast: Cast, position: int, words: str, day: date) -> Charge:
    # Tickets come in by a list.
    _charge(cast, position, Category.TICKETS, words, 115_00, day, COMMAND)
    query = select(Charge).where(Charge.payee_id == cast.drivers[position]).order_by(Charge.id.desc())
    return db.session.scalars(query.limit(1)).one()


def _dispute(cast: Cast, position: int, reason: str, day: date, now: datetime | None = None) -> str:
    """A ticket that the driver does not agree with; the reference of the dispute."""
    charge = _ticket(cast, position, "Bus lane, Fulton Street", day)
    is_portal = position == who.PORTAL
    return disputing.dispute_charge(
        organisation_id=cast.organisation_id,
        payee_id=cast.drivers[position],
        charge_id=charge.id,
        reason=reason,
        actor=cast.driver if is_portal else Actor(None, who.DRIVERS[position].name, "127.0.0.1", DEMO_AGENT),
        now=now or at(day + _DAY, 18),
    ).reference


def _disputes(cast: Cast, week: Week) -> None:
    day = week.start + _DAY
    for position, accepts, answer in (
        (who.ACCEPTED, True, "The picture shows another plate. It is taken back."),
        (who.REFUSED, False, "The picture shows your plate in the lane at 8:14."),
    ):
        reference = _dispute(cast, position, "I was not there at that hour.", day)
        disputing.decide_dispute(
            organisation_id=cast.organisation_id,
            reference=reference,
            accepts=accepts,
            answer=answer,
            actor=cast.approver,
            now=at(day + 3 * _DAY, 11),
        )


def _pay_a_ticket(cast: Cast, week: Week) -> None:
    day = week.start + _DAY
    charge = _ticket(cast, who.PAYING, "Red light, Queens Boulevard", day)
    crediting.record_payment(
        organisation_id=cast.organisation_id,
        payee_id=cast.drivers[who.PAYING],
        amount_minor=200_00,
        method=PaymentMethod.CASH.value,
        received_on=day + 3 * _DAY,
        charges=[(charge.id, charge.open_minor)],
        actor=cast.admin,
        now=at(day + 3 * _DAY, 12),
    )


def _correct(cast: Cast, week: Week) -> None:
    query = select(Receipt.number).where(Receipt.payee_id == cast.drivers[who.CORRECTED])
    number = db.session.scalars(query.order_by(Receipt.week_start.desc()).limit(1)).one()
    correcting.reissue_receipt(
        organisation_id=cast.organisation_id,
        number=number,
        lines=[CorrectionLine(Category.TOLLS.value, "Toll of another driver", 6_94)],
        reason="A toll was another driver's.",
        actor=cast.admin,
        now=at(week.start + 2 * _DAY, 10),
    )


CHAPTERS: dict[int, tuple[Chapter, ...]] = {
    1: (_deposits, _repaired(who.CLOSED, 450_00, "Brake pads, front")),
    2: (
        _repaired(who.PORTAL, 450_00, "Alternator"),
        _repaired(who.BY_DAY, 200_00, "Wiper motor", workshop=Workshop.IN_HOUSE),
    ),
    5: (
        _repaired(who.CHEQUE, 201_00, "Door handle", workshop=Workshop.IN_HOUSE),
        _repaired(who.RETURNED, 1_200_00, "Timing chain"),
    ),
    9: (_repaired(who.SWAPPED, 1_500_00, "Transmission mount and cooler"),),
    10: (_repaired(who.ON_HOLD, 5_000_00, "Gearbox, overhauled"),),
    11: (_swap,),
    12: (
        _repaired(who.SETTLED, 2_400_00, "Hybrid battery modules"),
        _repaired(who.WRITTEN_OFF, 800_00, "Suspension, rear"),
    ),
    13: (_repaired(who.REPLANNED, 2_000_00, "Steering rack"),),
    15: (
        _repaired(who.PORTAL, 3_000_00, "Engine, rebuilt top end"),
        _cancelled(who.WRITTEN_OFF, Posted.WRITE_OFF, "The workshop had its own fault; what is open is let go."),
    ),
    16: (_repaired(who.PROPOSED, 3_000_00, "Catalytic converter and exhaust"), _replan, _settle),
    17: (_repaired(who.LEAVING, 650_00, "Windscreen and sensors"), _loans),
    18: (_repaired(who.TAKEN_BACK, 500_00, "Air conditioning"), _repaired(who.OWING, 1_000_00, "Wheel bearings")),
    19: (_correct,),
    20: (_hold, _leave, _cancelled(who.TAKEN_BACK, Posted.REVERSE, "Charged to the wrong vehicle.")),
    21: (
        _repaired(who.WAITING, 1_500_00, "Clutch"),
        _repaired(who.SKIPPED, 1_200_00, "Shock absorbers, all four", workshop=Workshop.IN_HOUSE),
        _disputes,
        _pay_a_ticket,
    ),
    22: (_repaired(who.BY_NIGHT, 3_000_50, "Body work, left side"), _advance, _drop),
    23: (_skip, _repaired(who.CLOSED, 500_50, "Fuel pump")),
    WEEKS - 2: (_repaired(who.CLOSED_ACCOUNT, 360_00, "Headlights"),),
    WEEKS - 1: (_credit,),
}  # fmt: skip


def now(cast: Cast, present: datetime) -> None:
    """What waits for somebody today: drafts, a plan to be accepted, a dispute to be decided."""
    today = local_date(present, ZONE)
    week = week_of(today, _SUNDAY)
    lately = max(week.start, today - 2 * _DAY)
    for position, minor, words, workshop in (
        (who.DRAFT, 500_50, "Radiator and hoses", Workshop.EXTERNAL),
        (who.PORTAL, 320_00, "Window lift", Workshop.IN_HOUSE),
    ):
        lease = cast.lease(position, lately)
        if lease is not None:
            drafting.create_repair(
                organisation_id=cast.organisation_id,
                draft=RepairDraft(
                    lease.id, f"QB-{lately:%y%m%d}-{position}", lately, minor, workshop.value, words
                ),
                actor=cast.admin,
                now=present,
            )
    changing.propose_replan(
        organisation_id=cast.organisation_id,
        reference=_newest(cast, who.PROPOSED).reference,
        weekly_minor=150_00,
        reason="Drives three days a week until the summer.",
        actor=cast.admin,
        now=present,
    )
    _dispute(cast, who.PORTAL, "That day the vehicle was in the workshop.", lately, present)


def over_the_sandbox(cast: Cast, present: datetime) -> None:
    """Of the newest payouts some go over the sandbox bank, whose rules close one account; the others wait."""
    stay = (who.WITHOUT_ACCOUNT, who.CHEQUE)
    paid = [cast.drivers[position] for position in range(who.ADVANCED + 1) if position not in stay]
    bank.hand_over(cast.organisation_id, paid, cast.admin, present)
    bank.decide(cast.organisation_id, present, closed=cast.drivers[who.CLOSED_ACCOUNT])
