"""What practitioners owe: recurring deductions, and setting debts off against the payouts that come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import add_months
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money
from webapp.ledger.posting import EntryDraft
from webapp.payouts.wallet import WalletPayout
from webapp.people.models import Organisation
from webapp.programs.clinic import entries, trail, wallets
from webapp.programs.clinic.drafts import DeductionDraft
from webapp.programs.clinic.models import DebtSetOff, Deduction, DeductionCharge, PractitionerDebt
from webapp.programs.clinic.states import Method, TransactionKind

#: Periods that one look catches up on; the rest follows with the next.
MOST_PERIODS = 60


def add_deduction(*, organisation_id: int, draft: DeductionDraft, actor: Actor, now: datetime) -> Deduction:
    """Something a practitioner pays every week or month from a day on. Raises NotFound, Invalid."""
    draft.check()
    payee = wallets.get_practitioner(organisation_id, draft.payee_id)
    row = Deduction(
        organisation_id=organisation_id,
        payee_id=payee.id,
        name=" ".join(draft.name.split()),
        currency=db.session.get_one(Organisation, organisation_id).currency,
        amount_minor=draft.amount_minor,
        every=draft.every,
        starts_on=draft.starts_on,
        ends_on=draft.ends_on,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    changes = {"amount": [None, Money(row.amount_minor, row.currency).plain], "every": [None, row.every]}
    trail.record("deduction", "added", row, f"{payee.name}: {row.name}", actor, now, changes)
    return row


def end_deduction(
    *,
    organisation_id: int,
    deduction_id: int,
    last_day: date,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> Deduction:
    """No period that begins after the day is charged. Raises NotFound, Invalid, Conflict, StaleVersion."""
    row = lock_row(Deduction, Deduction.organisation_id == organisation_id, Deduction.id == deduction_id)
    trail.check_version(row, row.name, expected_version)
    if last_day < row.starts_on - timedelta(days=1):
        raise Invalid("ends_on", "It ends before it begins.", row.starts_on.isoformat())
    if row.ends_on is not None and row.ends_on < last_day:
        raise Conflict(f"{row.name} ends on {row.ends_on} already.")
    before = row.ends_on
    # One that never begins ends on its first day, and is not charged then either.
    row.ends_on = max(last_day, row.starts_on)
    row.version += 1
    db.session.flush()
    changes = {"ends on": [before.isoformat() if before else None, row.ends_on.isoformat()]}
    trail.record("deduction", "ended", row, f"{row.payee.name}: {row.name}", actor, now, changes)
    return row


def periods(row: Deduction, today: date) -> Iterable[tuple[date, date]]:
    """First and last day of every period that has begun, from the first one."""
    for n in range(10_000):
        start, following = _nth(row, n), _nth(row, n + 1)
        if start > today or (row.ends_on is not None and start > row.ends_on):
            return
        yield start, following - timedelta(days=1)


def _nth(row: Deduction, n: int) -> date:
    if row.every == "week":
        return row.starts_on + timedelta(weeks=n)
    first = add_months(row.starts_on, n)
    # The 31st is the last day of a shorter month.
    last = add_months(first, 1) - timedelta(days=1)
    return first.replace(day=min(row.starts_on.day, last.day))


def with_periods_due(organisation_id: int, today: date) -> Sequence[int]:
    """The deductions that have begun; most of their periods are charged already."""
    return db.session.scalars(
        select(Deduction.id)
        .where(Deduction.organisation_id == organisation_id, Deduction.starts_on <= today)
        .order_by(Deduction.id)
    ).all()


def charge_due(
    *, organisation_id: int, deduction_id: int, today: date, actor: Actor, now: datetime
) -> list[DeductionCharge]:
    """Charge every period of a deduction that has begun and was not charged yet, each once and with its own day.

    One deduction in a transaction: wallets of several practitioners are not locked one after the other.
    """
    row = lock_row(Deduction, Deduction.organisation_id == organisation_id, Deduction.id == deduction_id)
    done = set(
        db.session.scalars(select(DeductionCharge.period_start).where(DeductionCharge.deduction_id == row.id))
    )
    open_ones = [period for period in periods(row, today) if period[0] not in done]
    return [_charge(row, start, end, actor, now) for start, end in open_ones[:MOST_PERIODS]]


def _charge(row: Deduction, start: date, end: date, actor: Actor, now: datetime) -> DeductionCharge:
    payee = row.payee
    transaction = wallets.new_transaction(
        organisation_id=row.organisation_id,
        kind=TransactionKind.DEDUCTION,
        method=Method.INTERNAL.value,
        currency=row.currency,
        amount_minor=row.amount_minor,
        happened_on=start,
        payee_id=payee.id,
        from_wallet=wallets.code_of(payee),
        note=row.name,
        idempotency_key=f"deduction:{row.id}:{start.isoformat()}",
        actor=actor,
        now=now,
    )
    codes = (wallets.code_of(payee), entries.owed_by(payee).code, entries.FACILITY_FEE.code)
    there = wallets.lock_balances(row.organisation_id, row.currency, codes)[wallets.code_of(payee)]
    taken = min(there, row.amount_minor)
    charge = DeductionCharge(
        organisation_id=row.organisation_id,
        deduction_id=row.id,
        payee_id=payee.id,
        period_start=start,
        period_end=end,
        currency=row.currency,
        amount_minor=row.amount_minor,
        taken_minor=taken,
        carried_minor=row.amount_minor - taken,
        created_at=now,
    )
    db.session.add(charge)
    db.session.flush()
    if charge.carried_minor:
        db.session.add(
            PractitionerDebt(
                organisation_id=row.organisation_id,
                payee_id=payee.id,
                charge_id=charge.id,
                description=f"{row.name}, {start.isoformat()}",
                currency=row.currency,
                amount_minor=charge.carried_minor,
                created_at=now,
            )
        )
    changes = {"taken": [None, taken], "carried": [None, charge.carried_minor]}
    trail.record("deduction", "charged", row, transaction.reference, actor, now, changes)
    entries.charged(charge, payee, row.name, start, actor, now)
    return charge


def lock_debts(payee_ids: Iterable[int]) -> None:
    """Lock what practitioners owe, before any wallet: several payouts of one invoice lock it in one order."""
    db.session.execute(
        select(PractitionerDebt.id)
        .where(
            PractitionerDebt.payee_id.in_(list(payee_ids)),
            PractitionerDebt.set_off_minor < PractitionerDebt.amount_minor,
        )
        .order_by(PractitionerDebt.id)
        .with_for_update()
    ).all()


def set_off(payouts: Sequence[WalletPayout], on: date, actor: Actor, now: datetime) -> list[EntryDraft]:
    """What practitioners owe is taken from payouts into their wallets, the oldest debt first, at most the payout."""
    debts = db.session.scalars(
        select(PractitionerDebt)
        .where(
            PractitionerDebt.payee_id.in_({payout.payee.id for payout in payouts}),
            PractitionerDebt.set_off_minor < PractitionerDebt.amount_minor,
        )
        .order_by(PractitionerDebt.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    made = []
    for payout in payouts if debts else ():
        left = payout.amount_minor
        for debt in debts:
            if debt.payee_id != payout.payee.id or debt.currency != payout.currency:
                continue
            amount = min(left, debt.amount_minor - debt.set_off_minor)
            if amount <= 0:
                continue
            debt.set_off_minor += amount
            left -= amount
            row = DebtSetOff(
                organisation_id=payout.organisation_id,
                debt_id=debt.id,
                payout_id=payout.id,
                currency=debt.currency,
                amount_minor=amount,
                created_at=now,
            )
            db.session.add(row)
            made.append(entries.set_off(row, payout.payee, debt.description, payout.reference, on))
    db.session.flush()
    return made
