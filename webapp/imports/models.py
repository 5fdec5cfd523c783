"""Uploaded import files and the column mappings that people chose before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Instant, PrimaryKey, ShortText, UtcDateTime


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
    # Problems by line, as the report writes them; large lists live in the storage under this key.
    report_key: Mapped[str] = mapped_column(String(200), default="")
    is_stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(String(500), default="")
    version: Mapped[int] = mapped_column(default=1)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_by_label: Mapped[str] = mapped_column(String(254), default="")
    created_at: Mapped[Instant]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


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
