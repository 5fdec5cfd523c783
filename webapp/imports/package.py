"""The ZIP archive that a workbook is: refused before a byte is unpacked where it is none of ours or a trap. Pure.

XML is read as a stream, without document types and entities; every part has a limit.
"""

from __future__ import annotations

import io
import posixpath
import zipfile

from defusedxml.expatreader import DefusedExpatParser

from webapp.kernel.errors import Invalid

MAGIC = b"PK"
MEGABYTE = 1024 * 1024
MAXIMUM_PARTS = 2_000
MAXIMUM_UNPACKED = 150 * MEGABYTE
# Lists pack to a tenth or a thirtieth; what packs much better is made to fill a memory.
HIGHEST_RATIO, ALWAYS_FINE = 100, 20 * MEGABYTE
MAXIMUM_SMALL_PART = 5 * MEGABYTE
_CHUNK = 65_536
_SAVE_AS = "Save it as an Excel workbook (.xlsx) or as CSV UTF-8, and choose that file."
_OTHERS = (
    ("xl/workbook.bin", f"This is a binary workbook (.xlsb). {_SAVE_AS}"),
    ("content.xml", f"This is an OpenDocument file. {_SAVE_AS}"),
    ("word/document.xml", "This is a Word document. Copy the table into a sheet."),
    ("ppt/presentation.xml", "This is a presentation. Copy the table into a sheet."),
    ("index/document.iwa", f"This is a Numbers file. {_SAVE_AS}"),
)


def damaged() -> Invalid:
    """The refusal of what is no whole workbook."""
    return Invalid("file", "The workbook is damaged, or it is none. Open it in Excel and save it anew.")


def local(name: str) -> str:
    """The name of an element without its namespace's prefix."""
    return name[name.find(":") + 1 :]


class Handler:
    """Hears the elements of a part, by the names that stand there."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Some of the text in an element."""


class _Parser(DefusedExpatParser):
    """Hands elements on without the layer in between, which takes half of the time of a long list."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        super().__init__(forbid_dtd=True)

    def reset(self) -> None:
        """Begin a document."""
        super().reset()
        self._parser.StartElementHandler = self._handler.start
        self._parser.EndElementHandler = self._handler.end
        self._parser.CharacterDataHandler = self._handler.text


class Package:
    """The parts of a workbook's archive. Raises Invalid("file", …) when it is none, or a trap."""

    def __init__(self, data: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except Exception:
            raise damaged() from None
        parts = self._archive.infolist()
        self.names = {part.filename for part in parts}
        self._check_kind(parts)
        unpacked = sum(part.file_size for part in parts)
        if (
            len(parts) > MAXIMUM_PARTS
            or unpacked > MAXIMUM_UNPACKED
            or (unpacked > ALWAYS_FINE and unpacked > HIGHEST_RATIO * len(data))
        ):
            raise Invalid(
                "file",
                "The workbook is too large once it is unpacked. Split it, or save the sheet as CSV UTF-8.",
            )

    def _check_kind(self, parts: list[zipfile.ZipInfo]) -> None:
        if any(part.flag_bits & 1 for part in parts):
            raise Invalid("file", "The file has a password. Save a copy without one, and choose that.")
        lower = {name.casefold() for name in self.names}
        if len(lower) != len(parts):
            raise damaged()
        for name, words in _OTHERS:
            if name in lower:
                raise Invalid("file", words)
        if any(name.endswith(("vbaproject.bin", "vbadata.xml")) for name in lower):
            raise Invalid(
                "file", "The workbook holds macros. Save it as .xlsx, without them, and choose that."
            )
        if "[content_types].xml" not in lower:
            raise Invalid("file", f"This is a ZIP archive and no workbook. Unpack it first. {_SAVE_AS}")

    def read(self, name: str, handler: Handler, limit: int = MAXIMUM_UNPACKED) -> None:
        """Let a handler hear a part. Raises Invalid."""
        if name not in self.names or self._archive.getinfo(name).file_size > limit:
            raise damaged()
        parser = _Parser(handler)
        with self._archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                parser.feed(chunk)
        parser.close()

    def elements(self, name: str) -> list[tuple[str, str, dict[str, str]]]:
        """The elements of a small part: name of the parent, own name, attributes. Raises Invalid."""
        found = _Elements()
        self.read(name, found, MAXIMUM_SMALL_PART)
        return found.found

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part refers to: id → (kind, name of the part). Raises Invalid."""
        folder, last = posixpath.split(name)
        path = f"{folder}/_rels/{last}.rels".lstrip("/")
        if path not in self.names:
            return {}
        return {
            attributes["Id"]: (
                attributes.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/"),
            )
            for _, element, attributes in self.elements(path)
            if element == "Relationship" and attributes.get("TargetMode") != "External" and "Id" in attributes
        }


class _Elements(Handler):
    """Every element with its parent's name."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, dict[str, str]]] = []
        self._open: list[str] = [""]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.found.append((self._open[-1], local(name), {local(k): v for k, v in attributes.items()}))
        self._open.append(local(name))

    def end(self, name: str) -> None:
        self._open.pop()
