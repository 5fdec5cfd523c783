"""The weekly receipts of drivers: what is counted, which debts earnings cover, what is paid out, what is carried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database import among, db, insert_many, update_many
from webapp.kernel.actor import Actor
from webapp.kernel.ids import digest
from webapp.ledger.posting import EntryDraft
from webapp.payouts import policies
from webapp.people.models import Payee
from webapp.people.numbers import next_numbers
from webapp.programs.repairs import crediting, entries, paying, settings, trail
from webapp.programs.repairs.books import Adjustment, Allocation, Charge, Earning, Receipt, ReceiptLine
from webapp.programs.repairs.models import DriverLease, RepairsSettings
from webapp.programs.repairs.rules import (
    Debt,
    Week,
    active_days,
    allocate,
    pool_of,
    prorated,
    to_pay,
)
from webapp.programs.repairs.rules import Receipt as Figures
from webapp.programs.repairs.states import AdjustmentKind, Category


@dataclass
class _Part:
    """One lease's receipt of the week in the making."""

    payee: Payee
    lease: DriverLease
    # What happened after this day belongs to the receipt of the driver's next lease.
    cutoff: date
    is_final: bool
    figures: Figures | None = None
    earnings: list[Earning] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    carried: list[tuple[Charge, int]] = field(default_factory=list)
    covered: list[tuple[Charge, int]] = field(default_factory=list)

    @property
    def worked_out(self) -> Figures:
        """The figures, once they are there."""
        if self.figures is None:
            raise RuntimeError("the receipt is not worked out yet")
        return self.figures


def drivers_with_leases(organisation_id: int, week: Week, after: int = 0, limit: int = 50) -> Sequence[int]:
    """Drivers who may need a receipt of a week and have none, by id after one of them."""
    done = select(Receipt.payee_id).where(
        Receipt.organisation_id == organisation_id, Receipt.week_start >= week.start
    )
    return db.session.scalars(
        select(DriverLease.payee_id)
        .where(
            DriverLease.organisation_id == organisation_id,
            DriverLease.starts_on <= week.end,
            DriverLease.payee_id > after,
            DriverLease.payee_id.not_in(done),
        )
        .distinct()
        .order_by(DriverLease.payee_id)
        .limit(limit)
    ).all()


def make_receipts(
    *, organisation_id: int, payee_ids: Sequence[int], week: Week, actor: Actor, now: datetime
) -> list[Receipt]:
    """Issue the receipts of a week of some drivers, book them and make the payouts; once for each lease and week.

    A driver whose receipt of the week or a later one is there is left alone. All or none: raises what
    `payouts.create` raises. `week` is over, or this is the caller's business.
    """
    payees = trail.lock_drivers(organisation_id, payee_ids)
    entries.lock_payables(organisation_id, payees.values())
    last = _last_receipts(list(payees))
    payees = {
        key: each for key, each in payees.items() if key not in last or last[key].week_start < week.start
    }
    if not payees:
        return []
    parts = _parts(list(payees.values()), week)
    leased = _charge_leases(parts, week, actor, now)
    parts = _gather(parts, week)
    conf = settings.settings_of(organisation_id)
    least = policies.current_policy(organisation_id)[0].minimum_minor
    open_ones = _open_charges(list(payees))
    by_payee: dict[int, list[_Part]] = defaultdict(list)
    for part in parts:
        by_payee[part.payee.id].append(part)
    for payee_id in payees:
        _work_out(by_payee[payee_id], last.get(payee_id), open_ones[payee_id], conf, least)
    made = _store(organisation_id, parts, week, actor, now)
    on = trail.today(organisation_id, now)
    settled = [
        entry
        for part, row in zip(parts, made, strict=True)
        if (entry := entries.settled(row, part.payee, part.worked_out.allocated, on))
    ]
    entries.post(organisation_id, [*leased, *settled], actor, now)
    paying.make_payouts(made, actor, now)
    _remember(organisation_id, made, week, actor, now)
    return made


def _last_receipts(payee_ids: list[int]) -> dict[int, Receipt]:
    """The newest receipt of each driver, by which the next one opens."""
    rows = db.session.scalars(
        select(Receipt)
        .where(among(Receipt.payee_id, payee_ids), Receipt.revision == 1)
        .where(
            Receipt.id.in_(
                select(func.max(Receipt.id))
                .where(among(Receipt.payee_id, payee_ids), Receipt.revision == 1)
                .group_by(Receipt.payee_id)
            )
        )
    ).all()
    return {row.payee_id: row for row in rows}


def _parts(payees: Sequence[Payee], week: Week) -> list[_Part]:
    """The leases that run in the week, in their order; of a driver without one the last, for what is left over."""
    rows = db.session.scalars(
        select(DriverLease)
        .where(among(DriverLease.payee_id, [payee.id for payee in payees]), DriverLease.starts_on <= week.end)
        .order_by(DriverLease.payee_id, DriverLease.starts_on, DriverLease.id)
        .execution_options(populate_existing=True)
    ).all()
    by_payee: dict[int, list[DriverLease]] = defaultdict(list)
    for row in rows:
        by_payee[row.payee_id].append(row)
    parts = []
    for payee in payees:
        leases = by_payee[payee.id]
        running = [lease for lease in leases if active_days(week, lease.starts_on, lease.ends_on)] or leases[
            -1:
        ]
        for lease in running:
            is_last = lease is running[-1]
            cutoff = week.end if is_last or lease.ends_on is None else lease.ends_on
            is_final = lease.ends_on is not None and lease.ends_on <= week.end
            parts.append(_Part(payee, lease, cutoff, is_final))
    return parts


def _charge_leases(parts: Sequence[_Part], week: Week, actor: Actor, now: datetime) -> list[EntryDraft]:
    """Charge the week of each lease, by its active days; returns the entries to be posted."""
    made: list[tuple[Charge, Payee]] = []
    for part in parts:
        lease = part.lease
        days = active_days(week, lease.starts_on, lease.ends_on)
        amount = prorated(lease.weekly_minor, days, lease.currency)
        if not amount:
            continue
        last = week.end if lease.ends_on is None else min(week.end, lease.ends_on)
        row = Charge(
            organisation_id=lease.organisation_id,
            payee_id=part.payee.id,
            lease_id=lease.id,
            category=Category.LEASE.value,
            description=f"Lease {lease.reference}" + ("" if days == 7 else f", {days} of 7 days"),
            currency=lease.currency,
            amount_minor=amount,
            charged_on=last,
            week_start=week.start,
            # A second receipt of the week does not come so far; if it did, this key would stop it.
            idempotency_key=f"lease:{lease.id}:{week.start.isoformat()}",
            created_by_id=actor.user_id,
            created_by_label=actor.label,
            created_at=now,
        )
        made.append((row, part.payee))
    db.session.add_all([row for row, _ in made])
    db.session.flush()
    return [entries.charged(row, payee) for row, payee in made]


def _gather(parts: Sequence[_Part], week: Week) -> list[_Part]:
    """Give each receipt what is not counted yet; one that has nothing to say and no running lease is left out."""
    ids = sorted({part.payee.id for part in parts})
    rows: list[tuple[str, date, Any]] = []
    for row in _uncounted(Earning, Earning.week_start <= week.start, ids):
        rows.append(("earnings", row.earned_on, row))
    for row in _uncounted(Charge, Charge.week_start <= week.start, ids):
        rows.append(("charges", row.charged_on, row))
    for row in _uncounted(Adjustment, Adjustment.happened_on <= week.end, ids):
        rows.append(("adjustments", row.happened_on, row))
    by_payee: dict[int, list[_Part]] = defaultdict(list)
    for part in parts:
        by_payee[part.payee.id].append(part)
    for name, day, row in rows:
        mine = by_payee[row.payee_id]
        chosen = next((part for part in mine if day <= part.cutoff), mine[-1])
        getattr(chosen, name).append(row)
    return [
        part
        for part in parts
        if part.earnings
        or part.charges
        or part.adjustments
        or active_days(week, part.lease.starts_on, part.lease.ends_on)
    ]


def _uncounted(model: Any, is_due: Any, payee_ids: list[int]) -> Sequence[Any]:
    query = select(model).where(model.receipt_id.is_(None), among(model.payee_id, payee_ids), is_due)
    return db.session.scalars(query.order_by(model.id).execution_options(populate_existing=True)).all()


def _open_charges(payee_ids: list[int]) -> dict[int, list[Charge]]:
    """What earlier receipts counted and nothing covers yet, by driver."""
    rows = db.session.scalars(
        select(Charge)
        .where(
            among(Charge.payee_id, payee_ids),
            Charge.receipt_id.is_not(None),
            Charge.paid_minor + Charge.credited_minor < Charge.amount_minor,
        )
        .order_by(Charge.id)
        .execution_options(populate_existing=True)
    ).all()
    found: dict[int, list[Charge]] = defaultdict(list)
    for row in rows:
        found[row.payee_id].append(row)
    return found


def _work_out(
    parts: Sequence[_Part],
    last: Receipt | None,
    open_ones: list[Charge],
    conf: RepairsSettings,
    least: int,
) -> None:
    """One driver's receipts of the week, each opening with what the one before closed with."""
    credit, debt = (last.closing_credit_minor, last.closing_debt_minor) if last else (0, 0)
    counted = list(open_ones)
    for part in parts:
        part.carried = [(charge, charge.open_minor) for charge in counted if charge.open_minor]
        counted += part.charges
        earned = sum(row.amount_minor for row in part.earnings)
        charged = sum(row.amount_minor for row in part.charges)
        adjusted = sum(row.amount_minor for row in part.adjustments)
        applied = sum(row.applied_minor for row in part.adjustments)
        pool = pool_of(credit, earned, adjusted, applied)
        by_id = {charge.id: charge for charge in counted}
        covered = allocate(
            pool,
            [
                Debt(c.id, c.category, c.charged_on, c.open_minor)
                for c in counted
                if c.open_minor and not c.is_disputed
            ],
            order=conf.category_order,
            weekly_caps={name: int(cap) for name, cap in conf.weekly_caps.items()},
            protected_minor=conf.protected_minor,
        )
        part.covered = [(by_id[charge_id], amount) for charge_id, amount in covered]
        allocated = sum(amount for _, amount in covered)
        # Who is switched off as a payee keeps the money here until they are paid again.
        paid = to_pay(pool - allocated, least) if part.payee.is_active else 0
        part.figures = Figures(credit, debt, earned, charged, adjusted, applied, allocated, paid)
        for charge, amount in part.covered:
            # Written with all others by `_mark`, not one by one by the session.
            set_committed_value(charge, "paid_minor", charge.paid_minor + amount)
        credit, debt = part.figures.closing_credit, part.figures.closing_debt


def _store(
    organisation_id: int, parts: Sequence[_Part], week: Week, actor: Actor, now: datetime
) -> list[Receipt]:
    """Store receipts with lines and allocations, and mark what they count and cover."""
    numbers = next_numbers(organisation_id, f"DTR-{week.start.year}", 6, len(parts))
    rows = [
        Receipt(
            organisation_id=organisation_id,
            number=number,
            lease_id=part.lease.id,
            payee_id=part.payee.id,
            week_start=week.start,
            revision=1,
            is_final=part.is_final,
            currency=part.lease.currency,
            opening_credit_minor=part.worked_out.opening_credit,
            opening_debt_minor=part.worked_out.opening_debt,
            earnings_minor=part.worked_out.earnings,
            charges_minor=part.worked_out.charges,
            adjustments_minor=part.worked_out.adjustments,
            net_minor=part.worked_out.net,
            paid_minor=part.worked_out.paid,
            closing_credit_minor=part.worked_out.closing_credit,
            closing_debt_minor=part.worked_out.closing_debt,
            difference_minor=0,
            issued_by_id=actor.user_id,
            issued_by_label=actor.label,
            issued_at=now,
        )
        for number, part in zip(numbers, parts, strict=True)
    ]
    db.session.add_all(rows)
    db.session.flush()
    lines: list[dict[str, Any]] = []
    allocations: list[dict[str, Any]] = []
    for part, row in zip(parts, rows, strict=True):
        lines += [
            {"receipt_id": row.id, "position": n, **line} for n, line in enumerate(_lines(part), start=1)
        ]
        allocations += [
            {
                "organisation_id": organisation_id,
                "charge_id": charge.id,
                "receipt_id": row.id,
                "currency": charge.currency,
                "amount_minor": amount,
                "created_at": now,
            }
            for charge, amount in part.covered
        ]
        counted: list[Any] = [*part.earnings, *part.charges, *part.adjustments]
        for each in counted:
            set_committed_value(each, "receipt_id", row.id)
    _mark(parts)
    insert_many(db.session(), ReceiptLine, lines)
    insert_many(db.session(), Allocation, allocations)
    covered = [pair for part in parts for pair in part.covered]
    crediting.count_on_repairs(covered, "paid_minor")
    crediting.covered(charge.instalment_id for charge, _ in covered if charge.instalment_id is not None)
    return rows


def _mark(parts: Sequence[_Part]) -> None:
    """Write which receipt counts what, and what of each charge is covered."""
    session = db.session()
    for model, rows in (
        (Earning, [row for part in parts for row in part.earnings]),
        (Adjustment, [row for part in parts for row in part.adjustments]),
    ):
        update_many(session, model, [{"id": row.id, "receipt_id": row.receipt_id} for row in rows])
    charges = {row.id: row for part in parts for row in [*part.charges, *(each for each, _ in part.covered)]}
    marked = [
        {"id": row.id, "receipt_id": row.receipt_id, "paid_minor": row.paid_minor} for row in charges.values()
    ]
    update_many(session, Charge, marked)


def _lines(part: _Part) -> list[dict[str, Any]]:
    """Earnings by source, every charge, every adjustment; and what explains the opening balance."""
    lines = []
    sources: dict[str, int] = defaultdict(int)
    for earning in part.earnings:
        sources[earning.source] += earning.amount_minor
    for source, amount in sorted(sources.items()):
        lines.append(_line("earning", source, source, part.cutoff, amount))
    place = {str(category): n for n, category in enumerate(Category)}
    for row in sorted(part.charges, key=lambda c: (place[c.category], c.charged_on, c.id)):
        lines.append(_line("charge", row.category, row.description, row.charged_on, -row.amount_minor))
    for each in part.adjustments:
        words = f"{AdjustmentKind(each.kind).label}: {each.description}"
        lines.append(_line("adjustment", each.kind, words, each.happened_on, each.amount_minor))
    for charge, amount in part.carried:
        lines.append(_line("carried", charge.category, charge.description, charge.charged_on, -amount))
    return lines


def _line(kind: str, category: str, description: str, day: date, amount: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "category": category,
        "description": description[:300],
        "day": day,
        "amount_minor": amount,
    }


def _remember(organisation_id: int, rows: Sequence[Receipt], week: Week, actor: Actor, now: datetime) -> None:
    if not rows:
        return
    changes = {
        "week": [None, week.start.isoformat()],
        "receipts": [None, len(rows)],
        "digest": [
            None,
            digest([[row.number, row.net_minor, row.paid_minor, row.closing_minor] for row in rows]),
        ],
    }
    label = rows[0].number if len(rows) == 1 else f"{rows[0].number} to {rows[-1].number}"
    trail.record_many("receipt", "issued", organisation_id, label, actor, now, changes)
