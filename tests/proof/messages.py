"""A provider's messages in every order, some of them twice: what they say together decides nothing, the bank does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import time_machine
from sqlalchemy import func, select

from tests import factories
from tests.factories import connections
from tests.factories.payouts import payout_ready
from tests.proof.life import LivingBank
from tests.proof.rounds import START, drain, lift_halts
from webapp.database import db, transaction
from webapp.inbox import service as inbox
from webapp.inbox.models import WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts import hooks, policies, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.providers import registry
from webapp.providers.models import ProviderAccount

#: A whole life as Cashfree tells it: taken in, debited, credited, sent back; and one that speaks of nobody we know.
EVENTS = ("TRANSFER_ACKNOWLEDGED", "TRANSFER_SUCCESS", "CREDIT_CONFIRMED", "TRANSFER_REVERSED")
#: What the bank would say after each message was written.
TRUTH = {"TRANSFER_ACKNOWLEDGED": "pending", "TRANSFER_SUCCESS": "settled", "TRANSFER_REVERSED": "returned"}


class Told:
    """A transfer that the bank has taken in, and what Paydesk is told about it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.bank = LivingBank()
        self.bank.name = hooks.RAIL
        with time_machine.travel(START, tick=False), registry.using(hooks.RAIL, self.bank):
            organisation = factories.organisation()
            self.organisation_id = organisation.id
            self.account_id = connections.connection(organisation).id
            with transaction():
                policies.change_policy(
                    organisation_id=organisation.id, actor=factories.FACTORY, now=START,
                    rules={**default_rules("USD"), "rails": ["manual", hooks.RAIL]},
                )  # fmt: skip
            made = payout_ready(organisation, now=START)
            self.payout_id = made.id
            with transaction():
                service.submit(
                    organisation_id=organisation.id, reference=made.reference, rail=hooks.RAIL,
                    actor=factories.FACTORY, now=START,
                )  # fmt: skip
            drain()
            self.transfer_id = db.session.scalar(select(Transfer.transfer_id)) or ""
            db.session.rollback()
        self._state = dict(self.bank.state)
        db.session.remove()
        self._kept = store.keep()

    def tell(self, order: Sequence[str], *, is_slow: bool) -> list[str]:
        """Bring messages in an order; a slow bank is only so far as the newest message said. Answers the problems."""
        db.session.remove()
        self.store.put_back(self._kept)
        self.bank.state = {**self._state, self.transfer_id: "pending" if is_slow else "returned"}
        with time_machine.travel(START, tick=False) as clock, registry.using(hooks.RAIL, self.bank):
            account = connections.receiver(db.session.get_one(ProviderAccount, self.account_id))
            for event in order:
                clock.shift(30)
                if is_slow:
                    self._move(TRUTH.get(event, "pending"))
                body = connections.transfer_message(self.transfer_id, event)
                with transaction():
                    inbox.receive(account, body, connections.signed(body, at=START), utc_now())
                drain()
            if is_slow:
                self._move("returned")
            # Whatever was said in which order, in the end the bank is asked as it is every day.
            for _ in range(3):
                clock.shift(86_500)
                lift_halts(self.organisation_id)
                drain()
            return list(self._problems(order))

    def _move(self, state: str) -> None:
        """A bank's truth goes forward only."""
        rank = ("pending", "settled", "returned")
        if rank.index(state) > rank.index(self.bank.state[self.transfer_id]):
            self.bank.state[self.transfer_id] = state

    def _problems(self, order: Sequence[str]) -> list[str]:
        where = " → ".join(order)
        state = db.session.scalar(select(Payout.state).where(Payout.id == self.payout_id))
        stored = db.session.scalar(select(func.count()).select_from(WebhookMessage)) or 0
        times = db.session.scalar(select(func.sum(WebhookMessage.times_received))) or 0
        db.session.rollback()
        found = []
        if state != "reversed":
            found.append(f"{where}: it ended as {state}")
        if stored != len(set(order)) or times != len(order):
            found.append(
                f"{where}: {len(set(order))} messages were stored as {stored}, counted {times} times"
            )
        if self.bank.taken != {self.transfer_id: 1}:
            found.append(f"{where}: sent {dict(self.bank.taken)}")
        return found + [f"{where}: ledger: {f.message}" for f in check.run(self.organisation_id).findings]
