"""An Excel workbook (.xlsx) as tables of text: what a person would have typed. Nothing in it is run. Pure.

A number is the one that the sheet shows in 15 digits, never a float's tail; a day is ISO; a formula is the result that
was saved with it. A cell without a value that anybody could rely on is `Unusable`, with the reason. The XML is read
here, and not by openpyxl, whose reader builds what a file says, however large, and needs half a minute for a long
list; openpyxl says what number formats and day numbers mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils.escape import unescape

from webapp.imports.package import Handler, Package, damaged
from webapp.imports.sheets import Enough, Found, Numbers, SheetReader, letters_of, too_many_merges
from webapp.imports.tables import MAXIMUM_ROWS, Table, Unusable, check_header, too_many_rows
from webapp.kernel.errors import Invalid

MAXIMUM_SHEETS = 200
MAXIMUM_MERGED = 200_000
NAMED = 10
_MACROS = "The workbook holds macros. Save it as .xlsx, without them, and choose that."


@dataclass(frozen=True)
class Sheet:
    """A sheet by the name on its tab, and the part of the archive that holds it."""

    name: str
    part: str
    is_hidden: bool


@contextmanager
def _file_at_fault() -> Iterator[None]:
    """Whatever is wrong in there: it was the file."""
    try:
        yield
    except (Invalid, Enough):
        raise
    except Exception as error:
        raise damaged() from error


class Workbook:
    """A workbook as far as its list of sheets. Raises Invalid("file", …) for what is none, or a trap."""

    def __init__(self, data: bytes) -> None:
        with _file_at_fault():
            self._package = Package(data)
            types = self._package.elements("[Content_Types].xml")
            if any("macroenabled" in kind.get("ContentType", "").casefold() for _, _, kind in types):
                raise Invalid("file", _MACROS)
            main = next(
                (part for kind, part in self._package.related("").values() if kind == "officeDocument"), ""
            )
            elements, parts = self._package.elements(main), self._package.related(main)
            self._all = tuple(_sheets(elements, parts))
            if not 0 < len(self._all) <= MAXIMUM_SHEETS:
                raise damaged()
            is_1904 = any(
                name == "workbookPr" and values.get("date1904") in ("1", "true")
                for _, name, values in elements
            )
            by_kind = dict(parts.values())
            formats = _formats(self._package.elements(by_kind["styles"])) if "styles" in by_kind else []
            self._numbers = Numbers(formats, is_1904=is_1904)
            strings = _Strings()
            if "sharedStrings" in by_kind:
                self._package.read(by_kind["sharedStrings"], strings)
            self._strings = strings.found
            # A hidden sheet is nobody's list: who looks at the workbook does not see it.
            rows = {s.name: len(self._read(s, 2).rows) for s in self._all if not s.is_hidden}
            lists = tuple(name for name, count in rows.items() if count > 1)
            self.sheets = lists or tuple(name for name, count in rows.items() if count)

    def _read(self, sheet: Sheet, stop_after: int = 0) -> Found:
        reader = SheetReader(self._strings, self._numbers, stop_after)
        with suppress(Enough):
            self._package.read(sheet.part, reader)
        return reader.found

    def table(self, name: str) -> Table:
        """A sheet as a list: its first row names the columns. Raises Invalid("file", …)."""
        sheet = next((s for s in self._all if s.name == name and name in self.sheets), None)
        if sheet is None:
            raise Invalid("file", f"The workbook has no sheet {name!r} with rows.")
        with _file_at_fault():
            return _table(self._read(sheet), name)

    def first_list(self) -> Table:
        """The first sheet that names columns and has rows. Raises Invalid for a workbook without one."""
        if not self.sheets:
            raise Invalid("file", "The workbook has no sheet with rows.")
        errors: list[Invalid] = []
        for name in self.sheets:
            try:
                table = self.table(name)
            except Invalid as error:
                errors.append(error)
                continue
            if table.rows:
                return table
            errors.append(Invalid("file", "The file names its columns and has no rows below."))
        raise errors[0]


def _sheets(
    elements: list[tuple[str, str, dict[str, str]]], parts: dict[str, tuple[str, str]]
) -> Iterator[Sheet]:
    for parent, name, values in elements:
        kind, part = parts.get(values.get("id", ""), ("", ""))
        if (parent, name, kind) == ("sheets", "sheet", "worksheet"):
            yield Sheet(values.get("name", "")[:100], part, values.get("state", "visible") != "visible")


def _formats(elements: list[tuple[str, str, dict[str, str]]]) -> list[str]:
    """The code of the number format of each style."""
    own = {values["numFmtId"]: values["formatCode"] for parent, _, values in elements if parent == "numFmts"}
    numbers = [v.get("numFmtId", "0") for parent, name, v in elements if (parent, name) == ("cellXfs", "xf")]
    return [own.get(number) or str(BUILTIN_FORMATS.get(int(number), "General")) for number in numbers]


class _Strings(Handler):
    """The texts that the cells of all sheets share."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._runs: list[str] | None = None
        self._is_text = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name[name.find(":") + 1 :]
        if name == "si":
            self._runs = []
        elif name == "rPh":
            self._kept, self._runs = self._runs, None
        elif name == "t":
            self._is_text = True

    def text(self, text: str) -> None:
        """Some of the text in an element."""
        if self._is_text and self._runs is not None:
            self._runs.append(text)

    def end(self, name: str) -> None:
        """An element ends."""
        name = name[name.find(":") + 1 :]
        if name == "t":
            self._is_text = False
        elif name == "rPh":
            self._runs = self._kept
        elif name == "si":
            text = "".join(self._runs or ())
            self.found.append(unescape(text) if "_x" in text else text)
            self._runs = None


def _table(found: Found, name: str) -> Table:
    """Header and rows of a sheet. Titles that go across columns are left out; what a merge hides is marked."""
    across = {(top, left) for top, left, _, right in found.merges if right > left}
    titles = [line for line, cells in found.rows if len(cells) == 1 and (line, *cells) in across]
    skipped = set(titles)
    rows = [row for row in found.rows if row[0] not in skipped]
    if not rows:
        return Table((), (), (), name)
    _, names = rows.pop(0)
    if len(rows) > MAXIMUM_ROWS:
        raise too_many_rows()
    header = tuple(" ".join(names.get(at, "").split()) for at in range(1, max(names) + 1))
    if any(isinstance(text, Unusable) for text in names.values()):
        raise Invalid("file", "A cell of the first line, which names the columns, shows no value.")
    check_header(header)
    _mark_merged(rows, found, len(header))
    used = {column for _, cells in rows for column in cells}
    width = max([len(header), *used])
    header += ("",) * (width - len(header))
    nameless = [column for column in sorted(used) if not header[column - 1]]
    columns = range(1, width + 1)
    return Table(
        header,
        tuple((line, tuple(cells.get(column, "") for column in columns)) for line, cells in rows),
        tuple(_notes(titles, nameless)),
        name,
    )


def _notes(titles: list[int], nameless: list[int]) -> Iterator[str]:
    if titles:
        lines = ", ".join(map(str, titles[:NAMED])) + (" and others" if len(titles) > NAMED else "")
        yield f"Left out, as one cell goes across the columns: line {lines}."
    if nameless:
        letters = ", ".join(map(letters_of, nameless[:NAMED])) + (
            " and others" if len(nameless) > NAMED else ""
        )
        yield f"Not used, as the first line has no name for it: column {letters}."


def _mark_merged(rows: list[tuple[int, dict[int, str]]], found: Found, width: int) -> None:
    """Below the first cell of a merge the file is empty, and a person sees the value: nobody knows what is meant."""
    lines, marked = [line for line, _ in rows], 0
    for top, left, bottom, right in found.merges:
        reason = (
            f"It is merged with {letters_of(left)}{top}. Unmerge the cells and write the value into each row."
        )
        for _, cells in rows[bisect_right(lines, top) : bisect_right(lines, bottom)]:
            for column in range(left, min(right, width) + 1):
                cells.setdefault(column, Unusable("", reason))
                marked += 1
        if marked > MAXIMUM_MERGED:
            raise too_many_merges()
