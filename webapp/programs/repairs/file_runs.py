"""Long files that a worker makes: a run of one row, and a link to the file when it is there.

Who wants a file of very many rows need not wait for it with the page open. The file is written with no transaction
open, stored under the number of its run, and handed out for some days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from webapp.database import db, read_only
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import NotFound
from webapp.people.models import Organisation
from webapp.programs.repairs import exports
from webapp.programs.repairs.exports import Chosen
from webapp.providers import storage
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.web import table_files

KIND = "repairs.file"
#: A file of more rows than this is offered as a run.
LARGE = 20_000
KEPT = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 20


def file_name(what: str, organisation: Organisation, format: str) -> str:
    """ "instalments-metrocab.xlsx"."""
    return f"{what}-{organisation.slug}.{format}"


def start(
    *,
    organisation_id: int,
    chosen: Chosen,
    args: Mapping[str, str],
    driver: str,
    format: str,
    actor: Actor,
    now: datetime,
) -> Run:
    """Queue a file; a worker starts within seconds. `args` are the words of the page's address."""
    title = f"{chosen.title} as {format.upper()}: {chosen.words}"
    run = runs.create_draft(
        organisation_id=organisation_id,
        kind=KIND,
        title=title,
        rows=[
            runs.RowDraft(
                subject_label=title,
                data={"what": chosen.what, "args": dict(args), "driver": driver, "format": format},
            )
        ],
        actor=actor,
        now=now,
    )
    return runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)


def _key(run_id: int, format: str) -> str:
    return f"exports/{run_id}.{format}"


def make(row: runs.OutsideRow, actor: Actor, now: datetime) -> runs.RowResult:
    """Write the file of a run and store it; the same again when it is repeated. Raises Invalid, NotFound."""
    marker = read_only.set(True)
    try:
        organisation = db.session.get_one(Organisation, row.organisation_id)
        what, format = str(row.data["what"]), str(row.data["format"])
        today = local_date(now, organisation.timezone)
        chosen = exports.choose(
            what, organisation, MultiDict(row.data["args"]), today, str(row.data["driver"])
        )
        table = exports.table(chosen, organisation, now)
        content = b"".join(table_files.pieces(table, format))
        rows = sum(each.count for each in table.sums())
        old = _old_ones(row.organisation_id, now)
    finally:
        # No transaction waits for the storage.
        db.session.rollback()
        read_only.reset(marker)
    storage.save(_key(row.run_id, format), content)
    for key in old:
        storage.delete(key)
    size = max(1, round(len(content) / 1024))
    return runs.RowResult(RowOutcome.DONE, f"{rows:,} rows, {size:,} KB. Kept for {KEPT.days} days.")


def _old_ones(organisation_id: int, now: datetime) -> list[str]:
    """Where files lie that nobody may take any more; some at a time."""
    found = db.session.execute(
        select(Run.id, RunRow.data)
        .join(RunRow, RunRow.run_id == Run.id)
        .where(
            Run.organisation_id == organisation_id,
            Run.kind == KIND,
            Run.finished_at < now - KEPT,
            Run.finished_at >= now - 3 * KEPT,
            RunRow.outcome == RowOutcome.DONE.value,
        )
        .order_by(Run.id.desc())
        .limit(_FORGOTTEN_AT_ONCE)
    )
    return [_key(run_id, str(data["format"])) for run_id, data in found]


@dataclass(frozen=True)
class MadeFile:
    """A file that a worker made, and where it lies."""

    key: str
    name: str
    format: str


def find(organisation: Organisation, reference: str, now: datetime) -> MadeFile:
    """The file of a run. Raises NotFound where there is none, not yet, or not any more."""
    row = db.session.execute(
        select(Run.id, Run.finished_at, RunRow.data)
        .join(RunRow, RunRow.run_id == Run.id)
        .where(
            Run.organisation_id == organisation.id,
            Run.reference == reference,
            Run.kind == KIND,
            RunRow.outcome == RowOutcome.DONE.value,
        )
    ).one_or_none()
    if row is None or (row.finished_at is not None and row.finished_at < now - KEPT):
        raise NotFound("There is no such file. Files are kept for a week; make it again.")
    format = str(row.data["format"])
    return MadeFile(_key(row.id, format), file_name(str(row.data["what"]), organisation, format), format)


def register() -> None:
    """Tell the engine of runs who makes these files; once, at start-up."""
    runs.register_outside(KIND, make)


register()
