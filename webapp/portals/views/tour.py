"""The demo's guided tours, one for each organisation of the demo, ticked by what people really did."""

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


INSTALLATIONS = (
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

RENTALS = (
    Step(
        "Pay a rent as its tenant",
        "Open a rent that is due and follow its pay link; what the owners get goes out by itself.",
        "admin.rentals.charges",
        ("rentals:rent_payment:begun",),
    ),
    Step(
        "Verify a rent that came by hand",
        "The admin entered two; another person compares them with their proof.",
        "admin.rentals.payments",
        ("rentals:rent_payment:completed",),
    ),
    Step(
        "Approve what is too large to go by itself",
        "The warehouse's rent is above the policy's limit: it waits for two people.",
        "admin.approvals.index",
        ("payouts:payout:approved",),
    ),
    Step(
        "Put a returned payment right",
        "An owner's bank sent the money back: ask for new details and re-issue it, or cancel it.",
        "admin.payouts.index",
        ("payouts:payout:reissued", "payouts:payout:cancelled"),
    ),
)

CLINIC = (
    Step(
        "Pay a practitioner from a paid invoice",
        "Create payout names the real numbers first; one invoice is too large for the clinic's wallet, and says so.",
        "admin.clinic.invoices",
        ("payouts:payout:paid", "clinic:payouts:made"),
    ),
    Step(
        "Record a customer's payment",
        "Open an invoice that is not paid, or part paid; its state follows from the figures.",
        "admin.clinic.invoices",
        ("clinic:invoice:paid_in",),
    ),
    Step(
        "Approve a withdrawal to the bank",
        "A practitioner wants money of the wallet in the bank: it is held until somebody decides.",
        "admin.approvals.index",
        ("payouts:payout:approved", "payouts:payout:rejected"),
    ),
    Step(
        "Put a failed withdrawal right",
        "Jasper's account is closed: ask for new details and try again, or cancel it; the wallet gets it back.",
        "admin.payouts.index",
        ("payouts:payout:retried", "payouts:payout:reissued", "payouts:payout:cancelled"),
    ),
    Step(
        "Refund an invoice that was paid out",
        "The practitioner gives back their part at its own rate: from the wallet, or from the next payout.",
        "admin.clinic.invoices",
        ("clinic:invoice:refunded",),
    ),
    Step(
        "Decide about a commission rule",
        "The admin asked for one; the approver sees what it would have changed, and accepts or refuses.",
        "admin.clinic.rules",
        ("clinic:commission_rule:accepted", "clinic:commission_rule:refused"),
    ),
)
REPAIRS = (
    Step(
        "Confirm a repair",
        "A draft waits: look at its instalments and confirm it; the first is charged when its week begins.",
        "admin.repairs.repairs",
        ("repairs:repair:confirmed",),
    ),
    Step(
        "Charge what is due",
        "Select instalments and charge them, or do the work of a week; the run does it by itself on Sundays.",
        "admin.repairs.instalments",
        ("repairs:instalment:posted", "repairs:weekly_run:finished"),
    ),
    Step(
        "Decide about a dispute",
        "A driver does not agree with a ticket: it alone is not covered until you have decided.",
        "admin.repairs.disputes",
        ("repairs:dispute:accepted", "repairs:dispute:refused"),
    ),
    Step(
        "Accept another plan",
        "The admin asked for smaller instalments; the approver accepts or refuses them.",
        "admin.repairs.plans",
        ("repairs:replan:accepted", "repairs:replan:refused"),
    ),
    Step(
        "Put a failed payout right",
        "Viktor's account is closed: ask for new details and try again, or cancel it; it goes back to his balance.",
        "admin.payouts.index",
        ("payouts:payout:retried", "payouts:payout:reissued", "payouts:payout:cancelled"),
    ),
)
PARTNERS = (
    Step(
        "Approve what partners earned",
        "Select the payouts, look at the check step, confirm; what you may not approve is named with the reason.",
        "admin.approvals.index",
        ("payouts:payout:approved",),
    ),
    Step(
        "Decide about a deal that a partner registered",
        "See what speaks against it; accepting makes a deal of it, and no money yet.",
        "admin.partners.registrations",
        ("partners:registration:approved", "partners:registration:rejected"),
    ),
    Step(
        "Answer a dispute",
        "Asha Verma does not agree with a commission: it alone waits until you have answered.",
        "admin.partners.disputes",
        ("partners:dispute:accepted", "partners:dispute:refused"),
    ),
    Step(
        "Put a failed payout right",
        "Everline's account is closed: ask for new details and try again, or cancel it and decide what becomes of it.",
        "admin.payouts.index",
        ("payouts:payout:retried", "payouts:payout:reissued", "payouts:payout:cancelled"),
    ),
    Step(
        "Decide about a commission rule",
        "The admin asked for one; the approver sees what it would have changed, and accepts or refuses.",
        "admin.partners.rules",
        ("partners:rule:accepted", "partners:rule:refused"),
    ),
)
TOURS = {
    "solaria": INSTALLATIONS,
    "griha": RENTALS,
    "carepoint": CLINIC,
    "metrocab": REPAIRS,
    "partnerbase": PARTNERS,
}


def steps(organisation_id: int, slug: str) -> list[dict[str, str | None]]:
    """The steps as the task list shows them; empty once all are done, and for organisations without a tour."""
    tour = TOURS.get(slug, ())
    if not tour:
        return []
    tags = [tag for step in tour for tag in step.tags]
    seen = set(
        db.session.scalars(
            select(AuditEvent.tag)
            .where(
                AuditEvent.organisation_id == organisation_id,
                AuditEvent.tag.in_(tags),
                # A tenant has no account, but a browser somewhere.
                or_(
                    AuditEvent.actor_id.is_not(None),
                    AuditEvent.ip != "",
                    AuditEvent.tag.endswith(":imported"),
                ),
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
        for step in tour
    ]
    return shown if any(s["tone"] == "todo" for s in shown) else []
