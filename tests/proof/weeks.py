"""Weekly runs that come three weeks late, die on the way, and are then done by two schedulers at once.

However it came about, it ends as if one scheduler had done each week on its day: every instalment is charged once,
every lease has one receipt a week, every receipt that pays something out has one payout.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from unittest import mock

from sqlalchemy import func, select

from tests import factories
from tests.factories import repairs
from tests.factories.repairs import at, sunday
from tests.proof.events import Counter, watched
from tests.proof.figures import Figures
from tests.proof.ground import Ground
from webapp.database import db, transaction
from webapp.ledger import check
from webapp.ledger.models import Account
from webapp.payouts.models import Payout
from webapp.people.models import Organisation
from webapp.programs.repairs import charging, weekly
from webapp.programs.repairs.books import Charge, Receipt, WeeklyProblem, WeeklyRun
from webapp.programs.repairs.drafts import ChargeDraft, EarningDraft
from webapp.programs.repairs.models import Instalment

#: Sundays whose runs were missed, and the one of today.
RUNS = 4
#: Drivers of one transaction: few, so that there are many moments to die at.
BATCH = 3
KILLED = -signal.SIGKILL


def prepare(drivers: int) -> int:
    """A fleet that nobody charged for weeks; answers the organisation's id."""
    metrocab = repairs.metrocab()
    organisation_id = metrocab.id
    with transaction():
        payees = [repairs.driver(db.session.get_one(Organisation, organisation_id)) for _ in range(drivers)]
        for n, payee in enumerate(payees):
            repairs.repair(repairs.lease(payee, 350_00), 900_00)
            if n % 3 == 0:
                repairs.loan(payee)
            # What the policy approves is paid to those who said where to; the others wait.
            if n % 2 == 0:
                factories.method(payee)
        ids = [payee.id for payee in payees]
    for n in range(-1, RUNS - 1):
        _week(organisation_id, ids, sunday(n))
    db.session.remove()
    return organisation_id


def _week(organisation_id: int, payee_ids: list[int], start: date) -> None:
    """Earnings that leave some drivers with money and others with debts, and what they were charged for."""
    day = start + timedelta(days=2)
    common: Any = {"organisation_id": organisation_id, "actor": factories.FACTORY, "now": at(day)}
    with transaction():
        charging.record_earnings(
            drafts=[
                EarningDraft(payee_id, "Card fares", f"{day}-{payee_id}", 200_00 + n % 5 * 150_00, day)
                for n, payee_id in enumerate(payee_ids)
            ],
            **common,
        )
        charging.add_charges(
            drafts=[
                ChargeDraft(payee_id, "tolls", "Bridge", 7_25 + n, day)
                for n, payee_id in enumerate(payee_ids)
            ],
            **common,
        )


def catch_up(organisation_id: int) -> None:
    """What a scheduler does that comes back after weeks: every missed day of five o'clock, one after the other."""
    now = at(sunday(RUNS - 1), 10)
    for n in range(RUNS):
        weekly.run_due(organisation_id, at(sunday(n), 9), now)


@contextmanager
def small_batches() -> Iterator[None]:
    """Batches of few drivers."""
    with (
        mock.patch.object(weekly, "POST_BATCH", BATCH),
        mock.patch.object(weekly, "RECEIPT_BATCH", BATCH),
    ):
        yield


def scheduler(organisation_id: int, *, dies_at: int = 0) -> int:
    """Start a scheduler that catches up in a process of its own, killed at an event (0: never); answers its id."""
    db.session.remove()
    db.engine.dispose()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with watched(frozenset(), _Killed(dies_at), db.engine):
            catch_up(organisation_id)
        code = 0
    except BaseException as error:
        os.write(2, f"scheduler: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


class _Killed(Counter):
    """Kills the process at one of the events, as nobody can prevent."""

    def __call__(self, name: str) -> None:
        self.count += 1
        if self.count == self.exit_at:
            os.kill(os.getpid(), signal.SIGKILL)


def ended(pid: int) -> int:
    """How a process ended; below zero: by which signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def outcome(organisation_id: int) -> dict[str, list[Any]]:
    """What must be the same however it came about: all but ids and numbers."""
    receipts = select(
        Receipt.payee_id, Receipt.lease_id, Receipt.week_start, Receipt.opening_credit_minor,
        Receipt.opening_debt_minor, Receipt.earnings_minor, Receipt.charges_minor, Receipt.adjustments_minor,
        Receipt.net_minor, Receipt.paid_minor, Receipt.closing_credit_minor, Receipt.closing_debt_minor,
    )  # fmt: skip
    queries = {
        "receipts": receipts.where(Receipt.organisation_id == organisation_id),
        "instalments": select(Instalment.reference, Instalment.state, Instalment.posted_for),
        "charges": select(Charge.payee_id, Charge.category, Charge.week_start, Charge.amount_minor, Charge.paid_minor),
        "payouts": select(Payout.payee_id, Payout.period_start, Payout.amount_minor, Payout.state),
        "accounts": select(Account.code, Account.balance_minor),
        "runs": select(
            WeeklyRun.week_start, WeeklyRun.posted, WeeklyRun.receipts, WeeklyRun.payouts, WeeklyRun.problems,
            WeeklyRun.finished_at.is_not(None),
        ),
    }  # fmt: skip
    found = {name: sorted(map(tuple, db.session.execute(query))) for name, query in queries.items()}
    db.session.rollback()
    return found


def undisturbed(organisation_id: int) -> tuple[dict[str, list[Any]], int, float]:
    """One scheduler that does all of it: (what is there afterwards, its events, its seconds)."""
    counter = Counter()
    began = time.monotonic()
    with small_batches(), watched(frozenset(), counter, db.engine):
        catch_up(organisation_id)
    seconds = time.monotonic() - began
    return outcome(organisation_id), counter.count, seconds


def story(organisation_id: int, wanted: dict[str, list[Any]], kill: Callable[[], int], where: str) -> Figures:
    """A scheduler dies, two others come at once; what is there is compared with what one alone leaves."""
    figures = Figures(runs=1, ledger_checks=1)
    with small_batches():
        figures.deaths += kill() == KILLED
        codes = [ended(pid) for pid in [scheduler(organisation_id), scheduler(organisation_id)]]
    figures.problems += [f"{where}: a scheduler ended with {code}" for code in codes if code]
    found = outcome(organisation_id)
    figures.problems += [f"{where}: {name} differ" for name in wanted if found[name] != wanted[name]]
    for name, key in (("charges", Charge.instalment_id), ("payouts of a receipt", Receipt.payout_id)):
        twice = db.session.execute(
            select(key).where(key.is_not(None)).group_by(key).having(func.count() > 1)
        ).all()
        figures.doubles += len(twice)
        figures.problems += [f"{where}: {len(twice)} {name} are there twice"] if twice else []
    figures.lost += max(0, len(wanted["receipts"]) - len(found["receipts"]))
    refused = db.session.scalars(select(WeeklyProblem.message)).all()
    figures.problems += [f"{where}: refused: {message}" for message in refused]
    figures.problems += [f"{where}: ledger: {f.message}" for f in check.run(organisation_id).findings]
    db.session.remove()
    return figures


def killed_at(organisation_id: int, event: int) -> int:
    """A scheduler that is killed at an event; how it ended."""
    return ended(scheduler(organisation_id, dies_at=event))


def killed_after(organisation_id: int, seconds: float) -> int:
    """A scheduler that is killed after some time, wherever it is just then; how it ended."""
    pid = scheduler(organisation_id)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return ended(pid)


def kills(ground: Ground, drivers: int, count: int, seed: int) -> Iterator[Figures]:
    """So many stories, each with a death at a random moment of the run; one that was over before is told, too."""
    dice = random.Random(seed)
    ground.reset()
    organisation_id = prepare(drivers)
    start = ground.keep()
    wanted, _, seconds = undisturbed(organisation_id)
    died = told = 0
    while died < count and told < 3 * count:
        ground.put_back(start)
        after = dice.uniform(0, seconds)
        found = story(
            organisation_id, wanted, lambda after=after: killed_after(organisation_id, after),  # type: ignore[misc]
            f"weekly run {told + 1}, seed {seed}, killed after {after:.2f} s",
        )  # fmt: skip
        told += 1
        died += found.deaths
        if not found.deaths:
            # It was quicker than the one that was measured.
            seconds = min(seconds, after)
        yield found
