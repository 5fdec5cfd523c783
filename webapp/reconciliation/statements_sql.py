"""The set-based statements of this room, run on either engine. Only constants of this room stand in them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Date, bindparam, text

from webapp.database import UtcDateTime, db


def run(statement: str, **values: Any) -> CursorResult[Any]:
    """Execute one statement with bound values; days and instants are bound as the columns keep them."""
    # nosemgrep: sql-text-is-constant - constants of this room; every value is bound
    clause = text(statement)
    typed = [
        bindparam(name, type_=UtcDateTime() if isinstance(value, datetime) else Date())
        for name, value in values.items()
        if isinstance(value, date)  # every datetime is a date
    ]
    return cast(CursorResult[Any], db.session.execute(clause.bindparams(*typed), values))


def count(statement: str, **values: Any) -> int:
    """Execute a statement that writes; how many rows it wrote."""
    return max(int(run(statement, **values).rowcount), 0)
