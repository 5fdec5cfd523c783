"""A program gets another model: the shares of its open deals are worked out anew, at once or as a run where many are.

What is recorded of deals that were won stays, and so do shares that a payout has frozen.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from webapp.database import ask, db
from webapp.kernel.actor import Actor
from webapp.programs.partners import attributing
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.partners.states import DealState
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow, RunState
from webapp.runs.service import RowDraft, RowResult

KIND = "partners.reattribute"
#: So many deals are worked out with the change itself; more become a run of rows of as many.
AT_ONCE = 1_000
_LOOKED_AT = 20


def _is_open(organisation_id: int, program_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        Deal.organisation_id == organisation_id,
        Deal.program_id == program_id,
        Deal.state == DealState.OPEN.value,
    )


def count_open(organisation_id: int, program_id: int) -> int:
    """How many deals of a program are open: whose shares follow its model."""
    query = select(func.count()).select_from(Deal).where(*_is_open(organisation_id, program_id))
    return int(ask(query)[0][0])


def renew(program: PartnerProgram, actor: Actor, now: datetime) -> Run | None:
    """Work out the shares of a program's open deals anew; the run that does it where they are many."""
    rows = ask(
        select(Deal.id, Deal.reference)
        .where(*_is_open(program.organisation_id, program.id))
        .order_by(Deal.id)
    )
    if len(rows) <= AT_ONCE:
        _renew(program.organisation_id, program.id, 0, None, now)
        return None
    drafts = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        # The last row has no end: a deal that is entered while the model changes belongs to it.
        until = part[-1].id if start + AT_ONCE < len(rows) else None
        label = f"{part[0].reference} to {part[-1].reference}"
        drafts.append(RowDraft(subject_label=label, data={"first": part[0].id, "last": until}))
    run = runs.create_draft(
        organisation_id=program.organisation_id, kind=KIND, rows=drafts, actor=actor, now=now,
        title=f"Shares of {len(rows):,} open deals of {program.reference}", parameters={"program_id": program.id},
    )  # fmt: skip
    return runs.confirm(
        organisation_id=program.organisation_id, reference=run.reference, actor=actor, now=now
    )


def _renew(organisation_id: int, program_id: int, first: int, last: int | None, now: datetime) -> int:
    """The open deals among some ids, locked: one that is won meanwhile is recorded as it was then."""
    query = select(Deal.id).where(*_is_open(organisation_id, program_id), Deal.id >= first)
    if last is not None:
        query = query.where(Deal.id <= last)
    ids = db.session.scalars(query.order_by(Deal.id).with_for_update()).all()
    attributing.recompute(organisation_id, ids, now)
    return len(ids)


def work_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """One batch of deals, by the model that the program has now. Doing it again changes nothing."""
    count = _renew(
        run.organisation_id, run.parameters["program_id"], row.data["first"], row.data["last"], now
    )
    return RowResult(RowOutcome.DONE, "1 deal" if count == 1 else f"{count:,} deals")


def run_at_work(organisation_id: int, program_id: int) -> Run | None:
    """The run that still works out a program's deals; None when none does."""
    query = select(Run).where(
        Run.organisation_id == organisation_id,
        Run.kind == KIND,
        Run.state.in_((RunState.QUEUED.value, RunState.RUNNING.value)),
    )
    found = db.session.scalars(query.order_by(Run.id.desc()).limit(_LOOKED_AT))
    return next((run for run in found if run.parameters["program_id"] == program_id), None)


# Importing this module is enough, as with the handlers of other runs.
runs.register_handler(KIND, work_row)
