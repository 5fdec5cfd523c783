"""The mail that asks a payee for payment details, because money waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from webapp import queue
from webapp.database import among, db
from webapp.database import ask as plain
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.notices import recipients
from webapp.notices.compose import say_money
from webapp.notices.delivery import to_payee
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.outbox import service as outbox
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, Payee, PayoutMethod

NOTICE = "notice.details.wanted"
_WAITING = (PayoutState.PENDING_APPROVAL.value, PayoutState.APPROVED.value)


def _week(now: datetime) -> str:
    year, week, _ = now.isocalendar()
    return f"{year}-{week:02d}"


def ask(payee: Payee, now: datetime) -> bool:
    """Have a payee without payment details asked for them; at most once a week, however much waits."""
    if payee.current_method is not None:
        return False
    return outbox.ask_mail(
        kind=NOTICE,
        reference_id=payee.id,
        organisation_id=payee.organisation_id,
        now=now,
        part=f":{_week(now)}",
    )


def ask_many(payees: Sequence[Payee], now: datetime) -> None:
    """The same for many at once, with the commit."""
    ids = sorted({payee.id for payee in payees})
    known = select(PayoutMethod.payee_id).where(
        among(PayoutMethod.payee_id, ids), PayoutMethod.is_current.is_(True)
    )
    have = {row.payee_id for row in plain(known)}
    for payee in {payee.id: payee for payee in payees if payee.id not in have}.values():
        outbox.add_at_commit(
            kind=NOTICE,
            reference_id=payee.id,
            dedupe_key=f"{NOTICE}:{payee.id}:{_week(now)}",
            to_queue=queue.MAIL,
            organisation_id=payee.organisation_id,
            now=now,
        )


def details_wanted(payee_id: int, *, desk: Desk) -> Email | None:
    """Ask for payment details; None when they are there by now, nothing waits, or nobody knows an address.

    Raises NotFound.
    """
    payee = db.session.get(Payee, payee_id)
    if payee is None:
        raise NotFound
    if payee.current_method is not None or payee.pending_change is not None:
        return None
    organisation = db.session.get_one(Organisation, payee.organisation_id)
    count, sums = _waiting(payee, organisation)
    if not count:
        return None
    letter = Letter(
        folder="details_wanted",
        organisation=organisation.name,
        reference=payee.reference,
        rows=(("Waits for you", sums), ("Payouts", f"{count:,}")),
        values={"amount": sums, "tell": recipients.tell(organisation)},
        link=f"{desk.public_url}/{payee.kind}/payment-details" if payee.user_id else "",
    )
    return to_payee(letter, payee, f"details_wanted:{payee.id}:{_week(desk.now)}", organisation, desk)


def _waiting(payee: Payee, organisation: Organisation) -> tuple[int, str]:
    """How many payouts wait, and their sums, one for each currency."""
    rows = db.session.execute(
        select(Payout.currency, func.count(), func.sum(Payout.amount_minor))
        .where(Payout.payee_id == payee.id, Payout.state.in_(_WAITING))
        .group_by(Payout.currency)
        .order_by(Payout.currency)
    ).all()
    said = [
        say_money(
            Money(int(minor), currency), home_currency=organisation.currency, locale=organisation.locale
        )
        for currency, _, minor in rows
    ]
    return sum(int(count) for _, count, _ in rows), " and ".join(said)
