"""New plans of repairs that wait for a second person."""

from __future__ import annotations

from typing import Any

from flask import g
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from webapp.payouts.views.program_pages import list_page, money, page_of
from webapp.people.views.session import actor
from webapp.programs.repairs.models import Repair, Replan
from webapp.programs.repairs.states import ReplanState
from webapp.programs.repairs.views.area import AREA
from webapp.web.filter_fields import ListFilter


def index() -> ResponseReturnValue:
    """What waits, the newest first, with who may decide."""
    query = (
        select(Replan)
        .where(Replan.organisation_id == g.organisation.id, Replan.state == ReplanState.PROPOSED.value)
        .options(joinedload(Replan.repair, innerjoin=True).joinedload(Repair.payee, innerjoin=True))
    )
    page = page_of(query, Replan.id, "new plan")
    return list_page(
        AREA, "repairs/replans.html", ListFilter(), "plans", is_valid=True, page=page,
        rows=[_row(row) for row in page.items],
    )  # fmt: skip


def _row(row: Replan) -> dict[str, Any]:
    return {
        "row": row,
        "repair": row.repair,
        "now": money(row.repair.weekly_minor, row.repair.currency),
        "weekly": money(row.weekly_minor, row.repair.currency),
        "is_own": row.created_by_id == actor().user_id,
    }
