"""The demo's second organisation: rents of sixty units over six months, shared out among forty owners.

Rents of past months were paid and passed on; the newest ones are left to the workers, who send the owners' shares
through the simulated provider as soon as the demo runs. The same day gives the same data.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy import select

from webapp.connections import service as connections
from webapp.database import db, transaction
from webapp.demo import people
from webapp.demo.griha_people import (
    ACCOUNTS,
    HOUSES,
    LARGE,
    ORGANISATION,
    OWNERS,
    PORTAL,
    REFUSED,
    RETURNED,
    STREETS,
    WITHOUT,
    DemoOwner,
)
from webapp.demo.times import forget_history, moment
from webapp.kernel.actor import COMMAND, SCHEDULER, WORKER, Actor
from webapp.kernel.clock import add_months
from webapp.payouts import execution
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.payouts.states import PayoutState
from webapp.people import accounts
from webapp.people import service as people_service
from webapp.people.models import Organisation
from webapp.programs.rentals import charging, letting, payments, service, sharing
from webapp.programs.rentals.drafts import (
    LeaseDraft,
    OwnerShare,
    PropertyDraft,
    TenantDraft,
    TermsDraft,
)
from webapp.programs.rentals.models import RentCharge, RentPayment
from webapp.programs.rentals.rules import Band
from webapp.providers import registry
from webapp.providers.ports import Answer, CollectionAnswer, CollectionState, Outcome, TransferOrder

ZONE = "Asia/Kolkata"
_at = partial(moment, ZONE)
MONTHS = 6
UNITS = 60
PAISE = 100
#: Above this a rent's payout needs a person; ordinary rents go by themselves.
AUTOMATIC_LIMIT = 500_000 * PAISE
WAREHOUSE_RENT = 12_500_000 * PAISE
TRIES = 3
NOWHERE_YET = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Cast:
    """Who acts, and the owners by their position in `griha_people.OWNERS`."""

    organisation_id: int
    admin: Actor
    approver: Actor
    owners: tuple[int, ...]


def seed(now: datetime) -> None:
    """Put the organisation in, in a few transactions."""
    rng = random.Random(20260202)
    today = now.astimezone(ZoneInfo(ZONE)).date()
    first = add_months(today.replace(day=1), -MONTHS)
    with transaction():
        cast = _people(_at(first - timedelta(days=20), 9))
        _terms(cast, first)
        _houses(cast, rng, first)
    for n in range(MONTHS):
        with transaction():
            _month(cast, rng, add_months(first, n), now)
    with transaction():
        _stories(cast, now)
    with transaction():
        forget_history(cast.organisation_id, now)
    # The demo leads it to where its simulator really listens when it starts.
    connections.point_at_simulator(NOWHERE_YET, clock=lambda: now)
    with transaction():
        _switch_on(cast, now)
    with transaction():
        _this_month(cast, rng, today, now)
    _fail_three_times(cast, now)


def _people(then: datetime) -> Cast:
    organisation = people_service.create_organisation(
        slug=ORGANISATION,
        name="Griha",
        legal_name="Griha Property Services Private Limited",
        address="31 Residency Road\nBengaluru 560025",
        contact_email="payouts@griha.example",
        currency="INR",
        timezone=ZONE,
        country="IN",
        programs=("rentals",),
        actor=COMMAND,
        now=then,
    )
    organisation.is_demo, organisation.locale = True, "en_IN"
    users = people.add_users(organisation.id, ACCOUNTS, then)
    owners = tuple(_owner(organisation, owner, n, then) for n, owner in enumerate(OWNERS))
    people.link(organisation.id, owners[PORTAL], users["owner"], then)
    rules = default_rules("INR", automatic_limit_minor=AUTOMATIC_LIMIT)
    payouts.change_policy(organisation_id=organisation.id, rules=rules, actor=COMMAND, now=then)
    return Cast(organisation.id, people.acting(users["admin"]), people.acting(users["approver"]), owners)


def _owner(organisation: Organisation, owner: DemoOwner, n: int, now: datetime) -> int:
    payee = people_service.create_payee(
        organisation_id=organisation.id,
        kind="owner",
        name=owner.name,
        email="owner@griha.example" if n == PORTAL else f"owner{n + 1}@griha.example",
        phone=f"+91 98450 {10_000 + n:05}",
        country="IN",
        external_ref=f"O-{n + 1:03}",
        actor=COMMAND,
        now=now,
    )
    name = owner.name_at_bank or owner.name
    destination = None
    if owner.vpa:
        destination = accounts.upi_address(vpa=owner.vpa, name_at_bank=name)
    elif owner.account:
        destination = accounts.ifsc_account(
            account_number=owner.account, ifsc=owner.ifsc, name_at_bank=name.replace("&", "and"), bank_name=""
        )
    people.pay_to(payee, destination, now)
    return payee.id


def _terms(cast: Cast, first: date) -> None:
    then = _at(first - timedelta(days=19), 9)
    draft = TermsDraft(first - timedelta(days=31), Decimal(8), Decimal(18))
    service.set_terms(organisation_id=cast.organisation_id, draft=draft, actor=COMMAND, now=then)
    service.set_bands(
        organisation_id=cast.organisation_id,
        valid_from=first - timedelta(days=31),
        bands=[Band(10_000 * PAISE, Decimal(2)), Band(None, Decimal("2.5"))],
        actor=COMMAND,
        now=then,
    )


def _shares(cast: Cast, n: int) -> tuple[OwnerShare, ...]:
    """Every fifth house has two owners, 60 to 40; every eleventh has three alike."""
    one = cast.owners[n % len(cast.owners)]
    if n == LARGE:
        return (OwnerShare(one, 1),)
    others = [cast.owners[10 + (n * 3) % 30], cast.owners[10 + (n * 3 + 1) % 30]]
    if n % 11 == 10:
        return tuple(OwnerShare(owner, 1) for owner in dict.fromkeys((one, *others)))
    if n % 5 == 1:
        return (OwnerShare(one, 60), OwnerShare(others[0] if others[0] != one else others[1], 40))
    return (OwnerShare(one, 1),)


def _houses(cast: Cast, rng: random.Random, first: date) -> None:
    """Forty houses, some with two flats: sixty units, each let since the first month."""
    then = _at(first - timedelta(days=18), 10)
    n_unit = 0
    for n in range(len(cast.owners)):
        name = HOUSES[n % len(HOUSES)]
        is_large = n == LARGE
        place = service.create_property(
            organisation_id=cast.organisation_id,
            draft=PropertyDraft(
                name="Whitefield Logistics Park" if is_large else f"{name} {n // len(HOUSES) + 1}",
                currency="INR",
                address=STREETS[n % len(STREETS)],
                owners=_shares(cast, n),
            ),
            actor=COMMAND,
            now=then,
        )
        for flat in range(2 if n % 2 and n_unit < UNITS - 1 else 1):
            n_unit += 1
            rent = WAREHOUSE_RENT if is_large else rng.randrange(90, 640) * 100 * PAISE
            # Whose owner has no payment details is let since last month only: two rents wait, not fourteen.
            since = add_months(first, MONTHS - 1) if n % len(cast.owners) == WITHOUT else first
            _let(cast, place.reference, f"Flat {flat + 1}0{n % 9 + 1}", n_unit, rent, since, then)


def _let(cast: Cast, house: str, unit_name: str, n: int, rent: int, first: date, then: datetime) -> None:
    common = {"organisation_id": cast.organisation_id, "actor": COMMAND, "now": then}
    unit = service.create_unit(property_reference=house, name=unit_name, **common)  # type: ignore[arg-type]
    tenant = letting.create_tenant(
        draft=TenantDraft(
            f"Tenant {n:02}", f"tenant{n}@griha.example", f"+91 99000 {20_000 + n:05}", f"TN-{n:03}"
        ),
        **common,  # type: ignore[arg-type]
    )
    letting.create_lease(
        draft=LeaseDraft(
            unit_id=unit.id,
            currency="INR",
            rent_minor=rent,
            start_on=first,
            due_day=5,
            deposit_minor=2 * rent,
            external_ref=f"L-{n:03}",
            tenant_ids=(tenant.id,),
        ),
        **common,  # type: ignore[arg-type]
    )


def _charges(cast: Cast, month: date, now: datetime) -> list[RentCharge]:
    return charging.make_charges(organisation_id=cast.organisation_id, today=month, actor=SCHEDULER, now=now)


def _month(cast: Cast, rng: random.Random, month: date, now: datetime) -> None:
    """A month that is over: rents come in, shares go out by hand, and a few things go wrong."""
    for charge in _charges(cast, month, _at(month, 6)):
        if rng.random() < 0.015:
            continue
        paid_at = _at(month + timedelta(days=rng.randrange(1, 20)), rng.randrange(8, 20), rng.randrange(60))
        payment = _receive(cast, rng, charge, paid_at)
        for payout in _share(payment, paid_at):
            _pass_on(cast, payout, paid_at + timedelta(hours=rng.randrange(1, 20)))


def _receive(cast: Cast, rng: random.Random, charge: RentCharge, at: datetime) -> RentPayment:
    """Mostly through the gateway; one in twelve by hand, verified by the second person."""
    if rng.random() < 0.08:
        entered = payments.enter_by_hand(
            organisation_id=cast.organisation_id,
            charge_reference=charge.reference,
            amount_minor=charge.amount_minor,
            received_on=at.date(),
            proof_reference=f"NEFT N{rng.randrange(10**11, 10**12)}",
            proof_key=None,
            proof_name="",
            actor=cast.admin,
            now=at,
        )
        return payments.verify(
            organisation_id=cast.organisation_id, reference=entered.reference, actor=cast.approver, now=at
        )
    payment = payments.begin_online(charge_id=charge.id, actor=WORKER, now=at)
    answer = CollectionAnswer(
        CollectionState.COMPLETED,
        provider_reference=f"OMO{rng.randrange(10**21, 10**22)}",
        amount_minor=payment.amount_minor + payment.gateway_charge_minor,
        method=rng.choice(("UPI", "UPI", "UPI", "CARD", "NET_BANKING")),
        utr=str(rng.randrange(10**11, 10**12)),
    )
    return payments.apply(payment_id=payment.id, answer=answer, now=at + timedelta(minutes=2))


def _share(payment: RentPayment, at: datetime) -> Sequence[Payout]:
    sharing.share_out(payment_id=payment.id, actor=WORKER, now=at)
    return sharing.pay_owners(payment_id=payment.id, actor=WORKER, now=at)


def _pass_on(cast: Cast, payout: Payout, at: datetime) -> None:
    """Approved (by itself, or by the second person) and paid by a transfer that was made at the bank."""
    common = {"organisation_id": cast.organisation_id, "reference": payout.reference}
    if payout.payee_id == cast.owners[WITHOUT]:
        return
    for person in (cast.approver, cast.admin):
        if payout.state == PayoutState.PENDING_APPROVAL:
            payouts.approve(**common, actor=person, now=at)  # type: ignore[arg-type]
    payouts.mark_paid(
        **common,  # type: ignore[arg-type]
        payment_reference=f"N{payout.id:011}",
        paid_on=at.astimezone(ZoneInfo(ZONE)).date(),
        actor=cast.admin,
        now=at,
    )


def _newest(cast: Cast, position: int) -> Payout:
    return db.session.scalars(
        select(Payout)
        .where(Payout.organisation_id == cast.organisation_id, Payout.payee_id == cast.owners[position])
        .order_by(Payout.id.desc())
    ).first()  # type: ignore[return-value]


def _stories(cast: Cast, now: datetime) -> None:
    """What went wrong last month: a payment that the owner's bank sent back, a rent that the tenant disputed."""
    payout = _newest(cast, RETURNED)
    if payout.state == PayoutState.PAID:
        payouts.reverse(
            organisation_id=cast.organisation_id,
            reference=payout.reference,
            reason="The owner's bank sent it back: the account does not take this kind of transfer.",
            on=(now - timedelta(days=2)).astimezone(ZoneInfo(ZONE)).date(),
            actor=cast.admin,
            now=now - timedelta(days=2),
        )


def _switch_on(cast: Cast, now: datetime) -> None:
    """From now on the provider pays, without a person."""
    rules = default_rules("INR", automatic_limit_minor=AUTOMATIC_LIMIT)
    rules["rails"] = ["manual", "cashfree"]
    rules["paid_by_itself"] = ["rentals"]
    payouts.change_policy(organisation_id=cast.organisation_id, rules=rules, actor=COMMAND, now=now)


def _this_month(cast: Cast, rng: random.Random, today: date, now: datetime) -> None:
    """Rent is asked for; a third has come in, one is entered by hand and waits for a second person."""
    charges = _charges(cast, today.replace(day=1), _at(today.replace(day=1), 6))
    wanted = {cast.owners[n] for n in (PORTAL, REFUSED, RETURNED, WITHOUT, LARGE)}
    for n, charge in enumerate(charges):
        owners = {share.payee_id for share in charge.lease.unit.property.shares}
        if n % 3 == 0 or owners & wanted:
            if n % 3 and n % 7 == 0:
                continue
            _share(_receive_online(rng, charge, now), now)
    left = [charge for charge in charges if charge.paid_minor == 0]
    for charge in left[:2]:
        payments.enter_by_hand(
            organisation_id=cast.organisation_id,
            charge_reference=charge.reference,
            amount_minor=charge.amount_minor,
            received_on=today,
            proof_reference=f"NEFT N{rng.randrange(10**11, 10**12)}",
            proof_key=None,
            proof_name="",
            actor=cast.admin,
            now=now,
        )


class _BankAway:
    """The provider while the payee's bank does not answer; takes the provider's place for a few calls."""

    name = "cashfree"
    needs_details = False

    def send(self, order: TransferOrder) -> Answer:
        """A definite no that is tried again."""
        return Answer(
            Outcome.FAILED,
            code="BANK_UNAVAILABLE",
            message="The payee's bank does not answer at the moment.",
            raw={"status": "FAILED", "status_code": "BENEFICIARY_BANK_OFFLINE"},
        )

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """The same no."""
        return self.send(None)  # type: ignore[arg-type]

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """It does not say."""
        return None


def _fail_three_times(cast: Cast, now: datetime) -> None:
    """One payout has been refused three times within the last half an hour; its next try comes while the demo runs."""
    payout_id = db.session.scalars(
        select(Payout.id)
        .where(
            Payout.organisation_id == cast.organisation_id,
            Payout.state == PayoutState.APPROVED.value,
            Payout.payee_id.in_(cast.owners[10:]),
        )
        .order_by(Payout.id)
    ).first()
    db.session.rollback()
    if payout_id is None:
        return
    at = now - timedelta(minutes=24)
    with registry.using("cashfree", _BankAway()):
        execution.pay_due(payout_id=payout_id, clock=lambda: at)
        for _ in range(TRIES):
            at = _send_newest(payout_id, at)


def _send_newest(payout_id: int, at: datetime) -> datetime:
    """Send the payout's waiting transfer at a time; begins the next try if it is due before now. Returns that time."""
    query = select(Transfer.id).where(Transfer.payout_id == payout_id).order_by(Transfer.n.desc())
    transfer_id = db.session.scalars(query).first()
    db.session.rollback()
    if transfer_id is None:
        return at
    execution.send(transfer_row_id=transfer_id, clock=lambda: at)
    retry_at = db.session.scalar(select(Payout.retry_at).where(Payout.id == payout_id)) or at
    db.session.rollback()
    execution.retry_due(payout_id=payout_id, clock=lambda: min(retry_at, at + timedelta(minutes=20)))
    return retry_at


def _receive_online(rng: random.Random, charge: RentCharge, at: datetime) -> RentPayment:
    payment = payments.begin_online(charge_id=charge.id, actor=WORKER, now=at)
    answer = CollectionAnswer(
        CollectionState.COMPLETED,
        provider_reference=f"OMO{rng.randrange(10**21, 10**22)}",
        amount_minor=payment.amount_minor + payment.gateway_charge_minor,
        method="UPI",
        utr=str(rng.randrange(10**11, 10**12)),
    )
    return payments.apply(payment_id=payment.id, answer=answer, now=at)
