"""The steps in which a process dies: how far everything is before each, and what the process does in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from flask import current_app
from sqlalchemy import func, select

from tests import factories
from tests.factories import connections
from tests.factories.payouts import payout, payout_ready, payout_sent
from tests.factories.people import actor_of
from tests.proof.bank import FileBank
from tests.proof.figures import Case
from tests.proof.rounds import START, drain, next_instant, with_suppressed, work
from webapp.database import db, transaction
from webapp.inbox.models import WebhookMessage
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.outbox.models import OutboxMessage
from webapp.payouts import execution, hooks, policies, recovery, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people.models import Organisation, User
from webapp.providers import registry
from webapp.providers.models import ProviderAccount

STAGES = ("approve", "submit", "send", "batch", "answer", "sweep", "retry", "message")
#: So many transfers are sent together in the step "batch".
TOGETHER = 4
ROUNDS = 60
# What the provider's message says, by what becomes of the transfer; it is never believed.
_EVENTS = {"fails": "TRANSFER_FAILED", "bank away": "TRANSFER_FAILED", "returns": "TRANSFER_REVERSED"}


class Scene:
    """An organisation, its payouts and its bank, as far as they are just before a step."""

    def __init__(self, case: Case, bank: Path) -> None:
        self.case = case
        self.bank = FileBank(bank, case.fault, case.outcome)
        if case.stage == "message":
            self.bank.name = hooks.RAIL
        if case.stage == "batch":
            self.bank.at_once = TOGETHER
        self.account_id = 0
        with self.there(START) as clock:
            self.organisation_id = factories.organisation().id
            self._prepare(clock)
            self.at = utc_now()
        self.payout_ids = tuple(db.session.scalars(select(Payout.id).order_by(Payout.id)))
        db.session.remove()

    @contextmanager
    def there(self, at: Any) -> Iterator[Any]:
        """At an instant, with this bank; gives the clock."""
        with time_machine.travel(at, tick=False) as clock, registry.using(self.bank.name, self.bank):
            yield clock

    # ------------------------------------------------------------ up to the step

    def _prepare(self, clock: Any) -> None:
        organisation = db.session.get_one(Organisation, self.organisation_id)
        stage = self.case.stage
        if stage == "approve":
            payee = factories.payee(organisation)
            factories.method(payee)
            factories.user(organisation=organisation, role="admin")
            payout(organisation, payee, now=START)
        elif stage == "submit":
            payout_ready(organisation, now=START)
        elif stage == "message":
            self._at_a_provider(organisation)
        else:
            for n in range(TOGETHER if stage == "batch" else 1):
                payout_sent(organisation, amount=49_950 + n, now=START)
            self._go_on(clock)

    def _go_on(self, clock: Any) -> None:
        stage = self.case.stage
        if stage in ("send", "batch"):
            return
        if stage == "sweep":
            self._die_with_the_answer()
            clock.shift(timedelta(minutes=5))
            return
        drain()
        for _ in range(ROUNDS if stage == "retry" else 1):
            if stage == "retry" and "retry_scheduled" in states():
                break
            clock.move_to(next_instant(utc_now()) or utc_now())
            if stage == "retry":
                work()
        if stage == "retry":
            clock.move_to(next_instant(utc_now()) or utc_now())

    def _at_a_provider(self, organisation: Organisation) -> None:
        """A transfer that was sent to a provider which sends messages; it is a second ago."""
        self.account_id = connections.connection(organisation).id
        with transaction():
            policies.change_policy(
                organisation_id=organisation.id, actor=factories.FACTORY, now=START,
                rules={**default_rules("USD"), "rails": ["manual", hooks.RAIL]},
            )  # fmt: skip
        made = payout_ready(organisation, now=START)
        with transaction():
            service.submit(
                organisation_id=organisation.id, reference=made.reference, rail=hooks.RAIL,
                actor=factories.FACTORY, now=START,
            )  # fmt: skip
        drain()

    def _die_with_the_answer(self) -> None:
        """A worker that dies between the POST and the transaction after it, and an outbox that forgot everything."""
        row_id = db.session.scalar(select(Transfer.id))
        db.session.rollback()
        send = self.bank.send

        class Died(BaseException):
            """Nothing may catch it."""

        def die(order: Any) -> Any:
            with_suppressed(lambda: send(order))
            raise Died

        self.bank.send = die  # type: ignore[method-assign]
        try:
            execution.send(transfer_row_id=row_id or 0)
        except Died:
            db.session.rollback()
        del self.bank.send  # type: ignore[method-assign]
        with transaction() as session:
            session.query(OutboxMessage).delete()

    # ------------------------------------------------------------ the step

    def step(self) -> None:
        """What the process does that dies."""
        stage = self.case.stage
        if stage in ("approve", "submit"):
            press(stage, self.payout_ids[0])
        elif stage == "sweep":
            recovery.reap_leases()
            recovery.sweep()
            drain()
        elif stage == "message":
            self.tell()
            drain()
        else:
            drain()

    def tell(self) -> None:
        """The provider brings its message to the door; it does so again until it was told that it arrived."""
        transfer_id = db.session.scalar(select(Transfer.transfer_id).order_by(Transfer.id).limit(1)) or ""
        uid = db.session.get_one(ProviderAccount, self.account_id).uid
        db.session.remove()
        if ("told", transfer_id) in self.bank.entries():
            return
        body = connections.transfer_message(transfer_id, _EVENTS.get(self.case.outcome, "TRANSFER_SUCCESS"))
        answer = current_app.test_client().post(
            f"/hooks/{hooks.RAIL}/{uid}", data=body, headers=connections.signed(body, at=utc_now())
        )
        if answer.status_code == 200:
            self.bank.note("told", transfer_id)

    def people(self) -> None:
        """What people and the provider do again when they do not know whether it went through."""
        if self.case.stage in ("approve", "submit"):
            press(self.case.stage, self.payout_ids[0])
        if self.case.stage == "approve" and states() == ["approved"]:
            press("submit", self.payout_ids[0])
        if self.case.stage == "message":
            self.tell()

    def messages_lost(self) -> Iterator[str]:
        """What is wrong with the inbox in the end: a message stored twice, not at all, or never looked at."""
        if self.case.stage != "message":
            return
        found = list(db.session.scalars(select(WebhookMessage.state)))
        if len(found) != 1:
            yield f"one message was stored as {len(found)}"
        if "new" in found:
            yield "nobody looked at a message"


def states() -> list[str]:
    """The states of all payouts."""
    found = list(db.session.scalars(select(Payout.state).order_by(Payout.id)))
    db.session.rollback()
    return found


def under_review() -> set[int]:
    """The payouts of which a transfer is under review."""
    found = set(db.session.scalars(select(Transfer.payout_id).where(Transfer.state == "review")))
    db.session.rollback()
    return found


def waiting_messages() -> int:
    """How many messages of providers nobody has looked at yet."""
    found = db.session.scalar(
        select(func.count()).select_from(WebhookMessage).where(WebhookMessage.state == "new")
    )
    db.session.rollback()
    return found or 0


def press(what: str, payout_id: int) -> None:
    """A person presses a button, again when they are not sure that it went through."""
    found = db.session.get_one(Payout, payout_id)
    organisation_id, reference, state = found.organisation_id, found.reference, found.state
    approver = db.session.scalars(select(User).order_by(User.id.desc())).first()
    assert approver is not None
    actor = actor_of(approver)
    db.session.rollback()
    if {"approve": "pending_approval", "submit": "approved"}[what] != state:
        return
    common: dict[str, Any] = {
        "organisation_id": organisation_id, "reference": reference, "actor": actor, "now": utc_now(),
    }  # fmt: skip
    try:
        with transaction():
            (service.approve if what == "approve" else service.submit)(**common)
    except PaydeskError:
        db.session.rollback()
