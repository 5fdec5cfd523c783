"""What makes a driver's balance grow beside earnings: payments, credits, deposits given back, charges taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from webapp.database import among, ask, db, update_many
from webapp.kernel.actor import Actor
from webapp.kernel.checks import check_amount, check_known, need
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.ledger.models import Account
from webapp.ledger.posting import AccountKey, EntryDraft
from webapp.people.models import Payee
from webapp.people.numbers import next_number
from webapp.programs.repairs import entries, settings, trail
from webapp.programs.repairs.books import Adjustment, Allocation, Charge, Receipt
from webapp.programs.repairs.models import Instalment, Repair
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.states import (
    AdjustmentKind,
    Category,
    InstalmentState,
    PaymentMethod,
    RepairState,
)


def covered(instalment_ids: Iterable[int]) -> None:
    """Instalments whose charges are covered are paid, and repairs all of whose instalments are, closed."""
    ids = sorted(set(instalment_ids))
    if not ids:
        return
    session = db.session()
    session.flush()
    paid = session.scalars(
        select(Instalment.id)
        .join(Charge, Charge.instalment_id == Instalment.id)
        .where(
            among(Instalment.id, ids),
            Instalment.state == InstalmentState.POSTED.value,
            Charge.paid_minor + Charge.credited_minor >= Charge.amount_minor,
        )
    ).all()
    if not paid:
        return
    session.execute(
        update(Instalment)
        .where(among(Instalment.id, paid))
        .values(state=InstalmentState.PAID.value)
        .execution_options(synchronize_session="fetch")
    )
    repairs = session.scalars(select(Instalment.repair_id).where(among(Instalment.id, paid)).distinct()).all()
    is_left = (
        select(Instalment.id)
        .where(
            Instalment.repair_id == Repair.id,
            Instalment.state.in_([InstalmentState.SCHEDULED.value, InstalmentState.POSTED.value]),
        )
        .exists()
    )
    session.execute(
        update(Repair)
        .where(
            among(Repair.id, [each for each in repairs if each is not None]),
            Repair.state.in_([RepairState.OPEN.value, RepairState.HOLD.value]),
            ~is_left,
        )
        .values(state=RepairState.CLOSED.value, version=Repair.version + 1)
        .execution_options(synchronize_session="fetch")
    )


def count_on_repairs(charges: Iterable[tuple[Charge, int]], column: str) -> None:
    """Add what was covered of instalments' charges to their repairs; `column` is paid_minor or credited_minor."""
    by_instalment: dict[int, int] = {}
    for charge, amount in charges:
        if charge.instalment_id is not None and charge.category == Category.REPAIRS:
            by_instalment[charge.instalment_id] = by_instalment.get(charge.instalment_id, 0) + amount
    if not by_instalment:
        return
    sums: dict[int, int] = {}
    for row in ask(
        select(Instalment.id, Instalment.repair_id).where(among(Instalment.id, list(by_instalment)))
    ):
        if row.repair_id is not None:
            sums[row.repair_id] = sums.get(row.repair_id, 0) + by_instalment[row.id]
    found = ask(select(Repair.id, getattr(Repair, column)).where(among(Repair.id, list(sums))))
    counted = {repair_id: before + sums[repair_id] for repair_id, before in found}
    session = db.session()
    update_many(session, Repair, [{"id": key, column: amount} for key, amount in counted.items()])
    for repair_id, amount in counted.items():
        loaded = session.identity_map.get(identity_key(Repair, repair_id))
        if loaded is not None:
            set_committed_value(loaded, column, amount)


def open_day(organisation_id: int, payee_id: int, today: date) -> date:
    """Today, or the last day of the driver's first week that has no receipt yet, when that is earlier."""
    last = db.session.scalar(
        select(Receipt.week_start)
        .where(
            Receipt.organisation_id == organisation_id, Receipt.payee_id == payee_id, Receipt.revision == 1
        )
        .order_by(Receipt.id.desc())
        .limit(1)
    )
    return today if last is None else min(today, Week(last + timedelta(days=7)).end)


def adjustment(
    payee: Payee,
    kind: AdjustmentKind,
    amount_minor: int,
    currency: str,
    description: str,
    on: date,
    actor: Actor,
    now: datetime,
    *,
    parts: Sequence[tuple[Charge, int]] = (),
    method: str = "",
    payout_id: int | None = None,
    key: str | None = None,
) -> Adjustment:
    """Store an adjustment of a locked driver and what it covers; the caller books it. Taxes are the caller's check."""
    row = Adjustment(
        organisation_id=payee.organisation_id,
        reference=next_number(payee.organisation_id, "AD", 6),
        payee_id=payee.id,
        kind=kind.value,
        method=method,
        description=description[:300],
        currency=currency,
        amount_minor=amount_minor,
        applied_minor=sum(amount for _, amount in parts),
        happened_on=on,
        payout_id=payout_id,
        idempotency_key=key,
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        created_at=now,
    )
    db.session.add(row)
    db.session.flush()
    column = "paid_minor" if kind is AdjustmentKind.PAYMENT else "credited_minor"
    for charge, amount in parts:
        setattr(charge, column, getattr(charge, column) + amount)
        db.session.add(
            Allocation(
                organisation_id=payee.organisation_id,
                charge_id=charge.id,
                adjustment_id=row.id,
                currency=currency,
                amount_minor=amount,
                created_at=now,
            )
        )
    count_on_repairs(parts, column)
    covered(charge.instalment_id for charge, _ in parts if charge.instalment_id is not None)
    db.session.flush()
    changes = {"amount": [None, Money(amount_minor, currency).plain], "applied": [None, row.applied_minor]}
    trail.record("adjustment", kind.value, row, f"{row.reference} {payee.name}", actor, now, changes)
    return row


def _charges(organisation_id: int, payee_id: int, ids: Iterable[int]) -> dict[int, Charge]:
    wanted = list(ids)
    rows = db.session.scalars(
        select(Charge)
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee_id,
            among(Charge.id, wanted),
        )
        .execution_options(populate_existing=True)
    ).all()
    if len(rows) != len(set(wanted)):
        raise NotFound("There is no such charge of this driver.")
    return {row.id: row for row in rows}


def record_payment(
    *,
    organisation_id: int,
    payee_id: int,
    amount_minor: int,
    method: str,
    received_on: date,
    charges: Sequence[tuple[int, int]] = (),
    note: str = "",
    actor: Actor,
    now: datetime,
    idempotency_key: str | None = None,
) -> Adjustment:
    """A driver pays between the receipts: (charge id, amount) for the debts chosen, never for taxes.

    What is more goes to open lease charges, the oldest first, or is kept as a credit, as the settings say. The same
    key returns what is there. Raises NotFound, Invalid with the field, Conflict.
    """
    check_amount("amount", amount_minor)
    check_known("method", method, PaymentMethod)
    payee = trail.lock_drivers(organisation_id, [payee_id])[payee_id]
    key = None if idempotency_key is None else f"payment:{idempotency_key}"
    if existing := _made(payee, key, amount_minor):
        return existing
    today = trail.today(organisation_id, now)
    if received_on > today:
        raise Invalid("received_on", "This day is in the future.", today.isoformat())
    currency = trail.organisation(organisation_id).currency
    parts = _chosen(organisation_id, payee_id, amount_minor, charges)
    parts += _lease_first(organisation_id, payee_id, amount_minor, parts)
    if any(received_on < charge.charged_on for charge, _ in parts):
        raise Invalid("received_on", "The payment is earlier than a charge it is for.", today.isoformat())
    words = note.strip() or f"Paid by {PaymentMethod(method).label.lower()}"
    row = adjustment(
        payee, AdjustmentKind.PAYMENT, amount_minor, currency, words, received_on, actor, now,
        parts=parts, method=method, key=key,
    )  # fmt: skip
    entries.post(organisation_id, [entries.adjusted(row, payee)], actor, now)
    return row


def _made(payee: Payee, key: str | None, amount_minor: int) -> Adjustment | None:
    """What was made with a key. Raises Conflict when it was for another driver or amount."""
    if key is None:
        return None
    found = db.session.scalar(
        select(Adjustment).where(
            Adjustment.organisation_id == payee.organisation_id, Adjustment.idempotency_key == key
        )
    )
    if found is not None and (found.payee_id, found.amount_minor) != (payee.id, amount_minor):
        raise Conflict(f"{found.reference} was made with the same key for something else. Nothing was done.")
    return found


def _chosen(
    organisation_id: int, payee_id: int, amount_minor: int, charges: Sequence[tuple[int, int]]
) -> list[tuple[Charge, int]]:
    rows = _charges(organisation_id, payee_id, [charge_id for charge_id, _ in charges])
    if len(rows) != len(charges):
        raise Invalid("charges", "A charge is named twice.")
    if sum(amount for _, amount in charges) > amount_minor:
        raise Invalid("charges", "The debts chosen are more than the payment.", "100.00")
    for charge_id, amount in charges:
        row = rows[charge_id]
        if row.category == Category.TAXES:
            raise Invalid("charges", "Taxes are covered by earnings alone; choose other debts.")
        left = Money(row.open_minor, row.currency)
        if not 0 < amount <= row.open_minor:
            raise Invalid("charges", f"Of {row.description} {left.format()} is open.", left.plain)
    return [(rows[charge_id], amount) for charge_id, amount in charges]


def _lease_first(
    organisation_id: int, payee_id: int, amount_minor: int, parts: Sequence[tuple[Charge, int]]
) -> list[tuple[Charge, int]]:
    """What is too much, for open lease charges; nothing where the settings keep it as a credit."""
    left = amount_minor - sum(amount for _, amount in parts)
    if left <= 0 or settings.settings_of(organisation_id).excess_to != "lease":
        return []
    chosen = {charge.id for charge, _ in parts}
    rows = db.session.scalars(
        select(Charge)
        .where(
            Charge.organisation_id == organisation_id,
            Charge.payee_id == payee_id,
            Charge.category == Category.LEASE.value,
            Charge.is_disputed.is_(False),
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
        .order_by(Charge.charged_on, Charge.id)
        .execution_options(populate_existing=True)
    ).all()
    more = []
    for row in rows:
        amount = min(left, row.open_minor)
        if row.id not in chosen and amount > 0:
            more.append((row, amount))
            left -= amount
    return more


def give_credit(
    *,
    organisation_id: int,
    payee_id: int,
    amount_minor: int,
    reason: str,
    actor: Actor,
    now: datetime,
    idempotency_key: str | None = None,
) -> Adjustment:
    """A credit on the driver's next receipt, at the organisation's expense. The same key returns what is there.

    Raises NotFound, Invalid, Conflict.
    """
    check_amount("amount", amount_minor)
    said = need("reason", reason, 300, "what the credit is for", "Waited for the workshop")
    payee = trail.lock_drivers(organisation_id, [payee_id])[payee_id]
    key = None if idempotency_key is None else f"credit:{idempotency_key}"
    if existing := _made(payee, key, amount_minor):
        return existing
    return _credit(payee, AdjustmentKind.CREDIT, amount_minor, said, actor, now, key)


def return_deposit(
    *,
    organisation_id: int,
    payee_id: int,
    amount_minor: int,
    actor: Actor,
    now: datetime,
    idempotency_key: str | None = None,
) -> Adjustment:
    """Give a deposit back, by the next receipt: debts come off it first. The same key returns what is there.

    Raises NotFound, Conflict, or Invalid above what is there.
    """
    check_amount("amount", amount_minor)
    payee = trail.lock_drivers(organisation_id, [payee_id])[payee_id]
    key = None if idempotency_key is None else f"deposit:{idempotency_key}"
    if existing := _made(payee, key, amount_minor):
        return existing
    there = deposit_of(payee)
    if amount_minor > there.amount:
        raise Invalid("amount", f"The deposit is {there.format()}.", there.plain)
    return _credit(payee, AdjustmentKind.DEPOSIT, amount_minor, "Deposit given back", actor, now, key)


def deposit_of(payee: Payee) -> Money:
    """What a driver has paid in as a deposit, less what of it is charged and not paid yet."""
    currency = trail.organisation(payee.organisation_id).currency
    booked = db.session.scalar(
        select(Account.balance_minor).where(
            Account.organisation_id == payee.organisation_id,
            Account.code == f"deposit:{payee.reference}",
            Account.currency == currency,
        )
    )
    unpaid = db.session.scalars(
        select(Charge).where(
            Charge.payee_id == payee.id,
            Charge.category == Category.DEPOSIT.value,
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
    ).all()
    return Money((booked or 0) - sum(row.open_minor for row in unpaid), currency)


def _credit(
    payee: Payee,
    kind: AdjustmentKind,
    amount_minor: int,
    words: str,
    actor: Actor,
    now: datetime,
    key: str | None = None,
) -> Adjustment:
    organisation_id = payee.organisation_id
    on = open_day(organisation_id, payee.id, trail.today(organisation_id, now))
    currency = trail.organisation(organisation_id).currency
    row = adjustment(payee, kind, amount_minor, currency, words, on, actor, now, key=key)
    entries.post(organisation_id, [entries.adjusted(row, payee)], actor, now)
    return row


def take_back(
    payee: Payee, charges: Sequence[Charge], reason: str, actor: Actor, now: datetime, *, is_reversed: bool
) -> list[Adjustment]:
    """Charges of a locked driver are taken back, also what was paid of them, or what is open is written off."""
    today = trail.today(payee.organisation_id, now)
    kind = AdjustmentKind.REVERSED if is_reversed else AdjustmentKind.WRITTEN_OFF
    made: list[Adjustment] = []
    drafts: list[EntryDraft] = []
    for charge in charges:
        open_minor = charge.open_minor
        amount = charge.amount_minor - charge.credited_minor if is_reversed else open_minor
        if amount <= 0:
            continue
        parts = [(charge, open_minor)] if open_minor else []
        row = adjustment(
            payee, kind, amount, charge.currency, f"{charge.description}: {reason}", max(today, charge.charged_on),
            actor, now, parts=parts,
        )  # fmt: skip
        source: list[tuple[AccountKey, int]] = []
        if is_reversed:
            source = [(entries.counterpart(charge.category, payee), amount)]
        drafts.append(entries.adjusted(row, payee, source))
        made.append(row)
    if drafts:
        entries.post(payee.organisation_id, drafts, actor, now)
    return made
