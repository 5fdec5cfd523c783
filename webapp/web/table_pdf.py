"""A long table as PDF, page by page: a hundred thousand rows in some seconds and in the same memory as one page.

The layout engine of statements takes ten milliseconds a row and holds the whole document; it is for documents of a few
pages. This writer does one thing: a title, what was chosen, a table whose head stands on every page, and sums. Texts
are wrapped in their column, never cut. Letters are those of the fonts that every PDF reader has; others are written
without their marks where they have some, else as "?", and a last line says so.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

Cells = Sequence[str | None]
_A4, _LETTER = (841.89, 595.28), (792.0, 612.0)
_MARGIN, _SIZE, _LEADING, _GAP = 36.0, 7.0, 8.6, 5.0
_KEEPS = 20_000
#: Lines of a row that fit on a page below its head.
_MOST_LINES = 40
_CODE = "cp1252"
# Widths of Helvetica in thousandths, from the blank to the tilde (Adobe's metrics of the fonts of every reader).
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
)  # fmt: skip


def _width_of(code: int) -> int:
    """Of a letter with a mark the width of the letter; of other signs that of a wide one."""
    if 32 <= code < 127:
        return _WIDTHS[code - 32]
    try:
        base = unicodedata.normalize("NFKD", bytes([code]).decode(_CODE))[0]
    except UnicodeDecodeError:
        return 0
    return _WIDTHS[ord(base) - 32] if 32 <= ord(base) < 127 else 1000


_WIDTH = tuple(map(_width_of, range(256)))
_ESCAPED = {ord("\\"): "\\\\", ord("("): "\\(", ord(")"): "\\)"}


@dataclass(frozen=True)
class Track:
    """A column: what stands above it, its part of the page's width, whether it is set from the right."""

    header: str
    width: int
    is_number: bool = False


class _Letters:
    """Texts in the letters that the fonts have."""

    def __init__(self) -> None:
        self.has_lost = False

    def of(self, text: str) -> str:
        """The text as the fonts can show it, without control characters."""
        text = str(text.translate(_BLANKS))
        try:
            text.encode(_CODE)
        except UnicodeEncodeError:
            return "".join(map(self._one, text))
        return text

    def _one(self, letter: str) -> str:
        forms: list[str] = [letter, *unicodedata.normalize("NFKD", letter)]
        for form in forms:
            try:
                form.encode(_CODE)
            except UnicodeEncodeError:
                continue
            if form is not letter:
                self.has_lost = True
            return form
        self.has_lost = True
        return "?"


_BLANKS = dict.fromkeys((*range(32), 127), " ")


def _measure(text: str) -> int:
    return sum(map(_WIDTH.__getitem__, text.encode(_CODE)))


def _wrap(text: str, most: float) -> list[str]:
    """Lines of at most this width (thousandths of the size); a word that is longer is broken."""
    if _measure(text) <= most:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _measure(longer) <= most:
            line = longer
            continue
        if line:
            lines.append(line)
        while _measure(word) > most and len(word) > 1:
            cut = len(word) - 1
            while cut > 1 and _measure(word[:cut]) > most:
                cut -= 1
            lines.append(word[:cut])
            word = word[cut:]
        line = word
    return [*lines, line]


class _Column:
    """Where a column stands, and the lines of its cells, which come again and again."""

    def __init__(self, track: Track, left: float, width: float, letters: _Letters) -> None:
        self.track, self.left, self.width = track, left, width - _GAP
        self._letters = letters
        self._lines: dict[str, list[str]] = {}

    def lines(self, text: str) -> list[str]:
        """The drawing of a cell's lines without their height: "12.5 {y} Td (…) Tj" as (left, words)."""
        found = self._lines.get(text)
        if found is None:
            if len(self._lines) >= _KEEPS:
                self._lines.clear()
            found = [self._drawn(each) for each in _wrap(self._letters.of(text), self.width * 1000 / _SIZE)]
            self._lines[text] = found
        return found

    def head(self) -> list[str]:
        """What stands above the column; bold letters are wider."""
        header = self._letters.of(self.track.header)
        return [self._drawn(each) for each in _wrap(header, self.width * 1000 / _SIZE / 1.1)]

    def _drawn(self, line: str) -> str:
        left = self.left
        if self.track.is_number:
            left += self.width - _measure(line) * _SIZE / 1000
        words = line.translate(_ESCAPED).replace("%", "%%")
        return f"1 0 0 1 {left:.2f} %.2f Tm ({words}) Tj"


class _Pdf:
    """The objects of the file: what is written already, and where each stands."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._length = 0
        self._next = 3
        self.pages: list[int] = []

    def number(self) -> int:
        """The number of the next object."""
        self._next += 1
        return self._next - 1

    def write(self, content: bytes) -> bytes:
        """Count what is sent."""
        self._length += len(content)
        return content

    def object(self, number: int, content: bytes) -> bytes:
        """An object, whose place is remembered."""
        self._places[number] = self._length
        return self.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))

    def tail(self, info: int) -> bytes:
        """The table of the places; nothing comes behind it."""
        start, last = self._length, max(self._places)
        rows = b"".join(
            b"%010d 00000 n \n" % self._places[n] if n in self._places else b"0000000000 65535 f \n"
            for n in range(1, last + 1)
        )
        about = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (last + 1, info)
        end = b"startxref\n%d\n%%%%EOF\n" % start
        return b"xref\n0 %d\n0000000000 65535 f \n" % (last + 1) + rows + about + end


class _Page:
    """The drawing of the page that is being filled."""

    def __init__(self, height: float) -> None:
        self.y = height - _MARGIN
        self.parts: list[str] = []

    def text(self, words: str, size: float, font: str, left: float = _MARGIN) -> None:
        """One line of its own, below what is there."""
        self.y -= size * 1.25
        self.parts.append(
            f"/{font} {size} Tf 1 0 0 1 {left:.2f} {self.y:.2f} Tm ({words.translate(_ESCAPED)}) Tj"
        )

    def row(self, cells: Sequence[list[str]]) -> None:
        """A row of cells, as high as the highest, with a rule below it."""
        top = self.y
        for lines in cells:
            y = top - _LEADING
            for line in lines:
                self.parts.append(line % y)
                y -= _LEADING
        self.y = top - _height(cells)


def _parts(cells: list[list[str]]) -> Iterator[list[list[str]]]:
    """A row that is higher than a page in parts that are not."""
    yield [lines[:_MOST_LINES] for lines in cells]
    for start in range(_MOST_LINES, max(map(len, cells)), _MOST_LINES):
        yield [lines[start : start + _MOST_LINES] for lines in cells]


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
    width, height = _LETTER if is_letter else _A4
    letters, pdf = _Letters(), _Pdf()
    columns = _columns(tracks, width - 2 * _MARGIN, letters)
    fonts = (pdf.number(), pdf.number())
    yield pdf.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    for number, name in zip(fonts, (b"Helvetica", b"Helvetica-Bold"), strict=True):
        yield pdf.object(
            number, b"<< /Type /Font /Subtype /Type1 /BaseFont /%b /Encoding /WinAnsiEncoding >>" % name
        )
    page = _Page(height)
    page.text(letters.of(title), 13, "B")
    for fact in facts:
        for line in _wrap(letters.of(fact), (width - 2 * _MARGIN) * 1000 / 8):
            page.text(line, 8, "N")
    _head(page, columns)

    def ended() -> bytes:
        return _ended(pdf, page, fonts, (width, height), letters.of(title))

    for batch in batches:
        for row in zip(*batch, strict=True):
            whole = [column.lines(cell or "") for column, cell in zip(columns, row, strict=True)]
            for cells in _parts(whole):
                if page.y - _height(cells) < _MARGIN + 12:
                    yield ended()
                    page = _Page(height)
                    _head(page, columns)
                page.row(cells)
    last = [letters.of(line) for line in sums()]
    if letters.has_lost:
        last.append("Some letters are not in the fonts of this file; CSV, XLSX and JSON have all of them.")
    for line in last:
        for part in _wrap(line, (width - 2 * _MARGIN) * 1000 / 8.6):
            if page.y < _MARGIN + 24:
                yield ended()
                page = _Page(height)
            page.text(part, 8, "B")
    yield ended()
    yield _closing(pdf, (width, height), letters.of(title))


def _columns(tracks: Sequence[Track], room: float, letters: _Letters) -> list[_Column]:
    whole, left, found = sum(track.width for track in tracks), _MARGIN, []
    for track in tracks:
        width = room * track.width / whole
        found.append(_Column(track, left, width, letters))
        left += width
    return found


def _head(page: _Page, columns: Sequence[_Column]) -> None:
    page.y -= 4
    page.parts.append(f"/B {_SIZE} Tf")
    page.row([column.head() for column in columns])
    page.parts.append(f"/N {_SIZE} Tf")
    page.y -= 2


def _ended(pdf: _Pdf, page: _Page, fonts: tuple[int, int], size: tuple[float, float], title: str) -> bytes:
    """A page that is full: its drawing and the page itself."""
    content, number = pdf.number(), pdf.number()
    pdf.pages.append(number)
    foot = f"/N {_SIZE} Tf 1 0 0 1 {_MARGIN} {_MARGIN - 12} Tm ({title.translate(_ESCAPED)}, page {len(pdf.pages)}) Tj"
    drawn = zlib.compress(("BT\n" + "\n".join([*page.parts, foot]) + "\nET").encode(_CODE), 3)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(drawn), drawn)
    about = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Contents {content} 0 R /Resources "
        f"<< /Font << /N {fonts[0]} 0 R /B {fonts[1]} 0 R >> >> >>"
    )
    return pdf.object(content, stream) + pdf.object(number, about.encode())


def _closing(pdf: _Pdf, size: tuple[float, float], title: str) -> bytes:
    info = pdf.number()
    named = title.translate(_ESCAPED).encode(_CODE)
    kids = b" ".join(b"%d 0 R" % number for number in pdf.pages)
    parts = [
        pdf.object(2, b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pdf.pages))),
        pdf.object(
            1, b"<< /Type /Catalog /Pages 2 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>"
        ),
        pdf.object(info, b"<< /Title (%b) /Producer (Paydesk) >>" % named),
    ]
    return b"".join(parts) + pdf.tail(info)
