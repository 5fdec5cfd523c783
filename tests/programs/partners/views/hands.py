"""What the tests of the partners' pages share: the cells of a page, and how many records there are."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import func, select

from webapp.database import db


def cells(page: str) -> list[str]:
    """The texts of the cells of a page's tables."""
    found = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in found]


def count(model: Any) -> int:
    """How many records of a kind there are."""
    db.session.rollback()
    return int(db.session.scalar(select(func.count()).select_from(model)) or 0)
