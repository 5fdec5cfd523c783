"""Runs: bulk actions, imports and scheduled work with progress and an outcome for every row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import (
    Base,
    BigId,
    Instant,
    LongText,
    PrimaryKey,
    ShortText,
    UtcDateTime,
)
from webapp.kernel.labels import Label


class RunState(Label):
    """A draft is the check step; confirming it queues the run."""

    DRAFT = (
        "draft",
        "Draft",
        "waiting",
        "waiting",
        "Confirm it, or leave it: nothing has been done.",
    )
    QUEUED = (
        "queued",
        "Queued",
        "waiting",
        "waiting",
        "A worker starts it within seconds.",
    )
    RUNNING = (
        "running",
        "Running",
        "progress",
        "progress",
        "You can leave this page and come back.",
    )
    STOPPED = (
        "stopped",
        "Stopped",
        "cancelled",
        "cancelled",
        "It was stopped; the rows done before stay done.",
    )
    FINISHED = "finished", "Finished", "done", "done", "Every row has an outcome."


class RowOutcome(Label):
    """What became of one row."""

    WAITING = "waiting", "Waiting", "waiting"
    DONE = "done", "Done", "done"
    SKIPPED = "skipped", "Skipped", "cancelled"
    FAILED = "failed", "Failed", "failed"


class Run(Base):
    """A named batch of work. `kind` names the registered handler (payouts.approve, installations.import…)."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        CheckConstraint(
            "state IN ('draft', 'queued', 'running', 'stopped', 'finished')",
            name="state_is_known",
        ),
        Index("ix_runs_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    reference: Mapped[ShortText]
    kind: Mapped[ShortText]
    title: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), default=RunState.DRAFT.value)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    is_stop_requested: Mapped[bool] = mapped_column(default=False)
    stop_reason: Mapped[LongText] = mapped_column(default="")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[Instant]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RunRow(Base):
    """One row of a run; `subject_version` is what the person saw when they confirmed."""

    __tablename__ = "run_rows"
    __table_args__ = (
        UniqueConstraint("run_id", "position"),
        CheckConstraint(
            "outcome IN ('waiting', 'done', 'skipped', 'failed')",
            name="outcome_is_known",
        ),
        Index("ix_run_rows_waiting", "run_id", "outcome", "position"),
    )

    id: Mapped[PrimaryKey]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    position: Mapped[int]
    subject_type: Mapped[ShortText] = mapped_column(default="")
    subject_id: Mapped[int | None] = mapped_column(BigId)
    subject_label: Mapped[str] = mapped_column(String(200), default="")
    subject_version: Mapped[int | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    outcome: Mapped[str] = mapped_column(String(10), default=RowOutcome.WAITING.value)
    message: Mapped[LongText] = mapped_column(default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class DueTask(Base):
    """The scheduler's table: what is due when; a row is claimed by a conditional UPDATE, so that it runs once."""

    __tablename__ = "due_tasks"
    __table_args__ = (
        UniqueConstraint("name", "organisation_id"),
        Index("ix_due_tasks_due", "due_at"),
    )

    id: Mapped[PrimaryKey]
    name: Mapped[ShortText]
    # 0 for tasks of the whole installation.
    organisation_id: Mapped[int] = mapped_column(BigId, default=0)
    due_at: Mapped[Instant]
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_error: Mapped[str] = mapped_column(String(500), default="")
