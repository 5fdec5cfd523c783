"""The embedded database gets its statistics."""

from __future__ import annotations

from flask import Flask

from tests.factories import organisation, payee
from webapp.database import db
from webapp.operations import upkeep
from webapp.runs import tasks


def test_statistics_are_there_afterwards_on_sqlite_alone(database: Flask, now) -> None:  # type: ignore[no-untyped-def]
    payee(organisation())
    db.session.rollback()
    is_sqlite = db.engine.dialect.name == "sqlite"
    assert upkeep.look_after(0, now, now) is is_sqlite
    if is_sqlite:
        assert db.session.execute(db.text("SELECT count(*) FROM sqlite_stat1")).scalar_one() > 0


def test_it_is_a_daily_task() -> None:
    assert any(task.name == upkeep.TASK and task.every == upkeep.DAY for task in tasks.registered())
