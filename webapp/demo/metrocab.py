"""The demo's fourth organisation: a taxi fleet with thirty drivers, who pay leases and repairs by the week.

Twenty-six weeks are over: trips came in, the run of each Sunday charged what was due and issued the receipts, and what
was left was paid. What happened to whom is in `metrocab_stories`. The same day gives the same data.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.demo import metrocab_stories as stories
from webapp.demo import metrocab_trips as meters
from webapp.demo import people
from webapp.demo.metrocab_people import (
    ACCOUNTS,
    BY_DAY,
    BY_NIGHT,
    CHEQUE,
    DRIVERS,
    LATE_STARTER,
    ORGANISATION,
    PORTAL,
    RETURNED,
    WITHOUT_ACCOUNT,
    licence,
    medallion,
    plate,
)
from webapp.demo.metrocab_work import WEEKS, ZONE, Cast, at
from webapp.demo.times import forget_history
from webapp.kernel.actor import COMMAND, SCHEDULER
from webapp.kernel.clock import local_date
from webapp.kernel.errors import NotAllowed
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.payouts.states import PayoutState
from webapp.people import accounts
from webapp.people import service as people_service
from webapp.people.models import Organisation
from webapp.programs.repairs import charging, fleet, receipt_document, weekly
from webapp.programs.repairs.books import Receipt
from webapp.programs.repairs.drafts import ChargeDraft, LeaseDraft
from webapp.programs.repairs.rules import Week, week_of
from webapp.programs.repairs.states import Category

#: Below this a week's payout needs no person.
AUTOMATIC_LIMIT = 750_00
SUNDAY = 6
#: One begins in the middle of a week; another has not brought payment details yet.
BEGIN_LATER = {LATE_STARTER: timedelta(weeks=8, days=3), WITHOUT_ACCOUNT: timedelta(weeks=WEEKS - 2)}
PAPERS = 3
_DAYS = [timedelta(days=n) for n in range(7)]


def seed(now: datetime) -> None:
    """Put the organisation in, week by week."""
    rng = random.Random(20260404)
    this_week = week_of(local_date(now, ZONE), SUNDAY)
    first = this_week.following(-WEEKS)
    with transaction():
        cast = _people(at(first.start - timedelta(days=12), 9), first)
        _fleet(cast, at(first.start - timedelta(days=10), 9), first)
    for n in range(WEEKS):
        _week(cast, rng, n, first.following(n), now)
    with transaction():
        _drive(cast, rng, this_week, now)
        stories.now(cast, now)
    stories.over_the_sandbox(cast, now)
    with transaction():
        _papers(cast, now)
        forget_history(cast.organisation_id, now)


def _papers(cast: Cast, now: datetime) -> None:
    """Workers draw the newest receipts of the driver who signs in; the others when somebody asks for them."""
    newest = (
        select(Receipt.id)
        .where(Receipt.payee_id == cast.drivers[PORTAL])
        .order_by(Receipt.week_start.desc(), Receipt.id.desc())
    )
    receipt_document.freeze(
        organisation_id=cast.organisation_id,
        receipt_ids=list(db.session.scalars(newest.limit(PAPERS))),
        actor=SCHEDULER,
        now=now,
        tells=False,
    )


def _people(then: datetime, first: Week) -> Cast:
    organisation = people_service.create_organisation(
        slug=ORGANISATION,
        name="Metrocab",
        legal_name="Metrocab Fleet Management Inc.",
        address="31-00 47th Avenue\nLong Island City, NY 11101",
        contact_email="payouts@metrocab.example",
        currency="USD",
        timezone=ZONE,
        country="US",
        week_start=SUNDAY,
        programs=("repairs",),
        actor=COMMAND,
        now=then,
        is_demo=True,
    )
    users = people.add_users(organisation.id, ACCOUNTS, then)
    drivers = tuple(_driver(organisation, n, then) for n in range(len(DRIVERS)))
    people.link(organisation.id, drivers[PORTAL], users["driver"], then)
    rules = default_rules("USD", automatic_limit_minor=AUTOMATIC_LIMIT)
    payouts.change_policy(organisation_id=organisation.id, rules=rules, actor=COMMAND, now=then)
    admin, approver, driver = (people.acting(users[name]) for name in ("admin", "approver", "driver"))
    return Cast(organisation.id, admin, approver, driver, drivers, first)


def _driver(organisation: Organisation, position: int, now: datetime) -> int:
    each = DRIVERS[position]
    payee = people_service.create_payee(
        organisation_id=organisation.id,
        kind="driver",
        name=each.name,
        email="driver@metrocab.example" if position == PORTAL else f"driver{position + 1}@metrocab.example",
        phone=f"+1 718 555 {100 + position:04}",
        country="US",
        external_ref=licence(position),
        actor=COMMAND,
        now=now,
    )
    if position == CHEQUE:
        people.pay_to(payee, accounts.by_hand(), now)
    elif each.account:
        people.pay_to(payee, people.us_account(each.account, each.name_at_bank or each.name), now)
    return payee.id


def _fleet(cast: Cast, now: datetime, first: Week) -> None:
    """A vehicle, a medallion and a lease for each driver; two share theirs, one begins in the middle of a week."""
    here = cast.organisation_id
    shared: tuple[int, int] = (0, 0)
    for position, each in enumerate(DRIVERS):
        if position == BY_NIGHT:
            vehicle_id, medallion_id = shared
        else:
            vehicle_id = fleet.create_vehicle(
                organisation_id=here, plate=plate(position), vin=f"1FTBR1Y80PKA{position:05}", actor=cast.admin, now=now
            ).id  # fmt: skip
            medallion_id = fleet.create_medallion(
                organisation_id=here, number=medallion(position), actor=cast.admin, now=now
            ).id
        if position == BY_DAY:
            shared = vehicle_id, medallion_id
        begins = first.start + BEGIN_LATER.get(position, timedelta())
        fleet.create_lease(
            organisation_id=here,
            draft=LeaseDraft(
                cast.drivers[position],
                vehicle_id,
                each.weekly_minor,
                begins,
                medallion_id=medallion_id,
                shift=each.shift,
                takes_repairs=each.takes_repairs,
                external_ref=f"L-{position + 1:03}",
            ),
            actor=cast.admin,
            now=now,
        )


def _week(cast: Cast, rng: random.Random, n: int, week: Week, now: datetime) -> None:
    """A week that is over: trips, what else happened, the run on the Sunday after it, and what was paid then."""
    with transaction():
        stories.before(cast, n, week)
        _drive(cast, rng, week, now)
        _charge(cast, rng, n, week)
    following = week.following()
    ran_at = at(following.start, 5)
    if ran_at > now:
        # It is Sunday before five: the scheduler does it.
        return
    weekly.run_week(organisation_id=cast.organisation_id, day=following.start, actor=SCHEDULER, now=ran_at)
    if n < WEEKS - 1:
        with transaction():
            _pay(cast, following.start + timedelta(days=1))


def _drive(cast: Cast, rng: random.Random, week: Week, now: datetime) -> None:
    """The meters' lists of a week come in on the night after it; of the week that runs, those of days that are over."""
    ends = min(week.end, local_date(now, ZONE) - timedelta(days=1))
    days = [week.start + each for each in _DAYS if week.start + each <= ends]
    if not days:
        return
    clock = f"{now.astimezone(meters.ZONE):%Y-%m-%d %H:%M:%S}"
    rows = [
        trip
        for position in cast.leased(week)
        for day in meters.days_of(rng, position, days)
        for trip in meters.trips_of_day(rng, position, day)
        # A night's last trips may not be over yet.
        if trip["dropoff_datetime"] <= clock
    ]
    payees = {licence(position): payee_id for position, payee_id in enumerate(cast.drivers)}
    meters.store(cast.organisation_id, payees, rows, min(now, at(week.following().start, 1)))


def _charge(cast: Cast, rng: random.Random, n: int, week: Week) -> None:
    """Tickets now and then, the agency's fee every fourth week."""
    drafts = []
    for payee_id in (cast.drivers[position] for position in cast.leased(week)):
        if n % 4 == 0:
            drafts.append(
                ChargeDraft(
                    payee_id, Category.AGENCY_FEES.value, "Licensing fee, four weeks", 24_00, week.start
                )
            )
        if rng.random() < 0.05:
            day = week.start + timedelta(days=rng.randrange(6))
            words, minor = rng.choice((("Red light camera", 50_00), ("Bus lane", 115_00), ("Parking", 65_00)))
            drafts.append(ChargeDraft(payee_id, Category.TICKETS.value, words, minor, day))
    if drafts:
        charging.add_charges(
            organisation_id=cast.organisation_id, drafts=drafts, actor=COMMAND, now=at(week.end, 18)
        )


def _pay(cast: Cast, day: date) -> None:
    """On Monday a person approves what is more than the limit; on Tuesday the bank's transfers go out by hand."""
    query = select(Payout).where(
        Payout.organisation_id == cast.organisation_id,
        Payout.state.in_([PayoutState.PENDING_APPROVAL.value, PayoutState.APPROVED.value]),
    )
    for payout in db.session.scalars(query.order_by(Payout.id)).all():
        position = cast.drivers.index(payout.payee_id)
        if position == WITHOUT_ACCOUNT:
            continue
        common = {"organisation_id": cast.organisation_id, "reference": payout.reference}
        if payout.state == PayoutState.PENDING_APPROVAL:
            try:
                payouts.approve(**common, actor=cast.approver, now=at(day, 10))  # type: ignore[arg-type]
            except NotAllowed:
                # The approver decided about a dispute of this driver.
                payouts.approve(**common, actor=cast.admin, now=at(day, 10))  # type: ignore[arg-type]
        word = "Cheque" if position == CHEQUE else "ACH"
        payouts.mark_paid(
            **common,  # type: ignore[arg-type]
            payment_reference=f"{word}-{payout.id:06}",
            paid_on=day + timedelta(days=1),
            actor=cast.admin,
            now=at(day + timedelta(days=1), 9),
        )
        if position == RETURNED and day == cast.first.following(23).start + timedelta(days=1):
            payouts.reverse(
                **common,  # type: ignore[arg-type]
                reason="The bank sent it back: the name does not fit the account.",
                on=day + timedelta(days=3),
                actor=cast.admin,
                now=at(day + timedelta(days=3), 9),
            )
