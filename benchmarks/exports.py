"""Files of very many payouts: time against the plain writers of the same rows, and memory."""

from __future__ import annotations

import csv
import io
import os
import pickle
import resource
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import xlsxwriter
from sqlalchemy import Select, text

from benchmarks import crowd
from benchmarks.crowd import Crowd
from benchmarks.frame import FLAT, Figure, at_most, growth, in_turns
from benchmarks.ground import Ground, reading
from webapp.database import db, read_only
from webapp.payouts import export, lists
from webapp.payouts.views import listing
from webapp.web import exports, sheets

NAME = "exports"
MEMORY_GOAL = 64
# Below so many megabytes it is the allocator that grows, by whole arenas, and not the file.
QUIET = 8.0
# The columns of the file as they stand in the tables: what any writer must read at least.
PLAIN = (
    "SELECT p.reference, y.name, y.reference, p.program, p.period_start, p.period_end, p.state, p.is_held, "
    "p.currency, p.gross_minor, p.amount_minor - p.gross_minor, p.amount_minor, p.payment_reference, p.approved_at, "
    "p.paid_on, p.created_at FROM payouts p JOIN payees y ON y.id = p.payee_id ORDER BY p.id DESC"
)


def run(ground: Ground) -> Iterator[Figure]:
    """CSV and workbook, each against its library alone, and memory beyond the process's own."""
    size = ground.size(400, 100_000)
    many, small = crowd.gather(ground, size), crowd.gather(ground, size // 10)
    rounds = min(3, ground.rounds)
    with many.app.app_context(), reading():
        text_file = in_turns(lambda n: _csv(many), lambda n: _plain_csv(ground.engine), ground.rounds)
        floor = "COPY" if ground.engine == "postgresql" else "csv.writer"
        yield Figure(NAME, f"CSV of {size:,}", ground.engine, text_file.ours, "s", text_file.floor, text_file.ratio,
                     at_most(1.5), f"floor: csv.writer of the same query; {floor} is there")  # fmt: skip
        book = in_turns(lambda n: _xlsx(many), lambda n: _plain_xlsx(), rounds)
        yield Figure(NAME, f"XLSX of {size:,}", ground.engine, book.ours, "s", book.floor, book.ratio, at_most(1.3),
                     "floor: the library in constant memory, the same rows")  # fmt: skip
    for name, write in (("CSV", _csv), ("XLSX", _xlsx)):
        points = [(each.payouts, _megabytes(each, write)) for each in (small, many)]
        yield Figure(NAME, f"{name} of {size:,}: memory", ground.engine, points[-1][1], "MB",
                     goal=at_most(MEMORY_GOAL, "ours"))  # fmt: skip
        yield growth(NAME, f"{name}: memory", ground.engine, [(n, max(QUIET, mb)) for n, mb in points], FLAT)


def _query(many: Crowd) -> Select[Any]:
    db.session.rollback()
    return lists.payouts(
        organisation_id=many.organisation.id, currency="USD", now=datetime(2026, 11, 20, tzinfo=UTC)
    )


def _csv(many: Crowd) -> None:
    with open(os.devnull, "wb") as sink:
        for piece in exports.csv_columns(listing.EXPORT_HEADERS, export.columns(_query(many))):
            sink.write(piece.encode())


def _xlsx(many: Crowd) -> None:
    with tempfile.TemporaryFile() as file:
        rows = export.columns(_query(many))
        file.writelines(sheets.write(listing.EXPORT_HEADERS, listing.EXPORT_KINDS, rows))


def _plain_csv(engine: str) -> None:
    with open(os.devnull, "w", encoding="utf-8", newline="") as sink, db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(PLAIN)
        writer = csv.writer(sink)
        while batch := cursor.fetchmany(1_000):
            writer.writerows(batch)


def _plain_xlsx() -> None:
    with tempfile.TemporaryFile() as file, db.engine.connect() as connection:
        book = xlsxwriter.Workbook(file, {"constant_memory": True})
        sheet = book.add_worksheet()
        for number, row in enumerate(connection.execution_options(stream_results=True).execute(text(PLAIN))):
            for column, value in enumerate(row):
                if isinstance(value, int):
                    sheet.write_number(number, column, value)
                else:
                    sheet.write_string(number, column, str(value))
        book.close()


def _megabytes(many: Crowd, write: Callable[[Crowd], None]) -> float:
    """Memory that a fresh child needs beyond what it had, by the operating system's own count."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with many.app.app_context():
                db.engine.dispose(close=False)
                read_only.set(True)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                write(many)
                used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(writing, pickle.dumps(used / 1024))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        content = answer.read()
    if os.waitpid(pid, 0)[1] or not content:
        raise RuntimeError("the child that wrote the file broke")
    needed: float = pickle.load(io.BytesIO(content))
    return needed
