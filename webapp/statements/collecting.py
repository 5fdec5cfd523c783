"""The lines and payments of a monthly statement, read from the ledger and the payouts behind it.

A handful of queries whatever the number of lines. What the ledger booked and what a payout's lines say must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.money import Money
from webapp.payouts.drafts import GROSS_KINDS
from webapp.payouts.models import Payout, PayoutLine, Transfer
from webapp.payouts.states import OPEN_TRANSFER_STATES, PayoutState, TransferState
from webapp.people.models import PayoutMethod
from webapp.statements.account import Movement
from webapp.statements.build import KIND_TITLES, DoesNotAddUp, clean, destination
from webapp.statements.facts import (
    ADJUSTMENT,
    DEDUCTION,
    EARNED,
    PAID,
    RETURNED,
    TAX,
    Line,
    Payment,
)

_APPROVED, _CANCELLED, _RETURNED = "payout.approved", "payout.approved.reversed", "payout.returned"
_BY_HAND = "payout.paid_by_hand"
_SENT = frozenset({"payout.submitted", "payout.corrected"})


@dataclass(frozen=True)
class Collected:
    """Lines (still without their balances), payments, and the rates that the lines name."""

    lines: list[Line]
    payments: tuple[Payment, ...]
    basis: tuple[str, ...]


def collect(movements: Sequence[Movement], currency: str) -> Collected:
    """Explain every movement. Raises DoesNotAddUp when a payout's lines do not come to what was booked."""
    payouts = _payouts({m.source_id for m in movements if m.source_type == "payout"})
    methods = _methods(payouts)
    lines: list[Line] = []
    payments: list[Payment] = []
    basis: dict[str, None] = {}
    for movement in movements:
        payout = payouts.get(movement.source_id) if movement.source_type == "payout" else None
        if payout is None:
            lines.append(_plain(movement))
        elif movement.kind == _APPROVED:
            lines += _approved(movement, payout, currency)
            basis |= dict.fromkeys(clean(str(line.details.get("rate") or "")) for line in payout.lines)
        elif movement.kind in _SENT or movement.kind == _BY_HAND:
            payment = _payment(movement, payout, methods)
            payments.append(payment)
            lines.append(_paid(movement, payment))
        else:
            lines.append(_other(movement, payout))
    return Collected(lines, tuple(payments), tuple(rate for rate in basis if rate))


def _payouts(ids: set[int]) -> dict[int, Payout]:
    if not ids:
        return {}
    query = (
        select(Payout)
        .where(Payout.id.in_(ids))
        .options(selectinload(Payout.lines), selectinload(Payout.transfers))
    )
    return {payout.id: payout for payout in db.session.scalars(query)}


def _methods(payouts: dict[int, Payout]) -> dict[int, PayoutMethod]:
    ids = {payout.method_id for payout in payouts.values()}
    ids |= {transfer.method_id for payout in payouts.values() for transfer in payout.transfers}
    wanted = [method_id for method_id in ids if method_id is not None]
    if not wanted:
        return {}
    query = select(PayoutMethod).where(PayoutMethod.id.in_(wanted))
    return {method.id: method for method in db.session.scalars(query)}


def _plain(movement: Movement, category: str = ADJUSTMENT) -> Line:
    """A movement in the words of its own entry."""
    return Line(movement.day, category, clean(movement.description) or "Entry", movement.amount_minor, 0)


def _approved(movement: Movement, payout: Payout, currency: str) -> list[Line]:
    """What was earned, line by line, on the day that it became owed."""
    total = sum(line.amount_minor for line in payout.lines)
    if total != movement.amount_minor:
        raise DoesNotAddUp(
            f"The lines of {payout.reference} add up to {Money(total, currency).plain} {currency}; the ledger "
            f"booked {Money(movement.amount_minor, currency).plain} {currency}."
        )
    return [_earned(movement, payout, line) for line in payout.lines]


def _earned(movement: Movement, payout: Payout, line: PayoutLine) -> Line:
    item = clean(line.description) or KIND_TITLES.get(line.kind, "Item")
    source = clean(line.source_label)
    return Line(
        day=movement.day,
        category=_category(line),
        item=item,
        amount_minor=line.amount_minor,
        balance_minor=0,
        occurred_on=line.occurred_on,
        payout=payout.reference,
        source="" if source in item else source,
        calculation=clean(line.formula),
    )


def _category(line: PayoutLine) -> str:
    if line.kind in GROSS_KINDS or (line.kind == "adjustment" and line.amount_minor > 0):
        return EARNED
    return {"deduction": DEDUCTION, "tax": TAX}.get(line.kind, ADJUSTMENT)


def _transfer(movement: Movement, payout: Payout) -> Transfer | None:
    """The transfer that an entry is about, by its key "transfer:12:submitted"."""
    parts = movement.idempotency_key.split(":")
    if parts[0] != "transfer":
        return None
    return next((t for t in payout.transfers if str(t.id) == parts[1]), None)


def _payment(movement: Movement, payout: Payout, methods: dict[int, PayoutMethod]) -> Payment:
    transfer = _transfer(movement, payout)
    method = methods.get((transfer.method_id if transfer else payout.method_id) or 0)
    where = destination(method.kind, method.masked) if method else ""
    if transfer is None:
        # The key of a payment by hand ends in its round; a later round has another reference.
        is_this = movement.idempotency_key.endswith(f":{payout.round}") and payout.state == PayoutState.PAID
        reference, standing = (payout.payment_reference or "") if is_this else "", "Paid"
    else:
        reference, standing = transfer.utr or transfer.provider_reference, _standing(transfer)
    return Payment(
        day=movement.day,
        payout=payout.reference,
        reference=clean(reference),
        destination=clean(where),
        amount_minor=-movement.amount_minor,
        standing=standing,
    )


def _standing(transfer: Transfer) -> str:
    state = TransferState(transfer.state)
    if state == TransferState.SUCCEEDED:
        return "Paid"
    if state in OPEN_TRANSFER_STATES:
        return "On its way"
    return {"reversed": "Returned", "review": "Under review"}.get(state.value, "Not paid")


def _paid(movement: Movement, payment: Payment) -> Line:
    told = " · ".join(part for part in (payment.destination, payment.reference) if part)
    return Line(
        day=movement.day,
        category=PAID,
        item=f"Payment of {payment.payout}",
        amount_minor=movement.amount_minor,
        balance_minor=0,
        payout=payment.payout,
        calculation=f"To {told}" if payment.destination and payment.destination != "by hand" else told,
    )


def _other(movement: Movement, payout: Payout) -> Line:
    """What came back, and what was taken back."""
    reason = clean(payout.reason)
    if movement.kind == _CANCELLED:
        item, category = f"{payout.reference} is cancelled", ADJUSTMENT
    elif movement.kind == _RETURNED:
        item, category = f"Payment of {payout.reference} came back", RETURNED
    elif movement.kind.removesuffix(".reversed") in _SENT and movement.amount_minor > 0:
        item, category = f"Payment of {payout.reference} did not go through", RETURNED
        transfer = _transfer(movement, payout)
        reason = clean(transfer.error_message) if transfer else ""
    else:
        return _plain(movement)
    return Line(
        day=movement.day,
        category=category,
        item=item,
        amount_minor=movement.amount_minor,
        balance_minor=0,
        payout=payout.reference,
        calculation=reason,
    )
