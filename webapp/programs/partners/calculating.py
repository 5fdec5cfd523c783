"""Pending commissions become payouts: one for each partner and currency, of all that is due and in no payout yet.

Rows are claimed where they are locked: of two calculations at once each takes what the other has not, and one that dies
leaves nothing behind. Doing it again adds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select, update

from webapp.database import among, db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.payouts import creation_many, policies
from webapp.payouts.creation_many import PayoutDraft
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.policy import Policy
from webapp.people.models import Payee
from webapp.programs.partners import attributing, due, earning, editors, locking, trail
from webapp.programs.partners.drafts import COST_ACCOUNT, PROGRAM, SOURCE
from webapp.programs.partners.models import Commission
from webapp.programs.partners.rules import Period
from webapp.programs.partners.states import CommissionKind, CommissionState


@dataclass(frozen=True)
class Waiting:
    """What of a partner is not paid out now, and why."""

    payee: Payee
    amount: Money
    reason: str


@dataclass(frozen=True)
class Calculated:
    """What a calculation made: ids of payouts, and who has to wait."""

    payout_ids: tuple[int, ...]
    waiting: tuple[Waiting, ...]


def partners_due(
    organisation_id: int, until: str, now: datetime, after: int, limit: int, *, is_automatic: bool = False
) -> list[int]:
    """The next partners, by id, who have something due up to the end of a period. Raises Invalid.

    A month asks for nothing of programs that pay by the quarter; `is_automatic` for nothing of those that are
    calculated by hand.
    """
    span, today = due.span_of(organisation_id, until, now), trail.today(organisation_id, now)
    wanted = due.is_due(organisation_id, span, today, is_automatic=is_automatic)
    query = select(Commission.payee_id).where(*wanted, Commission.payee_id > after)
    return list(db.session.scalars(query.distinct().order_by(Commission.payee_id).limit(limit)))


def calculate(
    *,
    organisation_id: int,
    payee_ids: Sequence[int],
    until: str,
    actor: Actor,
    now: datetime,
    is_automatic: bool = False,
) -> Calculated:
    """Make the payouts of partners for what is due up to the end of a period (2026-02, 2026-Q1).

    Below a program's minimum it rolls over; what is taken back is netted, and a sum below zero is carried.
    A month takes nothing of programs that pay by the quarter; `is_automatic` nothing of those that are calculated by
    hand. Raises Invalid for a period that is none or has not begun.
    """
    span, today = due.span_of(organisation_id, until, now), trail.today(organisation_id, now)
    wanted = due.is_due(organisation_id, span, today, is_automatic=is_automatic)
    groups = _groups(organisation_id, [*wanted, among(Commission.payee_id, payee_ids)])
    policy, _ = policies.current_policy(organisation_id)
    ready: list[list[Commission]] = []
    waiting: list[Waiting] = []
    for rows in groups:
        amount = Money(sum(row.amount_minor for row in rows), rows[0].currency)
        if reason := _why_waiting(policy, rows, amount):
            waiting.append(Waiting(rows[0].payee, amount, reason))
        else:
            ready.append(rows)
    changed = editors.of_deals(_deal_ids(ready))
    ids = creation_many.create_many(
        organisation_id=organisation_id, program=PROGRAM, drafts=[_draft(rows, span, changed) for rows in ready],
        actor=actor, now=now,
    )  # fmt: skip
    for payout_id, rows in zip(ids, ready, strict=True):
        claim(payout_id, rows)
    db.session.flush()
    attributing.freeze(_deal_ids(ready))
    if ids:
        changes = {"payouts": [None, len(ids)], "commissions": [None, sum(map(len, ready))]}
        trail.record_many("calculation", "made", organisation_id, span.text, actor, now, changes)
    return Calculated(tuple(ids), tuple(waiting))


def _deal_ids(groups: Sequence[Sequence[Commission]]) -> list[int]:
    return sorted({row.deal_id for rows in groups for row in rows if row.deal_id is not None})


def _groups(organisation_id: int, wanted: Sequence[ColumnElement[bool]]) -> list[list[Commission]]:
    """What is due, locked, by partner and currency; what another calculation has just taken is not among it.

    Its deals are locked too: a touch that comes meanwhile waits, and is then refused because the shares are frozen.
    """
    groups: dict[tuple[int, str], list[Commission]] = defaultdict(list)
    for row in locking.lock_commissions(organisation_id, wanted):
        groups[row.payee_id, row.currency].append(row)
    return [_capped(groups[key]) for key in sorted(groups)]


def _capped(rows: list[Commission]) -> list[Commission]:
    """What is taken back first: it is netted in the next payout, however many lines that has."""
    return sorted(rows, key=lambda row: (row.amount_minor >= 0, row.id))[: due.MOST_LINES]


def _why_waiting(policy: Policy, rows: Sequence[Commission], amount: Money) -> str:
    payee = rows[0].payee
    least = due.least_of(policy, amount.currency, (row.program.minimums for row in rows))
    return due.why_waiting(payee.name, payee.is_active, amount, least)


def _draft(rows: Sequence[Commission], span: Period, changed: Mapping[int, Collection[int]]) -> PayoutDraft:
    first = rows[0]
    return PayoutDraft(
        payee=first.payee,
        currency=first.currency,
        lines=[line_of(row) for row in rows],
        sources=[source_of(row) for row in rows],
        period_start=span.first,
        period_end=span.last,
        cost_account=COST_ACCOUNT,
        # A commission that was in a payout before has another version now.
        idempotency_key=f"partners:{first.payee_id}:{first.currency}:{first.id}.{first.version}",
        exclusions=exclusions_of(rows, changed),
    )


def claim(payout_id: int, rows: Sequence[Commission]) -> None:
    """These commissions are in a payout now; the rows are locked, and the caller flushes."""
    for row in rows:
        row.state, row.payout_id, row.version = CommissionState.CLAIMED.value, payout_id, row.version + 1


def source_of(row: Commission) -> SourceDraft:
    """What a payout claims of a commission."""
    return SourceDraft(SOURCE, row.id)


def line_of(row: Commission) -> LineDraft:
    """The line of a payout; its formula can be checked by hand."""
    words = row.deal.name if row.deal else f"Retainer {row.period}"
    kind = CommissionKind(row.kind)
    base, amount = (Money(minor, row.currency) for minor in (row.base_minor, row.amount_minor))
    rate = Decimal(row.rate_bp) / 100
    is_plain = kind is CommissionKind.SALE
    return LineDraft(
        kind="earning" if row.amount_minor >= 0 else "deduction",
        description=words if is_plain or row.deal is None else f"{kind.label}: {words}. {row.reason}".strip(),
        amount_minor=row.amount_minor,
        occurred_on=row.earned_on,
        rate=rate if is_plain else None,
        formula=f"{base.plain} × {rate.normalize():f} % → {amount.plain}" if is_plain else "",
        source_type=SOURCE,
        source_id=row.id,
        source_label=row.reference,
    )


def exclusions_of(
    rows: Sequence[Commission], changed: Mapping[int, Collection[int]] | None = None
) -> list[ExclusionDraft]:
    """Who set a rate, or entered or changed a deal or its touches, does not approve what it made.

    `changed`: deal → who changed it, where the caller has asked for many payouts at once.
    """
    if changed is None:
        changed = editors.of_deals(_deal_ids([rows]))
    rates = {row.edited_by_id for row in rows if row.edited_by_id is not None}
    entered = {row.deal.created_by_id for row in rows if row.deal and row.deal.created_by_id is not None}
    others = {user for row in rows for user in changed.get(row.deal_id or 0, ())} - entered
    return [
        *(ExclusionDraft(user, "set the rate of one of these commissions") for user in sorted(rates)),
        *(ExclusionDraft(user, "entered one of these deals") for user in sorted(entered)),
        *(ExclusionDraft(user, "changed one of these deals") for user in sorted(others)),
    ]


def release(organisation_id: int, payout_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """A payout was rejected or cancelled: its commissions wait for a person who offers or dismisses them.

    Those of deals that changed meanwhile are brought up to what they should be now.
    """
    of_payout = (Commission.organisation_id == organisation_id, Commission.payout_id == payout_id)
    deals = select(Commission.deal_id).where(*of_payout).distinct()
    deal_ids = [deal_id for deal_id in db.session.scalars(deals) if deal_id is not None]
    earning.lock(organisation_id, deal_ids)
    db.session.execute(
        update(Commission)
        .where(*of_payout)
        .values(
            state=CommissionState.OPEN.value, payout_id=None, paid_at=None, offer="blocked", offer_reason=reason[:300],
            version=Commission.version + 1,
        )
        .execution_options(synchronize_session="fetch")
    )  # fmt: skip
    attributing.thaw(deal_ids)
    earning.settle(organisation_id=organisation_id, deal_ids=deal_ids, reason=reason, actor=actor, now=now)


def decide_offer(
    *, organisation_id: int, reference: str, is_offered: bool, reason: str, actor: Actor, now: datetime
) -> Commission:
    """After its payout was rejected: offer a commission again, or dismiss it. Raises NotFound, Invalid, Conflict."""
    row = lock_row(
        Commission, Commission.organisation_id == organisation_id, Commission.reference == reference
    )
    if row.offer != "blocked" or row.state != CommissionState.OPEN:
        raise Conflict(f"No payout of {reference} was rejected or cancelled; there is nothing to decide.")
    reason = need_reason(reason, "The order is signed now.", "commission")
    if not is_offered:
        _refuse_if_taken_back(row)
    row.offer, row.offer_reason = ("open", "") if is_offered else ("dismissed", reason[:300])
    row.version += 1
    db.session.flush()
    word = "offered_again" if is_offered else "dismissed"
    trail.record("commission", word, row, reference, actor, now, {"offer": ["blocked", row.offer]}, reason)
    return row


def _refuse_if_taken_back(row: Commission) -> None:
    """What another payout takes back of a deal was owed: not to pay it would take it from other earnings."""
    booked = select(func.coalesce(func.sum(Commission.amount_minor), 0)).where(
        Commission.deal_id == row.deal_id,
        Commission.payee_id == row.payee_id,
        Commission.payout_id.is_not(None),
    )
    if row.deal_id is not None and row.amount_minor > 0 and int(db.session.scalar(booked) or 0) < 0:
        raise Conflict(f"Another payout took {row.reference} back already. Offer it again; nothing was done.")


def mark_paid(organisation_id: int, payout_id: int, paid_at: datetime | None) -> None:
    """The partner has the money; or not any more (None), and it is still in the payout."""
    state = CommissionState.CLAIMED if paid_at is None else CommissionState.PAID
    of_payout = (Commission.organisation_id == organisation_id, Commission.payout_id == payout_id)
    locking.by_id(of_payout)
    db.session.execute(
        update(Commission)
        .where(*of_payout)
        .values(state=state.value, paid_at=paid_at)
        .execution_options(synchronize_session="fetch")
    )
