"""The demo's data: 24 technicians with six months of payouts in every state; then rents, a clinic, a fleet, partners.

The same day gives the same data: every choice comes from one seeded generator, every date from today's.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import delete, select

from webapp.config import Settings, SettingsError
from webapp.database import db, transaction
from webapp.demo import carepoint, changes, griha, metrocab, partnerbase, people, solaria_books
from webapp.demo.people import ORGANISATION, TECHNICIANS, DemoTechnician
from webapp.demo.rates import RATES
from webapp.demo.times import moment
from webapp.kernel.actor import COMMAND, SCHEDULER, Actor
from webapp.kernel.clock import add_months, utc_now
from webapp.kernel.errors import Conflict
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import accounts, queries
from webapp.people import service as people_service
from webapp.people.models import Organisation, Payee
from webapp.programs.installations import creation, rate_service
from webapp.programs.installations import service as installations
from webapp.programs.installations.drafts import InstallationDraft, ShareDraft
from webapp.statements import monthly

ZONE = "America/New_York"
_at = partial(moment, ZONE)
DAYS = 182
STEP = 14
# Payouts older than this are history: their e-mails and PDFs are made on request only.
RECENT = timedelta(days=20)
CITIES = (
    "Flushing, NY",
    "Lenhartsville, PA",
    "Worcester, MA",
    "Saratoga Springs, NY",
    "Oakland, CA",
    "Muncy, PA",
)


@dataclass(frozen=True)
class Cast:
    """Who acts in the demo."""

    organisation_id: int
    admin: Actor
    approver: Actor
    technicians: tuple[int, ...]


def seed(*, say: Callable[[str], None], now: datetime | None = None) -> str:
    """Put the demo data in unless it is there; returns a sentence. Raises SettingsError outside demo mode."""
    settings: Settings = current_app.config["SETTINGS"]
    if settings.environment not in ("demo", "test"):
        raise SettingsError("Demo data belongs in demo mode. Set PAYDESK_ENV=demo.")
    if queries.find_organisation(ORGANISATION) is not None:
        return "The demo data is there already."
    say("Putting the demo data in, once.")
    present = now or utc_now()
    rng = random.Random(20260101)
    cast = _people(present)
    _history(cast, rng, present)
    _present(cast, rng, present)
    _statements(cast, present)
    solaria_books.put_in(organisation_id=cast.organisation_id, admin=cast.admin, now=present)
    griha.seed(present)
    carepoint.seed(present)
    metrocab.seed(present)
    partnerbase.seed(present)
    return "The demo data is in."


def _people(now: datetime) -> Cast:
    then = now - timedelta(days=DAYS + 10)
    with transaction():
        organisation = people_service.create_organisation(
            slug=ORGANISATION,
            name="Solaria",
            legal_name="Solaria Installations Inc.",
            address="48 Harbor Street\nNew Haven, CT 06510",
            contact_email="payouts@solaria.example",
            currency="USD",
            timezone=ZONE,
            country="US",
            programs=("installations",),
            actor=COMMAND,
            now=then,
        )
        organisation.is_demo = True
        users = people.add_users(organisation.id, people.ACCOUNTS, then)
        payees = tuple(_technician(organisation, t, i, then) for i, t in enumerate(TECHNICIANS))
        people.link(organisation.id, payees[0], users["technician"], then)
        rules = default_rules(organisation.currency, automatic_limit_minor=0)
        rules["cut_off"] = {"installations": "17:30"}
        payouts.change_policy(organisation_id=organisation.id, rules=rules, actor=COMMAND, now=then)
        for draft in RATES:
            rate_service.create_rate(organisation_id=organisation.id, draft=draft, actor=COMMAND, now=then)
    return Cast(organisation.id, people.acting(users["admin"]), people.acting(users["approver"]), payees)


def _technician(organisation: Organisation, technician: DemoTechnician, index: int, now: datetime) -> int:
    payee: Payee = people_service.create_payee(
        organisation_id=organisation.id,
        kind="technician",
        name=technician.name,
        email="technician@solaria.example" if index == 0 else f"technician{index + 1}@solaria.example",
        phone=f"+1 203 555 {100 + index:04}",
        country="US",
        external_ref=f"T-{index + 1:03}",
        actor=COMMAND,
        now=now,
    )
    destination = None
    if technician.account is not None:
        destination = accounts.aba_account(
            account_number=technician.account,
            routing_number=technician.routing,
            name_at_bank=technician.name_at_bank or technician.name,
            bank_name="Demo Bank",
        )
    elif technician.method == "manual":
        destination = accounts.by_hand()
    people.pay_to(payee, destination, now)
    return payee.id


def _work(rng: random.Random, day: date, shares: tuple[ShareDraft, ...]) -> InstallationDraft:
    """One finished installation: mostly solar, sometimes Starlink, now and then a kind without a rate."""
    kind = rng.choices(("solar", "starlink", "hybrid"), (80, 18, 2))[0]
    size = Decimal(rng.randrange(250, 1600)) / 100 if kind != "starlink" else None
    return InstallationDraft(
        installation_type=kind,
        capacity_unit="Mbps" if kind == "starlink" else "kW",
        currency="USD",
        size=size,
        customer_name=f"Customer {rng.randrange(1000, 9999)}",
        site=rng.choice(CITIES),
        order_value_minor=rng.randrange(400_000, 4_500_000),
        status="commissioned",
        commissioned_on=day,
        shares=shares,
    )


def _install(cast: Cast, rng: random.Random, technician: int, day: date, actor: Actor) -> None:
    shares: tuple[ShareDraft, ...] = (ShareDraft(technician),)
    if rng.random() < 0.08:
        other = rng.choice([t for t in cast.technicians[:8] if t != technician])
        shares = (ShareDraft(technician, 6000), ShareDraft(other, 4000))
    installations.create_installation(
        organisation_id=cast.organisation_id, draft=_work(rng, day, shares), actor=actor, now=_at(day, 16)
    )


def _create(cast: Cast, technician: int, now: datetime, actor: Actor = SCHEDULER) -> list[Payout]:
    made, _ = creation.create_due_for(
        organisation_id=cast.organisation_id, payee_id=technician, home_currency="USD", actor=actor, now=now
    )
    return made


def _steps(today: date) -> Iterator[date]:
    day = today - timedelta(days=DAYS)
    while day < today - timedelta(days=STEP):
        yield day
        day += timedelta(days=STEP)


def _history(cast: Cast, rng: random.Random, now: datetime) -> None:
    """Fortnight by fortnight: work, payouts the next morning, approval by the second person, payment by hand."""
    today = now.astimezone(ZoneInfo(ZONE)).date()
    number = 0
    for start in _steps(today):
        end = start + timedelta(days=STEP)
        with transaction():
            for technician in cast.technicians[:23]:
                for _ in range(rng.choice((0, 1, 1, 2, 3))):
                    _install(cast, rng, technician, start + timedelta(days=rng.randrange(STEP)), COMMAND)
            for technician in cast.technicians[:23]:
                for payout in _create(cast, technician, _at(end, 1)):
                    number += 1
                    _settle_by_hand(cast, rng, payout.reference, end, number)
    with transaction():
        # Old effects are history; only the newest e-mails and PDFs are made by the workers.
        db.session.execute(delete(OutboxMessage).where(OutboxMessage.created_at < now - RECENT))


def _settle_by_hand(cast: Cast, rng: random.Random, reference: str, day: date, number: int) -> None:
    common = {"organisation_id": cast.organisation_id, "reference": reference}
    if rng.random() < 0.03:
        payouts.reject(
            **common, reason="The site photos are missing.", actor=cast.approver, now=_at(day, 10)  # type: ignore[arg-type]
        )  # fmt: skip
        return
    payouts.approve(**common, actor=cast.approver, now=_at(day, 10))  # type: ignore[arg-type]
    payouts.mark_paid(
        **common,  # type: ignore[arg-type]
        payment_reference=f"ACH-{number:06}",
        paid_on=day + timedelta(days=1),
        actor=cast.admin,
        now=_at(day + timedelta(days=1), 9, 30),
    )


def _present(cast: Cast, rng: random.Random, now: datetime) -> None:
    """The last days: one payout in each state that needs somebody, and forty-four to approve today."""
    today = now.astimezone(ZoneInfo(ZONE)).date()
    chosen = _recent_payouts(cast, rng, today - timedelta(days=5))
    _act(cast, chosen, today, now)
    for days, technicians in ((3, cast.technicians[:22]), (1, cast.technicians[:22])):
        with transaction():
            for technician in technicians:
                _install(cast, rng, technician, today - timedelta(days=days + 1), COMMAND)
            for technician in technicians:
                _create(cast, technician, min(now, _at(today - timedelta(days=days - 1), 1)))
    _by_the_admin(cast, rng, today, now)
    with transaction():
        changes.put_in(
            organisation_id=cast.organisation_id,
            technicians=cast.technicians,
            admin=cast.admin,
            approver=cast.approver,
            now=now,
        )


def _recent_payouts(cast: Cast, rng: random.Random, day: date) -> dict[int, str]:
    """A payout for each technician, approved by the second person; technician's position → reference."""
    chosen = {}
    with transaction():
        for technician in cast.technicians[:23]:
            _install(cast, rng, technician, day - timedelta(days=1), COMMAND)
        for position, technician in enumerate(cast.technicians[:23]):
            for payout in _create(cast, technician, _at(day, 1)):
                chosen[position] = payout.reference
        for reference in chosen.values():
            payouts.approve(
                organisation_id=cast.organisation_id,
                reference=reference,
                actor=cast.approver,
                now=_at(day, 10),
            )
    return chosen


def _act(cast: Cast, chosen: dict[int, str], day: date, now: datetime) -> None:
    """Pay most of them over the sandbox bank, whose rules make some fail; hold, cancel and return others."""
    stay = (13, 17, 18, 19, 20, 22)  # approved; paid by hand, held, cancelled, or waiting to be paid
    with transaction():
        for position, reference in chosen.items():
            if position not in stay:
                payouts.submit(
                    organisation_id=cast.organisation_id,
                    reference=reference,
                    actor=cast.admin,
                    rail="sandbox",
                    now=now,
                )
        _say_why(cast, chosen, day, now)
    for transfer_id in db.session.scalars(
        select(Transfer.id).where(Transfer.organisation_id == cast.organisation_id).order_by(Transfer.id)
    ).all():
        execution.send(transfer_row_id=transfer_id)


def _paid_and_returned(cast: Cast, reference: str, day: date, now: datetime) -> None:
    common = {
        "organisation_id": cast.organisation_id,
        "reference": reference,
        "actor": cast.admin,
        "now": now,
    }
    payouts.mark_paid(**common, payment_reference="ACH-900001", paid_on=day)  # type: ignore[arg-type]
    payouts.reverse(
        **common,  # type: ignore[arg-type]
        reason="The payee's bank sent it back: the account does not take this kind of transfer.",
        on=day,
    )


def _say_why(cast: Cast, chosen: dict[int, str], day: date, now: datetime) -> None:
    if 17 in chosen:
        payouts.hold(
            organisation_id=cast.organisation_id,
            reference=chosen[17],
            reason="The customer disputes the inverter; wait for the site visit.",
            actor=cast.admin,
            now=now,
        )
    if 13 in chosen:
        _paid_and_returned(cast, chosen[13], day, now)
    if 18 in chosen:
        payouts.cancel(
            organisation_id=cast.organisation_id,
            reference=chosen[18],
            reason="Entered for the wrong technician.",
            actor=cast.admin,
            now=now,
        )


def _statements(cast: Cast, now: datetime) -> None:
    """Monthly statements of a few technicians, as the calendar would have made them; the workers draw them later."""
    today = now.astimezone(ZoneInfo(ZONE)).date()
    newest = add_months(today, -1)
    for month in (add_months(newest, -n) for n in range(5, -1, -1)):
        made_at = min(now, _at(add_months(month, 1).replace(day=2), 5))
        for technician in cast.technicians[:4]:
            with contextlib.suppress(Conflict), transaction():
                monthly.create(
                    organisation_id=cast.organisation_id,
                    payee_id=technician,
                    currency="USD",
                    month=month,
                    tells=month == newest,
                    actor=SCHEDULER,
                    now=made_at,
                )


def _by_the_admin(cast: Cast, rng: random.Random, today: date, now: datetime) -> None:
    """Two payouts that the admin made: the admin cannot approve them, the approver can."""
    with transaction():
        for technician in cast.technicians[14:16]:
            _install(cast, rng, technician, today - timedelta(days=1), cast.admin)
        for technician in cast.technicians[14:16]:
            _create(cast, technician, now, cast.admin)
        # One technician has no payment details yet: the amount is owed and waits.
        _install(cast, rng, cast.technicians[23], today - timedelta(days=1), COMMAND)
        _create(cast, cast.technicians[23], now)
