"""What this program does by itself: months of rent are asked for, what was forgotten is put back, payouts are heard."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER
from webapp.kernel.clock import local_date
from webapp.notices import compose
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.rentals import charging, collecting, credits, reminders, sharing, tenant_mails
from webapp.programs.rentals.drafts import PROGRAM
from webapp.programs.rentals.models import DistributionShare, PaymentState, RentPayment
from webapp.runs import tasks

# Two in the morning of the organisation: before the offices open, after the day's ends.
DAILY = "0 2 * * *"
# People are written to when they are awake.
MORNING = "0 9 * * *"


class RentalsSubscriber:
    """A rejected or cancelled payout leaves its rent waiting until a person pays the share again or it is netted."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The share names its payout; there is nothing to add."""

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """It stays in the same payout, which is tried again, unless the rent went back meanwhile."""
        sharing.ask_after_failure(payout, now)

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """The payout is re-issued, unless the rent went back meanwhile."""
        sharing.ask_after_failure(payout, now)

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """Not offered again by itself: that would only be rejected again."""
        sharing.ask_after_failure(payout, now)
        sharing.block_share(payout, f"{payout.reference} was rejected: {payout.reason or 'no reason given'}")

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """As when it is rejected."""
        sharing.ask_after_failure(payout, now)
        sharing.block_share(payout, f"{payout.reference} was cancelled: {payout.reason or 'no reason given'}")


def charge_daily(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: ask for the rent of the months that are due to be asked for."""
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        charging.make_charges(
            organisation_id=organisation_id,
            today=local_date(now, organisation.timezone),
            actor=SCHEDULER,
            now=now,
        )
        with_credit = credits.leases_with(organisation_id=organisation_id)
    for lease_id in with_credit:
        # Each in its own: one lease's months are not waited for while another's payments hold the books.
        with transaction():
            credits.use(lease_id=lease_id, actor=SCHEDULER, now=now)


def remind_daily(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: tenants are reminded of rents whose stage has come."""
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        reminders.remind(
            organisation_id=organisation_id, today=local_date(now, organisation.timezone), now=now
        )


def share_waiting(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: rents that could not be shared out or paid when they came are tried again."""
    with transaction():
        waiting = db.session.scalars(
            select(RentPayment.id)
            .outerjoin(RentPayment.distribution)
            .where(
                RentPayment.organisation_id == organisation_id,
                RentPayment.state == PaymentState.COMPLETED.value,
                RentPayment.distribution == None,  # noqa: E711 - SQL's IS NULL
            )
            .limit(500)
        ).all()
        unpaid = db.session.scalars(
            select(RentPayment.id)
            .join(RentPayment.distribution)
            .join(DistributionShare)
            .where(
                RentPayment.organisation_id == organisation_id,
                DistributionShare.payout_id.is_(None),
                DistributionShare.offer == "open",
                DistributionShare.amount_minor > DistributionShare.netted_minor,
            )
            .distinct()
            .limit(500)
        ).all()
    for payment_id in dict.fromkeys([*waiting, *unpaid]):
        collecting.share(payment_id=payment_id, clock=lambda: now)


def recover(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task: what a dead worker left behind."""
    collecting.recover(clock=lambda: now)


def register() -> None:
    """Tell the engine what this program does; once, at start-up."""
    tasks.register_task("rentals.charges", charge_daily, cron=DAILY, per_organisation=True, program=PROGRAM)
    tasks.register_task(
        "rentals.reminders", remind_daily, cron=MORNING, per_organisation=True, program=PROGRAM
    )
    tasks.register_task("rentals.share", share_waiting, every=600, per_organisation=True, program=PROGRAM)
    tasks.register_task("rentals.recover", recover, every=60)
    payouts.register_subscriber(PROGRAM, RentalsSubscriber())
    compose.register_gross_label(PROGRAM, "Your part of the rent")
    tenant_mails.register()


# Importing this module is enough, as with the handlers of the rooms below.
register()
