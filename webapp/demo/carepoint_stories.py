"""What is told at the demo's clinic: refunds after the payout, an empty wallet, withdrawals that go well and do not."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.demo import bank
from webapp.demo.carepoint_people import (
    APPROVED,
    ASKING,
    CLOSED,
    HANGING,
    HST,
    PORTAL,
    REJECTED,
    SERVICES,
    TIERED,
    WITHOUT,
    Service,
)
from webapp.demo.carepoint_work import ZONE, Cast, pay, visit
from webapp.kernel.actor import DEMO_AGENT, Actor
from webapp.kernel.clock import local_date
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import (
    bulk,
    invoicing,
    payments,
    planning,
    refunding,
    settings,
    wallets,
    withdrawing,
)
from webapp.programs.clinic.drafts import InvoiceDraft, LineDraft
from webapp.programs.clinic.models import ClinicPayout, Invoice
from webapp.programs.clinic.states import Method
from webapp.providers import keeping
from webapp.web.uploads import PDF, Upload

#: What the clinic's wallet holds beyond what the ordinary payouts that wait need: too little for the large one.
SPARE_MINOR = 150_00
PROGRAMME = Service("Rehabilitation programme", 4_800_00)
_SLIP = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 120]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


def withdraw(cast: Cast, position: int, amount_minor: int, now: datetime) -> Payout:
    """A practitioner asks for money of the wallet to be sent to the bank."""
    payee_id = cast.practitioners[position]
    name = db.session.get_one(Payee, payee_id).name
    return withdrawing.request_withdrawal(
        organisation_id=cast.organisation_id,
        payee_id=payee_id,
        amount_minor=amount_minor,
        actor=cast.practitioner if position == PORTAL else Actor(None, name, "127.0.0.1", DEMO_AGENT),
        now=now,
    )


def holds(cast: Cast, position: int) -> int:
    """What a practitioner's wallet holds, in cents."""
    payee = db.session.get_one(Payee, cast.practitioners[position])
    return wallets.balance(cast.organisation_id, wallets.code_of(payee), "CAD")


def withdraw_by_hand(cast: Cast, position: int, asked: datetime, paid: datetime) -> None:
    """A withdrawal that was transferred at the bank's own desk; nothing when the wallet holds too little for one."""
    there = holds(cast, position)
    # The one who can be looked at leaves something in the wallet.
    amount = there * 6 // 10 // 500 * 500 if position == PORTAL else there
    if amount < settings.settings_of(cast.organisation_id).withdrawal_minimum_minor:
        return
    payout = withdraw(cast, position, amount, asked)
    common = {"organisation_id": cast.organisation_id, "reference": payout.reference}
    payouts.approve(**common, actor=cast.approver, now=asked)  # type: ignore[arg-type]
    payouts.mark_paid(
        **common,  # type: ignore[arg-type]
        payment_reference=f"EFT-{payout.id:06}",
        paid_on=local_date(paid, ZONE),
        actor=cast.admin,
        now=paid,
    )


def refund(cast: Cast, position: int, day: date, amount_minor: int, reason: str, now: datetime) -> None:
    """Money back to a customer whose practitioner was paid already: the newest payout of theirs."""
    query = (
        select(Invoice)
        .join(ClinicPayout, ClinicPayout.invoice_id == Invoice.id)
        .where(ClinicPayout.payee_id == cast.practitioners[position], Invoice.refunded_minor == 0)
        .order_by(ClinicPayout.id.desc())
        .limit(1)
    )
    invoice = db.session.scalars(query).one()
    refunding.refund(
        organisation_id=cast.organisation_id,
        number=invoice.number,
        amount_minor=min(amount_minor, invoice.stayed_minor),
        reason=reason,
        happened_on=day,
        actor=cast.admin,
        now=now,
    )


def this_month(cast: Cast, rng: random.Random, day: date, now: datetime) -> None:
    """Of the last days: one invoice for two, one for nobody, one with its slip, and the large one."""
    both = visit(
        cast, rng, PORTAL, day,
        service=Service("Physiotherapy", 240_00), shares=((PORTAL, 60), (REJECTED, 40)), now=now,
    )  # fmt: skip
    pay(cast, rng, both, now, method=Method.GATEWAY)
    phone = visit(cast, rng, ASKING, day, service=SERVICES["phone"], now=now)
    pay(cast, rng, phone, now, method=Method.POS)
    order = invoicing.create_invoice(
        organisation_id=cast.organisation_id,
        draft=InvoiceDraft(
            customer_id=cast.customers[5],
            lines=(
                LineDraft("Resistance bands, set of three", 34_50, Decimal(2), tax_percent=HST),
                LineDraft("Kinesiology tape", 18_99, discount_minor=2_00, tax_percent=HST),
            ),
            issued_on=day,
            about="order",
            order_reference="SHOP-1042",
        ),
        actor=cast.admin,
        now=now,
    )
    pay(cast, rng, order, now, method=Method.POS)


def with_slip(cast: Cast, rng: random.Random, day: date, now: datetime) -> None:
    """A payment by hand whose slip is kept. Opens its own transactions: the bytes are stored before the last one."""
    with transaction():
        number = visit(cast, rng, TIERED, day, now=now).number
    slip = Upload("bank slip.pdf", PDF, _SLIP, "")
    with keeping.kept("clinic", organisation_id=cast.organisation_id, upload=slip) as kept, transaction():
        payments.record_payment(
            organisation_id=cast.organisation_id,
            number=number,
            amount_minor=SERVICES["physio"].price_minor,
            method=Method.MANUAL.value,
            happened_on=day,
            proof=kept,
            note="Paid by bank transfer; the slip came by post.",
            actor=cast.admin,
            now=now,
        )


def the_large_one(cast: Cast, rng: random.Random, day: date, now: datetime) -> None:
    """An invoice that is paid, and is more than the clinic's wallet is going to hold."""
    pay(cast, rng, visit(cast, rng, REJECTED, day, service=PROGRAMME, now=now), now, method=Method.GATEWAY)


def too_low(cast: Cast, now: datetime) -> None:
    """The clinic takes to its bank what the payouts that wait leave; the large one is then too much for the wallet."""
    organisation = db.session.get_one(Organisation, cast.organisation_id)
    how = settings.settings_of(organisation.id)
    due = db.session.scalars(select(Invoice).where(Invoice.id.in_(bulk.due_invoices(organisation.id)))).all()
    needed = sum(
        planning.base_now(each, how).amount for each in due if each.total_minor < PROGRAMME.price_minor
    )
    there = wallets.balance(organisation.id, wallets.CLINIC, organisation.currency)
    wallets.adjust(
        organisation_id=organisation.id,
        amount_minor=-(there - needed - SPARE_MINOR),
        reason="To the clinic’s current account, for wages and the sales tax.",
        actor=cast.admin,
        now=now,
    )


def withdrawals(cast: Cast, now: datetime) -> None:
    """Of the last days: paid, refused by the bank, on its way, approved, waiting, rejected, without a bank account."""
    asked = now - timedelta(days=1)
    made: dict[int, str] = {}
    with transaction():
        for position in (PORTAL, APPROVED, REJECTED, CLOSED, HANGING, WITHOUT, ASKING):
            amount = holds(cast, position)
            if position == PORTAL:
                amount = amount // 2 // 500 * 500
            if amount > 0:
                made[position] = withdraw(cast, position, amount, asked).reference
        _decide(cast, made, now - timedelta(hours=4))
    closed, hanging = cast.practitioners[CLOSED], cast.practitioners[HANGING]
    bank.decide(cast.organisation_id, now, closed=closed, silent=hanging)


def _decide(cast: Cast, made: dict[int, str], now: datetime) -> None:
    here = cast.organisation_id
    for position in (PORTAL, APPROVED, CLOSED, HANGING):
        if position in made:
            payouts.approve(organisation_id=here, reference=made[position], actor=cast.approver, now=now)
    if REJECTED in made:
        payouts.reject(
            organisation_id=here,
            reference=made[REJECTED],
            reason="Please wait until the programme that you share is paid out; one transfer is enough.",
            actor=cast.approver,
            now=now,
        )
    for position in (PORTAL, CLOSED, HANGING):
        if position in made:
            payouts.submit(
                organisation_id=here,
                reference=made[position],
                actor=cast.admin,
                rail="sandbox",
                now=now + timedelta(minutes=20),
            )


def newest_day(now: datetime, days_ago: int, first: date) -> date:
    """So many days ago, in this month."""
    return max(first, local_date(now, ZONE) - timedelta(days=days_ago))
