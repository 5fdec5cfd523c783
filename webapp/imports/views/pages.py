"""What the pages of imports show: a file as it will be read, progress, the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flask import g, request, url_for
from flask_login import current_user

from webapp.database import db
from webapp.imports import queries, service
from webapp.imports.cells import BadCells
from webapp.imports.columns import Mapped, Reading, Row, guess, guess_reading, header_digest, map_exactly
from webapp.imports.forms import PREFIX, MappingForm, RunForm, mapping_form, reading_of_locale
from webapp.imports.kinds import Cell, Field, Importer, Kind, get_kind
from webapp.imports.models import ImportFile, ImportState, Phase
from webapp.imports.perform import errors_in, problems_of
from webapp.imports.reading import WINDOWS, encoding_of, is_workbook, read
from webapp.imports.report import Problem
from webapp.imports.tables import PROBLEM, Exact, Table, Unusable
from webapp.imports.values import parse_day, without_hidden
from webapp.imports.workbook import Workbook
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid, NotFound
from webapp.people.views.session import actor
from webapp.providers import storage
from webapp.web import filters
from webapp.web.exports import csv_response

SHOWN = 200
PREVIEWED = 5
LOOKED_AT = 500
_AT_WORK = (ImportState.CHECKING.value, ImportState.RUNNING.value)


@dataclass(frozen=True)
class OpenFile:
    """An uploaded file as it lies in the storage, read."""

    row: ImportFile
    kind: Kind
    table: Table
    needs_encoding: bool
    # Of a workbook, the sheets that can be chosen.
    sheets: tuple[str, ...] = ()


def open_file(reference: str, sheet: str = "") -> OpenFile:
    """The file of an import: of a workbook the given sheet, the chosen one, or the first list.

    Raises NotFound, also for a sheet that is not there; Unavailable.
    """
    row = queries.get_import(organisation_id=g.organisation.id, reference=reference)
    key, chosen = row.storage_key, row.reading.get("encoding", "")
    sheet = sheet or row.reading.get("sheet", "")
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    data = storage.read(key)
    if is_workbook(data):
        workbook = Workbook(data)
        if sheet and sheet not in workbook.sheets:
            raise NotFound
        table = workbook.table(sheet) if sheet else workbook.first_list()
        return OpenFile(row, get_kind(row.kind), table, False, workbook.sheets)
    needs_encoding = not encoding_of(data)
    table = read(data, chosen or (WINDOWS if needs_encoding else ""))
    return OpenFile(row, get_kind(row.kind), table, needs_encoding)


def form_of(file: OpenFile) -> MappingForm:
    """The mapping form: as it was sent, or filled with what was chosen for this file, for such files before, or
    what names tell.
    """
    row, table = file.row, file.table
    if request.method == "POST":
        return mapping_form(file.kind, table, needs_encoding=file.needs_encoding, data={})
    mapping, reading = row.mapping, row.reading
    if not mapping:
        kept = queries.find_mapping(
            organisation_id=row.organisation_id, kind=row.kind, header_digest=header_digest(table)
        )
        if kept is not None:
            mapping, reading = kept.mapping, kept.reading
    if not mapping:
        mapping = guess(file.kind, table)
        guessed = guess_reading(table, reading_of_locale(g.organisation.locale))
        reading = {"dates": guessed.dates, "decimal": guessed.decimal}
    data = {PREFIX + name: theirs for name, theirs in mapping.items()}
    return mapping_form(
        file.kind,
        table,
        needs_encoding=file.needs_encoding,
        data={**data, **reading, "version": str(row.version)},
    )


def mapped_by(file: OpenFile, form: MappingForm) -> Mapped | None:
    """The rows by what the form says; None, with the reason at its field, where it cannot be."""
    try:
        return map_exactly(file.kind, file.table, form.mapping(), form.reading())
    except Invalid as error:
        field = form[PREFIX + error.field]
        field.errors = [*field.errors, error.message]
        return None


def preview(mapped: Mapped) -> dict[str, Any]:
    """The first rows as they will be read, and how many of the next hundreds cannot be read this way."""
    fields = [field for field in mapped.kind.fields if field.name in mapped.columns]
    looked_at = list(mapped.rows(0, LOOKED_AT))
    importer = mapped.kind.importer(g.organisation, mapped, actor(), utc_now())
    importer.prepare(looked_at)
    headers: list[dict[str, Any]] = [{"label": "Line", "numeric": True}]
    headers += [{"label": field.label, "numeric": field.cell is Cell.NUMBER} for field in fields]
    rows: list[dict[str, Any]] = []
    to_fix: list[int] = []
    for row in looked_at:
        problems = _problems(importer, row, mapped)
        is_among_first = len(rows) < PREVIEWED
        if problems:
            to_fix.append(row.line)
        if is_among_first or (problems and len(to_fix) <= PREVIEWED):
            rows.append(_previewed(row, fields, mapped, problems))
    return {
        "headers": headers,
        "rows": rows,
        "notes": [*mapped.table.notes, *mapped.notes()],
        "to_fix": to_fix,
        "looked_at": len(looked_at),
        "has_gaps": PREVIEWED < len(rows) < len(looked_at),
    }


def _problems(importer: Importer, row: Row, mapped: Mapped) -> list[Problem]:
    """What the check of all rows will say about the cells of one."""
    if not row.problems and importer.is_repeat(row):
        return []
    problems = problems_of(BadCells(errors_in(importer, row)), row, mapped.columns)
    if not problems:
        importer.remember(row)
    return problems


def _previewed(row: Row, fields: list[Field], mapped: Mapped, problems: list[Problem]) -> dict[str, Any]:
    """A row of the preview: each cell as it is read, with what is wrong with it."""
    said = {problem.column: problem for problem in problems}
    columns = [mapped.columns[field.name] for field in fields]
    cells = [
        {
            "text": _read(row, field.name, field.cell),
            "wrong": said.get(column),
            "is_number": field.cell is Cell.NUMBER,
        }
        for field, column in zip(fields, columns, strict=True)
    ]
    # What is not the fault of a cell that the table shows.
    return {"line": row.line, "cells": cells, "wrong": [p.short for p in problems if p.column not in columns]}


def _read(row: Row, name: str, cell: Cell) -> str:
    text = row[name]
    if cell is Cell.DAY:
        try:
            return filters.day(parse_day(name, text))
        except Invalid:
            return text
    return text


def mapping_context(file: OpenFile, form: MappingForm, mapped: Mapped | None) -> dict[str, Any]:
    """What the mapping page draws."""
    row = file.row
    return {
        "row": row,
        "kind": file.kind,
        "form": form,
        "sheets": file.sheets,
        "sheet": file.table.sheet,
        "rows": len(file.table.rows),
        "preview": preview(mapped) if mapped is not None else None,
        "same": queries.same_file(
            organisation_id=row.organisation_id, kind=row.kind, sha256=row.sha256, before_id=row.id
        ),
        "is_own": row.created_by_id == current_user.id,
        "has_errors": bool(form.errors),
    }


def start_check(file: OpenFile, form: MappingForm, who: Actor, now: Any) -> None:
    """Keep the choices of a form that was read and queue the check; inside the view's transaction."""
    chosen = form.encoding.data if "encoding" in form else ""
    service.start_check(
        organisation_id=g.organisation.id,
        reference=file.row.reference,
        mapping=form.mapping(),
        reading=Reading(form.reading().dates, form.reading().decimal),
        encoding=chosen or "",
        header_digest=header_digest(file.table),
        actor=who,
        now=now,
        expected_version=form.seen_version,
        sheet=file.table.sheet,
        rows=len(file.table.rows),
    )


def _counts(row: ImportFile) -> list[dict[str, Any]]:
    is_stored = queries.phase_of(row) is Phase.RUN
    repeats = row.done - row.created - row.updated - row.unchanged - row.refused
    counts: list[dict[str, Any]] = [
        {"label": "new", "n": row.created, "tone": "done" if is_stored else "ok"},
        {"label": "changed", "n": row.updated, "tone": "done" if is_stored else "ok"},
        {"label": "as they were", "n": row.unchanged, "tone": "cancelled"},
        {"label": "to fix", "n": row.refused, "tone": "failed"},
        {"label": "the same as an earlier row", "n": repeats, "tone": "cancelled"},
        {
            "label": "waiting" if row.state in _AT_WORK else "not done",
            "n": row.rows - row.done,
            "tone": "waiting",
        },
    ]
    return [count for count in counts if count["n"]]


def _progress(row: ImportFile) -> dict[str, Any]:
    state = ImportState(row.state)
    is_over = row.state not in _AT_WORK
    sentence = row.error if is_over and row.error else state.sentence
    if row.is_stop_requested and not is_over:
        sentence = "Stopping after the rows at hand."
    return {
        "id": "import-progress",
        "label": f"{row.file_name}: {state.label.lower()}",
        "done": row.done,
        "total": row.rows,
        "is_finished": is_over,
        "href": url_for("admin.imports.progress", reference=row.reference),
        "sentence": sentence,
        "counts": _counts(row),
    }


def run_form(row: ImportFile) -> RunForm:
    """The confirmation of what the check found."""
    names = ("version", "sha256", "created", "updated", "refused")
    return RunForm(formdata=None, data={name: str(getattr(row, name)) for name in names})


def result_context(row: ImportFile) -> dict[str, Any]:
    """What the page of an import draws: progress, and once it is over what was found."""
    kind, phase, state = get_kind(row.kind), queries.phase_of(row), ImportState(row.state)
    is_own = row.created_by_id == current_user.id
    is_over = row.state not in _AT_WORK
    shown = list(islice(queries.problems(row.id, phase), SHOWN + 1)) if is_over and row.refused else []
    return {
        "row": row,
        "kind": kind,
        "state": state,
        "progress_data": _progress(row),
        "problems": shown[:SHOWN],
        "has_more": len(shown) > SHOWN,
        "remarks": queries.remarks(row.id, phase) if is_over else [],
        "good": row.created + row.updated,
        "is_own": is_own,
        "run_form": run_form(row) if state is ImportState.CHECKED and is_own else None,
        "is_run": phase is Phase.RUN,
        "following": {"href": url_for(kind.following[0]), "label": kind.following[1]}
        if kind.following and state is ImportState.DONE
        else None,
    }


def problem_file(file: OpenFile) -> Any:
    """The bad rows with the columns that they had, and one that says what is wrong; to correct and upload again."""
    row, table = file.row, file.table
    said: dict[int, list[Problem]] = {}
    for problem in queries.problems(row.id, queries.phase_of(row)):
        said.setdefault(problem.line, []).append(problem)
    at = next((i for i, name in enumerate(table.header) if name.casefold() == PROBLEM), len(table.header))
    headers = [*table.header[:at], PROBLEM, *table.header[at + 1 :]]
    return csv_response(f"{row.reference}-to-fix.csv", headers, _bad_rows(file, said, at))


def _bad_rows(file: OpenFile, said: dict[int, list[Problem]], at: int) -> Iterator[list[str]]:
    width = len(file.table.header)
    numbers = _number_columns(file)
    for line, cells in file.table.rows:
        if line in said:
            fitting = [_to_correct(cell, column in numbers) for column, cell in enumerate(cells[:width])]
            fitting += [""] * (width - len(cells))
            if len(cells) > width:
                # An unquoted delimiter made cells too many: their text stays, in the last column.
                fitting[-1] = without_hidden(", ".join(cells[width - 1 :]))
            words = " | ".join(problem.short for problem in said[line])
            yield [*fitting[:at], without_hidden(words), *fitting[at + 1 :]]


def _number_columns(file: OpenFile) -> set[int]:
    """Where this list has numbers that it writes with a comma; a workbook holds them in no writing at all."""
    if file.row.reading.get("decimal") != ",":
        return set()
    names = {f.name for f in file.kind.fields if f.cell in (Cell.NUMBER, Cell.NUMBERS)}
    theirs = {theirs for ours, theirs in file.row.mapping.items() if ours in names}
    return {column for column, name in enumerate(file.table.header) if name in theirs}


def _to_correct(cell: str, has_comma: bool) -> str:
    """A cell in the file to correct: read again the same way, it means the same."""
    if isinstance(cell, Unusable):
        # Refused again unless somebody types a value.
        return f"\ufffd{cell}"
    if isinstance(cell, Exact) and has_comma:
        return cell.replace(".", ",")
    return without_hidden(cell)
