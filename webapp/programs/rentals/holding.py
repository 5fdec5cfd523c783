"""What of a rent is still held for its owners when it goes back to the tenant: kept, taken back, set off.

Payment, payouts, shares and debts are locked in this order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select

from webapp.database import among, db, savepoint
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import PaydeskError
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation
from webapp.programs.rentals import entries
from webapp.programs.rentals.models import (
    DistributionShare,
    OwnerDebt,
    RentPayment,
    RentReturn,
)

# Payouts of which nothing is under way: taken back when the rent goes back, instead of being owed.
_NOT_SENT = (
    PayoutState.PENDING_APPROVAL,
    PayoutState.APPROVED,
    PayoutState.FAILED,
    PayoutState.RETRY_SCHEDULED,
    PayoutState.REVERSED,
)
GOING_BACK = "A refund to the tenant is under way."


def _returns_of(payment: RentPayment) -> Any:
    return select(RentReturn.id).where(RentReturn.payment_id == payment.id)


def is_going_back(payment_id: int) -> bool:
    """Whether a refund of a rent is ordered and its end is not known: nothing of the rent leaves meanwhile."""
    pending = exists().where(RentReturn.payment_id == payment_id, RentReturn.state == "pending")
    return bool(db.session.scalar(select(pending)))


def hold_back(payment: RentPayment, actor: Actor, now: datetime) -> None:
    """Keep what has not left while a refund is under way: unsent payouts are taken back, every share waits."""
    take_back(payment, f"The rent goes back to the tenant (refund of {payment.reference}).", actor, now)
    for share in payment.distribution.shares if payment.distribution else ():
        if share.payout_id is None and share.offer == "open" and share.amount_minor > share.netted_minor:
            share.waits_for = GOING_BACK
    db.session.flush()


def take_back(
    payment: RentPayment, why: str, actor: Actor, now: datetime, only: set[int] | None = None
) -> None:
    """Cancel the payouts of a rent of which surely nothing is with the bank; their shares are held again.

    One that cannot be cancelled is put on hold. One that is on hold stays there, as somebody must look at it first:
    after a restore it may have been paid, and made anew it would be paid twice. `only`: payees to whom it is limited.
    """
    wanted = {
        share.payout_id: share
        for share in (payment.distribution.shares if payment.distribution else ())
        if share.payout_id is not None and (only is None or share.payee_id in only)
    }
    for payout in _lock_payouts(wanted):
        share = wanted[payout.id]
        is_sending = payout.state == PayoutState.PROCESSING
        if payout.state not in _NOT_SENT and not is_sending:
            continue
        same: dict[str, Any] = {
            "organisation_id": payment.organisation_id,
            "reference": payout.reference,
            "reason": why,
            "actor": actor,
            "now": now,
        }
        if is_sending:
            # Only while it is certain that nothing of it can be with the bank; else it is owed.
            with contextlib.suppress(PaydeskError), savepoint():
                payouts.withdraw(**same)
                share.offer, share.waits_for = "open", ""
            continue
        if payout.is_held:
            payouts.hold_also(**same)
            continue
        try:
            with savepoint():
                payouts.cancel(**same)
            share.offer, share.waits_for = "open", ""
        except PaydeskError:
            with contextlib.suppress(PaydeskError), savepoint():
                payouts.hold(**same)
    db.session.flush()


def _lock_payouts(ids: Collection[int]) -> Sequence[Payout]:
    """All at once, in the order that everybody keeps, before anything is booked of one of them."""
    return db.session.scalars(
        select(Payout)
        .where(among(Payout.id, ids))
        .order_by(Payout.id)
        .with_for_update(of=Payout)
        .execution_options(populate_existing=True)
    ).all()


def _lock_shares(payment: RentPayment) -> Sequence[DistributionShare]:
    """The shares as they are now: a person may have dropped a payout while its row was waited for."""
    if payment.distribution is None:
        return []
    return db.session.scalars(
        select(DistributionShare)
        .where(DistributionShare.distribution_id == payment.distribution.id)
        .order_by(DistributionShare.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def unsent_of(share: DistributionShare, payment: RentPayment) -> int:
    """What of a share went back to the tenant before it was paid out, in minor units."""
    found = db.session.scalar(
        select(func.sum(OwnerDebt.unsent_minor)).where(
            OwnerDebt.return_id.in_(_returns_of(payment)), OwnerDebt.payee_id == share.payee_id
        )
    )
    return int(found or 0)


def set_off(payment: RentPayment, actor: Actor, now: datetime) -> None:
    """What owners owe for this rent is taken from what of it is still held for them, whatever it waits for."""
    for share in _lock_shares(payment):
        if share.payout_id is None and share.amount_minor > share.netted_minor:
            net(share, payment, actor, now, is_own=True)
            if share.amount_minor == share.netted_minor:
                share.offer, share.waits_for = "open", ""
    db.session.flush()


def settle_returned(payment: RentPayment, actor: Actor, now: datetime) -> None:
    """No refund is under way any more; a payout that was then, and came to nothing, is not sent where it is owed."""
    for share in payment.distribution.shares if payment.distribution else ():
        if share.waits_for == GOING_BACK:
            share.waits_for = ""
    if not payment.returned_minor:
        return
    owing = select(OwnerDebt.payee_id).where(
        OwnerDebt.return_id.in_(_returns_of(payment)), OwnerDebt.netted_minor < OwnerDebt.amount_minor
    )
    why = f"The rent {payment.reference} went back to the tenant."
    take_back(payment, why, actor, now, only=set(db.session.scalars(owing)))
    set_off(payment, actor, now)


def net(
    share: DistributionShare, payment: RentPayment, actor: Actor, now: datetime, *, is_own: bool = False
) -> None:
    """Take what the owner owes from their share, oldest debt first; `is_own`: only what this rent left behind."""
    query = select(OwnerDebt).where(
        OwnerDebt.organisation_id == payment.organisation_id,
        OwnerDebt.payee_id == share.payee_id,
        OwnerDebt.currency == payment.currency,
        OwnerDebt.netted_minor < OwnerDebt.amount_minor,
    )
    if is_own:
        query = query.where(OwnerDebt.return_id.in_(_returns_of(payment)))
    debts = db.session.scalars(
        query.order_by(OwnerDebt.id).with_for_update().execution_options(populate_existing=True)
    ).all()
    on = local_date(now, db.session.get_one(Organisation, payment.organisation_id).timezone)
    for debt in debts:
        amount = min(debt.amount_minor - debt.netted_minor, share.amount_minor - share.netted_minor)
        if amount <= 0:
            break
        key = f"{share.id}:{debt.id}:{debt.netted_minor}"
        debt.netted_minor += amount
        if is_own:
            debt.unsent_minor += amount
        share.netted_minor += amount
        entries.netted(payment, share.payee, amount, key, on, actor, now)
    db.session.flush()
