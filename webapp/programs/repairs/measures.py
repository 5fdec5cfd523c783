"""What monitoring reads of the program: how charging goes, by organisation. Bounded by indexes, not by history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, literal, or_, select

from webapp.database import ask
from webapp.kernel.clock import local_date
from webapp.people.models import Organisation, OrganisationProgram
from webapp.programs.repairs.books import WeeklyProblem, WeeklyRun
from webapp.programs.repairs.drafts import PROGRAM
from webapp.programs.repairs.models import Instalment, Repair
from webapp.programs.repairs.states import InstalmentState, RepairState
from webapp.programs.repairs.statistics import POSTING

DAY, WEEK = timedelta(days=1), timedelta(days=7)
#: A week begins at midnight and its run at five: before six nothing of it is late.
GRACE = timedelta(hours=6)
OPEN_STATES = (RepairState.DRAFT.value, RepairState.OPEN.value, RepairState.HOLD.value)
#: Repairs of the last day are looked for among so many of the newest.
_NEWEST = 20_000


@dataclass(frozen=True)
class Measures:
    """One organisation, now. `states` counts repairs that are not over; `created` those of the last 24 hours.

    `posted` are the instalments charged in runs of the last seven days, `due` (the backlog) those whose week has begun,
    six hours ago or more, and that are not charged; `failures` are drivers whom runs could not charge in the last 24
    hours.
    """

    organisation: str
    states: dict[str, int]
    created: int
    posted: int
    due: int
    failures: int

    @property
    def success(self) -> float:
        """Posted of all that was to be posted, from 0 to 1; 1 when there was nothing."""
        whole = self.posted + self.due
        return self.posted / whole if whole else 1.0


def measures(now: datetime) -> list[Measures]:
    """Every organisation that runs the program."""
    fleets = ask(
        select(Organisation.id, Organisation.slug, Organisation.timezone)
        .join(OrganisationProgram, OrganisationProgram.organisation_id == Organisation.id)
        .where(OrganisationProgram.program == PROGRAM)
        .order_by(Organisation.slug)
    )
    return [_of(organisation_id, slug, timezone, now) for organisation_id, slug, timezone in fleets]


def _of(organisation_id: int, slug: str, timezone: str, now: datetime) -> Measures:
    today = local_date(now - GRACE, timezone)
    states = {
        state: int(n)
        for state, n in ask(
            select(Repair.state, func.count())
            .where(Repair.organisation_id == organisation_id, Repair.state.in_(OPEN_STATES))
            .group_by(Repair.state)
        )
    }
    newest = select(func.coalesce(func.max(Repair.id), 0) - _NEWEST).scalar_subquery()
    created = select(func.count()).where(
        Repair.organisation_id == organisation_id, Repair.id > newest, Repair.created_at >= now - DAY
    )
    posted = select(func.count()).where(
        Instalment.organisation_id == organisation_id,
        Instalment.posted_for > today - WEEK,
        Instalment.posted_for <= today,
    )
    # A plan on hold, or one that is a draft, is not late.
    is_open = exists().where(Repair.id == Instalment.repair_id, Repair.state == RepairState.OPEN.value)
    due = select(func.count()).where(
        and_(
            Instalment.organisation_id == organisation_id,
            Instalment.state == literal(InstalmentState.SCHEDULED.value, literal_execute=True),
            Instalment.week_start <= today,
        ),
        or_(Instalment.loan_id.is_not(None), is_open),
    )
    failures = (
        select(func.count())
        .select_from(WeeklyProblem)
        .join(WeeklyRun, WeeklyRun.id == WeeklyProblem.run_id)
        .where(
            WeeklyRun.organisation_id == organisation_id,
            WeeklyProblem.step == POSTING,
            WeeklyProblem.happened_at >= now - DAY,
        )
    )
    return Measures(
        slug, {state: states.get(state, 0) for state in OPEN_STATES},
        *(int(ask(query)[0][0]) for query in (created, posted, due, failures)),
    )  # fmt: skip
