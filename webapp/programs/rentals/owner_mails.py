"""Mails to owners: rent of theirs went back to the tenant; their part of a property changed."""

from __future__ import annotations

from functools import partial

from babel.dates import format_date

from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.notices import recipients
from webapp.notices import service as notices
from webapp.notices.compose import WORDS, say_money
from webapp.notices.delivery import to_payee
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.people.models import Organisation, Payee, User
from webapp.programs.rentals.models import (
    OwnerDebt,
    Property,
    RentPayment,
    RentReturn,
    ReturnKind,
    ShareChange,
)
from webapp.programs.rentals.words import share_words

WENT_BACK, SHARES = "owner_rent_went_back", "owner_shares_changed"


def went_back(debt_id: int, *, desk: Desk) -> Email | None:
    """Tell an owner that rent went back, and how their part of it is borne; None where nobody knows an address.

    Raises NotFound.
    """
    debt = db.session.get(OwnerDebt, debt_id)
    if debt is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, debt.organisation_id)
    row = db.session.get_one(RentReturn, debt.return_id)
    payment = db.session.get_one(RentPayment, row.payment_id)
    charge, unit = payment.charge, payment.charge.lease.unit
    say = partial(say_money, home_currency=organisation.currency, locale=organisation.locale)
    part, unsent = Money(debt.amount_minor, debt.currency), Money(debt.unsent_minor, debt.currency)
    owed = part - unsent
    letter = Letter(
        folder=WENT_BACK,
        organisation=organisation.name,
        reference=payment.reference,
        rows=(
            ("For", f"{unit.property.name}, {unit.name}"),
            ("Month", format_date(charge.period_start, "MMMM y", locale=WORDS)),
            ("Why", "The tenant's bank took it back" if row.kind == ReturnKind.CHARGEBACK else "A refund"),
            ("Went back in all", say(Money(row.amount_minor - row.excess_minor, row.currency))),
            ("Your part", say(part)),
            ("Not paid out yet, kept back", say(unsent) if unsent.amount else ""),
            ("Paid out already, owed by you", say(owed) if owed.amount else ""),
        ),
        values={
            "part": say(part),
            "unsent": say(unsent) if unsent.amount else "",
            "owed": say(owed) if owed.amount else "",
            "home": f"{unit.property.name}, {unit.name}",
            "tell": recipients.tell(organisation),
        },
        link=_own_page(debt.payee, "payouts", desk),
    )
    return to_payee(letter, debt.payee, f"{WENT_BACK}:{debt.id}", organisation, desk)


def _own_page(payee: Payee, page: str, desk: Desk) -> str:
    """A page of the owner's portal; empty for who cannot sign in."""
    return f"{desk.public_url}/{payee.kind}/{page}" if payee.user_id else ""


def shares_changed(change_id: int, *, desk: Desk) -> list[Email]:
    """Tell an owner, at every address that is or lately was theirs, that their part of a property changed.

    Raises NotFound.
    """
    change = db.session.get(ShareChange, change_id)
    if change is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, change.organisation_id)
    payee, place = (
        db.session.get_one(Payee, change.payee_id),
        db.session.get_one(Property, change.property_id),
    )
    by = db.session.get(User, change.changed_by_id) if change.changed_by_id else None
    until = instant_text(change.waits_until, organisation.timezone)
    rows = (
        ("Property", f"{place.name}, {place.reference}"),
        ("Until now", _part(change.weight_before, change.total_before)),
        ("From now on", _part(change.weight_after, change.total_after)),
        ("When", instant_text(change.changed_at, organisation.timezone)),
        ("Changed by", f"{by.name} of {organisation.name}" if by else organisation.name),
        ("Payouts are looked at until", until),
    )
    made = []
    for to in recipients.all_of_payee(payee, desk.now):
        letter = Letter(
            folder=SHARES,
            organisation=organisation.name,
            contact=organisation.contact_email,
            name=payee.name,
            reference=place.reference,
            rows=rows,
            values={"place": place.name, "until": until, "tell": recipients.tell(organisation)},
            link=_own_page(payee, "properties", desk) if to.user_id else "",
        )
        made.append(
            notices.write(
                notice=SHARES,
                key=f"{SHARES}:{change.id}",
                letter=letter,
                to=to,
                desk=desk,
                organisation_id=organisation.id,
            )
        )
    return made


def _part(weight: int, total: int) -> str:
    return share_words(weight, total) if weight else "No part of it"
