"""Mails to tenants: a month's rent is due or late, with the link that pays it; a rent was received, or went back.

Tenants do not sign in. The link opens the one charge and lets its reader pay it, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from babel.dates import format_date

from webapp.audit import service as audit
from webapp.config import Settings
from webapp.database import db
from webapp.kernel.actor import WORKER
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.notices import marks
from webapp.notices import service as notices
from webapp.notices.compose import WORDS, say_day, say_money
from webapp.notices.letters import PERSONAL_LINK, Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk, Recipient
from webapp.people.models import Organisation
from webapp.programs.rentals import pay_links
from webapp.programs.rentals.models import (
    ChargeState,
    PaymentSource,
    PaymentState,
    RentCharge,
    RentPayment,
    RentReminder,
    RentReturn,
    ReturnKind,
    Tenant,
)
from webapp.programs.rentals.standing import standing_of

RENT_DUE, REMINDER = "rent_due", "rent_reminder"


def _charge_of(email: Email) -> RentCharge:
    return db.session.get_one(RentCharge, int(email.dedupe_key.split(":")[1]))


def _pay_url(email: Email, settings: Settings) -> str:
    """Made while the mail is sent, so that no log and no back-up holds it; it is never a revoked one."""
    return pay_links.url_of(_charge_of(email), settings.public_url, utc_now())


def _why_no_pay_url(email: Email) -> str:
    state = _charge_of(email).state
    if state in (ChargeState.OPEN, ChargeState.PART):
        return ""
    return f"The rent of this mail is {ChargeState(state).label.lower()}. There is nothing to send again."


def register() -> None:
    """Called once when the application starts."""
    for notice in (RENT_DUE, REMINDER):
        marks.register_link(notice, marks.OwnLink(_pay_url, _why_no_pay_url))


def due(charge_id: int, *, desk: Desk) -> Email | None:
    """Ask the tenant for a month's rent; None when nothing is left to pay, or nobody knows an address.

    Raises NotFound.
    """
    charge = db.session.get(RentCharge, charge_id)
    if charge is None:
        raise NotFound
    return _ask(charge, RENT_DUE, f"{RENT_DUE}:{charge.id}", "is due", desk)


def reminder(reminder_id: int, *, desk: Desk) -> Email | None:
    """Remind the tenant of a month's rent; None when it is paid by now, or nobody knows an address.

    Raises NotFound.
    """
    row = db.session.get(RentReminder, reminder_id)
    if row is None:
        raise NotFound
    charge = db.session.get_one(RentCharge, row.charge_id)
    return _ask(charge, REMINDER, f"{REMINDER}:{charge.id}:{row.stage}", "is due", desk)


def _ask(charge: RentCharge, notice: str, key: str, what: str, desk: Desk) -> Email | None:
    if charge.state not in (ChargeState.OPEN, ChargeState.PART):
        return None
    organisation = db.session.get_one(Organisation, charge.organisation_id)
    to = _tenant(charge, what, desk)
    if to is None:
        return None
    letter = Letter(
        folder=notice,
        organisation=organisation.name,
        contact=organisation.contact_email,
        name=to.name,
        reference=charge.reference,
        rows=_due_rows(charge, organisation, desk),
        values=_due_values(charge, organisation, desk),
        link=PERSONAL_LINK,
    )
    return notices.write(
        notice=notice, key=key, letter=letter, to=to, desk=desk, organisation_id=organisation.id
    )


def _due_rows(charge: RentCharge, organisation: Organisation, desk: Desk) -> tuple[tuple[str, str], ...]:
    standing, say = standing_of(charge, desk.now), _speaker(organisation)
    paid = standing.paid.amount
    return (
        ("For", _place(charge)),
        ("Month", _month(charge)),
        ("Due on", say_day(charge.due_on)),
        ("Rent", say(standing.rent) if paid else ""),
        ("Paid already", say(standing.paid) if paid else ""),
        ("To pay", say(standing.left)),
    )


def _due_values(charge: RentCharge, organisation: Organisation, desk: Desk) -> dict[str, Any]:
    standing, say = standing_of(charge, desk.now), _speaker(organisation)
    late = (local_date(desk.now, organisation.timezone) - charge.due_on).days
    return {
        "amount": say(standing.left),
        "month": _month(charge),
        "due_on": say_day(charge.due_on),
        "is_late": late > 0,
        "days": "1 day" if late == 1 else f"{late} days",
        "is_online": standing.is_online,
        "gateway_charge": say(standing.gateway_charge) if standing.gateway_charge.amount else "",
    }


def refunded(return_id: int, *, desk: Desk) -> Email | None:
    """Tell the tenant that rent went back to them; None when it did not, or nobody knows an address.

    Raises NotFound.
    """
    row = db.session.get(RentReturn, return_id)
    if row is None:
        raise NotFound
    if row.state != "completed" or row.kind != ReturnKind.REFUND:
        return None
    payment = db.session.get_one(RentPayment, row.payment_id)
    charge = payment.charge
    organisation = db.session.get_one(Organisation, row.organisation_id)
    to = _tenant(charge, "went back", desk)
    if to is None:
        return None
    amount = _speaker(organisation)(Money(row.amount_minor, row.currency))
    is_online = payment.source == PaymentSource.PHONEPE and not row.hand_reference
    letter = Letter(
        folder="rent_refunded",
        organisation=organisation.name,
        contact=organisation.contact_email,
        name=to.name,
        reference=payment.reference,
        rows=(
            ("For", _place(charge)),
            ("Month", _month(charge)),
            ("Given back", amount),
            ("Way", f"{PaymentSource.PHONEPE.label}, the way it came" if is_online else "Bank transfer"),
            ("Reference", row.hand_reference or row.return_ref),
        ),
        values={"amount": amount, "month": _month(charge), "left": _left(charge, organisation)},
    )
    return notices.write(
        notice="rent_refunded",
        key=f"rent_refunded:{row.id}",
        letter=letter,
        to=to,
        desk=desk,
        organisation_id=organisation.id,
    )


def received(payment_id: int, *, desk: Desk) -> Email | None:
    """The tenant's receipt; None when the rent does not count any more, or nobody knows an address.

    Raises NotFound.
    """
    payment = db.session.get(RentPayment, payment_id)
    if payment is None:
        raise NotFound
    if payment.state not in (PaymentState.COMPLETED, PaymentState.REFUNDED):
        return None
    charge = payment.charge
    organisation = db.session.get_one(Organisation, payment.organisation_id)
    to = _tenant(charge, "was received", desk)
    if to is None:
        return None
    letter = Letter(
        folder="rent_received",
        organisation=organisation.name,
        contact=organisation.contact_email,
        name=to.name,
        reference=payment.reference,
        rows=_receipt(payment, organisation),
        values={
            "amount": _speaker(organisation)(Money(payment.amount_minor, payment.currency)),
            "month": _month(charge),
            "left": _left(charge, organisation),
        },
    )
    return notices.write(
        notice="rent_received",
        key=f"rent_received:{payment.id}",
        letter=letter,
        to=to,
        desk=desk,
        organisation_id=organisation.id,
    )


def _receipt(payment: RentPayment, organisation: Organisation) -> tuple[tuple[str, str], ...]:
    say, charge = _speaker(organisation), payment.charge
    minors = (payment.amount_minor, payment.gateway_charge_minor, payment.credit_minor)
    rent, extra, kept = (Money(minor, payment.currency) for minor in minors)
    on_top = (("Charge for paying online", say(extra)), ("Paid in all", say(rent + extra + kept)))
    by_hand = payment.source == PaymentSource.MANUAL
    way = "Bank transfer, cash or cheque" if by_hand else PaymentSource(payment.source).label
    return (
        ("Receipt", payment.reference),
        ("For", _place(charge)),
        ("Month", _month(charge)),
        ("Received on", say_day(payment.received_on) if payment.received_on else ""),
        ("Paid with", "Your credit with us" if payment.source == PaymentSource.CREDIT else way),
        ("Payment reference", (payment.proof_reference or "") if by_hand else payment.utr),
        ("Rent", say(rent)),
        *(on_top if extra.amount else ()),
        *((("Kept for your next rents", say(kept)),) if kept.amount else ()),
    )


def _left(charge: RentCharge, organisation: Organisation) -> str:
    """What is still to pay of the month, empty when nothing is."""
    left = charge.amount_minor - charge.paid_minor
    if charge.state not in (ChargeState.OPEN, ChargeState.PART) or left <= 0:
        return ""
    return _speaker(organisation)(Money(left, charge.currency))


def _speaker(organisation: Organisation) -> Callable[[Money], str]:
    """How the organisation writes amounts."""
    return partial(say_money, home_currency=organisation.currency, locale=organisation.locale)


def _place(charge: RentCharge) -> str:
    unit = charge.lease.unit
    return f"{unit.property.name}, {unit.name}"


def _month(charge: RentCharge) -> str:
    return str(format_date(charge.period_start, "MMMM y", locale=WORDS))


def _tenant(charge: RentCharge, what: str, desk: Desk) -> Recipient | None:
    """The first tenant of the lease who has an address; None, with a note in the audit trail, when none has."""
    tenants: list[Tenant] = [each.tenant for each in charge.lease.tenants]
    for tenant in tenants:
        if tenant.email:
            return Recipient(tenant.email, tenant.name)
    audit.record(
        tag="notices:email:no_address",
        actor=WORKER,
        now=desk.now,
        organisation_id=charge.organisation_id,
        subject_type="rent_charge",
        subject_id=charge.id,
        subject_label=charge.reference,
        note=f"No mail that {charge.reference} {what}: no tenant of {charge.lease.reference} has an e-mail address.",
    )
    return None
