"""What partners earn of deals: the difference between what it should be now and what stands already.

A deal's commissions not cancelled always add up, for each partner, to what its shares, its amount and the rules say.
What is in no payout yet is changed; what is in one stays, and the rest is a correction or is taken back. Doing it
again adds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from webapp.database import among, db
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.ids import digest
from webapp.kernel.money import Money
from webapp.people.numbers import next_numbers
from webapp.programs.partners import firsts, locking, trail
from webapp.programs.partners.balance import balance_of
from webapp.programs.partners.commission_rules import load_rules
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProgram
from webapp.programs.partners.rules import Case, Rate, Rule, commission, find_rule
from webapp.programs.partners.states import CommissionKind, CommissionState, DealState

#: Why a commission changes when another deal of its partner was won or lost.
FIRST_MOVED = "Another deal of this partner is the first one now."


@dataclass(frozen=True)
class Earned:
    """What a partner should have of a deal now, and by which rule; nothing while it is not won."""

    amount: Money
    base: Money
    rate: Rate
    rule: Rule | None
    # Who set the rate that counts.
    edited_by_id: int | None


@dataclass(frozen=True)
class _Books:
    """What a batch of deals is counted with."""

    deals: dict[int, tuple[Deal, PartnerProgram]]
    shares: dict[tuple[int, int], Attribution]
    standing: dict[tuple[int, int], list[Commission]]
    first_closed: dict[int, date]
    rules: list[Rule]
    timezone: str


def settle(
    *, organisation_id: int, deal_ids: Sequence[int], reason: str, actor: Actor, now: datetime
) -> list[Commission]:
    """Bring the commissions of deals up to what they should be; returns those that are new or changed.

    `reason` stands with what is corrected or taken back. Where a partner's first deal is another one now, other deals
    that a rule for the first months is for follow.
    """
    others = _that_follow(organisation_id, deal_ids)
    if others:
        # Before any commission or number is taken.
        locking.lock_deals(organisation_id, others)
    found = _settle(organisation_id, deal_ids, reason, actor, now)
    return [*found, *(_settle(organisation_id, others, FIRST_MOVED, actor, now) if others else [])]


def lock(organisation_id: int, deal_ids: Sequence[int]) -> None:
    """Lock deals that are to be settled together, with those that follow them, in the order that everybody keeps."""
    locking.lock_deals(organisation_id, [*deal_ids, *_that_follow(organisation_id, deal_ids)])


def _that_follow(organisation_id: int, deal_ids: Sequence[int]) -> list[int]:
    return firsts.deals_that_follow(deal_ids, load_rules(organisation_id), trail.timezone_of(organisation_id))


def _settle(
    organisation_id: int, deal_ids: Sequence[int], reason: str, actor: Actor, now: datetime
) -> list[Commission]:
    books = _load(organisation_id, deal_ids)
    changed: list[Commission] = []
    new: list[Commission] = []
    for deal_id, payee_id in sorted(books.shares.keys() | books.standing.keys()):
        earned = _earned(books, deal_id, payee_id)
        revised, made = _difference(books, deal_id, payee_id, earned, reason, now)
        changed += revised
        new += [made] if made is not None else []
    for row, reference in zip(new, next_numbers(organisation_id, "CM", 6, len(new)), strict=True):
        row.reference = reference
    db.session.add_all(new)
    db.session.flush()
    _remember(organisation_id, [*new, *changed], actor, now)
    return [*new, *changed]


def _load(organisation_id: int, deal_ids: Sequence[int]) -> _Books:
    """Everything that these deals are counted with, in few questions; they and their open commissions are locked.

    Those in a payout stay as they are, whatever is earned: who is paid by a batch of others is not waited for.
    """
    rows = db.session.execute(
        select(Deal, PartnerProgram)
        .join(PartnerProgram, PartnerProgram.id == Deal.program_id)
        .where(Deal.organisation_id == organisation_id, among(Deal.id, deal_ids))
        .order_by(*locking.BY_CLOSE)
        .with_for_update(of=Deal)
        .execution_options(populate_existing=True)
    )
    deals = {deal.id: (deal, program) for deal, program in rows}
    shares = db.session.scalars(select(Attribution).where(among(Attribution.deal_id, list(deals))))
    by_pair = {(row.deal_id, row.payee_id): row for row in shares}
    standing: dict[tuple[int, int], list[Commission]] = defaultdict(list)
    of_deals = among(Commission.deal_id, list(deals))
    locking.by_id((of_deals, Commission.state == CommissionState.OPEN.value))
    for row in db.session.scalars(
        select(Commission).where(of_deals).order_by(Commission.id).execution_options(populate_existing=True)
    ):
        standing[row.deal_id or 0, row.payee_id].append(row)
    payee_ids = sorted({payee for _, payee in by_pair} | {payee for _, payee in standing})
    timezone = trail.timezone_of(organisation_id)
    return _Books(
        deals, by_pair, standing, firsts.first_closed(payee_ids, timezone),
        load_rules(organisation_id), timezone,
    )  # fmt: skip


def _earned(books: _Books, deal_id: int, payee_id: int) -> Earned:
    deal, program = books.deals[deal_id]
    share = books.shares.get((deal_id, payee_id))
    nothing = Money(0, deal.currency)
    if share is None or deal.state != DealState.WON or deal.closed_at is None:
        return Earned(nothing, nothing, Rate(0), None, None)
    closed_on = local_date(deal.closed_at, books.timezone)
    case = Case(
        program_id=program.id,
        partner_type=share.partner_type or "",
        tier=share.tier or "",
        product=deal.product,
        deal=Money(deal.amount_minor, deal.currency),
        closed_on=closed_on,
        first_closed_on=books.first_closed.get(payee_id, closed_on),
    )
    rule = find_rule(books.rules, case)
    rate = rule.rate if rule else Rate(share.rate_bp or 0)
    edited_by = rule.edited_by_id if rule else share.rate_by_id
    base = Money(share.amount_minor, deal.currency)
    return Earned(commission(base, rate), base, rate, rule, edited_by)


def _difference(
    books: _Books, deal_id: int, payee_id: int, earned: Earned, reason: str, now: datetime
) -> tuple[list[Commission], Commission | None]:
    """What makes the sum right: (commissions that are there and changed, one that is new)."""
    rows = books.standing.get((deal_id, payee_id), [])
    standing = balance_of(rows)
    if standing.currencies - {earned.amount.currency}:
        raise ValueError(f"commissions in {standing.currencies} of a deal in {earned.amount.currency}")
    rest = standing.rest(earned.amount.amount, is_final=is_final(books.deals[deal_id][1], rows, now))
    kind = _kind(rest, is_first=not any(row.payout_id or row.offer == "dismissed" for row in rows))
    changed = [_cancel(row, reason) for row in standing.opened[1:]]
    if standing.opened:
        # The oldest says what is left of all: what was to be taken back of it is not owed once it is in no payout.
        [kept, *_] = standing.opened
        if kept.amount_minor != rest:
            changed.append(_revise(kept, kind, rest, earned, reason, local_date(now, books.timezone)))
        return changed, None
    if not rest:
        return [], None
    sequence = max((row.sequence for row in rows), default=-1) + 1
    return [], _new(books, deal_id, payee_id, kind, rest, earned, reason, sequence, now)


def _kind(rest: int, *, is_first: bool) -> CommissionKind:
    if is_first:
        return CommissionKind.SALE
    return CommissionKind.CORRECTION if rest >= 0 else CommissionKind.CLAWBACK


def is_final(program: PartnerProgram, rows: Sequence[Commission], now: datetime) -> bool:
    """Whether what was paid cannot be taken back any more."""
    paid = [row.paid_at for row in rows if row.paid_at is not None]
    return bool(paid) and max(paid) + timedelta(days=program.final_days) < now


def _cancel(row: Commission, reason: str) -> Commission:
    row.state, row.reason = CommissionState.CANCELLED.value, reason[:2000]
    row.version += 1
    return row


def _revise(
    row: Commission, kind: CommissionKind, rest: int, earned: Earned, reason: str, today: date
) -> Commission:
    if rest == 0:
        return _cancel(row, reason)
    row.amount_minor, row.kind = rest, kind.value
    if rest < 0:
        # What is taken back waits for nothing and nobody.
        row.offer, row.offer_reason, row.is_disputed = "open", "", False
        row.due_on = min(row.due_on, today)
    row.base_minor, row.rate_bp = earned.base.amount, earned.rate.basis_points
    row.rule_id = earned.rule.rule_id if earned.rule else None
    row.rule_version_id = earned.rule.version_id if earned.rule else None
    row.rule_label = earned.rule.label if earned.rule else ""
    row.edited_by_id = earned.edited_by_id
    row.reason = reason[:2000]
    row.version += 1
    return row


def _new(
    books: _Books,
    deal_id: int,
    payee_id: int,
    kind: CommissionKind,
    rest: int,
    earned: Earned,
    reason: str,
    sequence: int,
    now: datetime,
) -> Commission:
    deal, program = books.deals[deal_id]
    today = local_date(now, books.timezone)
    closed_on = local_date(deal.closed_at, books.timezone) if deal.closed_at else today
    is_sale = kind is CommissionKind.SALE
    return Commission(
        organisation_id=deal.organisation_id,
        payee_id=payee_id,
        program_id=program.id,
        deal_id=deal_id,
        kind=kind.value,
        sequence=sequence,
        rule_id=earned.rule.rule_id if earned.rule else None,
        rule_version_id=earned.rule.version_id if earned.rule else None,
        rule_label=earned.rule.label if earned.rule else "",
        rate_bp=earned.rate.basis_points,
        currency=deal.currency,
        base_minor=earned.base.amount,
        amount_minor=rest,
        earned_on=closed_on if is_sale else today,
        # What is corrected or taken back waits for nothing.
        due_on=closed_on + timedelta(days=program.holding_days) if is_sale else today,
        reason="" if is_sale else reason[:2000],
        edited_by_id=earned.edited_by_id,
        created_at=now,
    )


def _remember(organisation_id: int, rows: Sequence[Commission], actor: Actor, now: datetime) -> None:
    if not rows:
        return
    if len(rows) == 1:
        [row] = rows
        changes = {"amount": [None, row.amount_minor], "state": [None, row.state], "kind": [None, row.kind]}
        trail.record("commission", "settled", row, row.reference, actor, now, changes, row.reason)
        return
    told = digest([[row.reference, row.kind, row.amount_minor, row.state] for row in rows])
    changes = {"commissions": [None, len(rows)], "digest": [None, told]}
    label = f"{rows[0].reference} to {rows[-1].reference}"
    trail.record_many("commission", "settled", organisation_id, label, actor, now, changes)
