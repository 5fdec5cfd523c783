"""What happens at the demo's software company again and again: who acts, a deal, a touch of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

from webapp.demo.times import moment
from webapp.kernel.actor import COMMAND, Actor
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.programs.partners import deals
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Deal
from webapp.programs.partners.states import TouchType

ZONE = "America/New_York"


#: An hour of the company's day.
at = partial(moment, ZONE)


@dataclass(frozen=True)
class Cast:
    """Who acts; partners and programs by their position in `partnerbase_people`; the first of the months."""

    organisation_id: int
    admin: Actor
    approver: Actor
    partner: Actor
    partners: tuple[int, ...]
    programs: tuple[int, ...]
    first: date
    #: References of deals that a later chapter of a story needs.
    kept: dict[str, str] = field(default_factory=dict)


def deal(
    cast: Cast, program: int, customer: str, product: str, currency: str, minor: int, opened: date
) -> Deal:
    """A deal as the CRM sent it."""
    return deals.create_deal(
        organisation_id=cast.organisation_id,
        draft=DealDraft(
            program_id=cast.programs[program], name=f"{customer}: {product}", customer=customer, product=product,
            currency=currency, amount_minor=minor, opened_at=at(opened, 9),
        ),
        actor=COMMAND,
        now=at(opened, 9),
    )  # fmt: skip


def touch(cast: Cast, reference: str, position: int, kind: TouchType, day: date) -> None:
    """What a partner did for a deal on a day."""
    deals.add_touch(
        organisation_id=cast.organisation_id,
        reference=reference,
        draft=TouchDraft(cast.partners[position], kind.value, at(day, 12)),
        actor=COMMAND,
        now=at(day, 13),
    )


def approve(cast: Cast, payout: Payout, when: datetime) -> None:
    """By one person, or by both where the amount needs two."""
    for actor in (cast.approver, cast.admin):
        if payout.state == PayoutState.PENDING_APPROVAL:
            payouts.approve(
                organisation_id=cast.organisation_id, reference=payout.reference, actor=actor, now=when
            )
