"""What an installation does right now: one small query each, over what is open and never over all of history.

Every count is bounded by partial indexes, so that looking stays cheap when years of payouts lie in the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from redis import Redis
from sqlalchemy import Select, func, select

from webapp.database import db
from webapp.notices.models import Email
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts.models import Payout, RailSwitch, Transfer
from webapp.payouts.states import CLOSED_STATES, PayoutState, TransferState
from webapp.people.models import Organisation
from webapp.queue import QUEUES
from webapp.runs.models import DueTask, Run, RunState

# States that something or somebody still has to end. What is over only grows; it is history and not a gauge.
OPEN_PAYOUTS = tuple(s.value for s in PayoutState if s not in CLOSED_STATES)
OPEN_TRANSFERS = tuple(
    s.value
    for s in TransferState
    if s not in (TransferState.SUCCEEDED, TransferState.FAILED, TransferState.REVERSED)
)
OPEN_RUNS = (RunState.QUEUED.value, RunState.RUNNING.value)
UNSENT = ("queued", "failed")


@dataclass(frozen=True)
class Depth:
    """Messages of one kind in one queue that are not done. `oldest_due` is None while none is due."""

    queue: str
    kind: str
    waiting: int
    oldest_due: datetime | None

    def late(self, now: datetime) -> float:
        """Seconds that the oldest one is overdue; 0 when nothing is."""
        return max(0.0, (now - self.oldest_due).total_seconds()) if self.oldest_due else 0.0


def outbox_depths() -> list[Depth]:
    """What waits in the outbox, by queue and kind, over the whole installation."""
    rows = db.session.execute(
        select(
            OutboxMessage.queue,
            OutboxMessage.kind,
            func.count().label("waiting"),
            func.min(OutboxMessage.not_before).label("oldest"),
        )
        .where(outbox.is_open())
        .group_by(OutboxMessage.queue, OutboxMessage.kind)
        .order_by(OutboxMessage.queue, OutboxMessage.kind)
    )
    return [Depth(row.queue, row.kind, row.waiting, row.oldest) for row in rows]


def given_up() -> dict[tuple[str, str], int]:
    """Messages that failed every time and wait for a person, by queue and kind."""
    rows = db.session.execute(
        select(OutboxMessage.queue, OutboxMessage.kind, func.count())
        .where(OutboxMessage.gave_up_at.is_not(None))
        .group_by(OutboxMessage.queue, OutboxMessage.kind)
    )
    return {(queue, kind): n for queue, kind, n in rows}


def _counted(states: Iterable[str], query: Select[str, int]) -> dict[str, int]:
    found = {row[0]: row[1] for row in db.session.execute(query)}
    return {state: found.get(state, 0) for state in states}


def payout_states() -> dict[str, int]:
    """Payouts in each state that is not over."""
    # Through the organisations, because the index that finds a state begins with one.
    query = (
        select(Payout.state, func.count())
        .select_from(Organisation)
        .join(Payout, Payout.organisation_id == Organisation.id)
        .where(Payout.state.in_(OPEN_PAYOUTS))
        .group_by(Payout.state)
    )
    return _counted(OPEN_PAYOUTS, query)


def transfer_states() -> dict[str, int]:
    """Transfers in each state that is not over."""
    query = (
        select(Transfer.state, func.count())
        .where(Transfer.state.in_(OPEN_TRANSFERS))
        .group_by(Transfer.state)
    )
    return _counted(OPEN_TRANSFERS, query)


def run_states() -> dict[str, int]:
    """Runs that are queued or running."""
    query = select(Run.state, func.count()).where(Run.state.in_(OPEN_RUNS)).group_by(Run.state)
    return _counted(OPEN_RUNS, query)


def mail_states() -> dict[str, int]:
    """E-mails that have not left: still queued, or failed for good."""
    query = select(Email.state, func.count()).where(Email.state.in_(UNSENT)).group_by(Email.state)
    return _counted(UNSENT, query)


def halted_rails() -> dict[str, int]:
    """Organisations for which a rail is halted, by rail ("*" is every rail)."""
    query = (
        select(RailSwitch.rail, func.count()).where(RailSwitch.is_halted.is_(True)).group_by(RailSwitch.rail)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


@dataclass(frozen=True)
class TaskFacts:
    """Periodic work of one name: how late its latest is, how many of it failed last time."""

    late: float
    failing: int


def tasks(now: datetime) -> dict[str, TaskFacts]:
    """Lateness in seconds and failures of every periodic task, over all organisations."""
    query = select(
        DueTask.name,
        func.min(DueTask.due_at).label("due"),
        func.count().filter(DueTask.last_error != "").label("failing"),
    ).group_by(DueTask.name)
    return {
        row.name: TaskFacts(max(0.0, (now - row.due).total_seconds()), row.failing)
        for row in db.session.execute(query)
    }


def scheduler_beat() -> datetime | None:
    """When a scheduler last finished periodic work of the house, which comes every minute; None: never."""
    return db.session.scalar(select(func.max(DueTask.last_run_at)).where(DueTask.organisation_id == 0))


@dataclass(frozen=True)
class QueueState:
    """One queue in the store: live workers, and jobs that ring for it."""

    workers: int
    jobs: int


def queues(redis: Redis) -> dict[str, QueueState]:
    """Workers and jobs of each queue, in two round trips. Raises RedisError."""
    first = redis.pipeline(transaction=False)
    for name in QUEUES:
        first.smembers(f"rq:workers:{name}")
        first.llen(f"rq:queue:{name}")
    answers = first.execute()
    members, jobs = answers[0::2], answers[1::2]
    # A killed worker stays in the set for a while; its own key is gone within two minutes.
    second = redis.pipeline(transaction=False)
    for keys in members:
        second.exists(*keys) if keys else second.echo("0")
    alive = second.execute()
    return {name: QueueState(int(alive[n]), int(jobs[n])) for n, name in enumerate(QUEUES)}
