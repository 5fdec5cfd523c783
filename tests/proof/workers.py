"""Workers that are killed in the middle of a batch, a store that is emptied, a database that is started anew."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import time_machine
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, OperationalError

import jobs.base
from tests import factories
from tests.factories.payouts import payout_sent
from tests.proof.bank import FileBank
from tests.proof.rounds import lift_halts, next_instant, work
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.providers import registry

_ROUNDS = 40


def queue_up(count: int) -> int:
    """An organisation with transfers that are queued; answers its id."""
    organisation = factories.organisation()
    organisation_id = organisation.id
    with transaction():
        for _ in range(count):
            payout_sent(db.session.get_one(Organisation, organisation_id), now=utc_now())
    db.session.remove()
    return organisation_id


def worker(bank: FileBank) -> int:
    """Start a worker of the queue for money in a process of its own; answers its id."""
    db.session.remove()
    db.engine.dispose()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.close(2)  # it dies, or its database does: what it would say about that is of no interest
        with registry.using("sandbox", bank):
            while True:
                try:
                    jobs.base.drain_here("money")
                except (OperationalError, DBAPIError):
                    db.session.remove()
                    db.engine.dispose()
                time.sleep(0.02)
    finally:
        os._exit(1)


def kill(pid: int) -> None:
    """As sudden as it gets."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def batch(
    bank: FileBank, organisation_id: int, count: int, *, kills: int, seed: int, between: Callable[[], None]
) -> int:
    """Have two workers send a batch, kill one after the other as the bank's books grow; answers how many were killed.

    `between` is called after each kill: somebody may empty the store, or restart the database.
    """
    dice = random.Random(seed)
    workers = [worker(bank), worker(bank)]
    killed = 0
    try:
        until = time.monotonic() + 120
        while killed < kills and time.monotonic() < until:
            # The next one dies once the bank has heard of a few more, wherever it is just then.
            seen = len(bank.entries())
            _wait(lambda seen=seen: len(bank.entries()) > seen + dice.randint(0, 2) or _is_idle(bank, count))  # type: ignore[misc]
            kill(workers.pop(0))
            killed += 1
            between()
            workers.append(worker(bank))
    finally:
        for pid in workers:
            kill(pid)
    return killed


def _is_idle(bank: FileBank, count: int) -> bool:
    return len(bank.debits()) >= count


def _wait(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)


def finish(bank: FileBank, organisation_id: int) -> None:
    """Others carry on: leases end, the bank is asked, what is due is done."""
    with (
        time_machine.travel(utc_now() + timedelta(minutes=3), tick=False) as clock,
        registry.using("sandbox", bank),
    ):
        for _ in range(_ROUNDS):
            lift_halts(organisation_id)
            work()
            left = db.session.scalar(select(func.count()).select_from(Payout).where(Payout.state != "paid"))
            db.session.rollback()
            if not left:
                return
            clock.move_to(next_instant(utc_now()) or utc_now() + timedelta(minutes=1))


def problems(bank: FileBank, organisation_id: int, count: int) -> list[str]:
    """What the books say against it."""
    found = []
    debits = bank.debits()
    if [n for n in debits.values() if n > 1]:
        found.append(f"{sum(n > 1 for n in debits.values())} transfers were made twice")
    if len(debits) != count:
        found.append(f"the bank made {len(debits)} of {count} transfers")
    states = dict(db.session.execute(select(Payout.state, func.count()).group_by(Payout.state)).all())
    if states != {"paid": count}:
        found.append(f"payouts ended as {states}")
    found += [f"ledger: {f.message}" for f in check.run(organisation_id).findings]
    db.session.rollback()
    return found
