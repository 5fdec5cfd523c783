"""What happened to payouts in a transaction, for rooms above that tell others: heard just before the commit.

Whoever listens writes with the same transaction: a payout that came to a turn and nobody being told, or the other way
round, cannot be. A listener never changes a payout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

# The outbox's hook must be there already: what listeners ask of it is written after they were told.
import webapp.outbox.service  # noqa: F401
from webapp.database import before_commit_hooks, db


@dataclass(frozen=True)
class Turn:
    """One thing that happened to one payout; `word` is the participle that the trail uses ("approved")."""

    word: str
    organisation_id: int
    payout_id: int
    at: datetime


Listener = Callable[[Session, Sequence[Turn]], object]
_listeners: list[Listener] = []


def register_listener(listener: Listener) -> None:
    """Let a room above hear of every turn of every payout; once, at start-up."""
    if listener not in _listeners:
        _listeners.append(listener)


def add(word: str, organisation_id: int, payout_id: int, now: datetime) -> None:
    """Note that a payout came to a turn; told just before the commit, and not at all when there is none."""
    db.session.info.setdefault("turns", []).append(Turn(word, organisation_id, payout_id, now))


def _tell(session: Session) -> None:
    """Tell everybody, in the order in which things happened."""
    turns = session.info.get("turns") or []
    session.info["turns"] = []
    if turns:
        for listener in _listeners:
            listener(session, turns)


before_commit_hooks.insert(0, _tell)
