"""A long table as PDF, page by page, drawn with reportlab: memory stays that of a page, however many rows there are.

The layout engine of statements takes ten milliseconds a row and holds the whole document; it is for documents of a few
pages. This writer does one thing: a title, what was chosen, a table whose head stands on every page, and sums. Texts
are wrapped in their column, never cut. Letters are those of all fonts that are installed (`pdf_fonts`); what none of
them has is "?", and a last line says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib.pagesizes import A4, LETTER, landscape
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from webapp.web import pdf_fonts
from webapp.web.pdf_fonts import Letters

Cells = Sequence[str | None]
_MARGIN, _SIZE, _LEADING, _GAP = 36.0, 7.0, 8.6, 5.0
_KEEPS = 2_000
#: Lines of a row that fit on a page below its head.
_MOST_LINES = 40
_LOST = "Some letters are in no font of the machine that made this file; CSV, XLSX and JSON have all of them."


@dataclass(frozen=True)
class Track:
    """A column: what stands above it, its part of the page's width, whether it is set from the right."""

    header: str
    width: int
    is_number: bool = False


class _Info(pdfdoc.PDFInfo):
    """Title and maker. No time: the same rows give the same bytes."""

    def format(self, document: Any) -> bytes:
        said = {"Title": pdfdoc.PDFString(self.title), "Producer": pdfdoc.PDFString("Paydesk")}
        return bytes(pdfdoc.PDFDictionary(said).format(document))


class _Sender:
    """Hands out the library's document piece by piece: each page when it is full, fonts and lists behind the last.

    `Canvas.save` does the same at the end and in one piece, for which it holds the drawings of all pages.
    """

    def __init__(self, title: str, size: tuple[float, float], font: str) -> None:
        self.canvas = Canvas(
            "", pagesize=size, pageCompression=1, invariant=1, pdfVersion=(1, 7), lang="en",
            initialFontName=font, initialFontSize=_SIZE,
        )  # fmt: skip
        self._document: Any = self.canvas._doc
        self._document.info = _Info()
        self.canvas.setTitle(title)
        self.canvas.setViewerPreference("DisplayDocTitle", "true")
        self._file = pdfdoc.PDFFile((1, 7))

    def page(self) -> bytes:
        """End the page; its bytes."""
        document, pages = self._document, self._document.Pages.pages
        self.canvas.showPage()
        page = pages[-1]
        page.check_format(document)
        page.Contents.filters = [pdfdoc.PDFZCompress]
        for each in (page, page.Contents):
            reference = document.Reference(each)
            self._add(reference.name)
            document.idToObject[reference.name] = None
        pages[-1] = document.Reference(page)
        return self._taken()

    def end(self, said: Mapping[str, Mapping[str, str]]) -> Iterator[bytes]:
        """What belongs to all pages; nothing comes behind it. `said` names the glyphs of each font."""
        document = self._document
        for font in document.delayedFonts:
            before = set(document.idToObject)
            font.addObjects(document)
            for name in set(document.idToObject) - before:
                if name.startswith("toUnicodeCMap:"):
                    table = document.idToObject[name]
                    table.content = pdf_fonts.name_glyphs(table.content, said.get(font.fontName, {}))
        document.info.digest(document.signature)
        root, info = document.Reference(document.Catalog), document.Reference(document.info)
        document.Outlines.prepare(document, self.canvas)
        if document.Outlines.ready < 0:
            document.Catalog.Outlines = None
        names, number = document.numberToId, 0
        # Objects may name new ones while they are written.
        while (number := number + 1) in names:
            if document.idToObject[names[number]] is not None:
                self._add(names[number])
                yield self._taken()
        table = pdfdoc.PDFCrossReferenceTable()
        table.addsection(0, [names[each] for each in range(1, number)])
        start = self._file.add(table.format(document))
        trailer = pdfdoc.PDFTrailer(startxref=start, Size=number, Root=root, Info=info, ID=document.ID())
        self._file.add(trailer.format(document))
        yield self._taken()

    def _add(self, name: str) -> None:
        written = pdfdoc.PDFIndirectObject(name, self._document.idToObject[name]).format(self._document)
        self._document.idToOffset[name] = self._file.add(written)

    def _taken(self) -> bytes:
        parts = self._file.strings
        taken = b"".join(parts)
        parts.clear()
        return taken


class _Texts:
    """Texts in both weights, and whether a letter of them had to be left out."""

    def __init__(self) -> None:
        self.has_lost = False
        self.normal, self.bold = Letters(is_bold=False), Letters(is_bold=True)

    def of(self, text: str) -> str:
        """The text in the letters that there are."""
        shown, is_whole = self.normal.of(text)
        self.has_lost = self.has_lost or not is_whole
        return shown


def wrap(letters: Letters, text: str, most: float) -> list[str]:
    """Lines of at most this width (thousandths of the size); a word that is longer is broken."""
    if letters.measure(text) <= most:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if letters.measure(longer) <= most:
            line = longer
            continue
        if line:
            lines.append(line)
        while (cut := _fitting(letters, word, most)) < len(word):
            lines.append(word[:cut])
            word = word[cut:]
        line = word
    return [*lines, line]


def _fitting(letters: Letters, word: str, most: float) -> int:
    """How many letters of a word fit; a letter with its marks always does."""
    fits = 0
    for place in range(1, len(word) + 1):
        if place == len(word) or pdf_fonts.can_break(word, place):
            if fits and letters.measure(word[:place]) > most:
                return fits
            fits = place
    return fits


class _Column:
    """Where a column stands, and the drawings of its cells, which come again and again."""

    def __init__(self, canvas: Canvas, track: Track, left: float, width: float, texts: _Texts) -> None:
        self._canvas, self._track, self._left, self._width = canvas, track, left, width - _GAP
        self._texts = texts
        self._cells: dict[str, list[str]] = {}
        self.head = self._drawn(texts.bold, track.header)

    def cell(self, text: str) -> list[str]:
        """The drawing of each line of a cell, below the top of its row."""
        found = self._cells.get(text)
        if found is None:
            if len(self._cells) >= _KEEPS:
                self._cells.clear()
            found = self._cells[text] = self._drawn(self._texts.normal, text)
        return found

    def _drawn(self, letters: Letters, text: str) -> list[str]:
        text = self._texts.of(text)
        is_rtl = pdf_fonts.runs_right_to_left(text)
        lines = wrap(letters, text, self._width * 1000 / _SIZE)
        return [self._line(letters, line, n, is_rtl) for n, line in enumerate(lines, 1)]

    def _line(self, letters: Letters, line: str, number: int, is_rtl: bool) -> str:
        left, pieces = self._left, letters.lay(line, is_rtl)
        if self._track.is_number:
            left += self._width - sum(piece.width for piece in pieces) * _SIZE / 1000
        return pdf_fonts.code_of(self._canvas, pieces, left, -number * _LEADING, _SIZE)


class _Pages:
    """The page that is being filled."""

    def __init__(self, sender: _Sender, title: str, texts: _Texts, size: tuple[float, float]) -> None:
        self._sender, self._texts, self._width, self._top = sender, texts, size[0], size[1] - _MARGIN
        self._title = title
        self._y = self._top

    def has_room(self, height: float) -> bool:
        """Whether this much fits above the foot."""
        return self._y - height >= _MARGIN + 12

    def lines(self, words: str, size: float, letters: Letters) -> Iterator[bytes]:
        """Text below what is there, on as many lines as it takes; the pages that are full."""
        shown = self._texts.of(words)
        is_rtl = pdf_fonts.runs_right_to_left(shown)
        for line in wrap(letters, shown, (self._width - 2 * _MARGIN) * 1000 / size):
            if not self.has_room(size * 1.25):
                yield self.ended()
            self._y -= size * 1.25
            self._draw(letters, line, size, self._y, is_rtl)

    def row(self, cells: Sequence[list[str]], start: int = 0) -> None:
        """A row of cells, as high as the highest; `start` lines of it are on the pages before."""
        canvas = self._sender.canvas
        canvas.saveState()
        canvas.translate(0, round(self._y + start * _LEADING, 2))
        for lines in cells:
            for line in lines:
                canvas.addLiteral(line)
        canvas.restoreState()
        self._y -= _height(cells)

    def head(self, cells: Sequence[list[str]]) -> None:
        """What stands above the columns, with a rule below it."""
        self._y -= 4
        self.row(cells)
        self._sender.canvas.setLineWidth(0.4)
        self._sender.canvas.line(_MARGIN, self._y, self._width - _MARGIN, self._y)
        self._y -= 2

    def ended(self) -> bytes:
        """The page, which is full, with its foot; the next one is empty."""
        foot = f"{self._title}, page {self._sender.canvas.getPageNumber()}"
        self._draw(self._texts.normal, foot, _SIZE, _MARGIN - 12, pdf_fonts.runs_right_to_left(foot))
        self._y = self._top
        return self._sender.page()

    def _draw(self, letters: Letters, line: str, size: float, y: float, is_rtl: bool) -> None:
        canvas = self._sender.canvas
        canvas.addLiteral(pdf_fonts.code_of(canvas, letters.lay(line, is_rtl), _MARGIN, y, size))


def _parts(cells: list[list[str]]) -> Iterator[tuple[int, list[list[str]]]]:
    """A row that is higher than a page in parts that are not: how many lines are before it, and the part."""
    for start in range(0, max(map(len, cells)), _MOST_LINES):
        yield start, [lines[start : start + _MOST_LINES] for lines in cells]


def _height(cells: Sequence[list[str]]) -> float:
    return max(map(len, cells)) * _LEADING + 2.4


def write(
    title: str,
    facts: Sequence[str],
    tracks: Sequence[Track],
    batches: Iterable[Sequence[Cells]],
    sums: Callable[[], Sequence[str]],
    *,
    is_letter: bool = False,
) -> Iterator[bytes]:
    """The pieces of the PDF, on landscape paper. `sums` are lines of text, asked for behind the last row."""
    size, texts = landscape(LETTER if is_letter else A4), _Texts()
    named = texts.of(title)
    sender = _Sender(named, size, texts.normal.font)
    columns = _columns(sender.canvas, tracks, size[0] - 2 * _MARGIN, texts)
    head = [column.head for column in columns]
    pages = _Pages(sender, named, texts, size)
    yield from pages.lines(title, 13, texts.bold)
    for fact in facts:
        yield from pages.lines(fact, 8, texts.normal)
    pages.head(head)
    for batch in batches:
        for row in zip(*batch, strict=True):
            whole = [column.cell(cell or "") for column, cell in zip(columns, row, strict=True)]
            for start, cells in _parts(whole):
                if not pages.has_room(_height(cells)):
                    yield pages.ended()
                    pages.head(head)
                pages.row(cells, start)
    last = list(sums())
    for line in last:
        texts.of(line)
    for line in [*last, _LOST] if texts.has_lost else last:
        yield from pages.lines(line, 8, texts.bold)
    yield pages.ended()
    yield from sender.end({**texts.normal.said, **texts.bold.said})


def _columns(canvas: Canvas, tracks: Sequence[Track], room: float, texts: _Texts) -> list[_Column]:
    whole, left, found = sum(track.width for track in tracks), _MARGIN, []
    for track in tracks:
        width = room * track.width / whole
        found.append(_Column(canvas, track, left, width, texts))
        left += width
    return found
