"""Human references: PO-2026-000001, BA-0001, PY-0001; counted per organisation and kind."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Integer, bindparam

from webapp.database import db, upsert
from webapp.people.models import NumberSeries


@cache
def _reserve(dialect: str) -> Any:
    """Begins a series or moves it on; put together once."""
    table: Any = NumberSeries.__table__
    insert = upsert(table, dialect).values(
        {name: bindparam(name) for name in ("organisation_id", "prefix", "next_number")}
    )
    return insert.on_conflict_do_update(
        index_elements=["organisation_id", "prefix"],
        set_={"next_number": table.c.next_number + bindparam("count", type_=Integer)},
    ).returning(table.c.next_number)


def next_numbers(organisation_id: int, prefix: str, width: int, count: int) -> list[str]:
    """Reserve `count` consecutive references of one series; the row lock keeps concurrent writers apart.

    A rolled-back transaction gives its numbers back, so a series has no gaps.
    """
    if count < 1:
        return []
    values = {"organisation_id": organisation_id, "prefix": prefix, "next_number": count + 1, "count": count}
    statement = _reserve(db.session.get_bind().dialect.name)
    following: int = db.session.execute(statement, values).scalar_one()
    return [f"{prefix}-{n:0{width}d}" for n in range(following - count, following)]


def next_number(organisation_id: int, prefix: str, width: int = 4) -> str:
    """The next reference of a series: next_number(1, "BA") is "BA-0001", then "BA-0002"."""
    return next_numbers(organisation_id, prefix, width, 1)[0]
