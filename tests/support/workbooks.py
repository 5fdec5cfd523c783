"""Workbooks for tests: real ones by a library, and hostile ones part by part."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import openpyxl

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument'
    '.spreadsheetml.sheet.main+xml"/></Types>'
)


def made(sheets: Mapping[str, Iterable[Sequence[Any]]], **states: str) -> bytes:
    """A workbook as openpyxl writes it: rows of Python values for each sheet; `states` hides sheets."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        sheet.sheet_state = states.get(name, "visible")
    return saved(workbook)


def saved(workbook: openpyxl.Workbook) -> bytes:
    """The bytes of a workbook."""
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def parts(
    sheet_data: str,
    *,
    after: str = "",
    styles: str = "",
    strings: str = "",
    sheets: str = '<sheet name="List" sheetId="1" r:id="rId1"/>',
    more: Mapping[str, str | bytes] | None = None,
    before: str = "",
) -> dict[str, str | bytes]:
    """The parts of a smallest workbook around the rows of its sheet, to be spoilt one by one."""
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r" Type="{_RELATED}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_RELATED}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
        f'<Relationship Id="rId1" Type="{_RELATED}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATED}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId3" Type="{_RELATED}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'{before}<worksheet xmlns="{MAIN}"><sheetData>{sheet_data}</sheetData>{after}'
        "</worksheet>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
    }
    return {**found, **(more or {})}


def zipped(contents: Mapping[str, str | bytes]) -> bytes:
    """An archive of some parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def row(line: int, *cells: str) -> str:
    """A row whose cells are XML; text alone becomes an inline string in the next column."""
    made_cells = []
    for at, cell in enumerate(cells):
        place = f"{chr(65 + at)}{line}"
        inline = f'<c r="{place}" t="inlineStr"><is><t>{cell}</t></is></c>'
        made_cells.append(cell.replace("<c", f'<c r="{place}"', 1) if cell.startswith("<c") else inline)
    return f'<row r="{line}">{"".join(made_cells)}</row>'
