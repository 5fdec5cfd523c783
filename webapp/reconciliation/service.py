"""Files of other people's books and the comparison itself. Nothing commits here; nothing here moves money."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.database import db, insert_ignoring_conflict, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound, StaleVersion
from webapp.people.changes.queries import is_active_admin
from webapp.people.models import Organisation, User
from webapp.people.numbers import next_number
from webapp.reconciliation import findings, matching, storing
from webapp.reconciliation.lines import Parsed
from webapp.reconciliation.matching import Marks
from webapp.reconciliation.models import ColumnMapping, Finding, ReconciliationRun, StatementFile
from webapp.reconciliation.states import FileFormat, FileState, FindingState, Source

SUBJECT = "reconciliation"


def sha256(data: bytes) -> str:
    """By which the same file is known again."""
    return hashlib.sha256(data).hexdigest()


def lock_organisation(organisation_id: int) -> Organisation:
    """One comparison at a time in an organisation; rows that only point to it are not held up."""
    return lock_row(Organisation, Organisation.id == organisation_id, key_share=True)


def add_file(
    *,
    organisation_id: int,
    file_name: str,
    data: bytes,
    storage_key: str,
    source: Source,
    file_format: FileFormat,
    provider: str,
    lines: int,
    actor: Actor,
    now: datetime,
) -> StatementFile:
    """Keep an uploaded file that was read; nothing of it is compared yet. Raises Conflict for the same bytes."""
    digest = sha256(data)
    values = {
        "organisation_id": organisation_id,
        "reference": next_number(organisation_id, "SF", 4),
        "file_name": file_name[:120],
        "sha256": digest,
        "storage_key": storage_key,
        "source": source.value,
        "format": file_format.value,
        "provider": provider,
        "state": FileState.CHECKED.value,
        "columns": {},
        "reading": {},
        "account": "",
        "figures": {},
        "lines": lines,
        "new_lines": 0,
        "version": 1,
        "created_by_id": actor.user_id,
        "created_by_label": actor.label[:254],
        "created_at": now,
    }
    if not insert_ignoring_conflict(db.session(), StatementFile, values):
        raise Conflict("This same file is here already.")
    file = get_file_by_digest(organisation_id, digest)
    _record("uploaded", file, actor, now, {"file": [None, file.file_name], "lines": [None, lines]})
    return file


def get_file_by_digest(organisation_id: int, digest: str) -> StatementFile:
    """The file with these bytes. Raises NotFound."""
    found = db.session.scalar(
        select(StatementFile).where(
            StatementFile.organisation_id == organisation_id, StatementFile.sha256 == digest
        )
    )
    if found is None:
        raise NotFound
    return found


def drop_file(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> str:
    """Forget a file that was not compared; answers where its bytes lie. Raises NotFound, Conflict."""
    file = lock_file(organisation_id, reference)
    if file.state != FileState.CHECKED:
        raise Conflict(f"{reference} was compared already; its lines stay.")
    _record("dropped", file, actor, now, {"file": [file.file_name, None]})
    db.session.delete(file)
    return file.storage_key


def lock_file(organisation_id: int, reference: str) -> StatementFile:
    """A file, locked. Raises NotFound."""
    return lock_row(
        StatementFile, StatementFile.organisation_id == organisation_id, StatementFile.reference == reference
    )


def set_columns(
    *,
    organisation_id: int,
    reference: str,
    source: Source,
    provider: str,
    columns: Mapping[str, str],
    reading: Mapping[str, str],
    account: str,
    parsed: Parsed,
) -> StatementFile:
    """Keep how a list is read, on the list itself. Raises Conflict when it was compared already."""
    file = lock_file(organisation_id, reference)
    if file.state != FileState.CHECKED:
        raise Conflict(f"{reference} was compared already.")
    file.source, file.provider, file.account = source.value, provider, account[:120]
    file.format = parsed.format.value
    file.columns, file.reading = dict(columns), dict(reading)
    file.lines, file.figures = parsed.line_count, {}
    file.version += 1
    return file


def save_mapping(
    *, file: StatementFile, name: str, header_digest: str, actor: Actor, now: datetime
) -> ColumnMapping:
    """Keep the columns of a list under a name, for the next list with these columns. Raises Invalid."""
    name = " ".join(name.split())[:120]
    if not name:
        raise Invalid("name", "Give the columns a name to be found by.", "HDFC current account")
    of_header = db.session.scalar(
        select(ColumnMapping).where(
            ColumnMapping.organisation_id == file.organisation_id,
            ColumnMapping.source == file.source,
            ColumnMapping.header_digest == header_digest,
        )
    )
    of_name = db.session.scalar(
        select(ColumnMapping).where(
            ColumnMapping.organisation_id == file.organisation_id, ColumnMapping.name == name
        )
    )
    if of_name is not None and of_name is not of_header:
        raise Invalid("name", f"Another list is called {name!r}. Choose another name.")
    row = of_header or ColumnMapping(
        organisation_id=file.organisation_id, source=file.source, header_digest=header_digest
    )
    row.name, row.provider, row.account = name, file.provider, file.account
    row.columns, row.reading = dict(file.columns), dict(file.reading)
    row.changed_by_id, row.changed_at = actor.user_id, now
    db.session.add(row)
    db.session.flush()
    return row


def delete_mapping(*, organisation_id: int, mapping_id: int, actor: Actor, now: datetime) -> str:
    """Forget saved columns; files that were read by them stay. Answers the name. Raises NotFound."""
    row = lock_row(
        ColumnMapping, ColumnMapping.organisation_id == organisation_id, ColumnMapping.id == mapping_id
    )
    audit.record(
        tag="reconciliation:mapping:deleted", actor=actor, now=now, organisation_id=organisation_id,
        subject_type=SUBJECT, subject_id=row.id, subject_label=row.name, changes={"name": [row.name, None]},
    )  # fmt: skip
    db.session.delete(row)
    return row.name


def compare(
    *, file: StatementFile, parsed: Parsed, switch: bool, actor: Actor, now: datetime
) -> ReconciliationRun:
    """Store the lines of a file, match them, write down what differs. Raises Invalid (another account), Conflict."""
    if refusal := storing.several_accounts(parsed):
        raise Invalid("file", refusal)
    organisation = lock_organisation(file.organisation_id)
    if file.state == FileState.DONE:
        raise Conflict(f"{file.reference} was compared already.")
    source = Source(file.source)
    new_lines = storing.store(file, parsed, switch=switch, now=now)
    run = start_run(file.organisation_id, source, actor, now, file_id=file.id)
    marks = Marks(file.organisation_id, run.id, run.reference, now)
    matched = matching.match(source, marks)
    if source is Source.BANK:
        found = findings.of_bank(marks)
    else:
        since, until = _period(parsed, organisation.timezone)
        found = findings.of_provider(marks, file.provider, since, until)
    counts = {
        "lines": parsed.line_count, "new": new_lines, "repeated": parsed.line_count - new_lines,
        "matched": matched, **found, **settle(marks),
    }  # fmt: skip
    file.state, file.new_lines, file.figures = FileState.DONE.value, new_lines, counts
    file.version += 1
    finish_run(run, counts, actor, now, label=f"{file.reference} {file.file_name}")
    return run


def settle(marks: Marks) -> dict[str, int]:
    """What follows every comparison: webhooks nobody knew, balances, suggestions, what agrees by now."""
    webhooks = findings.of_webhooks(marks)
    closed = findings.close_agreed(marks)
    findings.of_balances(marks)
    suggested = matching.suggest(marks.organisation_id, db.session.get_bind().dialect.name)
    db.session.expire_all()
    return {"webhooks": webhooks, "closed": closed, "suggested": suggested}


def start_run(
    organisation_id: int, source: Source, actor: Actor, now: datetime, file_id: int | None = None
) -> ReconciliationRun:
    """A comparison that begins."""
    run = ReconciliationRun(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "CM", 4),
        source=source.value,
        file_id=file_id,
        by_id=actor.user_id,
        by_label=actor.label[:254],
        at=now,
    )
    db.session.add(run)
    db.session.flush()
    return run


def finish_run(
    run: ReconciliationRun, counts: dict[str, int], actor: Actor, now: datetime, label: str = ""
) -> None:
    """Keep what a comparison found; one event in the trail stands for all of its rows."""
    run.counts = counts
    audit.record(
        tag="reconciliation:run:finished",
        actor=actor,
        now=now,
        organisation_id=run.organisation_id,
        subject_type=SUBJECT,
        subject_id=run.id,
        subject_label=" ".join(filter(None, (run.reference, label))),
        changes={name.replace("_", " "): [None, n] for name, n in counts.items() if n},
    )
    db.session.flush()


def _period(parsed: Parsed, timezone: str) -> tuple[datetime | None, datetime | None]:
    """From when to when a provider's list shows transfers: whole days of the organisation, the last one excluded.

    The day of the newest line may go on after the list was made.
    """
    days = [line.booked_on for part in parsed.statements for line in part.lines]
    if not days or not parsed.is_complete:
        return None, None
    zone = ZoneInfo(timezone)

    def start(day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=zone)

    return start(min(days)), max(start(max(days)), start(min(days)) + timedelta(days=1))


def _record(word: str, file: StatementFile, actor: Actor, now: datetime, changes: dict[str, Any]) -> None:
    audit.record(
        tag=f"reconciliation:file:{word}",
        actor=actor,
        now=now,
        organisation_id=file.organisation_id,
        subject_type=SUBJECT,
        subject_id=file.id,
        subject_label=file.reference,
        changes=changes,
    )


def assign(
    *, organisation_id: int, finding_id: int, owner_id: int | None, actor: Actor, now: datetime,
    expected_version: int | None = None,
) -> Finding:  # fmt: skip
    """Say who sees to a finding; None: nobody yet. Raises NotFound, Conflict when it is settled, Invalid."""
    finding = lock_finding(organisation_id, finding_id)
    check_version(finding, expected_version)
    if finding.owner_id == owner_id:
        return finding
    if finding.state == FindingState.RESOLVED:
        raise Conflict("This finding is settled; nobody has to see to it any more.")
    label = ""
    if owner_id is not None:
        if not is_active_admin(organisation_id, owner_id):
            raise Invalid("owner", "Choose an admin of this organisation.")
        label = db.session.get_one(User, owner_id).email
    before, finding.owner_id, finding.owner_label = finding.owner_label, owner_id, label
    record_finding(finding, "assigned", actor, now, {"owner": [before, label]})
    return finding


def lock_finding(organisation_id: int, finding_id: int) -> Finding:
    """A finding, locked. Raises NotFound."""
    return lock_row(Finding, Finding.organisation_id == organisation_id, Finding.id == finding_id)


def check_version(finding: Finding, expected: int | None) -> None:
    """Raises StaleVersion when somebody changed the finding since the page was shown."""
    if expected is not None and expected != finding.version:
        raise StaleVersion("Somebody else has changed this finding since you opened it. Look at it again.")


def record_finding(
    finding: Finding, word: str, actor: Actor, now: datetime, changes: dict[str, Any], note: str = ""
) -> None:
    """A change of a finding for the trail; its version moves on."""
    finding.version += 1
    audit.record(
        tag=f"reconciliation:finding:{word}",
        actor=actor,
        now=now,
        organisation_id=finding.organisation_id,
        subject_type="reconciliation_finding",
        subject_id=finding.id,
        subject_label=f"Finding {finding.id}: {finding.label}"[:200],
        changes=changes,
        note=note,
    )
    db.session.flush()


def record_look(organisation_id: int, closed: int, new: int, actor: Actor, now: datetime) -> None:
    """One event for what was closed or taken up without a comparison; none when nothing was."""
    if not closed and not new:
        return
    audit.record(
        tag="reconciliation:findings:looked_again",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type=SUBJECT,
        subject_label="Findings that agree by now, messages that nobody knew",
        changes={"closed": [None, closed], "new": [None, new]},
    )


def count_unsettled(organisation_id: int) -> int:
    """How many findings wait for somebody."""
    return int(
        db.session.scalar(
            select(func.count())
            .select_from(Finding)
            .where(
                Finding.organisation_id == organisation_id,
                Finding.state.in_([FindingState.OPEN.value, FindingState.PROPOSED.value]),
            )
        )
        or 0
    )
