"""The page of an uploaded file: its dry run, and for a list the choice of its columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import request

from webapp.database import db, transaction
from webapp.imports.columns import header_digest
from webapp.imports.forms import PREFIX, MappingForm, mapping_form, reading_of_locale
from webapp.imports.tables import Table
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.money import Money
from webapp.people.models import Organisation
from webapp.people.views.session import actor
from webapp.reconciliation import columns, queries, service, storing, work
from webapp.reconciliation.forms import CompareForm, ListForm
from webapp.reconciliation.models import ReconciliationRun, StatementFile
from webapp.reconciliation.states import FileState, Source
from webapp.reconciliation.views import pages

SHOWN = 5


def of_run(run: ReconciliationRun) -> StatementFile | None:
    """The file of a comparison."""
    return db.session.get(StatementFile, run.file_id) if run.file_id else None


def look(organisation: Organisation, reference: str, who: Actor, now: datetime) -> str:
    """Do the dry run of a file whose content is known; a sentence when it cannot be compared as it is."""
    organisation_id = organisation.id
    try:
        opened = work.open_file(organisation, reference)
        if opened.parsed is not None and opened.file.state == FileState.CHECKED:
            work.dry_run(
                organisation_id=organisation_id, reference=reference, parsed=opened.parsed, actor=who, now=now
            )
    except Invalid as error:
        return error.message
    return ""


def preview(
    organisation: Organisation, reference: str, problem: str = ""
) -> tuple[dict[str, Any] | None, int]:
    """What the page shows, and its code; None once columns were taken and the page is to be opened anew."""
    file = queries.get_file(organisation.id, reference)
    if file.state != FileState.CHECKED:
        run = queries.run_of_file(file)
        return {**_common(file), "run": run, "cards": pages.counted(file.figures, run)}, 200
    try:
        opened = work.open_file(organisation, reference)
    except Invalid as error:
        # Saved columns that do not fit this list after all: they are chosen anew.
        opened, problem = _unread(organisation, reference), problem or error.message
    file = opened.file
    context = {**_common(file), "problem": problem, "cards": pages.counted(file.figures)}
    if opened.table is not None and (not file.columns or "columns" in request.args or opened.parsed is None):
        return _columns(organisation, file, opened.table, context)
    if opened.parsed is None:
        return context, 200
    other = storing.other_account(organisation.id, opened.parsed)
    context |= {
        "notes": opened.parsed.notes,
        "refusal": storing.several_accounts(opened.parsed),
        "other": other,
        "is_list": opened.table is not None,
        "samples": [
            (line, Money(line.amount_minor, line.currency))
            for part in opened.parsed.statements
            for line in part.lines[:SHOWN]
        ][:SHOWN],
    }
    return context, 200


def _unread(organisation: Organisation, reference: str) -> work.Opened:
    with transaction():
        service.lock_file(organisation.id, reference).columns = {}
    return work.open_file(organisation, reference)


def _common(file: StatementFile) -> dict[str, Any]:
    return {
        "file": file,
        "state": FileState(file.state),
        "facts": pages.file_facts(file),
        "is_mapping": False,
        "run": None,
        "cards": [],
        "notes": (),
        "refusal": "",
        "other": "",
        "samples": [],
        "is_list": False,
        "problem": "",
        "form": CompareForm(formdata=None, data={"version": str(file.version)}),
    }


def _columns(
    organisation: Organisation, file: StatementFile, table: Table, context: dict[str, Any]
) -> tuple[dict[str, Any] | None, int]:
    """The choice of columns, or what comes of it."""
    source = Source(file.source)
    kind = columns.kind_of(source)
    is_sent = request.method == "POST" and request.endpoint == "admin.reconciliation.preview"
    if is_sent:
        form = mapping_form(kind, table, needs_encoding=False, data={})
        extra = ListForm()
        if form.validate() and extra.validate() and _taken(organisation, file, table, form, extra):
            return None, 303
    else:
        form, extra = _suggested(organisation, file, table)
    context |= {"is_mapping": True, "form": form, "extra": extra, "source": source, "rows": len(table.rows)}
    return context, 422 if is_sent else 200


def _suggested(organisation: Organisation, file: StatementFile, table: Table) -> tuple[MappingForm, ListForm]:
    kind = columns.kind_of(Source(file.source))
    chosen, written = columns.guessed(kind, table, reading_of_locale(organisation.locale))
    data: dict[str, Any] = {PREFIX + name: theirs for name, theirs in (file.columns or chosen).items()}
    data |= {"dates": written.dates, "decimal": written.decimal, **file.reading}
    form = mapping_form(kind, table, needs_encoding=False, data=data)
    return form, ListForm(formdata=None, data={"account": file.account, "name": ""})


def _taken(
    organisation: Organisation, file: StatementFile, table: Table, form: MappingForm, extra: ListForm
) -> bool:
    """Read the list by what was chosen, keep the choice, do the dry run; False with the reason at its field."""
    source, provider, reference = Source(file.source), file.provider, file.reference
    chosen, written, account = form.mapping(), form.reading(), extra.account.data or ""
    try:
        parsed = columns.read(
            table, source=source, chosen=chosen, reading=written, home_currency=organisation.currency,
            account=account, provider=provider,
        )  # fmt: skip
        who, now = actor(), utc_now()
        with transaction():
            kept = service.set_columns(
                organisation_id=organisation.id, reference=reference, source=source, provider=provider,
                columns=chosen, reading={"dates": written.dates, "decimal": written.decimal}, account=account,
                parsed=parsed,
            )  # fmt: skip
            if extra.name.data:
                service.save_mapping(
                    file=kept, name=extra.name.data, header_digest=header_digest(table), actor=who, now=now
                )
    except Invalid as error:
        _attach(form, extra, error)
        return False
    look(organisation, reference, who, now)
    return True


def _attach(form: MappingForm, extra: ListForm, error: Invalid) -> None:
    if error.field in ("name", "account"):
        field = extra[error.field]
    else:
        columns_by_name = {column.name: column for column in form.columns}
        field = columns_by_name.get(PREFIX + error.field) or form.columns[0]
    field.errors = [*field.errors, error.message]
