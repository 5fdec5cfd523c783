"""What the page of one repair shows: the plan with its money, what can be done next, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask import g, url_for
from markupsafe import Markup
from sqlalchemy import ColumnElement, or_, select

from webapp.audit import words
from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.payouts.views.program_pages import money, today
from webapp.people.views.session import actor
from webapp.programs.repairs import changing
from webapp.programs.repairs.books import Charge
from webapp.programs.repairs.models import Instalment, Repair, Replan
from webapp.programs.repairs.states import (
    TRANSITIONS,
    InstalmentState,
    RepairAction,
    RepairState,
    ReplanState,
    Workshop,
)

#: Events of the history, the newest; the trail has them all.
SHOWN = 50
#: What the trail's words are on this page, where they would sound odd.
_TITLES = {
    "repair:created": "Entered",
    "repair:updated": "Changed",
    "repair:confirmed": "Confirmed",
    "repair:held": "Put on hold",
    "repair:released": "Released",
    "repair:cancelled": "Cancelled",
    "repair:settled": "Settled",
    "repair:instalment_moved": "Instalment moved to the end",
    "repair:replanned": "Planned anew",
    "replan:proposed": "New plan proposed",
    "replan:accepted": "New plan accepted",
    "replan:refused": "New plan refused",
}
_COUNTED = (InstalmentState.SCHEDULED, InstalmentState.POSTED, InstalmentState.PAID)


def context(repair: Repair) -> dict[str, Any]:
    """All that the page shows of a repair. At most eight queries beside the repair's own."""
    charges = {charge.instalment_id: charge for charge in changing.charges_of(repair)}
    replans = db.session.scalars(
        select(Replan).where(Replan.repair_id == repair.id).order_by(Replan.id)
    ).all()
    parts = [each for each in repair.instalments if InstalmentState(each.state) in _COUNTED]
    scheduled = sum(e.amount_minor for e in parts if e.state == InstalmentState.SCHEDULED)
    owed = sum(charge.open_minor for charge in charges.values())
    waiting = next((row for row in replans if row.state == ReplanState.PROPOSED), None)
    return {
        "repair": repair,
        "state": RepairState(repair.state),
        "workshop": Workshop(repair.workshop),
        "amount": money(repair.amount_minor, repair.currency),
        "weekly": money(repair.weekly_minor, repair.currency),
        "facts": _facts(repair, scheduled, owed),
        "driver_link": _link("driver", repair.payee.reference, repair.payee.name),
        "lease_link": _link("lease", repair.lease.reference, repair.lease.reference),
        "rows": [row_of(each, charges.get(each.id), repair.state, today()) for each in repair.instalments],
        "n_paid": sum(each.state == InstalmentState.PAID for each in parts),
        "n_parts": len(parts),
        "can": _can(repair, scheduled, owed, waiting),
        "waiting": waiting,
        "waiting_weekly": money(waiting.weekly_minor, repair.currency) if waiting else None,
        "is_own_plan": waiting is not None and waiting.created_by_id == actor().user_id,
        "events": _events(repair, replans),
    }


def _link(page: str, reference: str, label: str) -> Markup:
    address = url_for(f".{page}", reference=reference)
    return Markup('<a href="{}"><bdi>{}</bdi></a>').format(address, label)


def _facts(repair: Repair, scheduled: int, owed: int) -> list[tuple[str, Any]]:
    """The money of it: paid + cancelled or taken back + charged and not paid + still to be charged = the amount."""
    amounts = [
        ("Amount", repair.amount_minor),
        ("Paid", repair.paid_minor),
        ("Cancelled, taken back or written off", repair.credited_minor),
        ("Charged, not paid yet", owed),
        ("Still to be charged", scheduled),
    ]
    return [(label, money(amount, repair.currency)) for label, amount in amounts]


def row_of(each: Instalment, charge: Charge | None, repair_state: str, day: date) -> dict[str, Any]:
    """One instalment of the plan; `is_due` says that its week has begun and that it can be charged now."""
    state = InstalmentState(each.state)
    is_due = state == InstalmentState.SCHEDULED and each.week_start <= day
    return {
        "row": each,
        "state": state,
        "is_due": is_due and repair_state == RepairState.OPEN,
        "amount": money(each.amount_minor, each.currency),
        "left": money(each.balance_after_minor, each.currency),
        "owed": money(charge.open_minor, each.currency) if charge and charge.open_minor else None,
        "is_disputed": charge is not None and charge.is_disputed,
        "can_skip": state == InstalmentState.SCHEDULED and repair_state == RepairState.OPEN,
    }


def _can(repair: Repair, scheduled: int, owed: int, waiting: Replan | None) -> frozenset[str]:
    """The words of the acts that the state allows and that would do something."""
    state = RepairState(repair.state)
    can = {action.value for action in RepairAction if (state, action) in TRANSITIONS}
    if not scheduled + owed:
        can.discard(RepairAction.SETTLE.value)
    if not scheduled or waiting is not None:
        can.discard(RepairAction.REPLAN.value)
    return frozenset(can)


def _events(repair: Repair, replans: Sequence[Replan]) -> list[dict[str, Any]]:
    """What happened to the repair and to its plans, the oldest first."""
    about: ColumnElement[bool] = (AuditEvent.subject_type == "repairs_repair") & (
        AuditEvent.subject_id == repair.id
    )
    if replans:
        ids = [row.id for row in replans]
        about = or_(about, (AuditEvent.subject_type == "repairs_replan") & AuditEvent.subject_id.in_(ids))
    found = db.session.scalars(
        select(AuditEvent)
        .where(AuditEvent.organisation_id == g.organisation.id, about)
        .order_by(AuditEvent.id.desc())
        .limit(SHOWN)
    ).all()
    return [
        {"at": event.at, "who": event.actor_label, "text": event.note,
         "title": _TITLES.get(event.tag.partition(":")[2]) or words.action(event.tag)}
        for event in reversed(found)
    ]  # fmt: skip
