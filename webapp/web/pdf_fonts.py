"""Letters of all scripts for the PDFs that are drawn: which installed font has a letter, its width, its shape.

Texts in Latin, Greek and Cyrillic letters of the first font are drawn letter by letter, which is fast. Any other text
is cut into runs of one direction, script and font, which HarfBuzz shapes: Arabic letters join, vowels of Indian
scripts stand where they belong. What such a run says is written into the file, so that it can be searched and copied.
Fonts are those of the system (fonts-noto-core, fonts-dejavu-core); without any the library's own is taken.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache, reduce
from itertools import chain, groupby
from operator import add
from pathlib import Path
from typing import Any

import reportlab
import uharfbuzz
from bidi import algorithm
from fontTools.unicodedata import script as script_of
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import ShapeData, ShapedStr, TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts", "/opt/homebrew/share/fonts",
)  # fmt: skip
_OWN = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
#: The first of these that is installed draws what is not a matter of script.
_FIRST = ("NotoSans-Regular", "DejaVuSans", "LiberationSans-Regular", "Arial Unicode", "Arial")
_NOT_PLAIN = (
    "bold", "italic", "oblique", "mono", "condensed", "light", "thin", "black", "medium", "narrow", "display",
)  # fmt: skip
_BOLD = (("-Regular", "-Bold"), ("Vera", "VeraBd"), ("Arial", "Arial Bold"))
# Letters that are drawn one by one: Latin, Greek, Cyrillic, and the signs that stand among them.
_PLAIN = (
    (0x20, 0x7F), (0xA0, 0x250), (0x370, 0x530), (0x1E00, 0x2000), (0x2010, 0x2028), (0x2030, 0x205F),
    (0x20A0, 0x20C1), (0x2100, 0x2150), (0x2190, 0x2300),
)  # fmt: skip
# Marks that change the order of what follows: names in a list have no say in that.
_ORDERS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_BLANKS = dict.fromkeys((*range(32), *range(127, 160), 0x2028, 0x2029), " ")
_CLEAN: dict[int, str | None] = {**_ORDERS, **_BLANKS}
#: Letters whose font is known, and lines that are laid out already.
_KEEPS_LETTERS, _KEEPS_LINES = 8_192, 256


class Face:
    """A font file. Raises TTFError where it cannot be put into a PDF."""

    def __init__(self, path: Path, is_first: bool) -> None:
        self.name = f"Paydesk {path.stem}"
        self._font: Any = TTFont(self.name, str(path), asciiReadable=is_first)
        self.letters = _letters(path)
        face = self._font.face
        self._scale = face._pdfScale
        # Glyphs that stand for no letter, as ligatures do, get a letter of the private use area to be called by.
        whole = range(0xE000, 0xF900), range(0x3400, 0xD800)
        free = (code for code in chain(*whole) if code not in face.charToGlyph)
        self._codes: dict[int, int] = {}
        for glyph, (advance, _) in enumerate(face.hmetrics):
            known = next((code for code in face.glyphToChar.get(glyph, ()) if code < 0x10000), None)
            code = next(free, 0) if known is None else known
            self._codes[glyph] = code
            if known is None and code:
                face.charToGlyph[code], face.charWidths[code] = glyph, self._scale(advance)
        self.widths: dict[str, float] = {
            chr(code): face.charWidths[code]
            for code in chain.from_iterable(range(*each) for each in _PLAIN)
            if code in self.letters and unicodedata.category(chr(code))[0] not in "MC"
        }
        self._shaper = uharfbuzz.Font(self._font.hbFace)
        pdfmetrics.registerFont(self._font)

    def shape(self, text: str, script: str, is_rtl: bool) -> list[Piece]:
        """The glyphs of a run from left to right, with the letters that they are of.

        A run from the left is one piece. From the right each glyph is one, with the marks that it cannot do without.
        """
        buffer = uharfbuzz.Buffer()
        buffer.cluster_level = uharfbuzz.BufferClusterLevel.MONOTONE_CHARACTERS
        buffer.add_str(text)
        buffer.direction, buffer.script = "rtl" if is_rtl else "ltr", script
        uharfbuzz.shape(self._shaper, buffer)
        glyphs: list[tuple[str, ShapeData]] = []
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            code = self._codes[info.codepoint]
            moves = (place.x_advance, place.y_advance, place.x_offset, place.y_offset)
            data = ShapeData(info.cluster, *map(self._scale, moves), self._font.face.charWidths[code])
            glyphs.append((chr(code), data))
        if not is_rtl:
            return [self._piece(glyphs, text)]
        starts = sorted({data.cluster for _, data in glyphs})
        ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
        parts = groupby(glyphs, lambda glyph: glyph[1].cluster)
        return [self._piece(list(part), text[start : ends[start]]) for start, part in parts]

    def _piece(self, glyphs: list[tuple[str, ShapeData]], said: str) -> Piece:
        drawn = ShapedStr("".join(letter for letter, _ in glyphs), [data for _, data in glyphs])
        return Piece(self.name, drawn, sum(data.x_advance for _, data in glyphs), said)


@dataclass(frozen=True)
class Piece:
    """A part of a line in one font; `said` is what it says where its glyphs are no letters."""

    font: str
    text: str
    width: float
    said: str | None = None


class Letters:
    """Texts in one weight, in the letters of all installed fonts."""

    def __init__(self, is_bold: bool) -> None:
        self._is_bold = is_bold
        self._first = _first(is_bold)
        self._plain = frozenset(self._first.widths)
        self._lay = lru_cache(_KEEPS_LINES)(self._laid)
        #: By font: what a glyph says that is drawn under another letter.
        self.said: dict[str, dict[str, str]] = defaultdict(dict)

    @property
    def font(self) -> str:
        """The name of the font for what is not a matter of script."""
        return self._first.name

    def of(self, text: str) -> tuple[str, bool]:
        """The text as it can be drawn, and whether it is whole: "?" is what no font has."""
        text = text.translate(_CLEAN)
        if self._plain.issuperset(text):
            return text, True
        lost = {each for each in text if not has_letter(each)}
        # Signs that say how letters join may be missing: they are not seen.
        unseen = {each for each in lost if unicodedata.category(each) == "Cf"}
        shown = text.translate({ord(each): "" if each in unseen else "?" for each in lost})
        return shown, lost == unseen

    def measure(self, text: str) -> float:
        """The width in thousandths of the size."""
        try:
            return sum(map(self._first.widths.__getitem__, text))
        except KeyError:
            return sum(piece.width for piece in self._lay(text, None))

    def lay(self, text: str, is_rtl: bool | None = None) -> tuple[Piece, ...]:
        """The pieces of a line from left to right. `is_rtl` is the direction of the text that the line is of."""
        if self._plain.issuperset(text):
            return (Piece(self._first.name, text, self.measure(text)),) if text else ()
        return self._lay(text, is_rtl)

    def _laid(self, text: str, is_rtl: bool | None) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        for run in _visual(list(self._runs(text, runs_right_to_left(text) if is_rtl is None else is_rtl))):
            is_rtl = bool(run.level % 2)
            drawn = run.face.shape(run.text, run.script, is_rtl)
            pieces += self._from_right(drawn) if is_rtl else drawn
        return tuple(pieces)

    def _from_right(self, drawn: list[Piece]) -> Iterator[Piece]:
        """Pieces from the right, as few as can be.

        Readers find out by themselves what runs from the right, and turn it around letter by letter, but some of them
        only where glyphs are named: so each is named after its letters, in the order in which they are seen, and only
        one that would have two names says its letters itself.
        """
        for is_named, same in groupby(drawn, self._is_named):
            pieces = list(same)
            if is_named:
                text = reduce(add, (piece.text for piece in pieces))
                yield Piece(pieces[0].font, text, sum(piece.width for piece in pieces))
            else:
                yield from (replace(piece, said=(piece.said or "")[::-1]) for piece in pieces)

    def _is_named(self, piece: Piece) -> bool:
        drawn, said = piece.text, (piece.said or "")[::-1]
        if len(drawn) != 1:
            return False
        if len(said) == 1 and unicodedata.mirrored(said):
            # A bracket is named as it is seen.
            return True
        # Letters that are drawn one by one keep their names.
        return drawn == said if drawn < "\u0590" else self.said[piece.font].setdefault(drawn, said) == said

    def _runs(self, text: str, is_rtl: bool) -> Iterator[_Run]:
        levels, face, script = _levels(text, is_rtl), self._first, _script_ahead(text)
        keys = []
        for letter, level in zip(text, levels, strict=True):
            own = script_of(letter)
            if own in ("Zyyy", "Zinh"):
                # Signs, blanks and marks go with the letters before them.
                if ord(letter) not in face.letters:
                    face = _face_with(letter, self._is_bold) or face
            else:
                script, face = own, _face_with(letter, self._is_bold) or face
            keys.append((level, script, face))
        place = 0
        for (level, script, face), same in groupby(keys):
            end = place + len(list(same))
            yield _Run(text[place:end], level, script, face)
            place = end


@dataclass(frozen=True)
class _Run:
    text: str
    level: int
    script: str
    face: Face


def has_letter(letter: str) -> bool:
    """Whether an installed font has it."""
    return _path_with(letter) is not None


def runs_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is of a script that is written from the right."""
    strong = (kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL"))
    return next(strong, "L") != "L"


def can_break(text: str, place: int) -> bool:
    """Whether a line may end before this place inside a word: not between a letter and its marks."""
    before, after = text[place - 1], text[place]
    joins = "\u200c\u200d"
    is_joined = after in joins or before in joins or unicodedata.combining(before) == 9
    return not (is_joined or unicodedata.category(after).startswith("M"))


def name_glyphs(cmap: str, said: Mapping[str, str]) -> str:
    """The table of what the glyphs of a font say, with the names of those that are drawn under another letter."""

    def named(found: re.Match[str]) -> str:
        letter = chr(int(found[2], 16))
        return f"{found[1]}<{said.get(letter, letter).encode('utf-16-be').hex().upper()}>"

    return re.sub(r"(?m)^(<[0-9A-F]{2}> )<([0-9A-F]{4})>$", named, cmap)


def code_of(canvas: Canvas, pieces: tuple[Piece, ...], left: float, y: float, size: float) -> str:
    """The drawing of a line, to be put into the page with `canvas.addLiteral`, as often as one likes."""
    parts = []
    for piece in pieces:
        text = canvas.beginText(left, y)
        text.setFont(piece.font, size)
        text.textOut(piece.text)
        code = text.getCode()
        if piece.said is not None:
            said = ("\ufeff" + piece.said).encode("utf-16-be").hex()
            code = f"/Span << /ActualText <{said}> >> BDC {code} EMC"
        parts.append(code)
        left += piece.width * size / 1000
    return "\n".join(parts)


def _levels(text: str, is_rtl: bool) -> list[int]:
    """How deep each letter is in texts of the other direction: odd is from right to left."""
    storage: dict[str, Any] = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = int(is_rtl), "R" if is_rtl else "L"
    algorithm.get_embedding_levels(text, storage)
    for place, each in enumerate(storage["chars"]):
        each["place"] = place
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    known = {each["place"]: int(each["level"]) for each in storage["chars"]}
    found: list[int] = []
    for place in range(len(text)):
        # Joiners have no level of their own.
        found.append(known.get(place, found[-1] if found else int(is_rtl)))
    return found


def _visual(runs: list[_Run]) -> list[_Run]:
    """Runs from left to right."""
    for level in range(max(run.level for run in runs), 0, -1):
        groups = [(deep, list(same)) for deep, same in groupby(runs, lambda run: run.level >= level)]  # noqa: B023
        runs = list(chain.from_iterable(same[::-1] if deep else same for deep, same in groups))
    return runs


def _script_ahead(text: str) -> str:
    return next((found for found in map(script_of, text) if found not in ("Zyyy", "Zinh")), "Latn")


@cache
def _paths() -> tuple[Path, ...]:
    """The regular fonts that are installed, those first that go with one another."""
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sorted(Path(folder).expanduser().rglob("*.ttf")):
            if not any(word in path.stem.lower() for word in _NOT_PLAIN):
                found.setdefault(path.stem, path)

    def order(path: Path) -> tuple[int, bool, str]:
        rank = _FIRST.index(path.stem) if path.stem in _FIRST else len(_FIRST)
        return rank, not path.stem.startswith("NotoSans"), path.stem

    return (*sorted(found.values(), key=order), _OWN)


@cache
def _letters(path: Path) -> frozenset[int]:
    try:
        return frozenset(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path))).unicodes)
    except (OSError, uharfbuzz.HarfBuzzError):
        return frozenset()


@lru_cache(_KEEPS_LETTERS)
def _path_with(letter: str) -> Path | None:
    """The font that has a letter: one that is named after its script is asked before those that are not."""
    word = unicodedata.name(letter, "").partition(" ")[0].title()
    named = f"NotoSans{word}-Regular"
    ranked = sorted(_paths(), key=lambda path: (path.stem not in (_FIRST[0], named), path.stem != _FIRST[0]))
    return next((path for path in ranked if ord(letter) in _letters(path) and _face(path)), None)


def _face_with(letter: str, is_bold: bool) -> Face | None:
    path = _path_with(letter)
    if path is None:
        return None
    bold = _bold_of(path) if is_bold else path
    face = _face(bold)
    return face if face is not None and ord(letter) in face.letters else _face(path)


@cache
def _bold_of(path: Path) -> Path:
    names = (path.stem.replace(*each) for each in _BOLD)
    near = (path.with_stem(name) for name in (*names, f"{path.stem}-Bold"))
    return next((each for each in near if each != path and each.is_file()), path)


@cache
def _face(path: Path) -> Face | None:
    """The font, loaded; None where it has outlines or a licence that no PDF can take, or is broken."""
    try:
        return Face(path, is_first=path.stem in _FIRST)
    except (TTFError, OSError, KeyError, ValueError, IndexError, struct.error):
        return None


@cache
def _first(is_bold: bool) -> Face:
    path = next(path for path in _paths() if _face(path))
    return (_face(_bold_of(path)) if is_bold else None) or _face(path)  # type: ignore[return-value]
