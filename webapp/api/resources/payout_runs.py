"""Payouts of many invoices as a run: what it would do, and starting it. `/runs` says what became of each row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.invoice_payouts import part_fields
from webapp.api.schemas.clinic_money import PayoutRunCreate, PayoutRunOut, RunReady, RunSkip, RunSums
from webapp.api.schemas.common import Amount
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import bulk
from webapp.programs.clinic.models import Invoice
from webapp.runs import lists as run_lists
from webapp.runs import service as runs
from webapp.runs.models import Run, RunState

resource = Resource(
    "payout_runs",
    "/payout-runs",
    title="Runs of payouts",
    about="Many invoices paid out at once, by the rules of one by one; a guard that refuses leaves its invoice out "
    "and says why.",
)
_make = {"scope": Scope.PAYOUTS_CREATE, "answers": PayoutRunOut}


def _out(run: Run) -> PayoutRunOut:
    ready: list[RunReady] = []
    skipped: list[RunSkip] = []
    sums: list[RunSums] = []
    if run.state == RunState.DRAFT:
        found = bulk.preview(run)
        ready = [
            RunReady(invoice=plan.invoice.number, **part_fields(part))
            for plan in found.ready
            for part in plan.parts
        ]
        skipped = [RunSkip(invoice=number, reason=reason) for number, reason in found.skipped]
        sums = [
            RunSums(**{name: Amount.of(money.amount, money.currency) for name, money in zip(
                ("base", "commission", "amount"), amounts, strict=True)})
            for amounts in found.sums()
        ]  # fmt: skip
    values: dict[str, Any] = {"reference": run.reference, "state": run.state, "invoices": run.total}
    return PayoutRunOut(**values, ready=ready, skipped=skipped, sums=sums)


def _ids(who: Caller, body: PayoutRunCreate) -> list[int]:
    if body.all_ready == bool(body.invoices):
        raise Invalid("invoices", "Give either invoices, or all_ready.", "INV-001")
    if body.all_ready:
        ids = bulk.due_invoices(who.organisation_id)
        if not ids:
            raise Conflict("No invoice is ready to be paid out. Nothing was made.")
        return ids
    found = dict(
        db.session.execute(
            select(Invoice.number, Invoice.id).where(
                Invoice.organisation_id == who.organisation_id, Invoice.number.in_(body.invoices)
            )
        ).all()
    )
    for number in body.invoices:
        if number not in found:
            raise Invalid("invoices", f"{number} is not an invoice of this organisation.", "INV-001")
    return list(found.values())


@resource.post("", summary="Pay out many invoices", body=PayoutRunCreate, status=201,
               location="/payout-runs/{reference}", **_make)  # fmt: skip
def create(who: Caller, body: PayoutRunCreate) -> PayoutRunOut:
    """Make a run and start it: a worker pays out within seconds. As a draft it only says what it would do."""
    now = utc_now()
    run = bulk.draft_run(
        organisation_id=who.organisation_id,
        invoice_ids=_ids(who, body),
        title=body.title,
        actor=who.actor,
        now=now,
    )
    if not body.is_draft:
        run = runs.confirm(
            organisation_id=who.organisation_id, reference=run.reference, actor=who.actor, now=now
        )
    return _out(run)


def _run(who: Caller, reference: str) -> Run:
    return run_lists.get_run(organisation_id=who.organisation_id, reference=reference, kind=bulk.KIND)


@resource.get("/<reference>", summary="See a run of payouts", **_make)
def show(who: Caller, reference: str) -> PayoutRunOut:
    """While it is a draft, what would be paid now, and what would not with why."""
    return _out(_run(who, reference))


@resource.post("/<reference>/confirm", summary="Start a run of payouts", **_make)
def confirm(who: Caller, reference: str) -> PayoutRunOut:
    """Start a draft; who made it does. Doing it again changes nothing."""
    run = _run(who, reference)
    return _out(
        runs.confirm(
            organisation_id=who.organisation_id, reference=run.reference, actor=who.actor, now=utc_now()
        )
    )
