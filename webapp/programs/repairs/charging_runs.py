"""Instalments that a person has charged: chosen ones, or all that are due, as a run with an answer for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from webapp.database import among, db
from webapp.kernel.actor import Actor
from webapp.kernel.money import Money
from webapp.programs.repairs import instalments, settings, trail
from webapp.programs.repairs.models import Instalment, Repair
from webapp.programs.repairs.states import InstalmentState, RepairState
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.service import RowDraft, RowResult

KIND = "repairs.charge_instalments"
SUBJECT = "repairs_instalment"
#: Of more that is due, the earliest are charged; the rest follows with the next run.
MOST = 20_000


def due_instalments(organisation_id: int, now: datetime) -> list[int]:
    """Ids of instalments that may be charged today, the earliest first.

    Of a plan whose weeks were missed one, unless the settings say all at once, and none of a plan of which one was
    charged for this week already: as the weekly run does it.
    """
    week = trail.this_week(organisation_id, now)
    rows = db.session.execute(
        select(Instalment.id, Instalment.repair_id, Instalment.loan_id)
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.state == InstalmentState.SCHEDULED.value,
            Instalment.week_start <= trail.today(organisation_id, now),
            or_(Instalment.loan_id.is_not(None), Repair.state == RepairState.OPEN.value),
        )
        .order_by(Instalment.week_start, Instalment.number, Instalment.id)
        .limit(MOST)
    ).all()
    if not settings.settings_of(organisation_id).is_one_a_week:
        return [row.id for row in rows]
    charged = db.session.execute(
        select(Instalment.repair_id, Instalment.loan_id).where(
            Instalment.organisation_id == organisation_id, Instalment.posted_for == week.start
        )
    )
    seen = {(repair_id, loan_id) for repair_id, loan_id in charged}
    found = []
    for instalment_id, repair_id, loan_id in rows:
        if (repair_id, loan_id) not in seen:
            seen.add((repair_id, loan_id))
            found.append(instalment_id)
    return found


def named(organisation_id: int, references: Sequence[str]) -> list[int]:
    """Ids of the instalments of these numbers; a number that there is not is left out."""
    query = select(Instalment.id).where(
        Instalment.organisation_id == organisation_id, Instalment.reference.in_(list(references))
    )
    return list(db.session.scalars(query))


def draft_run(*, organisation_id: int, instalment_ids: Sequence[int], actor: Actor, now: datetime) -> Run:
    """Keep chosen instalments for the check step of a run that charges them. Raises Invalid when there are none."""
    rows = db.session.execute(
        select(Instalment.id, Instalment.reference)
        .where(Instalment.organisation_id == organisation_id, among(Instalment.id, list(instalment_ids)))
        .order_by(Instalment.week_start, Instalment.id)
    ).all()
    words = "1 instalment" if len(rows) == 1 else f"{len(rows):,} instalments"
    return runs.create_draft(
        organisation_id=organisation_id,
        kind=KIND,
        title=f"Charging {words}",
        rows=[RowDraft(SUBJECT, instalment_id, reference) for instalment_id, reference in rows],
        actor=actor,
        now=now,
    )


def post_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Charge one instalment; why it cannot be charged is the row's reason."""
    made = instalments.post_instalment(
        organisation_id=run.organisation_id, reference=row.subject_label, actor=actor, now=now
    )
    return RowResult(RowOutcome.DONE, made.message)


def post_rows(run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> Mapping[int, RowResult]:
    """Charge many instalments at once; the good ones are charged, each of the others says why not."""
    made = instalments.post_chosen(
        organisation_id=run.organisation_id,
        references=[row.subject_label for row in rows],
        actor=actor,
        now=now,
    )
    by_reference = {result.reference: result for result in made}
    return {row.id: _result(by_reference[row.subject_label]) for row in rows}


def _result(made: instalments.PostResult) -> RowResult:
    return RowResult(RowOutcome.DONE if made.is_posted else RowOutcome.SKIPPED, made.message)


@dataclass(frozen=True)
class Preview:
    """What a run would charge now: count and sum by currency, its first instalments, and what it would leave out."""

    sums: list[tuple[int, Money]]
    rows: Sequence[Instalment]
    # Number of the instalment, and why it is not charged.
    skipped: list[tuple[str, str]]


def preview(run: Run, now: datetime, shown: int) -> Preview:
    """What a run that waits for its confirmation would do; nothing is locked or written."""
    today = trail.today(run.organisation_id, now)
    rows = db.session.execute(
        select(Instalment.id, Instalment.reference, Instalment.currency, Instalment.amount_minor,
               Instalment.state, Instalment.week_start, Instalment.repair_id, Repair.state.label("repair_state"))
        .join(RunRow, RunRow.subject_id == Instalment.id)
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(RunRow.run_id == run.id)
        .order_by(RunRow.position)
    ).all()  # fmt: skip
    good, skipped, sums = [], [], dict[str, tuple[int, int]]()
    for row in rows:
        if why := instalments.why_not(row, today):
            skipped.append((row.reference, why))
            continue
        good.append(row.id)
        count, amount = sums.get(row.currency, (0, 0))
        sums[row.currency] = (count + 1, amount + row.amount_minor)
    found = db.session.scalars(
        select(Instalment)
        .where(Instalment.id.in_(good[:shown]))
        .options(joinedload(Instalment.payee, innerjoin=True))
        .order_by(Instalment.week_start, Instalment.id)
    ).all()
    return Preview([(n, Money(amount, code)) for code, (n, amount) in sorted(sums.items())], found, skipped)


# Importing this module is enough, as with the handlers of other runs.
runs.register_handler(KIND, post_row)
runs.register_batch(KIND, post_rows)
