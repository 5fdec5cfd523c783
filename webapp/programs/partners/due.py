"""What is due to partners: which commissions a calculation may take, and what it would make of them. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, or_, select

from webapp.database import among, ask
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.payouts import policies
from webapp.payouts.policy import Policy
from webapp.people.models import Payee
from webapp.programs.partners import retainers, trail
from webapp.programs.partners.models import Commission, PartnerProgram
from webapp.programs.partners.rules import Period, period, period_of
from webapp.programs.partners.states import CommissionState, PeriodKind

#: Commissions of one payout: more make a second one at the next calculation.
MOST_LINES = 1_000
CARRIED = "What was taken back is not earned again yet; it is carried."


@dataclass(frozen=True)
class Due:
    """What is due to a partner in one currency; `reason` says why it is not paid now, and is empty when it is."""

    payee_id: int
    payee_reference: str
    payee_name: str
    commissions: int
    amount: Money
    reason: str


def span_of(organisation_id: int, text: str, now: datetime) -> Period:
    """The month or quarter of a text. Raises Invalid for one that there is not, or that has not begun."""
    found, today = period(text), trail.today(organisation_id, now)
    if found.first > today:
        example = period_of(today, PeriodKind.MONTH.value).text
        raise Invalid("period", f"{found.text} has not begun.", example)
    return found


def is_month(span: Period) -> bool:
    """Whether a period is a month; programs that pay by the quarter wait for its end."""
    return "Q" not in span.text


def is_open(organisation_id: int) -> list[ColumnElement[bool]]:
    """Commissions that are in no payout and that nobody has to decide about."""
    return [
        Commission.organisation_id == organisation_id,
        Commission.state == CommissionState.OPEN.value,
        Commission.offer == "open",
        Commission.is_disputed.is_(False),
    ]


def is_due(
    organisation_id: int, until: Period, today: date, *, is_automatic: bool = False
) -> list[ColumnElement[bool]]:
    """Commissions that a calculation takes: holding period over, earned up to the end of the period.

    What is taken back bears the day on which it was found, and is netted by the next payout, whatever its period.
    A month takes nothing of programs that pay by the quarter. `is_automatic`: of programs whose payouts are made by
    themselves alone.
    """
    in_time = or_(Commission.earned_on <= until.last, Commission.amount_minor < 0)
    found = [*is_open(organisation_id), in_time, Commission.due_on <= today]
    programs = select(PartnerProgram.id).where(PartnerProgram.organisation_id == organisation_id)
    if is_month(until):
        by_month = programs.where(PartnerProgram.period == PeriodKind.MONTH.value)
        found.append(Commission.program_id.in_(by_month))
    if is_automatic:
        found.append(Commission.program_id.in_(programs.where(PartnerProgram.is_automatic)))
    return found


def least_of(policy: Policy, currency: str, minimums: Iterable[Mapping[str, Any]]) -> Money:
    """The smallest payout in a currency: the highest of the programs' minimums and the policy's."""
    least = max((int(each.get(currency, 0)) for each in minimums), default=0)
    if policy.currency == currency:
        least = max(least, policy.minimum_minor)
    return Money(least, currency)


def why_waiting(name: str, is_active: bool, amount: Money, least: Money) -> str:
    """Why what is due to a partner in one currency is not paid now; empty when it is."""
    if not is_active:
        return f"{name} is not active."
    if amount.amount <= 0:
        return CARRIED
    if amount < least:
        return f"Less than the smallest payout, {least.format()}; it rolls over."
    return ""


@dataclass(frozen=True)
class Preview:
    """What a calculation would do, by name and currency.

    `retainers`: how many of its commissions are still to be made; `notes`: rules whose retainer counts for nobody.
    """

    rows: tuple[Due, ...]
    retainers: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Sum:
    """What is due to a partner of one program in one currency."""

    payee_id: int
    reference: str
    name: str
    is_active: bool
    currency: str
    minimums: Mapping[str, Any]
    n: int
    minor: int


def preview(organisation_id: int, until: str, now: datetime) -> Preview:
    """What a calculation of a period would pay and what would wait, by name and currency; nothing is locked or made.

    Raises Invalid.
    """
    span = span_of(organisation_id, until, now)
    policy, _ = policies.current_policy(organisation_id)
    plan = retainers.planned(organisation_id, span.text, now)
    planned = _retainers(organisation_id, span, plan)
    found: dict[tuple[int, str], list[_Sum]] = {}
    for each in (*_sums(organisation_id, span, now), *planned):
        found.setdefault((each.payee_id, each.currency), []).append(each)
    rows = sorted(
        (_due(sums, policy) for sums in found.values()),
        key=lambda row: (row.payee_name.casefold(), row.payee_id, row.amount.currency),
    )
    return Preview(tuple(rows), len(planned), plan.notes)


def ready(
    organisation_id: int, until: str, now: datetime, limit: int, *, is_automatic: bool = False
) -> list[int]:
    """The first partners, by id, to whom a calculation would pay something now, of what is earned already.

    Who waits alone, for the minimum or with what was taken back, is not among them. Raises Invalid.
    """
    policy, _ = policies.current_policy(organisation_id)
    found: dict[tuple[int, str], list[_Sum]] = {}
    span = span_of(organisation_id, until, now)
    for each in _sums(organisation_id, span, now, is_automatic=is_automatic):
        found.setdefault((each.payee_id, each.currency), []).append(each)
    return sorted({sums[0].payee_id for sums in found.values() if not _due(sums, policy).reason})[:limit]


def _sums(organisation_id: int, span: Period, now: datetime, *, is_automatic: bool = False) -> list[_Sum]:
    wanted = is_due(organisation_id, span, trail.today(organisation_id, now), is_automatic=is_automatic)
    rows = ask(
        select(
            Payee.id, Payee.reference, Payee.name, Payee.is_active, Commission.currency, PartnerProgram.minimums,
            func.count(), cast(func.sum(Commission.amount_minor), BigInteger),
        )
        .select_from(Commission)
        .join(Payee, Payee.id == Commission.payee_id)
        .join(PartnerProgram, PartnerProgram.id == Commission.program_id)
        .where(*wanted)
        .group_by(Payee.id, Commission.currency, PartnerProgram.id)
    )  # fmt: skip
    return [_Sum(*row) for row in rows]


def _retainers(organisation_id: int, span: Period, plan: retainers.Plan) -> list[_Sum]:
    """The retainers that the calculation makes and takes, one by one."""
    if not plan.retainers:
        return []
    ids = sorted({each.payee_id for each in plan.retainers})
    payees = {
        row.id: row
        for row in ask(
            select(Payee.id, Payee.reference, Payee.name, Payee.is_active).where(among(Payee.id, ids))
        )
    }
    programs = {
        row.id: row
        for row in ask(
            select(PartnerProgram.id, PartnerProgram.period, PartnerProgram.minimums).where(
                PartnerProgram.organisation_id == organisation_id
            )
        )
    }
    found = []
    for each in plan.retainers:
        payee, program = payees[each.payee_id], programs[each.program_id]
        if is_month(span) and program.period != PeriodKind.MONTH.value:
            continue
        found.append(
            _Sum(payee.id, payee.reference, payee.name, payee.is_active, each.amount.currency, program.minimums, 1,
                 each.amount.amount)
        )  # fmt: skip
    return found


def _due(rows: list[_Sum], policy: Policy) -> Due:
    first = rows[0]
    amount = Money(sum(row.minor for row in rows), first.currency)
    least = least_of(policy, first.currency, (row.minimums for row in rows))
    reason = why_waiting(first.name, first.is_active, amount, least)
    return Due(first.payee_id, first.reference, first.name, sum(row.n for row in rows), amount, reason)
