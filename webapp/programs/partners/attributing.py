"""Who has which share of a deal: worked out anew while it is open, recorded when it is won, then frozen by a payout.

Many deals at once cost a few statements: touches are read together, shares are written together. Whoever calls has
locked the deals (`locking` says in which order).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from fractions import Fraction

from sqlalchemy import delete, select

from webapp.database import among, ask, db, insert_many
from webapp.kernel.money import Money
from webapp.programs.partners import terms
from webapp.programs.partners.models import Attribution, Commission, Deal, PartnerProgram, Touchpoint
from webapp.programs.partners.rules import Share, Touch, attribute, whole
from webapp.programs.partners.states import DealState, Model

#: Weights are kept as decimals; parts of them are not finer than this.
_FINEST = 1_000_000
#: Deals of one batch.
BATCH = 1_000


def recompute(organisation_id: int, deal_ids: Sequence[int], now: datetime) -> None:
    """Work out the shares of deals anew, but for those that a payout has frozen: there amounts follow the deal alone.

    A deal that was won keeps the model by which it was recorded, and its partners the terms. `now` stands for the
    close of a deal that is open.
    """
    for start in range(0, len(deal_ids), BATCH):
        _recompute(organisation_id, deal_ids[start : start + BATCH], now)


def _recompute(organisation_id: int, deal_ids: Sequence[int], now: datetime) -> None:
    deals = ask(
        select(
            Deal.id, Deal.state, Deal.currency, Deal.amount_minor, Deal.closed_at, Deal.registered_by_id,
            PartnerProgram.model, PartnerProgram.role_weights,
        )
        .join(PartnerProgram, PartnerProgram.id == Deal.program_id)
        .where(Deal.organisation_id == organisation_id, among(Deal.id, deal_ids))
    )  # fmt: skip
    frozen = _frozen(deal_ids)
    for deal in deals:
        _follow(frozen.get(deal.id, ()), Money(deal.amount_minor, deal.currency))
    renewed = [deal for deal in deals if deal.id not in frozen]
    won = {deal.id for deal in renewed if deal.state == DealState.WON}
    before = terms.recorded(won)
    touches = _touches([deal.id for deal in renewed])
    found: list[tuple[int, Model, Share]] = []
    for deal in renewed:
        model = Model(before[deal.id][0] if deal.id in before else deal.model)
        shares = attribute(
            Money(deal.amount_minor, deal.currency), touches[deal.id], model=model, closed_at=deal.closed_at or now,
            registered_by=deal.registered_by_id, role_weights=deal.role_weights or None,
        )  # fmt: skip
        found += [(deal.id, model, share) for share in shares]
    present = terms.of_partners({share.partner_id for deal_id, _, share in found if deal_id in won})
    rows = []
    for deal_id, model, share in found:
        own = before[deal_id][1] if deal_id in before else {}
        now_or_then = own.get(share.partner_id) or present.get(share.partner_id, terms.NOTHING)
        agreed = now_or_then if deal_id in won else terms.UNKNOWN
        rows.append(_row(organisation_id, deal_id, model, share, now) | agreed)
    db.session.execute(delete(Attribution).where(among(Attribution.deal_id, [deal.id for deal in renewed])))
    insert_many(db.session(), Attribution, rows)
    db.session.flush()


def _touches(deal_ids: Collection[int]) -> dict[int, list[Touch]]:
    found: dict[int, list[Touch]] = defaultdict(list)
    columns = (
        Touchpoint.deal_id, Touchpoint.id, Touchpoint.payee_id, Touchpoint.type, Touchpoint.happened_at,
        Touchpoint.weight,
    )  # fmt: skip
    for row in ask(select(*columns).where(among(Touchpoint.deal_id, deal_ids))):
        found[row[0]].append(Touch(*row[1:]))
    return found


def _frozen(deal_ids: Collection[int]) -> dict[int, list[Attribution]]:
    found: dict[int, list[Attribution]] = defaultdict(list)
    query = select(Attribution).where(among(Attribution.deal_id, deal_ids), Attribution.is_frozen)
    for row in db.session.scalars(query.order_by(Attribution.id)):
        found[row.deal_id].append(row)
    return found


def follow(deal: Deal) -> None:
    """The deal comes to another amount; who has which share of it stays as it is recorded."""
    query = select(Attribution).where(Attribution.deal_id == deal.id).order_by(Attribution.id)
    _follow(db.session.scalars(query).all(), Money(deal.amount_minor, deal.currency))
    db.session.flush()


def _follow(rows: Sequence[Attribution], amount: Money) -> None:
    """The shares stay, the amounts are those of the deal as it is now, by what the touches weighed."""
    if sum(row.amount_minor for row in rows) == amount.amount or not rows:
        return
    weights = whole([_weight(row) for row in rows])
    for row, part in zip(rows, amount.allocate(weights), strict=True):
        row.amount_minor = part.amount


def _weight(row: Attribution) -> Fraction:
    return sum((Fraction(weight).limit_denominator(_FINEST) for _, weight, _ in row.parts), Fraction(0))


def _row(organisation_id: int, deal_id: int, model: Model, share: Share, now: datetime) -> dict[str, object]:
    return {
        "organisation_id": organisation_id,
        "deal_id": deal_id,
        "payee_id": share.partner_id,
        "model": model.value,
        "millionths": share.millionths,
        "currency": share.amount.currency,
        "amount_minor": share.amount.amount,
        "parts": [[part.touch_id, float(part.weight), part.why] for part in share.parts],
        "is_frozen": False,
        "worked_out_at": now,
    }


def freeze(deal_ids: Collection[int]) -> None:
    """A payout has commissions of these deals: their shares do not change any more."""
    for row in db.session.scalars(
        select(Attribution).where(among(Attribution.deal_id, deal_ids), ~Attribution.is_frozen)
    ):
        row.is_frozen = True
    db.session.flush()


def thaw(deal_ids: Collection[int]) -> None:
    """A payout gave commissions back: deals of which no other payout has any follow their touches again."""
    held = select(Commission.deal_id).where(
        among(Commission.deal_id, deal_ids), Commission.payout_id.is_not(None)
    )
    for row in db.session.scalars(
        select(Attribution).where(
            among(Attribution.deal_id, deal_ids), Attribution.is_frozen, Attribution.deal_id.not_in(held)
        )
    ):
        row.is_frozen = False
    db.session.flush()
