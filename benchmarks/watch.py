"""Which statements a page asks the database, and how long the database takes for each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from webapp.database import db


@dataclass
class Asked:
    """Statements with their parameters, in the order in which they were asked."""

    statements: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def reads(self) -> list[tuple[str, Any]]:
        """Those that only read."""
        return [(s, p) for s, p in self.statements if s.lstrip().startswith(("SELECT", "WITH"))]


@contextmanager
def listening() -> Iterator[Asked]:
    """Remember every statement that the block asks; inside an application context."""
    asked = Asked()

    def remember(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        asked.statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)


@dataclass(frozen=True)
class Cost:
    """Milliseconds of database time, and the dearest statement with its plan."""

    milliseconds: float
    dearest: float
    plan: str


def cost_of(asked: Asked, rounds: int) -> Cost:
    """Ask the same again, without anything around it; the middle of several times for each statement."""
    times: list[tuple[float, str, Any]] = []
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statement, parameters in asked.reads:
            taken = []
            for _ in range(rounds):
                began = time.perf_counter()
                cursor.execute(statement, parameters)
                cursor.fetchall()
                taken.append((time.perf_counter() - began) * 1000)
            times.append((statistics.median(taken), statement, parameters))
        if not times:
            return Cost(0.0, 0.0, "")
        dearest, statement, parameters = max(times, key=lambda entry: entry[0])
        return Cost(sum(entry[0] for entry in times), dearest, _plan(cursor, statement, parameters))


def _plan(cursor: Any, statement: str, parameters: Any) -> str:
    is_sqlite = "sqlite" in type(cursor).__module__
    cursor.execute(
        f"{'EXPLAIN QUERY PLAN' if is_sqlite else 'EXPLAIN (ANALYZE, TIMING OFF)'} {statement}", parameters
    )
    lines = "\n".join(str(row[-1]) for row in cursor.fetchall())
    return f"{statement}\n{lines}"


def asked_by(work: Callable[[], object]) -> Asked:
    """What one call asks."""
    with listening() as asked:
        work()
    return asked
