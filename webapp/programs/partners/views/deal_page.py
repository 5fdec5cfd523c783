"""What the page of one deal shows: who earned what and why, commissions, what can be done next, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from flask import g
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import joinedload

from webapp.audit import words
from webapp.audit.models import AuditEvent
from webapp.database import ask, db
from webapp.kernel.clock import local_date
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money, total
from webapp.payouts.views.program_pages import money, today
from webapp.people.models import Payee, Role
from webapp.programs.partners import explaining, money_lists, rules
from webapp.programs.partners.explaining import Explained
from webapp.programs.partners.models import Commission, Deal, Registration, Touchpoint
from webapp.programs.partners.states import TRANSITIONS, DealAction, DealState, Model
from webapp.programs.partners.views import commissions
from webapp.programs.partners.views.links import href_of
from webapp.web import charts
from webapp.web.charts import RowFigure

#: Events of the history and commissions of a deal, the newest; the trail and the list have them all.
SHOWN, MOST_COMMISSIONS, OFFERED = 50, 100, 500
_TITLES = {
    "deal:created": "Entered",
    "deal:changed": "Changed",
    "deal:won": "Won",
    "deal:lost": "Lost",
    "deal:reopened": "Opened again",
    "touch:added": "Touch added",
    "deal:touch_removed": "Touch removed",
    "registration:approved": "Registration accepted",
}


def find(reference: str) -> Deal:
    """A deal of the organisation, to be read. Raises NotFound."""
    row = db.session.scalar(
        select(Deal)
        .where(Deal.organisation_id == g.organisation.id, Deal.reference == reference)
        .options(joinedload(Deal.program), joinedload(Deal.registered_by))
    )
    if row is None:
        raise NotFound("There is no such deal.")
    return row


def day_of(instant: datetime | None) -> date | None:
    """The organisation's day of an instant."""
    return local_date(instant, g.organisation.timezone) if instant else None


def offered_partners() -> list[tuple[str, str]]:
    """(number, name) of partners, for a field that offers them while it is typed."""
    query = select(Payee.reference, Payee.name).where(
        Payee.organisation_id == g.organisation.id,
        Payee.kind == Role.PARTNER.value,
        Payee.is_active.is_(True),
    )
    return [(row.reference, row.name) for row in ask(query.order_by(Payee.name, Payee.id).limit(OFFERED))]


def context(deal: Deal, now: datetime) -> dict[str, Any]:
    """All that the page shows of a deal. At most ten queries beside the deal's own."""
    told = explaining.explain(deal.organisation_id, deal.id)
    is_frozen = any(each.is_frozen for each in told)
    rows = _commissions(deal)
    state, model = DealState(deal.state), Model(deal.program.model)
    return {
        "deal": deal,
        "state": state,
        "model": model,
        "amount": money(deal.amount_minor, deal.currency),
        "opened_on": day_of(deal.opened_at),
        "closed_on": day_of(deal.closed_at),
        "told": [_told(each) for each in told],
        "figure": _figure(deal, told) if told else None,
        "is_frozen": is_frozen,
        "rows": rows,
        "earned": total([row["amount"] for row in rows if row["row"].state != "cancelled"], deal.currency),
        "can": {action.value for action in DealAction if (state, action) in TRANSITIONS},
        "registrations": _registrations(deal),
        "events": _events(deal),
        "program_href": href_of("program", reference=deal.program.reference),
        "registrar_href": href_of("partner", reference=deal.registered_by.reference)
        if deal.registered_by
        else None,
        "now": now,
    }


def _told(each: Explained) -> dict[str, Any]:
    return {
        "who": each,
        "href": href_of("partner", reference=each.partner_reference),
        "share": explaining.percent(each.millionths),
        "parts": [(part, explaining.percent(part.share_millionths)) for part in each.parts],
    }


def _figure(deal: Deal, told: Sequence[Explained]) -> RowFigure | None:
    """The shares as bars; who has none is left out."""
    shared = [each for each in told if each.millionths]
    if not shared:
        return None
    most = max(shared, key=lambda each: each.millionths)
    finding = f"{most.partner_name} has {explaining.percent(most.millionths)} of it"
    finding += "." if len(shared) == 1 else f", the most of {len(shared)} partners."
    return charts.ranking(
        key="shares",
        title="Shares of the deal",
        finding=finding,
        items=[(each.partner_name, each.millionths) for each in shared],
        say=lambda value: explaining.percent(value),
        item_header="Partner",
        value_header="Share",
        full=rules.WHOLE,
    )


def _commissions(deal: Deal) -> list[dict[str, Any]]:
    """Its commissions with the rule and rate that made each, the oldest first."""
    chosen = money_lists.CommissionFilter(today=today(), deal=deal.reference)
    found = money_lists.commissions(deal.organisation_id, chosen)
    of_deal = found.query.where(Commission.deal_id == deal.id)
    rows = ask(of_deal.order_by(Commission.id).limit(MOST_COMMISSIONS))
    return [
        {**commissions.row_of(row, today()), "href": href_of("commission", reference=row.reference)}
        for row in rows
    ]


def _registrations(deal: Deal) -> Sequence[Any]:
    query = (
        select(Registration.reference, Registration.created_at, Payee.name)
        .join(Payee, Payee.id == Registration.payee_id)
        .where(Registration.deal_id == deal.id)
    )
    return ask(query.order_by(Registration.id).limit(20))


def _events(deal: Deal) -> list[dict[str, Any]]:
    """What happened to the deal, its touches and commissions, the oldest first."""
    touches = select(Touchpoint.id).where(Touchpoint.deal_id == deal.id)
    about = or_(
        and_(AuditEvent.subject_type == "partners_deal", AuditEvent.subject_id == deal.id),
        and_(AuditEvent.subject_type == "partners_touch", AuditEvent.subject_id.in_(touches)),
    )
    found = db.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.organisation_id == deal.organisation_id, about)
        .order_by(AuditEvent.id.desc())
        .limit(SHOWN)
    ).all()
    return [
        {"at": event.at, "who": event.actor_label, "text": event.note or _said(deal, event),
         "title": _TITLES.get(event.tag.partition(":")[2]) or words.action(event.tag)}
        for event in reversed(found)
    ]  # fmt: skip


def _said(deal: Deal, event: AuditEvent) -> str:
    """Another amount in words; other changes stand in the trail."""
    before, after = (event.changes or {}).get("amount_minor", (None, None))
    if before is None or after is None:
        return ""
    return f"{Money(int(before), deal.currency).format()} → {Money(int(after), deal.currency).format()}"
