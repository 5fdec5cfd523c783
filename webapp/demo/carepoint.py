"""The demo's third organisation: a clinic with twelve practitioners, who are paid from invoices into their wallets.

Six months are over: their payouts were made by the schedule at the end of each month, and some practitioners took their
money to the bank. What came in since waits to be paid out. The same day gives the same data.
"""

from __future__ import annotations

import contextlib
import random
from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.demo import carepoint_stories as stories
from webapp.demo import people
from webapp.demo.carepoint_people import (
    ACCOUNTS,
    ASKING,
    CUSTOMERS,
    ORGANISATION,
    OWING,
    PORTAL,
    PRACTITIONERS,
    PROPOSAL,
    REFUNDED,
    REJECTED,
    RENTER,
    TIERED,
    DemoPractitioner,
    Service,
    rules,
)
from webapp.demo.carepoint_work import ZONE, Cast, at, pay, visit
from webapp.demo.times import forget_history
from webapp.kernel.actor import COMMAND, SCHEDULER
from webapp.kernel.clock import add_months, local_date, month_bounds
from webapp.kernel.errors import Conflict
from webapp.payouts import service as payouts
from webapp.payouts.policy import default_rules
from webapp.people import service as people_service
from webapp.people.models import Organisation
from webapp.programs.clinic import commission_rules, customers, deductions, invoicing, settings, work
from webapp.programs.clinic.drafts import CustomerDraft, DeductionDraft, SettingsDraft
from webapp.programs.clinic.models import Invoice
from webapp.runs import service as runs
from webapp.runs.models import Run
from webapp.statements import monthly

MONTHS = 6
#: Appointments of each practitioner in a month that is over; and since then, of all of them together.
VISITS, NEW_VISITS = 3, 16
#: Who takes the money to the bank at the beginning of each month.
REGULAR = (PORTAL, REFUNDED, ASKING, TIERED)
STATEMENTS = 3


def seed(now: datetime) -> None:
    """Put the organisation in, in a few transactions."""
    rng = random.Random(20260303)
    today = local_date(now, ZONE)
    this_month = today.replace(day=1)
    first = add_months(this_month, -MONTHS)
    with transaction():
        cast = _people(at(first - timedelta(days=20), 9))
        _terms(cast, first)
    for n in range(MONTHS):
        _month(cast, rng, add_months(first, n), n)
    with transaction():
        forget_history(cast.organisation_id, now)
    with transaction():
        _this_month(cast, rng, this_month, now)
    stories.with_slip(cast, rng, stories.newest_day(now, 2, this_month), now)
    with transaction():
        stories.too_low(cast, now)
    stories.withdrawals(cast, now)
    _statements(cast, this_month, now)


def _people(then: datetime) -> Cast:
    organisation = people_service.create_organisation(
        slug=ORGANISATION,
        name="Carepoint",
        legal_name="Carepoint Clinic Ltd.",
        address="210 Bloor Street West\nToronto, ON M5S 1T8",
        contact_email="payouts@carepoint.example",
        currency="CAD",
        timezone=ZONE,
        locale="en_CA",
        country="CA",
        programs=("clinic",),
        actor=COMMAND,
        now=then,
        is_demo=True,
    )
    users = people.add_users(organisation.id, ACCOUNTS, then)
    practitioners = tuple(_practitioner(organisation, each, n, then) for n, each in enumerate(PRACTITIONERS))
    people.link(organisation.id, practitioners[PORTAL], users["practitioner"], then)
    payouts.change_policy(
        organisation_id=organisation.id, rules=default_rules("CAD"), actor=COMMAND, now=then
    )
    admin, approver, practitioner = (
        people.acting(users[name]) for name in ("admin", "approver", "practitioner")
    )
    known = tuple(_customer(organisation.id, name, n, then) for n, name in enumerate(CUSTOMERS))
    return Cast(organisation.id, admin, approver, practitioner, practitioners, known)


def _practitioner(organisation: Organisation, each: DemoPractitioner, n: int, now: datetime) -> int:
    payee = people_service.create_payee(
        organisation_id=organisation.id,
        kind="practitioner",
        name=each.name,
        email="practitioner@carepoint.example" if n == PORTAL else f"practitioner{n + 1}@carepoint.example",
        phone=f"+1 416 555 {100 + n:04}",
        country="CA",
        external_ref=f"P-{n + 1:03}",
        actor=COMMAND,
        now=now,
    )
    if each.account:
        people.pay_to(payee, people.us_account(each.account, each.name_at_bank or each.name), now)
    return payee.id


def _customer(organisation_id: int, name: str, n: int, now: datetime) -> int:
    draft = CustomerDraft(name, f"customer{n + 1}@example.com", f"+1 647 555 {200 + n:04}", f"C-{n + 1:03}")
    return customers.create_customer(organisation_id=organisation_id, draft=draft, actor=COMMAND, now=now).id


def _terms(cast: Cast, first: date) -> None:
    """How the clinic is run: rules of commission, shares of all who work at an appointment, rents of rooms."""
    then = at(first - timedelta(days=19), 9)
    here = cast.organisation_id
    draft = SettingsDraft(split_mode="share", payouts_every="month", withdrawal_minimum_minor=20_00)
    settings.change_settings(organisation_id=here, draft=draft, actor=COMMAND, now=then)
    for rule in rules(cast.practitioners):
        commission_rules.create_rule(organisation_id=here, draft=rule, actor=COMMAND, now=then)
    for position, name, minor in ((RENTER, "Room rent", 180_00), (OWING, "Treatment room and linen", 300_00)):
        deductions.add_deduction(
            organisation_id=here,
            draft=DeductionDraft(cast.practitioners[position], name, minor, first),
            actor=cast.admin,
            now=then,
        )


def _month(cast: Cast, rng: random.Random, month: date, n: int) -> None:
    """A month that is over: withdrawals at its beginning, appointments, and at its end what the schedule does."""
    last = month_bounds(month)[1]
    with transaction():
        for position in REGULAR if n else ():
            asked = at(month + timedelta(days=3), 8, 30)
            stories.withdraw_by_hand(cast, position, asked, asked + timedelta(days=1))
        for _ in range(VISITS):
            for position in range(len(PRACTITIONERS)):
                _visit_and_pay(cast, rng, position, month + timedelta(days=rng.randrange(26)), n)
        if n == MONTHS - 1:
            _of_last_month(cast, rng, month)
    end = at(last, 23, 50)
    work.run_schedules(cast.organisation_id, end, end)
    newest = (
        select(Run.id).where(Run.organisation_id == cast.organisation_id).order_by(Run.id.desc()).limit(1)
    )
    run_id = db.session.scalars(newest).one()
    db.session.rollback()
    runs.step(run_id=run_id, clock=lambda: end)


def _visit_and_pay(cast: Cast, rng: random.Random, position: int, day: date, n: int) -> None:
    """Most customers pay all at once; some in two parts, some a part so far, some not at all."""
    invoice = visit(cast, rng, position, day)
    how = rng.random()
    later = at(day + timedelta(days=rng.randrange(3)), 18)
    if how < 0.86:
        pay(cast, rng, invoice, later)
    elif how < 0.92:
        half = invoice.total_minor // 2
        pay(cast, rng, invoice, at(day, 18), amount_minor=half)
        pay(cast, rng, invoice, later)
    elif how < 0.95:
        pay(cast, rng, invoice, later, amount_minor=invoice.total_minor // 3)
    elif n < 2:
        _write_off(cast, invoice, later + timedelta(days=60))


def _write_off(cast: Cast, invoice: Invoice, now: datetime) -> None:
    invoicing.write_off(
        organisation_id=cast.organisation_id,
        number=invoice.number,
        reason="The customer moved away; two reminders came back.",
        actor=cast.admin,
        now=now,
    )


def _of_last_month(cast: Cast, rng: random.Random, month: date) -> None:
    """Two who worked together, and money back to a customer whose practitioner had been paid for it."""
    day = month + timedelta(days=9)
    both = visit(
        cast,
        rng,
        PORTAL,
        day,
        service=Service("Physiotherapy", 199_99),
        shares=((PORTAL, 60), (REJECTED, 40)),
    )
    pay(cast, rng, both, at(day, 18))
    back = month + timedelta(days=14)
    stories.refund(
        cast, PORTAL, back, 40_00, "The second half of the session did not take place.", at(back, 11)
    )


def _this_month(cast: Cast, rng: random.Random, first: date, now: datetime) -> None:
    """What came in since: paid and not paid out yet, partly paid, not due yet."""
    stories.the_large_one(cast, rng, stories.newest_day(now, 9, first), now)
    for n in range(NEW_VISITS):
        day = stories.newest_day(now, rng.randrange(1, 9), first)
        invoice = visit(cast, rng, n % len(PRACTITIONERS), day, now=now)
        if n % 5 == 3:
            continue
        part = invoice.total_minor * 2 // 5 if n % 5 == 4 else None
        pay(cast, rng, invoice, now, amount_minor=part)
    stories.this_month(cast, rng, stories.newest_day(now, 4, first), now)
    # The wallet is empty by then: what the practitioner gives back is carried to the next payout.
    stories.withdraw_by_hand(cast, REFUNDED, now - timedelta(hours=30), now - timedelta(hours=3))
    stories.refund(cast, REFUNDED, stories.newest_day(now, 1, first), 82_50, "Booked twice by mistake.", now)
    commission_rules.create_rule(
        organisation_id=cast.organisation_id, draft=PROPOSAL, actor=cast.admin, now=now
    )


def _statements(cast: Cast, this_month: date, now: datetime) -> None:
    """Monthly statements as the calendar would have made them; the workers draw them later."""
    for ago in range(STATEMENTS, 0, -1):
        month = add_months(this_month, -ago)
        made_at = min(now, at(add_months(month, 1).replace(day=2), 5))
        for position in (PORTAL, RENTER):
            with contextlib.suppress(Conflict), transaction():
                monthly.create(
                    organisation_id=cast.organisation_id,
                    payee_id=cast.practitioners[position],
                    currency="CAD",
                    month=month,
                    tells=ago == 1,
                    actor=SCHEDULER,
                    now=made_at,
                )
