"""Texts that mean harm, and how to see that they were only text where they come out again."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openpyxl
from sqlalchemy import LargeBinary, String, Text, select

from tests.house.pages import SPACE, parse
from webapp.database import Base, db

OVERRIDE = "\u202e"
MARK = "x-canary"
# What can be stored, in one: a formula, markup, a template, SQL, right to left, an emoji.
ALL_AT_ONCE = f"=1+1\"'><{MARK} onerror=boo()></{MARK}>{{{{7*7}}}}'; DROP TABLE users;--{OVERRIDE}abc😀"
SHORT = f"<{MARK}>"  # for fields that take a few signs
OTHERS = (
    "x" * 10_000, "NUL\x00here", "bell\x07 escape\x1b[31m", "first\r\nBcc: them@evil.example", "@SUM(A1)", "\t=1",
    "-2+3+cmd|' /C calc'!A0", "{{config}}${7*7}<%= 7*7 %>", "' OR '1'='1", "\u200f\u2066\u200b\ufeff", "😀" * 300,
    "javascript:alert(1)", "http://127.0.0.1:9/canary", "../../etc/passwd", "%s%n{0}{actor.__class__}", "\ud800",
    "９" * 20, "1e999", "-0", "nan",
)  # fmt: skip


def element_problems(page: str) -> Iterator[str]:
    """Where the canary became markup, or turns its surroundings."""
    root, _ = parse(page)
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        name = str(element.tag).removeprefix(SPACE)
        if name == MARK or (name in ("b", "script") and MARK in (element.text or "")):
            yield f"became an element: {name}"
        if element.get("onerror") is not None or (element.get("href") or "").lower().startswith(
            "javascript:"
        ):
            yield f"became an attribute of {name}"
        for text in (element.text, *(child.tail for child in element)):
            if text and OVERRIDE in text and not _is_apart(element, parents):
                yield f"turns what stands beside it, in {name}: {text[:80]!r}"


def _is_apart(element: Any, parents: dict[Any, Any]) -> bool:
    """Whether the direction of this text stays its own: isolated, or alone in its block."""
    while element is not None:
        name = str(element.tag).removeprefix(SPACE)
        if name in ("bdi", "textarea", "option", "title", "caption", "td", "th", "h1", "h2", "h3", "dd", "li", "p",
                    "pre", "legend", "label", "figcaption", "summary") or element.get("dir"):  # fmt: skip
            return True
        element = parents.get(element)
    return False


def file_problems(answer: Any) -> Iterator[str]:
    """Where the canary became a formula in a file."""
    if answer.mimetype == "text/csv":
        for row in csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))):
            for cell in row:
                if MARK in cell and cell.lstrip().startswith(("=", "+", "@", "\t", "-")):
                    yield f"a cell of the CSV begins like a formula: {cell[:60]!r}"
    elif answer.mimetype.endswith("spreadsheetml.sheet"):
        book = openpyxl.load_workbook(io.BytesIO(answer.data), read_only=True)
        for row in book.active.iter_rows():
            for cell in row:
                if cell.data_type == "f" or str(cell.value or "").startswith("=1+1"):
                    yield f"a cell of the workbook is a formula: {cell.value!r}"
    elif answer.mimetype.endswith("json"):
        json.loads(answer.data)


def stored() -> Counter[str]:
    """How often the text is in which column."""
    found: Counter[str] = Counter()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, (String, Text)) and not isinstance(column.type, LargeBinary):
                values = db.session.scalars(select(column).where(column.contains(MARK)))
                found[f"{table.name}.{column.name}"] = len(values.all())
    db.session.rollback()
    return +found
