"""A collector for tests: answers what it is told to, and keeps what it was asked."""

from __future__ import annotations

from webapp.database import db
from webapp.providers.ports import CollectionAnswer, CollectionOrder, CollectionState

Reply = CollectionAnswer | CollectionState


class ScriptedGateway:
    """Plays lists of replies; the last of each stays. A bare COMPLETED is completed with the amount asked for."""

    name = "phonepe"

    def __init__(self, statuses: list[Reply] | None = None, refunds: list[Reply] | None = None) -> None:
        self.statuses = list(statuses or [CollectionState.PENDING])
        self.refund_replies = list(refunds or [CollectionState.NOT_FOUND])
        # What an order of a refund is answered.
        self.refund_order: Reply = CollectionState.PENDING
        self.created: list[CollectionOrder] = []
        self.refunded: list[tuple[str, int]] = []

    def create(self, order: CollectionOrder) -> CollectionAnswer:
        """Take an order in."""
        assert not db.session().in_transaction()
        self.created.append(order)
        return CollectionAnswer(CollectionState.PENDING, "OM1", f"http://localhost/pay/{order.order_id}")

    def status(self, organisation_id: int, order_id: str) -> CollectionAnswer:
        """The next reply."""
        assert not db.session().in_transaction()
        reply = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(reply, CollectionAnswer):
            return reply
        amount = next((o.amount_minor for o in self.created if o.order_id == order_id), None)
        return CollectionAnswer(reply, "OM1", amount_minor=amount, method="UPI_QR", utr="UTR1")

    def refund(
        self, organisation_id: int, refund_id: str, order_id: str, amount_minor: int
    ) -> CollectionAnswer:
        """Take a refund in."""
        assert not db.session().in_transaction()
        self.refunded.append((refund_id, amount_minor))
        reply = self.refund_order
        return reply if isinstance(reply, CollectionAnswer) else CollectionAnswer(reply)

    def refund_status(self, organisation_id: int, refund_id: str) -> CollectionAnswer:
        """The next reply about refunds."""
        reply = self.refund_replies.pop(0) if len(self.refund_replies) > 1 else self.refund_replies[0]
        return reply if isinstance(reply, CollectionAnswer) else CollectionAnswer(reply)
