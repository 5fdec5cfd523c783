"""What those who asked for several transfers are told of each, and what all of them keep to."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from webapp.database import db
from webapp.outbox.service import Later

# By transfer: look again, or what went wrong with this one alone. Of those that are not named nothing is left to do.
Replies = dict[int, Later | Exception]


def alone(replies: Replies, transfer_row_id: int) -> Later | None:
    """The reply of a batch of one. Raises what went wrong."""
    reply = replies.get(transfer_row_id)
    if isinstance(reply, Exception):
        raise reply
    return reply


def is_worth_another_try(error: Exception) -> bool:
    """Whether what failed for many may work for each: not when the database itself is away."""
    return not (isinstance(error, DBAPIError) and error.connection_invalidated)


def refuse_open_transaction() -> None:
    """Raises RuntimeError in a transaction: a provider is called outside of one. Ends one that only reads."""
    session = db.session()
    if session.info.get("is_writing"):
        raise RuntimeError("a transaction is open; a provider is called outside of one")
    session.rollback()
