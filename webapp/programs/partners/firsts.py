"""The day on which each partner's first deal was won, and whose terms follow when it is another day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import func, select, union
from sqlalchemy.orm import aliased

from webapp.database import among, ask
from webapp.kernel.clock import local_date, start_of_day
from webapp.programs.partners.models import Attribution, Commission, Deal
from webapp.programs.partners.rules import Rule, months_after
from webapp.programs.partners.states import DealState


def first_closed(payee_ids: Sequence[int], timezone: str) -> dict[int, date]:
    """The day on which each partner's first deal was won."""
    rows = ask(
        select(Attribution.payee_id, func.min(Deal.closed_at))
        .join(Deal, Deal.id == Attribution.deal_id)
        .where(among(Attribution.payee_id, payee_ids), Deal.state == DealState.WON.value)
        .group_by(Attribution.payee_id)
    )
    return {payee_id: local_date(closed_at, timezone) for payee_id, closed_at in rows if closed_at}


def deals_that_follow(deal_ids: Sequence[int], rules: Sequence[Rule], timezone: str) -> list[int]:
    """Other won deals that a rule for a partner's first months may see otherwise now, because these closed or ended.

    Those of partners whose first deal is, or was, one of these; as far as the longest such rule reaches.
    """
    months = max((rule.months or 0 for rule in rules), default=0)
    if not months:
        return []
    pairs = union(
        select(Attribution.payee_id, Attribution.deal_id).where(among(Attribution.deal_id, deal_ids)),
        select(Commission.payee_id, Commission.deal_id).where(among(Commission.deal_id, deal_ids)),
    ).subquery()
    mine = select(pairs.c.payee_id, func.min(Deal.closed_at)).join(Deal, Deal.id == pairs.c.deal_id)
    begun = {payee: closed_at for payee, closed_at in ask(mine.group_by(pairs.c.payee_id)) if closed_at}
    one = aliased(Deal)
    these = select(one.id).where(among(one.id, deal_ids))
    others = (
        select(Attribution.payee_id, func.min(Deal.closed_at))
        .join(Deal, Deal.id == Attribution.deal_id)
        .where(
            among(Attribution.payee_id, sorted(begun)),
            Deal.state == DealState.WON.value,
            Deal.id.not_in(these),
        )
        .group_by(Attribution.payee_id)
    )
    until = {
        payee: start_of_day(months_after(local_date(first, timezone), months) + timedelta(days=1), timezone)
        for payee, first in ask(others)
        if begun[payee] < first
    }
    if not until:
        return []
    query = (
        select(Attribution.payee_id, Deal.id, Deal.closed_at)
        .join(Deal, Deal.id == Attribution.deal_id)
        .where(
            among(Attribution.payee_id, sorted(until)),
            Deal.state == DealState.WON.value,
            Deal.closed_at < max(until.values()),
            Deal.id.not_in(these),
        )
    )
    return sorted({deal_id for payee, deal_id, closed_at in ask(query) if closed_at < until[payee]})
