"""The whole life of payouts as a machine that hypothesis drives: people, workers, a bank, time, deaths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from tests import factories
from tests.factories.payouts import payout
from tests.factories.people import actor_of
from tests.proof.rounds import START, drain, lift_halts, work
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import PaydeskError
from webapp.ledger import check
from webapp.payouts import execution, reviews, service
from webapp.payouts.models import Payout, Transfer
from webapp.people.models import Organisation, Payee, User
from webapp.providers import registry
from webapp.providers.ports import DUPLICATE, Answer, Outcome, TransferOrder

ANSWERS = ("ok", "time-out", "lost", "refused connection", "reset", "duplicate", "dies", "refused")
WORDS = ("settle", "fail", "fail for now", "return")


class Died(BaseException):
    """The worker is gone; nothing may catch it."""


class LivingBank:
    """Keeps what it took in; what becomes of it is decided by the rules. It does not notice duplicates."""

    name = "sandbox"
    needs_details = False

    def __init__(self) -> None:
        self.answer = "ok"
        self.taken: Counter[str] = Counter()
        self.state: dict[str, str] = {}
        self.said: dict[str, set[str]] = {}

    def send(self, order: TransferOrder) -> Answer:
        """Take it in and answer as ordered; the next one is answered well again."""
        how, self.answer = self.answer, "ok"
        if how == "refused connection":
            return Answer(Outcome.NOT_SENT, message="Connection refused.")
        if how == "refused":
            return Answer(Outcome.FAILED, code="NO_MODE", message="It cannot be sent like this.")
        if how != "lost":
            self.taken[order.transfer_id] += 1
            self.state.setdefault(order.transfer_id, "pending")
        if how == "dies":
            raise Died
        if how == "reset":
            raise ConnectionResetError
        if how in ("lost", "time-out"):
            return Answer(Outcome.UNKNOWN, message="No answer.")
        if how == "duplicate":
            return Answer(Outcome.UNKNOWN, code=DUPLICATE)
        return Answer(Outcome.ACCEPTED, amount_minor=order.amount_minor, currency=order.currency)

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """The truth."""
        state = self.state.get(transfer_id)
        if state is None:
            return Answer(Outcome.NOT_FOUND)
        self.said.setdefault(transfer_id, set()).add(state)
        code = {"failed": "ACCOUNT_CLOSED", "failed for now": "BANK_UNAVAILABLE"}.get(state, "")
        outcome = {
            "pending": Outcome.ACCEPTED, "settled": Outcome.SUCCEEDED, "returned": Outcome.REVERSED,
        }.get(state, Outcome.FAILED)  # fmt: skip
        return Answer(outcome, code=code, message="The bank's own words.")

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Without limit."""
        return None


class Life(RuleBasedStateMachine):
    """Two payouts, whatever happens to them in whatever order."""

    #: Set by whoever runs the machine: the database, and how it is emptied.
    store: Any
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.clock_traveller = time_machine.travel(START, tick=False)
        self.clock = self.clock_traveller.start()
        self.bank = LivingBank()
        self.rail = registry.using("sandbox", self.bank)
        self.rail.__enter__()
        self.payouts: list[int] = []

    def teardown(self) -> None:
        """The end of one life: everything that is left is carried out, then compared."""
        try:
            if self.payouts:
                self.all_agree()
        finally:
            db.session.rollback()
            self.rail.__exit__(None, None, None)
            self.clock_traveller.stop()

    @initialize()
    def begin(self) -> None:
        """Two payouts of one organisation, and two people who may act."""
        db.session.remove()
        self.store.put_back(self.scene)
        self.organisation_id = db.session.scalar(select(Organisation.id)) or 0
        self.payouts = list(db.session.scalars(select(Payout.id).order_by(Payout.id)))
        self.people = [actor_of(user) for user in db.session.scalars(select(User).order_by(User.id))]
        db.session.rollback()

    scene: Any

    # ------------------------------------------------------------ people

    def _act(self, which: int, action: Callable[..., object], **arguments: Any) -> None:
        reference = db.session.get_one(Payout, self.payouts[which]).reference
        db.session.rollback()
        try:
            with transaction():
                action(organisation_id=self.organisation_id, reference=reference, now=utc_now(), **arguments)
        except PaydeskError:
            db.session.rollback()

    which = st.integers(0, 1)

    @rule(which=which, who=which)
    def approve(self, which: int, who: int) -> None:
        """Somebody approves."""
        self._act(which, service.approve, actor=self.people[who])

    @rule(which=which, who=which)
    def pay(self, which: int, who: int) -> None:
        """Somebody presses Pay, perhaps for the third time."""
        self._act(which, service.submit, actor=self.people[who])

    @rule(which=which)
    def retry(self, which: int) -> None:
        """Somebody tries again."""
        self._act(which, service.retry, actor=self.people[0])

    @rule(which=which)
    def cancel(self, which: int) -> None:
        """Somebody changes their mind."""
        self._act(which, service.cancel, actor=self.people[1], reason="Not wanted.")

    @rule(which=which)
    def reissue(self, which: int) -> None:
        """What came back is to be paid after all."""
        self._act(which, service.reissue, actor=self.people[1])

    @rule(which=which)
    def hold(self, which: int) -> None:
        """Somebody wants it to wait."""
        self._act(which, service.hold, actor=self.people[0], reason="Wait.")

    @rule(which=which)
    def release(self, which: int) -> None:
        """It need not wait any more."""
        self._act(which, service.release, actor=self.people[0])

    @rule(which=which, who=which, finding=st.sampled_from(["moved", "not_moved"]))
    def settle(self, which: int, who: int, finding: str) -> None:
        """A person looked at the bank's books about a review: they say what the bank's books say."""
        newest = db.session.scalar(
            select(Transfer.transfer_id)
            .where(Transfer.payout_id == self.payouts[which], Transfer.state == "review")
            .order_by(Transfer.n.desc())
        )
        db.session.rollback()
        if newest is None:
            return
        truth = "moved" if self.bank.state.get(newest) == "settled" else "not_moved"
        self._act(
            which, service.settle_review, actor=self.people[who], finding=truth, note="Seen at the bank."
        )

    @rule()
    def resume(self) -> None:
        """Somebody lets payments flow again."""
        lift_halts(self.organisation_id)

    # ------------------------------------------------------------ the bank

    @rule(how=st.sampled_from(ANSWERS))
    def next_answer(self, how: str) -> None:
        """The next POST is answered so."""
        self.bank.answer = how

    @precondition(lambda self: self.bank.state)
    @rule(data=st.data(), word=st.sampled_from(WORDS))
    def decide(self, data: st.DataObject, word: str) -> None:
        """The bank decides about a transfer; some banks change their mind."""
        transfer_id = data.draw(st.sampled_from(sorted(self.bank.state)))
        state = self.bank.state[transfer_id]
        allowed = {
            ("pending", "settle"): "settled", ("pending", "fail"): "failed", ("settled", "return"): "returned",
            ("pending", "fail for now"): "failed for now", ("failed", "settle"): "settled",
        }  # fmt: skip
        self.bank.state[transfer_id] = allowed.get((state, word), state)

    # ------------------------------------------------------------ machines and time

    @rule(minutes=st.sampled_from([1, 3, 10, 60, 1500]))
    def time_passes(self, minutes: int) -> None:
        """Nothing else happens."""
        self.clock.shift(timedelta(minutes=minutes))

    @rule()
    def workers_work(self) -> None:
        """A round of scheduler and worker; the worker may die in it."""
        try:
            work()
        except Died:
            db.session.rollback()

    @rule(which=which)
    def message_comes(self, which: int) -> None:
        """A webhook about the newest transfer: a hint to ask."""
        row_id = db.session.scalar(
            select(Transfer.id).where(Transfer.payout_id == self.payouts[which]).order_by(Transfer.n.desc())
        )
        db.session.rollback()
        if row_id is not None:
            execution.check(transfer_row_id=row_id, source="webhook")

    @rule()
    def process_restarts(self) -> None:
        """Whatever was in memory is gone."""
        db.session.remove()
        db.engine.dispose()

    # ------------------------------------------------------------ what is always true

    @invariant()
    def no_payout_is_paid_twice(self) -> None:
        """At most one transfer of a payout has moved money and kept it moved, and each was sent once.

        Where the bank changed its mind and nobody had looked yet, two may have moved: then it is under review.
        """
        for payout_id in self.payouts:
            rows = db.session.execute(
                select(Transfer.transfer_id, Transfer.state).where(Transfer.payout_id == payout_id)
            ).all()
            assert all(self.bank.taken[r.transfer_id] <= 1 for r in rows), "a transfer was sent twice"
            kept = [
                r for r in rows
                if self.bank.state.get(r.transfer_id) in ("pending", "settled")
                # A word that the bank took back after it had given it is its own doing.
                and not {"failed", "failed for now"} & self.bank.said.get(r.transfer_id, set())
            ]  # fmt: skip
            assert len(kept) <= 1, "two transfers of a payout are on their way"
        db.session.rollback()

    @invariant()
    def a_success_belongs_to_a_payout_that_was_paid(self) -> None:
        """What has left for a payout is never owed again unless it came back."""
        unpaid = db.session.execute(
            select(Payout.state, Transfer.n)
            .join(Transfer, Transfer.payout_id == Payout.id)
            .where(Transfer.state == "succeeded", Payout.state.not_in(["paid", "reversed"]))
        ).all()
        db.session.rollback()
        assert unpaid == []

    def all_agree(self) -> None:
        """At the end: everything is asked for, then payout, transfers, bank and ledger tell the same story."""
        self.bank.answer = "ok"
        for _ in range(16):
            self.bank.state = {i: "settled" if s == "pending" else s for i, s in self.bank.state.items()}
            lift_halts(self.organisation_id)
            self.clock.shift(timedelta(minutes=8))
            work()
        self.clock.shift(timedelta(days=1))
        for row_id in list(db.session.scalars(select(Transfer.id))):
            db.session.rollback()
            execution.check(transfer_row_id=row_id)
        drain()
        self.no_payout_is_paid_twice()
        for found in db.session.scalars(select(Payout)):
            states = {t.transfer_id: t.state for t in found.transfers}
            if "review" in states.values():
                continue
            # What two people found to have left a second time is for the correction door.
            twice = {t.transfer_id for t in found.transfers if t.error_code == reviews.PAID_TWICE}
            settled = [i for i in states if self.bank.state.get(i) == "settled" and i not in twice]
            assert len(settled) == (found.state == "paid"), (found.state, settled)
            assert found.state != "processing", "it is still under way"
        assert check.run(self.organisation_id).findings == []
        db.session.rollback()


def make_scene() -> None:
    """Two payouts that wait for approval, and people who may approve."""
    organisation = factories.organisation()
    payee: Payee = factories.payee(organisation)
    factories.method(payee)
    for _ in range(2):
        factories.user(organisation=organisation, role="admin")
    for _ in range(2):
        payout(organisation, payee, now=START)
