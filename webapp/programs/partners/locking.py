"""In which order deals, shares and commissions are locked: one for everybody, so that nobody waits in a circle.

1. What the act begins with: a payout, an event, a registration, an objection.
2. The deals of the organisation as a whole: beside others for who knows before which deals the act is about; alone for
   a list, which has an order of its own, and for another model, which counts for deals that are entered meanwhile.
3. Deals, all that the act is about, in the order of `BY_CLOSE`. Whoever holds a deal holds its shares (attributions)
   and its touches; nobody changes those without it.
4. Commissions, by their ids; those in a payout only by who changes their state. They are also locked without their
   deal: one by an objection or a decision, those of payouts that are paid together payout by payout.
5. Numbers for new rows.

Deals go by the day of their close, because one act finds more deals while it holds the first: what is won or lost makes
others a partner's first, and those closed after it. Programs are locked against changes, not against references: new
commissions name theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import joinedload

from webapp.database import among, db, lock_name
from webapp.programs.partners.models import Commission, Deal

#: The order in which several deals are locked: open ones first.
BY_CLOSE = (Deal.closed_at.nulls_first(), Deal.id)


def beside(organisation_id: int) -> None:
    """Before the first deal is locked or entered: others may do the same, but nobody has the deals alone."""
    lock_name(f"partners deals {organisation_id}", is_shared=True)


def alone(organisation_id: int) -> None:
    """Nobody else holds a deal, or enters one, until the transaction ends."""
    lock_name(f"partners deals {organisation_id}")


def lock_deals(organisation_id: int, deal_ids: Collection[int]) -> None:
    """Lock these deals, and with them their shares."""
    _lock(organisation_id, among(Deal.id, sorted(set(deal_ids))))


def _lock(organisation_id: int, which: ColumnElement[bool]) -> list[int]:
    beside(organisation_id)
    query = select(Deal.id).where(Deal.organisation_id == organisation_id, which).order_by(*BY_CLOSE)
    return list(db.session.scalars(query.with_for_update()))


def commissions(wanted: Sequence[ColumnElement[bool]]) -> Select[Commission]:
    """The commissions that meet the conditions, by id, with all that a payout says of them."""
    return (
        select(Commission)
        .where(*wanted)
        .options(joinedload(Commission.payee), joinedload(Commission.deal), joinedload(Commission.program))
        .order_by(Commission.id)
        .execution_options(populate_existing=True)
    )


def by_id(wanted: Sequence[ColumnElement[bool]]) -> None:
    """Lock commissions that meet the conditions: after their deals, or where nothing but their own state changes."""
    query = select(Commission.id).where(*wanted).order_by(Commission.id).with_for_update()
    db.session.execute(query).all()


def lock_commissions(organisation_id: int, wanted: Sequence[ColumnElement[bool]]) -> Sequence[Commission]:
    """The same, locked after their deals.

    A commission of a deal that was not among those is left for the next payout: it was made while these were locked.
    """
    deal_ids = _lock(organisation_id, Deal.id.in_(select(Commission.deal_id).where(*wanted)))
    is_held = or_(Commission.deal_id.is_(None), among(Commission.deal_id, deal_ids))
    return db.session.scalars(commissions([*wanted, is_held]).with_for_update(of=Commission)).all()
