"""What losing a deal, or refunding it, does to what partners earned of it: told before it is done. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.kernel.money import Money
from webapp.people.models import Payee
from webapp.programs.partners import earning
from webapp.programs.partners.balance import balance_of
from webapp.programs.partners.models import Commission, Deal, PartnerProgram
from webapp.programs.partners.states import CommissionState

_LIVE = [state.value for state in CommissionState if state is not CommissionState.CANCELLED]


@dataclass(frozen=True)
class Effect:
    """What becomes of one partner's commissions of a deal that is lost.

    `cancelled` is in no payout yet and will not be; `taken_back` is in payouts and comes off the next ones; `kept` was
    paid so long ago that it is final.
    """

    partner_name: str
    cancelled: Money
    taken_back: Money
    kept: Money


def of_losing(deal: Deal, now: datetime) -> list[Effect]:
    """One effect for each partner who earned something of a deal, in the order of their names."""
    rows = db.session.execute(
        select(Commission, Payee.name)
        .join(Payee, Payee.id == Commission.payee_id)
        .where(Commission.deal_id == deal.id, Commission.state.in_(_LIVE))
        .order_by(Payee.name, Payee.id, Commission.id)
    )
    live: dict[tuple[int, str], list[Commission]] = defaultdict(list)
    for row, name in rows:
        live[row.payee_id, name].append(row)
    return [_effect(name, deal.program, of, now) for (_, name), of in live.items()]


def _effect(name: str, program: PartnerProgram, live: Sequence[Commission], now: datetime) -> Effect:
    standing = balance_of(live)
    rest = standing.rest(0, is_final=earning.is_final(program, live, now))
    cancelled = max(0, standing.waiting - max(0, rest))
    amounts = (cancelled, max(0, -rest), max(0, standing.booked + rest))
    return Effect(name, *(Money(minor, live[0].currency) for minor in amounts))
