"""Which touch of a deal earned what, and why, in words: for the admins' pages, the partners' own and the API.

What counted is read from the recorded shares; touches that earned nothing are told with the reason, too. A partner is
told about their own part alone: what is left of the deal is "another partner", without name, touches or single sums.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import lcm
from typing import Any

from sqlalchemy import select

from webapp.database import among, ask
from webapp.kernel.money import Money, total
from webapp.people.models import Payee
from webapp.programs.partners.models import Attribution, Deal, PartnerProgram, Touchpoint
from webapp.programs.partners.rules import ROLE_WEIGHTS, WHOLE
from webapp.programs.partners.states import Model, TouchType
from webapp.web.i18n import N_, gettext, translated

#: Weights are stored as numbers with a point; thirds and sevenths of a role's weight are exact again by this.
_FINEST = 1_000_000


@dataclass(frozen=True)
class ExplainedPart:
    """What one touch (or the registration) earned of a deal: of a million, in money, and why; zero says why not."""

    kind_label: str
    happened_at: datetime
    share_millionths: int
    amount: Money
    why: str
    #: None: the registration of the deal.
    touch_id: int | None = None


@dataclass(frozen=True)
class Explained:
    """A partner's share of a deal and the touches that made it; others than the asker have no `partner_reference`."""

    partner_name: str
    partner_reference: str
    millionths: int
    amount: Money
    is_frozen: bool
    parts: list[ExplainedPart]
    #: None: somebody whom the asker is not told about.
    payee_id: int | None = None


def explain(organisation_id: int, deal_id: int, payee_id: int | None = None) -> list[Explained]:
    """Who has which share of a deal and why, in the order in which they first took part; nothing where nobody did.

    With `payee_id` for that partner's eyes: their own part, and one line for all the others together. Nothing for a
    partner who took no part in the deal, or a deal of another organisation.
    """
    return explain_many(organisation_id, [deal_id], payee_id).get(deal_id, [])


def explain_many(
    organisation_id: int, deal_ids: Collection[int], payee_id: int | None = None
) -> dict[int, list[Explained]]:
    """`explain` for many deals at once, in four questions; deals with nothing to tell are left out."""
    deals = ask(
        select(
            Deal.id, Deal.currency, Deal.opened_at, Deal.closed_at, Deal.registered_by_id, PartnerProgram.model,
            PartnerProgram.role_weights,
        )
        .join(PartnerProgram, PartnerProgram.id == Deal.program_id)
        .where(Deal.organisation_id == organisation_id, among(Deal.id, deal_ids))
    )  # fmt: skip
    ids = [deal.id for deal in deals]
    shares, touches = _shares(ids), _touches(ids)
    people = {row.payee_id for rows in (*shares.values(), *touches.values()) for row in rows}
    names = _names(people | {deal.registered_by_id for deal in deals if deal.registered_by_id is not None})
    told = {deal.id: _explain(deal, shares[deal.id], touches[deal.id], names) for deal in deals}
    if payee_id is not None:
        told = {deal_id: _for_one(found, payee_id) for deal_id, found in told.items()}
    return {deal_id: found for deal_id, found in told.items() if found}


def _shares(deal_ids: Collection[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    columns = (
        Attribution.deal_id, Attribution.payee_id, Attribution.model, Attribution.millionths, Attribution.amount_minor,
        Attribution.parts, Attribution.is_frozen, Attribution.worked_out_at,
    )  # fmt: skip
    for row in ask(select(*columns).where(among(Attribution.deal_id, deal_ids)).order_by(Attribution.id)):
        found[row.deal_id].append(row)
    return found


def _touches(deal_ids: Collection[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    columns = (
        Touchpoint.deal_id, Touchpoint.id, Touchpoint.payee_id, Touchpoint.type, Touchpoint.happened_at,
        Touchpoint.weight,
    )  # fmt: skip
    query = select(*columns).where(among(Touchpoint.deal_id, deal_ids))
    for row in ask(query.order_by(Touchpoint.happened_at, Touchpoint.id)):
        found[row.deal_id].append(row)
    return found


def _names(payee_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    query = select(Payee.id, Payee.name, Payee.reference).where(among(Payee.id, payee_ids))
    return {row.id: (row.name, row.reference) for row in ask(query)}


def _explain(
    deal: Any, shares: Sequence[Any], touches: Sequence[Any], names: Mapping[int, tuple[str, str]]
) -> list[Explained]:
    by_id = {touch.id: touch for touch in touches}
    found: dict[int, Explained] = {}
    for share in shares:
        name, reference = names[share.payee_id]
        found[share.payee_id] = Explained(
            name, reference, share.millionths, Money(share.amount_minor, deal.currency), share.is_frozen,
            _earned(deal, share, by_id), share.payee_id,
        )  # fmt: skip
    told = {part.touch_id for each in found.values() for part in each.parts}
    for payee_id, part in _unearned(deal, shares, touches, told):
        if payee_id not in found:
            name, reference = names[payee_id]
            nothing = Money(0, deal.currency)
            found[payee_id] = Explained(
                name, reference, 0, nothing, bool(shares) and shares[0].is_frozen, [], payee_id
            )
        found[payee_id].parts.append(part)
    return list(found.values())


def _earned(deal: Any, share: Any, by_id: Mapping[int, Any]) -> list[ExplainedPart]:
    """The parts of a share; they add up to it, of a million and in money."""
    weights = [Fraction(weight).limit_denominator(_FINEST) for _, weight, _ in share.parts]
    bottom = lcm(*(weight.denominator for weight in weights))
    whole = [int(weight * bottom) for weight in weights]
    amounts = Money(share.amount_minor, deal.currency).allocate(whole)
    millionths = Money(share.millionths, deal.currency).allocate(whole)
    parts = []
    for (touch_id, _, why), part, money in zip(share.parts, millionths, amounts, strict=True):
        touch = by_id.get(touch_id)
        parts.append(
            ExplainedPart(
                kind_label=translated(TouchType(touch.type).label) if touch else gettext("Registration"),
                happened_at=touch.happened_at if touch else deal.opened_at,
                share_millionths=part.amount,
                amount=money,
                why=reason(why),
                touch_id=touch_id,
            )
        )
    return parts


def _unearned(
    deal: Any, shares: Sequence[Any], touches: Sequence[Any], told: Collection[int | None]
) -> list[tuple[int, ExplainedPart]]:
    """Whatever was done for the deal and earned nothing, by partner, with the reason."""
    nothing = Money(0, deal.currency)
    model = Model(shares[0].model) if shares else Model(deal.model)
    close = deal.closed_at or (shares[0].worked_out_at if shares else None)
    found = []
    for touch in touches:
        if touch.id not in told:
            label = translated(TouchType(touch.type).label)
            why = gettext(_why_not(deal, model, touch, close))
            found.append((touch.payee_id, ExplainedPart(label, touch.happened_at, 0, nothing, why, touch.id)))
    if deal.registered_by_id is not None and None not in told:
        why = gettext("In this program touches count, not who registered the deal.")
        part = ExplainedPart(gettext("Registration"), deal.opened_at, 0, nothing, why)
        found.append((deal.registered_by_id, part))
    return found


def _why_not(deal: Any, model: Model, touch: Any, close: datetime | None) -> str:
    if close is not None and touch.happened_at > close:
        return N_("It came after the close.")
    if model is Model.FIRST_TOUCH:
        if deal.registered_by_id is not None:
            return N_("All goes to the partner who registered the deal.")
        return N_("All goes to the first touch.")
    if model is Model.LAST_TOUCH:
        return N_("All goes to the last touch before the close.")
    if model is Model.ROLE and not (deal.role_weights or ROLE_WEIGHTS).get(touch.type):
        return N_("This kind of touch has no weight in this program.")
    if model is Model.CUSTOM and not touch.weight:
        return N_("It was given no weight.")
    return N_("It is not counted yet.")


def _for_one(found: Sequence[Explained], payee_id: int) -> list[Explained]:
    """The same for one partner's eyes."""
    own = [each for each in found if each.payee_id == payee_id]
    others = [each for each in found if each.payee_id != payee_id and each.millionths]
    if not own or not others:
        return own
    rest = total([each.amount for each in others], others[0].amount.currency)
    is_one = len(others) == 1
    name = gettext("another partner") if is_one else gettext("other partners")
    share = sum(each.millionths for each in others)
    return [*own, Explained(name, "", share, rest, others[0].is_frozen, [])]


def percent(millionths: int) -> str:
    """A share for people: 333,333 is "33.33 %"; halves go to the even hundredth."""
    hundredths = round(Fraction(millionths, WHOLE // 10_000))
    text = f"{hundredths // 100}.{hundredths % 100:02d}"
    return f"{text.removesuffix('.00')} %"


# What a share's record says, and how people are told; the numbers in it stay.
_REASONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile("registered the deal"), lambda m: gettext("The deal was registered by this partner.")),
    (re.compile("the first touch"), lambda m: gettext("It was the first touch.")),
    (re.compile("the last touch before the close"), lambda m: gettext("It was the last touch before the close.")),
    (re.compile("the only partner"), lambda m: gettext("No other partner took part.")),
    (
        re.compile(r"one of (\d+) partners"),
        lambda m: gettext("One of %(count)s partners, each with the same part.", count=m[1]),
    ),
    (re.compile("1 day before the close"), lambda m: gettext("1 day before the close.")),
    (
        re.compile(r"(\d+) days before the close"),
        lambda m: gettext(
            "%(days)s days before the close; it counts half as much for every 7 days.", days=m[1]
        ),
    ),
    (
        re.compile(r"[^,]+, weight (\d+)"),
        lambda m: gettext("This kind of touch has the weight %(weight)s; touches of one kind share it.", weight=m[1]),
    ),
    (re.compile(r"weight (\d+)"), lambda m: gettext("It was given the weight %(weight)s.", weight=m[1])),
)  # fmt: skip


def reason(recorded: str) -> str:
    """Why a touch earned something, from its record, in the language of the page."""
    for pattern, say in _REASONS:
        if match := pattern.fullmatch(recorded):
            return say(match)
    return recorded
