"""Whether somebody has halted a rail since a batch was claimed, looked at before the calls that send."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.database import db, read_only
from webapp.payouts.models import RailHealth, RailSwitch
from webapp.payouts.policies import EVERY_RAIL

log = structlog.get_logger()

# How long a look is believed: what a bank takes in within so short a time was on its way when the halt came.
BELIEVED_SECONDS = 0.05

_HALTS = (
    select(func.count())
    .select_from(RailSwitch)
    .where(
        RailSwitch.organisation_id == bindparam("organisation_id"),
        RailSwitch.rail.in_([bindparam("rail"), EVERY_RAIL]),
        RailSwitch.is_halted.is_(True),
    )
    .scalar_subquery()
)
_OPEN_UNTIL = (
    select(RailHealth.open_until)
    .where(RailHealth.organisation_id == bindparam("organisation_id"), RailHealth.rail == bindparam("rail"))
    .scalar_subquery()
)
_QUESTION = select(_HALTS.label("halts"), _OPEN_UNTIL.label("open_until"))


class Switches:
    """Reads over a connection of its own, each look by itself: no transaction is open while a bank thinks.

    `counts`: how many of each organisation and rail are to be sent. One alone may be the one that tries whether a
    provider that was away is back, so an open breaker does not stop it.
    """

    def __init__(self, counts: Mapping[tuple[int, str], int]) -> None:
        self._counts = counts
        self._connection: Connection | None = None
        self._said: dict[tuple[int, str], tuple[float, str]] = {}

    def __enter__(self) -> Switches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def why_not(self, lane: tuple[int, str]) -> str:
        """Why nothing more may be sent; empty when it may. Also when the database cannot be asked any more."""
        at, said = self._said.get(lane, (-math.inf, ""))
        if time.monotonic() - at > BELIEVED_SECONDS:
            said = self._ask(lane)
            self._said[lane] = time.monotonic(), said
        return said

    def _ask(self, lane: tuple[int, str]) -> str:
        try:
            found = self._look(lane)
        except SQLAlchemyError as error:
            log.warning("switches.not_read", error=type(error).__name__)
            return "The database does not answer."
        if found.halts:
            return "Payments were halted meanwhile."
        if found.open_until is not None and self._counts[lane] > 1:
            return "The bank does not answer."
        return ""

    def _look(self, lane: tuple[int, str]) -> Any:
        token = read_only.set(True)
        try:
            if self._connection is None:
                self._connection = db.engine.connect()
                if db.engine.dialect.name == "postgresql":
                    # One statement, one round trip; SQLite needs a reading transaction, which locks nobody out.
                    self._connection = self._connection.execution_options(isolation_level="AUTOCOMMIT")
            found = self._connection.execute(_QUESTION, {"organisation_id": lane[0], "rail": lane[1]}).one()
            self._connection.rollback()
        finally:
            read_only.reset(token)
        return found
