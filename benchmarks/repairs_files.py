"""Files of very many instalments: seconds of each format, memory beyond the process's own, and its growth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime

from werkzeug.datastructures import MultiDict

from benchmarks import memory
from benchmarks.frame import FLAT, Figure, at_most, growth, median_of
from benchmarks.ground import Ground, reading
from benchmarks.taxis import PLANS, Fleet
from webapp.database import db, read_only
from webapp.people.models import Organisation
from webapp.programs.repairs import exports
from webapp.web.table_files import FORMATS, pieces

NAME = "repairs_files"
WEEKS = 20
#: Seconds of 100,000 instalments; what a person waits for who wants paper has no goal.
GOALS = {"csv": 2.0, "xlsx": 8.0, "json": None, "pdf": None}
MEMORY_GOAL = 150


def run(ground: Ground) -> Iterator[Figure]:
    """Each format of a list of instalments by week, with drivers, vehicles and repairs beside them."""
    drivers = ground.size(4, 500)
    many, few = Fleet(ground, "files", drivers), Fleet(ground, "files_few", max(1, drivers // 10))
    for fleet in (many, few):
        fleet.plan(WEEKS)
    size, rounds = drivers * PLANS * WEEKS, min(3, ground.rounds)
    for format in FORMATS:
        with many.app.app_context(), reading():
            seconds = median_of(lambda format=format: write(many, format), rounds)  # type: ignore[misc]
        goal = GOALS[format]
        yield Figure(NAME, f"{format.upper()} of {size:,} instalments", ground.engine, seconds, "s",
                     goal=at_most(goal, "ours") if goal else None)  # fmt: skip
        used = [(each.drivers * PLANS * WEEKS, _megabytes(each, format)) for each in (few, many)]
        yield Figure(NAME, f"{format.upper()} of {size:,}: memory", ground.engine, used[-1][1], "MB",
                     goal=at_most(MEMORY_GOAL, "ours"))  # fmt: skip
        points = [(count, max(10.0, megabytes)) for count, megabytes in used]
        yield growth(NAME, f"{format.upper()}: memory", ground.engine, points, FLAT)


def write(fleet: Fleet, format: str) -> int:
    """A file of all instalments, piece by piece to nowhere; returns its bytes."""
    db.session.rollback()
    organisation = db.session.get_one(Organisation, fleet.organisation)
    chosen = exports.choose(exports.INSTALMENTS, organisation, MultiDict(), date(2025, 10, 1))
    table = exports.table(chosen, organisation, datetime(2025, 10, 1, tzinfo=UTC))
    with open(os.devnull, "wb") as sink:
        return sum(sink.write(piece) for piece in pieces(table, format))


def _megabytes(fleet: Fleet, format: str) -> float:
    def work() -> None:
        with fleet.app.app_context():
            read_only.set(True)
            write(fleet, format)

    return memory.megabytes(fleet.app, work)
