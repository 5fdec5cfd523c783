"""The demo's guided tour: five steps, ticked by what people really did."""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for
from sqlalchemy import or_, select

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.kernel.actor import DEMO_AGENT


@dataclass(frozen=True)
class Step:
    """One card of the tour; done once a person caused an event with one of `tags`."""

    title: str
    text: str
    endpoint: str
    tags: tuple[str, ...]


STEPS = (
    Step(
        "Approve what waits",
        "Select the payouts, look at the check step, confirm.",
        "admin.approvals.index",
        ("payouts:payout:approved",),
    ),
    Step(
        "Pay one over the sandbox bank, or by hand",
        "Open an approved payout and choose Pay or Mark paid.",
        "admin.payouts.index",
        ("payouts:payout:submitted", "payouts:payout:marked_paid"),
    ),
    Step(
        "Put a failed payout right",
        "Bright Roof's account is closed: give them new details, or cancel the payout.",
        "admin.payouts.index",
        ("payouts:payout:retried", "payouts:payout:cancelled", "payouts:payout:reissued"),
    ),
    Step(
        "Reject a payout with a reason",
        "The technician reads the reason; you decide whether the work is offered again.",
        "admin.approvals.index",
        ("payouts:payout:rejected",),
    ),
    Step(
        "Bring in a list of your own",
        "Technicians and installations from CSV; a dry run shows every bad row first.",
        "admin.imports.new",
        (
            "imports:import:finished",
            "installations:installations:imported",
            "installations:technicians:imported",
        ),
    ),
)


def steps(organisation_id: int) -> list[dict[str, str | None]]:
    """The steps as the task list shows them; empty once all are done."""
    tags = [tag for step in STEPS for tag in step.tags]
    seen = set(
        db.session.scalars(
            select(AuditEvent.tag)
            .where(
                AuditEvent.organisation_id == organisation_id,
                AuditEvent.tag.in_(tags),
                or_(AuditEvent.actor_id.is_not(None), AuditEvent.tag.endswith(":imported")),
                AuditEvent.user_agent != DEMO_AGENT,
            )
            .distinct()
        )
    )
    shown: list[dict[str, str | None]] = [
        {
            "title": step.title,
            "text": "Done." if (done := bool(seen & set(step.tags))) else step.text,
            "href": url_for(step.endpoint),
            "count": None,
            "tone": "done" if done else "todo",
        }
        for step in STEPS
    ]
    return shown if any(s["tone"] == "todo" for s in shown) else []
