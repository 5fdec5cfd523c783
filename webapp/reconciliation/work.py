"""Comparisons from the file to the result: the dry run that leaves nothing, the real one, and the worker's.

The functions here open their own transactions, so that nothing is open while the storage answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.database import db, transaction
from webapp.imports.columns import Reading, header_digest
from webapp.imports.tables import Table
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import new_uid
from webapp.people.models import Organisation
from webapp.providers import storage
from webapp.reconciliation import columns, queries, reading, service
from webapp.reconciliation.lines import Parsed
from webapp.reconciliation.models import ColumnMapping, StatementFile
from webapp.reconciliation.reading import Read
from webapp.reconciliation.states import FileFormat, FileState, Source
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow

KIND = "reconciliation.compare"
#: A page compares so many lines at once; more are left to a worker.
AT_ONCE = 5_000


class _Undone(Exception):
    """Carries the figures of a dry run out of a transaction that leaves nothing behind."""

    def __init__(self, figures: dict[str, int]) -> None:
        super().__init__("dry run")
        self.figures = figures


@dataclass(frozen=True)
class Opened:
    """A file with its content: a statement, or a list with what it was mapped to."""

    file: StatementFile
    read: Read
    parsed: Parsed | None

    @property
    def table(self) -> Table | None:
        """The list, where the file is one."""
        return self.read.table


def take(
    *,
    organisation: Organisation,
    file_name: str,
    data: bytes,
    wanted: str,
    provider: str,
    actor: Actor,
    now: datetime,
    limit: int = reading.MAXIMUM_BYTES,
) -> str:
    """Read a file and keep it for its dry run; answers its reference, also of the same file from before.

    Raises Invalid("file", …) before anything is stored.
    """
    organisation_id, home = organisation.id, organisation.currency
    known = queries.find_file_by_digest(organisation_id, service.sha256(data))
    if known is not None:
        return known.reference
    found = reading.read(data, wanted=wanted, limit=limit)
    source, file_format, provider = _nature(found, wanted, provider)
    mapping = _mapping(organisation_id, found, source, home, provider)
    lines = found.parsed.line_count if found.parsed else len(found.table.rows if found.table else ())
    key = f"reconciliation/{organisation_id}/{new_uid()}.bin"
    db.session.rollback()
    storage.save(key, data)
    try:
        with transaction():
            file = service.add_file(
                organisation_id=organisation_id, file_name=file_name, data=data, storage_key=key, source=source,
                file_format=file_format, provider=provider, lines=lines, actor=actor, now=now,
            )  # fmt: skip
            if mapping is not None:
                file.columns, file.reading, file.account = mapping
            reference = file.reference
    except BaseException:
        storage.delete(key)
        raise
    return reference


def _nature(found: Read, wanted: str, provider: str) -> tuple[Source, FileFormat, str]:
    if found.parsed is not None:
        return Source.BANK, found.parsed.format, ""
    if wanted == FileFormat.PROVIDER_CSV:
        return Source.PROVIDER, FileFormat.PROVIDER_CSV, provider
    if wanted == FileFormat.CASHFREE or (found.is_cashfree and wanted != FileFormat.CSV):
        return Source.PROVIDER, FileFormat.CASHFREE, "cashfree"
    return Source.BANK, FileFormat.CSV, ""


def _mapping(
    organisation_id: int, found: Read, source: Source, home: str, provider: str
) -> tuple[dict[str, str], dict[str, str], str] | None:
    """Columns, reading and account of a list whose columns are known; None where a person must say them."""
    if found.table is None:
        return None
    saved = queries.find_mapping(organisation_id, source, header_digest(found.table))
    if saved is not None:
        return dict(saved.columns), dict(saved.reading), saved.account
    if not found.is_cashfree or source is not Source.PROVIDER:
        return None
    guessed, written = columns.guessed(columns.PROVIDER_LIST, found.table, Reading("iso", "."))
    missing = set(columns.PROVIDER_LIST.required) - guessed.keys()
    return None if missing else (guessed, {"dates": written.dates, "decimal": written.decimal}, "")


def open_file(
    organisation: Organisation, reference: str, limit: int = reading.MAXIMUM_COMMAND_BYTES
) -> Opened:
    """A kept file, read again; `parsed` is None while the columns of a list are not known. Raises NotFound."""
    file = queries.get_file(organisation.id, reference)
    home, key = organisation.currency, file.storage_key
    db.session.rollback()
    data = storage.read(key)
    file = queries.get_file(organisation.id, reference)
    found = reading.read(data, limit=limit)
    if found.parsed is not None or found.table is None or not file.columns:
        return Opened(file, found, found.parsed)
    return Opened(file, found, parse(found.table, file, home))


def parse(table: Table, file: StatementFile, home: str) -> Parsed:
    """The lines of a list as its file says they are read. Raises Invalid."""
    return columns.read(
        table,
        source=Source(file.source),
        chosen=file.columns,
        reading=Reading(file.reading.get("dates", ""), file.reading.get("decimal", "")),
        home_currency=home,
        account=file.account,
        provider=file.provider,
    )


def use_saved(*, organisation: Organisation, reference: str, mapping: ColumnMapping) -> None:
    """Read a kept list by saved columns. Raises Invalid when they do not fit it, Conflict when it was compared."""
    source, provider = Source(mapping.source), mapping.provider
    chosen, written, account = dict(mapping.columns), dict(mapping.reading), mapping.account
    table = open_file(organisation, reference).table
    if table is None:
        raise Invalid("file", "The file is no list; it needs no columns.")
    parsed = columns.read(
        table, source=source, chosen=chosen, reading=Reading(written.get("dates", ""), written.get("decimal", "")),
        home_currency=organisation.currency, account=account, provider=provider,
    )  # fmt: skip
    with transaction():
        service.set_columns(
            organisation_id=organisation.id, reference=reference, source=source, provider=provider, columns=chosen,
            reading=written, account=account, parsed=parsed,
        )  # fmt: skip


def dry_run(
    *,
    organisation_id: int,
    reference: str,
    parsed: Parsed,
    actor: Actor,
    now: datetime,
    at_once: bool = False,
) -> dict[str, int]:
    """What a comparison would find; everything is undone again, only the figures are kept on the file.

    Raises Invalid as the comparison does. Too many lines are left out: only they are counted then.
    """
    figures = {"lines": parsed.line_count}
    if at_once or parsed.line_count <= AT_ONCE:
        try:
            with transaction():
                file = service.lock_file(organisation_id, reference)
                run = service.compare(file=file, parsed=parsed, switch=True, actor=actor, now=now)
                raise _Undone(dict(run.counts))
        except _Undone as undone:
            figures = undone.figures
    with transaction():
        file = service.lock_file(organisation_id, reference)
        if file.state == FileState.CHECKED:
            file.figures = figures
    return figures


def start(
    *, organisation: Organisation, reference: str, switch: bool, expected_version: int | None, actor: Actor,
    now: datetime, at_once: bool = False,
) -> str:  # fmt: skip
    """Compare a file: at once, or by a worker when it is long. Answers the run's reference, "" when it is queued.

    Raises Invalid while the columns are not known or the account is another one, Conflict.
    """
    organisation_id = organisation.id
    opened = open_file(organisation, reference)
    if opened.parsed is None:
        raise Invalid("file", "Say first which column is which.")
    parsed = opened.parsed
    with transaction():
        file = service.lock_file(organisation_id, reference)
        if file.state == FileState.CHECKED and expected_version not in (None, file.version):
            raise Invalid("file", "Its columns were changed since you opened it. Look at the figures again.")
        if at_once or parsed.line_count <= AT_ONCE:
            return service.compare(file=file, parsed=parsed, switch=switch, actor=actor, now=now).reference
        file.state = FileState.QUEUED.value
        row = runs.RowDraft("reconciliation_file", file.id, file.reference, data={"switch": switch})
        run = runs.create_draft(
            organisation_id=organisation_id, kind=KIND, title=f"Compare {file.file_name}", rows=[row],
            actor=actor, now=now,
        )  # fmt: skip
        runs.confirm(organisation_id=organisation_id, reference=run.reference, actor=actor, now=now)
    return ""


def compare_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> runs.RowResult:
    """A worker's comparison of one file, inside the transaction of its row."""
    file = db.session.get_one(StatementFile, row.subject_id, with_for_update=True)
    organisation = db.session.get_one(Organisation, run.organisation_id)
    found = reading.read(storage.read(file.storage_key), limit=reading.MAXIMUM_COMMAND_BYTES)
    parsed = found.parsed or (parse(found.table, file, organisation.currency) if found.table else None)
    if parsed is None:
        raise Invalid("file", "The file cannot be read any more.")
    made = service.compare(
        file=file, parsed=parsed, switch=bool(row.data.get("switch")), actor=actor, now=now
    )
    words = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in made.counts.items() if n)
    return runs.RowResult(RowOutcome.DONE, f"{made.reference}: {words}.")


runs.register_handler(KIND, compare_row)
