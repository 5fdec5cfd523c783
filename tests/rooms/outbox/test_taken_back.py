"""What is asked for in the part of a transaction that is taken back was never asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Flask

from webapp.database import db, transaction
from webapp.imports.columns import Row
from webapp.imports.perform import REFUSED, apply_row, without_echo
from webapp.kernel.errors import Invalid
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage


class _Importer:
    """Asks for an effect for every row, and refuses those that say so."""

    remarks: list[tuple[str, int]]

    def __init__(self, now: datetime) -> None:
        self.now, self.remarks = now, []

    def prepare(self, rows: Sequence[Row]) -> None:
        """Nothing to load."""

    def is_repeat(self, row: Row) -> bool:
        """Never."""
        return False

    def apply(self, row: Row) -> str:
        """Ask, then perhaps refuse."""
        _ask(row["name"], row.line, self.now)
        if row["is bad"]:
            raise Invalid("name", "It is bad.")
        return "created"

    def remember(self, row: Row) -> None:
        """Nothing to remember."""


def _ask(name: str, reference_id: int, now: datetime) -> None:
    values: dict[str, Any] = {"kind": "test.effect", "dedupe_key": name, "to_queue": "bulk", "now": now}
    outbox.add_at_commit(reference_id=reference_id, **values)


def _asked_for() -> list[str]:
    db.session.rollback()
    return [row.dedupe_key for row in db.session.query(OutboxMessage).order_by(OutboxMessage.dedupe_key)]


def test_a_refused_row_leaves_no_effect_behind(database: Flask, now: datetime) -> None:
    importer = _Importer(now)
    with transaction():
        outcomes = [
            apply_row(importer, Row(n, {"name": name, "is bad": bad}), {})[0]
            for n, (name, bad) in enumerate((("a", ""), ("b", "yes"), ("c", "")), start=1)
        ]
    assert outcomes == ["created", REFUSED, "created"]
    assert _asked_for() == ["a", "c"]


def test_a_rehearsal_leaves_no_effect_behind(database: Flask, now: datetime) -> None:
    with transaction():
        _ask("before", 1, now)
        with without_echo():
            _ask("rehearsed", 2, now)
        _ask("after", 3, now)
    assert _asked_for() == ["after", "before"]
