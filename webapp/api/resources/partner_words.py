"""Rows of partners, deals and commissions as the API says them; partners get the same figures and nothing internal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

from webapp.api import partners_queries
from webapp.api.bearer import Caller
from webapp.api.schemas.common import Amount, DecimalText, PayeeRef
from webapp.api.schemas.partner_deals import DealDetail, DealOut, DealShareOut, PartOut, TouchOut
from webapp.api.schemas.partner_money import BaseLine, BaseOut, CommissionOut, DisputeOut
from webapp.api.schemas.partners import RegistrationOut
from webapp.database import ask
from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money
from webapp.programs.partners import choosing, explaining, money_lists, registering, touch_lists
from webapp.programs.partners.base_view import BaseView
from webapp.programs.partners.explaining import Explained
from webapp.programs.partners.models import CommissionDispute, Deal, Registration
from webapp.programs.partners.rules import FULL, WHOLE
from webapp.programs.partners.standing import standing
from webapp.programs.partners.states import Model, RegistrationState
from webapp.web import listing

#: Commissions of one deal that its own address shows.
LISTED = 200


def today_of(who: Caller) -> date:
    """The day that it is where the caller's organisation is."""
    return local_date(utc_now(), who.timezone)


def amount_of(money: Money) -> Amount:
    """An amount as the API says it."""
    return Amount.of(money.amount, money.currency)


def percent_of(basis_points: int) -> Decimal:
    """Basis points as per cent: 750 is 7.5."""
    return Decimal(basis_points) * 100 / FULL


def basis_points(percent: DecimalText, field: str = "percent") -> int:
    """Per cent in basis points. Raises Invalid above 100 and for more than two decimals."""
    scaled = percent * FULL / 100
    if not 0 <= scaled <= FULL or scaled != scaled.to_integral_value():
        raise Invalid(field, "Enter per cent from 0 to 100, with at most two decimals.", "7.5")
    return int(scaled)


def partner_ref(row: Any) -> PayeeRef:
    """The partner of a row of a list."""
    return PayeeRef(reference=row.partner_reference, name=row.partner_name, kind="partner")


def staff_filter(who: Caller, **filters: str | None) -> None:
    """Refuse filters that would tell a partner of others. Raises Invalid."""
    for name, value in filters.items():
        if value and not who.sees_all:
            raise Invalid(name, "A partner's own token sees its own records alone; leave this out.")


# ------------------------------------------------------------------------------------------------- deals
def deal_fields(row: Deal, who: Caller) -> dict[str, Any]:
    """What every shape of a deal has."""
    staff = who.sees_all
    registrar = row.registered_by
    is_told = registrar is not None and (staff or registrar.id == partners_queries.own_id(who.viewer))
    names = ("reference", "external_ref", "name", "customer", "product", "state", "opened_at", "closed_at",
             "created_at", "version")  # fmt: skip
    return {
        **{name: getattr(row, name) for name in names},
        "program": row.program.reference,
        "amount": Amount.of(row.amount_minor, row.currency),
        "registered_by": PayeeRef.of(registrar) if registrar is not None and is_told else None,
        "reason": row.reason if staff else None,
        "created_by": row.created_by_label if staff else None,
    }


def deal_of(row: Deal, who: Caller) -> DealOut:
    """A deal as lists show it."""
    return DealOut(**deal_fields(row, who))


def deal_detail(reference: str, who: Caller) -> DealDetail:
    """A deal with its shares and commissions. Raises NotFound."""
    row = partners_queries.deal(who.viewer, reference)
    own = partners_queries.own_id(who.viewer)
    model: Any = Model(row.program.model)
    found = money_lists.commissions(
        who.organisation_id, money_lists.CommissionFilter(today_of(who), deal=reference), payee_id=own
    )
    rows = listing.page(found, found.sort("created"), size=LISTED).rows
    return DealDetail(
        **deal_fields(row, who),
        model=model.value,
        model_words=model.sentence,
        attribution=[_share(each) for each in explaining.explain(who.organisation_id, row.id, own)],
        commissions=[commission_of(each, who) for each in rows],
    )


def _share(told: Explained) -> DealShareOut:
    reference = told.partner_reference
    return DealShareOut(
        partner=PayeeRef(reference=reference, name=told.partner_name, kind="partner") if reference else None,
        millionths=told.millionths,
        percent=Decimal(told.millionths) * 100 / WHOLE,
        amount=amount_of(told.amount),
        is_frozen=told.is_frozen,
        parts=[
            PartOut(
                touchpoint=part.touch_id,
                kind=part.kind_label,
                happened_at=part.happened_at,
                millionths=part.share_millionths,
                amount=amount_of(part.amount),
                why=part.why,
            )
            for part in told.parts
        ],
    )


def touch_of(row: Any, who: Caller) -> TouchOut:
    """A touch, out of a row of `touch_lists.touches`."""
    return TouchOut(
        **{name: getattr(row, name) for name in ("id", "external_ref", "type", "weight", "happened_at")},
        deal=row.deal_reference,
        partner=partner_ref(row),
        created_by=row.created_by_label if who.sees_all else None,
    )


def touch_detail(touch_id: int, who: Caller) -> TouchOut:
    """One touch. Raises NotFound, also for one that is not the caller's."""
    own = partners_queries.own_id(who.viewer)
    found = touch_lists.touches(who.organisation_id, payee_id=own)
    rows = ask(found.everything.where(found.key == touch_id))
    if not rows:
        raise NotFound
    return touch_of(rows[0], who)


def registration_of(row: Registration, who: Caller, *, with_warnings: bool = False) -> RegistrationOut:
    """A registration; its warnings where one is looked at that waits."""
    staff = who.sees_all
    names = ("reference", "customer", "product", "note", "state", "reason", "created_at", "decided_at",
             "version")  # fmt: skip
    is_waiting = row.state == RegistrationState.PENDING
    return RegistrationOut(
        **{name: getattr(row, name) for name in names},
        partner=PayeeRef.of(row.payee),
        program=row.program.reference,
        expected=Amount.of(row.expected_minor, row.currency),
        deal=row.deal.reference if row.deal else None,
        warnings=registering.warnings_of(row).sentences if with_warnings and staff and is_waiting else [],
        decided_by=(row.decided_by_label or None) if staff else None,
    )


# ------------------------------------------------------------------------------------------------- money
def commission_of(row: Any, who: Caller) -> CommissionOut:
    """A commission, out of a row of `money_lists.commissions`."""
    staff, today = who.sees_all, today_of(who)
    names = ("reference", "kind", "period", "reason", "earned_on", "due_on", "paid_at")
    stands = standing(
        state=row.state, offer=row.offer, is_disputed=row.is_disputed, due_on=row.due_on, today=today
    )
    is_open, state = row.state == "open", cast(Any, stands.value)
    why = choosing.why_not(row, today) if staff else stands.sentence
    return CommissionOut(
        **{name: getattr(row, name) for name in names},
        partner=partner_ref(row),
        program=row.program_reference,
        deal=row.deal_reference,
        state=state,
        waits_because=why if is_open and stands != "due" else "",
        base=Amount.of(row.base_minor, row.currency),
        percent=percent_of(row.rate_bp),
        amount=Amount.of(row.amount_minor, row.currency),
        rule=row.rule_label if staff else None,
        payout=row.payout_reference,
    )


def commission_detail(reference: str, who: Caller) -> CommissionOut:
    """One commission. Raises NotFound, also for one that is not the caller's."""
    row = partners_queries.commission(who.viewer, reference)
    found = money_lists.commissions(who.organisation_id)
    [listed] = ask(found.everything.where(found.key == row.id))
    return commission_of(listed, who)


def dispute_of(row: CommissionDispute, who: Caller) -> DisputeOut:
    """An objection with its answer."""
    staff = who.sees_all
    names = ("id", "state", "reason", "answer", "raised_at", "decided_at")
    return DisputeOut(
        **{name: getattr(row, name) for name in names},
        commission=row.commission.reference,
        partner=PayeeRef.of(row.commission.payee),
        raised_by=row.raised_by_label if staff else None,
        decided_by=(row.decided_by_label or None) if staff else None,
    )


def base_of(view: BaseView) -> BaseOut:
    """Totals in the organisation's own currency."""
    return BaseOut(
        currency=view.currency,
        on=view.on,
        lines=[
            BaseLine(
                amount=amount_of(line.amount),
                base=amount_of(line.base) if line.base is not None else None,
                rate=line.rate,
                rate_from=line.day,
            )
            for line in view.lines
        ],
        together=amount_of(view.together),
        missing=list(view.missing),
    )


def sums_of(rows: Sequence[tuple[Any, int, Money]]) -> list[Mapping[str, Any]]:
    """(state, count, sum) as the fields of a StateSum."""
    return [
        {"state": state.value, "count": count, "amount": amount_of(money)} for state, count, money in rows
    ]
