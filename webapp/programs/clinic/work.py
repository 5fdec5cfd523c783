"""What this program does by itself: payouts are heard, schedules run, the ledger is compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import select, text, update

from webapp.database import db, transaction
from webapp.kernel.actor import SCHEDULER, WORKER, Actor
from webapp.kernel.clock import local_date, month_bounds
from webapp.kernel.errors import PaydeskError
from webapp.kernel.money import Money
from webapp.ledger.check import Finding, position_checks
from webapp.payouts import service as payouts
from webapp.payouts import wallet
from webapp.payouts.models import Payout
from webapp.payouts.policy import WALLET
from webapp.people.models import Organisation
from webapp.programs.clinic import bulk, deductions, withdrawing
from webapp.programs.clinic.drafts import PROGRAM
from webapp.programs.clinic.models import ClinicPayout, ClinicTransaction, Every, Invoice
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import TransactionState
from webapp.runs import service as runs
from webapp.runs import tasks

log = structlog.get_logger()

#: The end of the organisation's day; a scheduler that was away replays each day with its own date.
END_OF_DAY = "50 23 * * *"


class ClinicSubscriber:
    """Keeps the movement that people see in step with its payout, and gives back what will not be paid."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The money is in the wallet, or at the bank."""
        _move(payout, TransactionState.COMPLETED, now)

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """A withdrawal stays in its payout, which is tried again or cancelled."""
        _move(payout, TransactionState.FAILED, now)

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """The bank sent a withdrawal back: it is re-issued or cancelled."""
        _move(payout, TransactionState.FAILED, now)

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """A withdrawal's money is in the wallet again; an invoice's payout is not offered again by itself."""
        _drop(payout, "rejected", now)

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """As when it is rejected."""
        _drop(payout, "cancelled", now)


def _find(payout: Payout) -> ClinicTransaction | None:
    return db.session.scalar(select(ClinicTransaction).where(ClinicTransaction.payout_id == payout.id))


def _move(payout: Payout, state: TransactionState, now: datetime) -> None:
    row = _find(payout)
    if row is not None:
        row.state = state.value
        row.completed_at = now if state is TransactionState.COMPLETED else None
        db.session.flush()


def _drop(payout: Payout, word: str, now: datetime) -> None:
    row = _find(payout)
    if row is None:
        return
    _move(payout, TransactionState.CANCELLED, now)
    if payout.rail != WALLET or row.invoice_id is None:
        withdrawing.give_back(row, payout, WORKER, now)
        return
    db.session.execute(
        update(ClinicPayout)
        .where(ClinicPayout.payout_id == payout.id, ClinicPayout.released_at.is_(None))
        .values(released_at=now)
        .execution_options(synchronize_session="fetch")
    )
    why = f"{payout.reference} was {word}: {payout.reason or 'no reason given'}"[:300]
    db.session.execute(
        update(Invoice)
        .where(Invoice.id == row.invoice_id)
        .values(offer="blocked", offer_reason=why)
        .execution_options(synchronize_session="fetch")
    )


def is_due(every: str, day: date, week_start: int) -> bool:
    """Whether a schedule runs at the end of a day."""
    if every == Every.DAY:
        return True
    if every == Every.WEEK:
        return (day + timedelta(days=1)).weekday() == week_start
    return every == Every.MONTH and day == month_bounds(day)[1]


def run_schedules(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """The scheduler's task at the end of a day: deductions, payouts of paid invoices, withdrawals."""
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        day, week_start = local_date(due_at, organisation.timezone), organisation.week_start
        settings = settings_of(organisation_id)
        every = settings.payouts_every, settings.withdrawals_every
        charged = list(deductions.with_periods_due(organisation_id, day))
    for deduction_id in charged:
        with transaction():
            deductions.charge_due(
                organisation_id=organisation_id,
                deduction_id=deduction_id,
                today=day,
                actor=SCHEDULER,
                now=now,
            )
    if is_due(every[0], day, week_start):
        pay_due(organisation_id, day, SCHEDULER, now)
    if is_due(every[1], day, week_start):
        for payee_id in withdrawing.with_money(organisation_id):
            _withdraw(organisation_id, payee_id, day, now)


def _withdraw(organisation_id: int, payee_id: int, day: date, now: datetime) -> None:
    """One practitioner's withdrawal; what stands in the way of one does not stop the others."""
    try:
        with transaction():
            withdrawing.withdraw_all(
                organisation_id=organisation_id, payee_id=payee_id, day=day, actor=SCHEDULER, now=now
            )
    except PaydeskError as refused:
        log.info(
            "clinic.no_withdrawal", organisation_id=organisation_id, payee_id=payee_id, why=refused.message
        )


def pay_due(organisation_id: int, day: date, actor: Actor, now: datetime) -> None:
    """Make a run of the invoices that can be paid out, and start it; none when there are none."""
    with transaction():
        numbers = bulk.due_invoices(organisation_id)
        if not numbers:
            return
        run = bulk.draft_run(
            organisation_id=organisation_id,
            invoice_ids=numbers,
            title=f"Payouts of {day.isoformat()}",
            actor=actor,
            now=now,
        )
        runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)


_DEBTS = text("""
    SELECT y.reference, x.currency, sum(x.owed) AS owed, sum(x.booked) AS booked FROM (
        SELECT d.payee_id, d.currency, d.amount_minor - d.set_off_minor AS owed, 0 AS booked FROM clinic_debts d
        UNION ALL
        SELECT a.payee_id, a.currency, 0 AS owed, a.balance_minor AS booked FROM accounts a
        WHERE a.code LIKE 'receivable:%'
    ) x JOIN payees y ON y.id = x.payee_id
    WHERE y.kind = 'practitioner'
        AND (CAST(:organisation AS BIGINT) IS NULL OR y.organisation_id = CAST(:organisation AS BIGINT))
    GROUP BY y.id, y.reference, x.currency HAVING sum(x.owed) <> sum(x.booked) ORDER BY y.id
""")
_HELD = text("""
    SELECT y.reference, x.currency, sum(x.asked) AS asked, sum(x.booked) AS booked FROM (
        SELECT p.payee_id, p.currency, p.amount_minor AS asked, 0 AS booked FROM payouts p
        WHERE p.program = 'clinic' AND p.rail <> 'wallet' AND p.state = 'pending_approval'
        UNION ALL
        SELECT a.payee_id, a.currency, 0 AS asked, a.balance_minor AS booked FROM accounts a
        WHERE a.code LIKE 'held:%'
    ) x JOIN payees y ON y.id = x.payee_id
    WHERE y.kind = 'practitioner'
        AND (CAST(:organisation AS BIGINT) IS NULL OR y.organisation_id = CAST(:organisation AS BIGINT))
    GROUP BY y.id, y.reference, x.currency HAVING sum(x.asked) <> sum(x.booked) ORDER BY y.id
""")


def positions(organisation_id: int | None) -> Iterator[Finding]:
    """One finding per practitioner whose debts, or whose money held for withdrawals, differ from the ledger's."""
    for rule, statement, word in (
        ("practitioners' debts", _DEBTS, "owed"),
        ("withdrawals held", _HELD, "asked"),
    ):
        for row in db.session.execute(statement, {"organisation": organisation_id}).mappings():
            ours, booked = (Money(int(row[name]), row["currency"]).plain for name in (word, "booked"))
            message = f"The records say {ours} {row['currency']}, the ledger has {booked}"
            yield Finding(rule, row["reference"], message)


def register() -> None:
    """Tell the engine what this program does; once, at start-up."""
    tasks.register_task(
        "clinic.end_of_day", run_schedules, cron=END_OF_DAY, per_organisation=True, program=PROGRAM
    )
    payouts.register_subscriber(PROGRAM, ClinicSubscriber())
    wallet.register_set_off(PROGRAM, deductions.set_off)
    if positions not in position_checks:
        position_checks.append(positions)


# Importing this module is enough, as with the handlers of the rooms below.
register()
