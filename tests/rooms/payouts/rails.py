"""A rail for tests: answers what it is told to, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Callable

from webapp.database import db
from webapp.providers.ports import Answer, Outcome, TransferOrder

Reply = Answer | Outcome | Exception | Callable[[], "Answer | Outcome"]


class ScriptedRail:
    """Plays a list of replies for POSTs and one for GETs; the last reply of each stays."""

    name = "sandbox"
    needs_details = False

    def __init__(self, posts: list[Reply], gets: list[Reply] | None = None) -> None:
        self.posts, self.gets = list(posts), list(gets or [Outcome.ACCEPTED])
        self.sent: list[TransferOrder] = []
        self.asked: list[str] = []
        self.available: int | None = None

    def send(self, order: TransferOrder) -> Answer:
        """Count the POST and answer the next reply."""
        assert not db.session.info.get("is_writing")
        assert not db.session().in_transaction()
        self.sent.append(order)
        return self._reply(self.posts)

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """Count the GET and answer the next reply."""
        assert not db.session().in_transaction()
        self.asked.append(transfer_id)
        return self._reply(self.gets)

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """What the test says is there."""
        return self.available

    @staticmethod
    def _reply(replies: list[Reply]) -> Answer:
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, Exception):
            raise reply
        found = reply() if callable(reply) and not isinstance(reply, Outcome | Answer) else reply
        return Answer(found) if isinstance(found, Outcome) else found  # type: ignore[return-value]
