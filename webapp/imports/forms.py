"""Shapes of the forms around imports."""

from __future__ import annotations

from typing import Any

from babel.dates import get_date_format
from babel.numbers import get_decimal_symbol
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import HiddenField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from webapp.imports.columns import Reading, visible
from webapp.imports.kinds import Cell, Kind
from webapp.imports.reading import WINDOWS, Table
from webapp.imports.service import Seen
from webapp.imports.values import DATE_ORDERS, DECIMALS

PREFIX = "column_"
_DATE_WORDS = {"iso": "Year first", "dmy": "Day first", "mdy": "Month first"}
_DECIMAL_WORDS = {".": "A point before the decimals", ",": "A comma before the decimals"}
_SAMPLE_LENGTH = 30


class UploadForm(FlaskForm):
    """A list to bring in."""

    file = FileField("CSV file or Excel workbook")


class MappingForm(FlaskForm):
    """How a file writes days, numbers and letters; `mapping_form` adds a field for every field of ours."""

    dates = SelectField(
        "How days are written",
        choices=[SelectChoice(v, f"{_DATE_WORDS[v]}: {example}") for v, example in DATE_ORDERS.items()],
    )
    decimal = SelectField(
        "How numbers are written",
        choices=[SelectChoice(v, f"{_DECIMAL_WORDS[v]}: {example}") for v, example in DECIMALS.items()],
    )
    encoding = SelectField(
        "How letters are written",
        choices=[
            SelectChoice("", "Choose…"),
            SelectChoice(WINDOWS, "Windows-1252: Excel in Western Europe and America"),
        ],
    )
    version = HiddenField()

    def mapping(self) -> dict[str, str]:
        """Our field → the file's column, without fields that are not in the file."""
        return {
            name.removeprefix(PREFIX): field.data
            for name, field in self._fields.items()
            if name.startswith(PREFIX) and field.data
        }

    def reading(self) -> Reading:
        """How days and numbers are read; a list that has none says nothing."""
        return Reading(
            (self.dates.data or "") if "dates" in self else "",
            (self.decimal.data or "") if "decimal" in self else "",
        )

    @property
    def columns(self) -> list[Any]:
        """The fields of the columns, in the order of the kind."""
        return [field for name, field in self._fields.items() if name.startswith(PREFIX)]

    @property
    def seen_version(self) -> int:
        """The version that the page showed; 0 where it is no number."""
        text = self.version.data or ""
        return int(text) if text.isdigit() and len(text) < 10 else 0


def _label(header: str, index: int, table: Table) -> str:
    """ "installer, such as Aeonsolar": the name alone does not always say what a column holds."""
    cells = (row[1][index] for row in table.rows[:20] if len(row[1]) == len(table.header))
    sample = visible(" ".join(next((cell for cell in cells if cell.strip()), "").split()))
    if not sample:
        return header
    shown = sample if len(sample) <= _SAMPLE_LENGTH else sample[: _SAMPLE_LENGTH - 1] + "…"
    return f"{header}, such as {shown}"


def mapping_form(kind: Kind, table: Table, *, needs_encoding: bool, data: dict[str, Any]) -> MappingForm:
    """The form for a file: a choice of its columns for every field of the kind."""
    columns = [(name, _label(name, i, table)) for i, name in enumerate(table.header) if name]
    choices = [SelectChoice("", "Not in this file"), *(SelectChoice(v, label) for v, label in columns)]
    fields = {
        PREFIX + field.name: SelectField(
            field.label, choices=choices, description=field.meaning, validate_choice=False
        )
        for field in kind.fields
    }
    form: MappingForm = type("FileMappingForm", (MappingForm,), fields)(data=data)
    cells = {field.cell for field in kind.fields}
    if Cell.DAY not in cells:
        del form.dates
    if not cells & {Cell.NUMBER, Cell.NUMBERS}:
        del form.decimal
    if not needs_encoding:
        del form.encoding
    for field in kind.fields:
        form[PREFIX + field.name].flags.optional = not field.is_required
    return form


class RunForm(FlaskForm):
    """What a person saw of the check when they say that its good rows are to be stored."""

    version = HiddenField()
    sha256 = HiddenField()
    created = HiddenField()
    updated = HiddenField()
    refused = HiddenField()

    def seen(self) -> Seen:
        """The check as it was seen; what is no number is no check that there ever was."""
        numbers = [
            int(text) if (text := self[name].data or "").isdigit() and len(text) < 10 else -1
            for name in ("version", "created", "updated", "refused")
        ]
        return Seen(numbers[0], self.sha256.data or "", *numbers[1:])


def reading_of_locale(locale: str) -> Reading:
    """How people of a locale write days and numbers."""
    pattern = str(get_date_format("short", locale=locale).pattern)
    order = "iso" if pattern.startswith("y") else "dmy" if pattern.find("d") < pattern.find("M") else "mdy"
    return Reading(order, "," if get_decimal_symbol(locale) == "," else ".")
