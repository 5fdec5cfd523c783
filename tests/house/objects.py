"""Example records of every room, for the addresses that name one."""

from __future__ import annotations

from sqlalchemy import select

from tests.factories.payouts import payout
from tests.house.town import Arguments, House, example
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.people import sessions
from webapp.people.models import UserSession


@example("admin.payees")
def payees(house: House, kind: str) -> list[Arguments]:
    """A payee."""
    return [{"reference": house.payees["technician"].reference}]


@example("public.people.end_session")
def own_session(house: House, kind: str) -> list[Arguments]:
    """A session of the admin in another browser."""
    admin = house.users["admin"].id
    sessions.start(
        user_id=admin, organisation_id=house.organisation.id, ip="", user_agent="other", now=utc_now()
    )
    newest = (
        select(UserSession.id).where(UserSession.user_id == admin).order_by(UserSession.id.desc()).limit(1)
    )
    return [{"session_id": db.session.scalar(newest)}]


@example("admin.payouts", "payee.payouts")
def payouts(house: House, kind: str) -> list[Arguments]:
    """A payout that waits for approval."""
    made = payout(house.organisation, house.payees[kind or "technician"])
    return [{"reference": made.reference}]


@example("admin.payouts.act")
def payout_actions(house: House, kind: str) -> list[Arguments]:
    """Every action that a payout's page may offer."""
    reference = payouts(house, kind)[0]["reference"]
    actions = (
        "approve",
        "reject",
        "cancel",
        "hold",
        "release",
        "pay",
        "mark-paid",
        "retry",
        "check-status",
        "reissue",
    )
    return [{"reference": reference, "action": action} for action in (*actions, "edit")]


@example("admin.payouts.export", "payee.payouts.export")
def formats(house: House, kind: str) -> list[Arguments]:
    """Both file formats."""
    return [{}] if kind else [{"format": "csv"}, {"format": "xlsx"}]


@example("assets.serve")
def old_asset(house: House, kind: str) -> list[Arguments]:
    """A style sheet under the address of another version, and a file that is not served."""
    return [{"digest": "00000000", "name": "app.css"}, {"digest": "00000000", "name": "app.py"}]
