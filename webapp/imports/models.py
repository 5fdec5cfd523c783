"""Uploaded import files and the column mappings that people chose before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, ShortText, UtcDateTime
from webapp.kernel.labels import Label


class ImportState(Label):
    """From the upload to the last row; the check stores nothing."""

    UPLOADED = "uploaded", "Uploaded", "todo", "todo", "Say which column is which; nothing is stored yet."
    CHECKING = "checking", "Checking", "progress", "progress", "You can leave this page and come back."
    CHECKED = (
        "checked",
        "Checked",
        "todo",
        "todo",
        "Nothing is stored yet. Bring the good rows in, or correct the file.",
    )
    RUNNING = "running", "Bringing in", "progress", "progress", "You can leave this page and come back."
    DONE = "done", "Done", "done", "done", "The good rows are stored."
    STOPPED = (
        "stopped",
        "Stopped",
        "cancelled",
        "cancelled",
        "It was stopped; the rows stored before stay stored.",
    )
    FAILED = "failed", "Failed", "failed", "failed", "The file could not be read again. Upload it once more."


class Phase(Label):
    """What a worker does with the rows of a chunk."""

    CHECK = "check", "Check"
    RUN = "run", "Run"


class ImportFile(Base):
    """One uploaded file on its way: mapped, checked (dry run), then stored row by row."""

    __tablename__ = "import_files"
    __table_args__ = (
        UniqueConstraint("organisation_id", "reference"),
        CheckConstraint(
            "state IN ('uploaded', 'checking', 'checked', 'running', 'done', 'stopped', 'failed')",
            name="state_is_known",
        ),
        Index("ix_import_files_organisation", "organisation_id", "id"),
    )

    id: Mapped[PrimaryKey]
    reference: Mapped[ShortText]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[ShortText]
    file_name: Mapped[str] = mapped_column(String(200))
    storage_key: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int]
    # Our field → the file's column.
    mapping: Mapped[dict[str, Any]] = mapped_column(JSON)
    # How the file writes dates and amounts: {"dates": "dmy", "decimal": ","}.
    reading: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(12), default="uploaded")
    rows: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    is_stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(String(500), default="")
    version: Mapped[int] = mapped_column(default=1)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254), default="")
    created_at: Mapped[Instant]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ImportChunk(Base):
    """Some hundred rows in a row, and what was found in them; written in the transaction of their effect."""

    __tablename__ = "import_chunks"
    __table_args__ = (
        UniqueConstraint("import_id", "phase", "position"),
        CheckConstraint("phase IN ('check', 'run')", name="phase_is_known"),
    )

    id: Mapped[PrimaryKey]
    import_id: Mapped[int] = mapped_column(ForeignKey("import_files.id"))
    phase: Mapped[str] = mapped_column(String(5))
    # Number of the first row, counted from 0.
    position: Mapped[int]
    # How many rows were refused; 0 lets the pages skip the chunk.
    refused: Mapped[int] = mapped_column(default=0)
    # [line, column, value, reason, example] of every bad cell.
    problems: Mapped[list[Any]] = mapped_column(JSON)
    # [sentence, line]: what was done to a good row that a person should know.
    remarks: Mapped[list[Any]] = mapped_column(JSON)


class ImportMapping(Base):
    """The mapping chosen last for files of a kind with these column names."""

    __tablename__ = "import_mappings"
    __table_args__ = (UniqueConstraint("organisation_id", "kind", "header_digest"),)

    id: Mapped[PrimaryKey]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[ShortText]
    header_digest: Mapped[str] = mapped_column(String(64))
    mapping: Mapped[dict[str, Any]] = mapped_column(JSON)
    reading: Mapped[dict[str, Any]] = mapped_column(JSON)
    used_at: Mapped[Instant]
