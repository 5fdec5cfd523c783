"""The payout of a receipt, and its way back when it is not made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database import among, db, update_many
from webapp.kernel.actor import WORKER, Actor
from webapp.notices import wanted
from webapp.payouts import creation_many
from webapp.payouts import service as payouts
from webapp.payouts.creation_many import PayoutDraft
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.programs.repairs import crediting, entries, trail
from webapp.programs.repairs.books import Adjustment, Charge, Receipt, ReceiptLine
from webapp.programs.repairs.drafts import PROGRAM, SOURCE
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.states import AdjustmentKind

_KINDS = {"earning": "earning", "charge": "deduction", "adjustment": "adjustment"}


def make_payouts(rows: Sequence[Receipt], actor: Actor, now: datetime) -> None:
    """Make the payouts of receipts that pay something out, all or none. Raises what `create_many` raises."""
    paid = [row for row in rows if row.paid_minor]
    if not paid:
        return
    ids = [row.id for row in paid]
    excluded = _exclusions(ids)
    lines: dict[int, list[ReceiptLine]] = defaultdict(list)
    for line in db.session.scalars(
        select(ReceiptLine)
        .where(among(ReceiptLine.receipt_id, ids), ReceiptLine.kind != "carried")
        .order_by(ReceiptLine.receipt_id, ReceiptLine.position)
    ):
        lines[line.receipt_id].append(line)
    drafts = [_draft(row, _lines(row, lines[row.id]), excluded[row.id]) for row in paid]
    made = creation_many.create_many(
        organisation_id=paid[0].organisation_id, program=PROGRAM, drafts=drafts, actor=actor, now=now
    )
    _link(paid, made)
    wanted.ask_many([row.payee for row in paid], now)


def _draft(row: Receipt, lines: Sequence[LineDraft], excluded: set[int]) -> PayoutDraft:
    """Pay out what one receipt says; its lines are those of the receipt."""
    week = Week(row.week_start)
    return PayoutDraft(
        payee=row.payee,
        currency=row.currency,
        lines=lines,
        sources=[SourceDraft(SOURCE, row.id)],
        period_start=week.start,
        period_end=week.end,
        cost_account=entries.held(row.payee).code,
        idempotency_key=f"repairs:receipt:{row.id}",
        exclusions=[
            ExclusionDraft(user_id, "charged or credited this driver") for user_id in sorted(excluded)
        ],
        # What somebody gave by hand is looked at by another person.
        is_automatic=not excluded,
    )


def _link(rows: Sequence[Receipt], payout_ids: Sequence[int]) -> None:
    """A receipt knows its payout from the beginning; it is never changed after."""
    linked = list(zip(rows, payout_ids, strict=True))
    update_many(db.session(), Receipt, [{"id": row.id, "payout_id": payout_id} for row, payout_id in linked])
    for row, payout_id in linked:
        set_committed_value(row, "payout_id", payout_id)


def _exclusions(receipt_ids: Sequence[int]) -> dict[int, set[int]]:
    """Who gave a driver a credit on a receipt, or charged them by hand, does not approve its payout."""
    people: dict[int, set[int]] = defaultdict(set)
    for model in (Adjustment, Charge):
        rows = db.session.execute(
            select(model.receipt_id, model.created_by_id)
            .where(among(model.receipt_id, receipt_ids), model.created_by_id.is_not(None))
            .distinct()
        )
        for receipt_id, user_id in rows:
            if receipt_id is not None and user_id is not None:
                people[receipt_id].add(user_id)
    return people


def _lines(row: Receipt, stored: Sequence[ReceiptLine]) -> list[LineDraft]:
    """The receipt's lines, what it began with and what it leaves; they add up to what is paid."""
    week = Week(row.week_start)
    lines = [
        LineDraft(
            _KINDS[line.kind],
            line.description,
            line.amount_minor,
            line.day,
            source_type=SOURCE,
            source_id=row.id,
            source_label=row.number,
        )
        for line in stored
    ]
    if row.opening_minor:
        lines.insert(0, LineDraft("adjustment", "Opening balance", row.opening_minor, week.start))
    if row.closing_minor:
        lines.append(LineDraft("adjustment", "Carried to the next week", -row.closing_minor, week.end))
    return lines


class RepairsSubscriber:
    """Hears of the payouts of receipts. A receipt is never changed: what comes back is a line of a later one."""

    def on_paid(self, payout: Payout, now: datetime) -> None:
        """The driver has the money."""

    def on_failed(self, payout: Payout, now: datetime) -> None:
        """It may be tried again until the week's run takes it back."""

    def on_reversed(self, payout: Payout, now: datetime) -> None:
        """It may be sent again until the week's run takes it back."""

    def on_rejected(self, payout: Payout, now: datetime) -> None:
        """The amount is in the driver's balance again."""
        self._give_back(payout, "rejected", now)

    def on_cancelled(self, payout: Payout, now: datetime) -> None:
        """The amount is in the driver's balance again."""
        self._give_back(payout, "cancelled", now)

    def _give_back(self, payout: Payout, word: str, now: datetime) -> None:
        row = db.session.scalar(select(Receipt).where(Receipt.payout_id == payout.id))
        if row is None:
            return
        today = trail.today(payout.organisation_id, now)
        made = crediting.adjustment(
            payout.payee,
            AdjustmentKind.PAYOUT_BACK,
            payout.amount_minor,
            payout.currency,
            f"{payout.reference} of {row.number} was {word}",
            crediting.open_day(payout.organisation_id, payout.payee_id, today),
            WORKER,
            now,
            payout_id=payout.id,
            key=f"payout:{payout.id}",
        )
        entries.post(payout.organisation_id, [entries.adjusted(made, payout.payee)], WORKER, now)


def take_back(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> None:
    """A payout that failed or came back is given up: its amount is on the driver's next receipt. Raises Conflict."""
    payouts.cancel(
        organisation_id=organisation_id,
        reference=reference,
        reason="It was not paid; the amount is on the driver's next weekly receipt.",
        actor=actor,
        now=now,
    )


def to_take_back(organisation_id: int) -> list[str]:
    """Payouts of receipts that failed or were returned, and that no retry is planned for."""
    return list(
        db.session.scalars(
            select(Payout.reference)
            .join(Receipt, Receipt.payout_id == Payout.id)
            .where(Payout.organisation_id == organisation_id, Payout.state.in_(["failed", "reversed"]))
            .order_by(Payout.id)
        )
    )
