"""Reading the audit trail: the events of a record, filters, and the proof that the chain is unbroken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, select

from webapp.audit.models import AuditEvent, AuditHead
from webapp.audit.service import FIRST_HASH, event_hash
from webapp.database import db, like
from webapp.kernel.clock import start_of_day

_HASHED = (
    "chain", "organisation_id", "at", "actor_id", "actor_label", "ip", "user_agent", "tag", "subject_type",
    "subject_id", "subject_label", "note", "changes",
)  # fmt: skip
# More broken links than this are counted, not named.
PROBLEM_LIMIT = 100


@dataclass
class ChainState:
    """What the verification of one chain found; `problems` name events by their number and say what is wrong."""

    chain: int
    length: int = 0
    head_hash: str = FIRST_HASH
    problems: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def trail(*, organisation_id: int, timezone: str, filters: dict[str, Any]) -> Select[Any]:
    """The organisation's events that match; dates in `filters` are local days of `timezone`, both included.

    Filters: tag (its beginning, or a part), actor (a part of the name), from, to (dates), subject_type, subject_id,
    subject (a part of the label).
    """
    query = select(AuditEvent).where(AuditEvent.organisation_id == organisation_id)
    for name, column in (("tag", AuditEvent.tag), ("actor", AuditEvent.actor_label),
                         ("subject", AuditEvent.subject_label)):  # fmt: skip
        if text := filters.get(name):
            query = query.where(like(column, text))
    if subject_type := filters.get("subject_type"):
        query = query.where(AuditEvent.subject_type == subject_type)
    if (subject_id := filters.get("subject_id")) is not None:
        query = query.where(AuditEvent.subject_id == subject_id)
    if first := filters.get("from"):
        query = query.where(AuditEvent.at >= start_of_day(first, timezone))
    if last := filters.get("to"):
        query = query.where(AuditEvent.at < start_of_day(last + timedelta(days=1), timezone))
    return query


def subject_types(organisation_id: int) -> list[str]:
    """Kinds of records that the organisation's trail speaks of, for the filter."""
    return list(
        db.session.scalars(
            select(AuditEvent.subject_type)
            .where(AuditEvent.organisation_id == organisation_id)
            .distinct()
            .order_by(AuditEvent.subject_type)
        )
    )


def stream(query: Select[Any]) -> Iterator[AuditEvent]:
    """The events of a query, oldest first, without keeping them all in memory."""
    session = db.session()
    for event in session.scalars(
        query.order_by(None).order_by(AuditEvent.id).execution_options(yield_per=500)
    ):
        yield event
        session.expunge(event)


def chains(organisation_id: int | None = None) -> list[int]:
    """The chains that exist: one organisation's, or all (0 is the installation's own)."""
    if organisation_id is not None:
        return [organisation_id]
    return sorted({*db.session.scalars(select(AuditHead.chain)), *db.session.scalars(
        select(AuditEvent.chain).distinct())})  # fmt: skip


def verify(chain: int) -> ChainState:
    """Recompute every link of a chain: numbers without gaps, each hash over the content and the hash before it.

    The head row must name the last link; an event cut off the end shows there.
    """
    state = ChainState(chain)
    expected, found = 1, 0
    head = db.session.execute(select(AuditHead.seq, AuditHead.hash).where(AuditHead.chain == chain)).first()
    table = AuditEvent.__table__
    rows = db.session.execute(
        select(table).where(table.c.chain == chain).order_by(table.c.seq).execution_options(yield_per=1000)
    )
    for row in rows.mappings():
        problem = _broken_link(row, expected, state.head_hash)
        if problem:
            found += 1
            if found <= PROBLEM_LIMIT:
                state.problems.append(problem)
        expected, state.head_hash = row["seq"] + 1, row["hash"]
        state.length += 1
    if found > PROBLEM_LIMIT:
        state.problems.append(f"{found - PROBLEM_LIMIT} more broken links follow.")
    if head is None and state.length:
        state.problems.append("The head of the chain is missing.")
    elif head is not None and (head.seq, head.hash) != (expected - 1, state.head_hash):
        state.problems.append(f"The head names event {head.seq}, the last event there is {expected - 1}.")
    return state


def _broken_link(row: Any, expected: int, previous: str) -> str:
    if row["seq"] != expected:
        return f"Event {row['seq']} follows where event {expected} should be: events are missing."
    if row["previous_hash"] != previous:
        return f"Event {row['seq']} ({row['tag']}) does not continue the event before it."
    values = {name: row[name] for name in _HASHED}
    if event_hash(values, row["seq"], row["previous_hash"]) != row["hash"]:
        return (
            f"Event {row['seq']} ({row['tag']}, {row['subject_label'] or row['subject_type']}) was changed."
        )
    return ""
