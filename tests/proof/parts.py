"""The parts of the long form, each a number of stories told to their end; every job tells its share of each."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

from tests.proof import messages, nemesis, weeks, workers
from tests.proof.bank import FAULTS, OUTCOMES, FileBank
from tests.proof.figures import Case, Figures
from tests.proof.ground import ground, restartable
from tests.proof.trials import STAGES, Stage
from tests.support import postgres
from webapp.database import db
from webapp.simulator.faults import WEBHOOK_WAYS

#: From so many runs on, every event of every case is tried, and every order of messages is told.
EVERYTHING, EVERY_ORDER = 20_000, 2000
_TELL_EVERY = 60.0
# A batch under fire for so many runs; so many transfers in it, and so many workers that are killed.
_RUNS_A_BATCH, _TOGETHER, _KILLS = 2000, 60, 10
# A weekly run that dies for so many runs, and its drivers.
_RUNS_A_WEEK, _DRIVERS = 100, 30


@dataclass(frozen=True)
class Job:
    """What one process of the proof does: how much in all, which share of it, on which engine."""

    runs: int
    seed: int
    engine: str = "sqlite"
    number: int = 0
    of: int = 1

    @property
    def own_seed(self) -> int:
        """No two jobs throw the same dice."""
        return self.seed + self.number

    @property
    def own_runs(self) -> int:
        """This job's share."""
        return max(1, self.runs // self.of + (self.number < self.runs % self.of))


class Teller:
    """Says every minute how far a part is."""

    def __init__(self, say: Callable[[str], None], job: Job) -> None:
        self._say, self._who = say, f"job {job.number + 1}: " if job.of > 1 else ""
        self._began = self._last = time.monotonic()

    def tell(self, done: str, figures: Figures, *, is_last: bool = False) -> None:
        """A line, when the last one is long ago."""
        now = time.monotonic()
        if now - self._last < _TELL_EVERY and not is_last:
            return
        self._last = now
        seconds = now - self._began
        self._say(
            f"  {time.strftime('%H:%M:%S')} {self._who}{done}; {figures.runs:,} runs, {figures.deaths:,} deaths, "
            f"{figures.doubles} doubles, {figures.lost} lost, {figures.ledger_checks:,} ledger checks, "
            f"{len(figures.problems)} problems, {seconds:,.0f} s"
        )


def all_cases() -> list[Case]:
    """Every step with every fault and every outcome."""
    return [
        Case(s, f, o) for s in STAGES for f in FAULTS for o in OUTCOMES if s != "retry" or o == "bank away"
    ]


def deaths(job: Job, say: Callable[[str], None]) -> Figures:
    """Processes that exit at events chosen by the seed, spread over every step, fault and outcome."""
    figures, dice, teller = Figures(), random.Random(job.own_seed), Teller(say, job)
    cases = all_cases()
    dice.shuffle(cases)
    each = max(1, -(-job.own_runs // len(cases)))
    with ground(job.engine) as (app, store, folder):
        for n, case in enumerate(cases, 1):
            if figures.runs >= job.own_runs:
                break
            stage = Stage(app, store, folder, case)
            events = stage.count()
            figures.events += events
            for k in sorted(
                dice.sample(range(1, events + 1), min(each, events, job.own_runs - figures.runs))
            ):
                stage.trial(k, figures)
                teller.tell(f"{n} of {len(cases)} cases", figures)
        teller.tell("done", figures, is_last=True)
    return figures


def every_event(job: Job, say: Callable[[str], None]) -> Figures:
    """A death at every event of a case; each different state that the deaths leave behind is carried on. SQLite."""
    figures, teller = Figures(), Teller(say, job)
    cases = all_cases()
    random.Random(job.seed).shuffle(cases)
    cases = cases[: max(job.of, round(len(cases) * min(1.0, job.runs / EVERYTHING)))][job.number :: job.of]
    with ground("sqlite") as (app, store, folder):
        for n, case in enumerate(cases, 1):
            stage = Stage(app, store, folder, case)
            events, states = stage.left_behind()
            figures.events += events
            for state in states:
                stage.carry_on_from(state, figures)
            teller.tell(f"{n} of {len(cases)} cases", figures)
        teller.tell("done", figures, is_last=True)
    return figures


def orders(job: Job, say: Callable[[str], None]) -> Figures:
    """Messages in every order (a share of them), from a slow bank and from one that knows the end."""
    figures, dice, teller = Figures(), random.Random(job.seed), Teller(say, job)
    share = min(1.0, job.runs / EVERY_ORDER)
    chosen = [
        o for o in sorted(set(permutations((*messages.EVENTS, "TRANSFER_SUCCESS")))) if dice.random() <= share
    ]
    with ground(job.engine) as (_, store, _folder):
        store.reset()
        told = messages.Told(store)
        for order in chosen[job.number :: job.of]:
            for is_slow in (True, False):
                figures.problems += told.tell(order, is_slow=is_slow)
                figures.runs += 1
                figures.ledger_checks += 1
            teller.tell("orders of messages", figures)
        teller.tell("done", figures, is_last=True)
    return figures


def mixes(job: Job, say: Callable[[str], None]) -> Figures:
    """Each fault of the provider alone, then mixes by seed."""
    figures, teller = Figures(), Teller(say, job)
    count = max(1, round(job.own_runs / 20))
    with ground(job.engine) as (_, store, _folder), nemesis.simulator() as running:
        for trial in _mixes(job, count):
            figures.add(nemesis.trial(store, running, **trial))
            teller.tell(f"of {len(nemesis.ALL)} faults and {count} mixes", figures)
        teller.tell("done", figures, is_last=True)
    return figures


def _mixes(job: Job, count: int) -> Iterator[dict[str, Any]]:
    for fault in nemesis.ALL[job.number :: job.of]:
        yield {"faults": (fault,), "seed": job.own_seed, "rate": 0.7, "payouts": 4}
    for how in WEBHOOK_WAYS[job.number :: job.of]:
        yield {"faults": ("F3",), "seed": job.own_seed, "rate": 0.3, "payouts": 4, "how": how}
    for n in range(count):
        seed = job.seed + job.number + n * job.of
        yield {"faults": nemesis.ALL, "seed": seed, "rate": 0.2 + n % 5 * 0.15, "payouts": 8}


def lives(job: Job, say: Callable[[str], None]) -> Figures:
    """Whole lives of payouts in any order of events, by hypothesis."""
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis import seed as seeded
    from hypothesis.stateful import run_state_machine_as_test

    from tests.proof.life import Life, make_scene

    examples = max(1, round(job.own_runs / 10))
    figures = Figures(runs=examples, ledger_checks=examples)
    with ground(job.engine) as (_, store, _folder):
        store.reset()
        make_scene()
        db.session.remove()
        kept = store.keep()
        machine: Any = seeded(job.own_seed)(type("Life", (Life,), {"store": store, "scene": kept}))
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=examples, stateful_step_count=40, deadline=None, database=None,
                    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
                ),
            )  # fmt: skip
        except AssertionError as error:
            figures.problems.append(f"a life: {error}")
    Teller(say, job).tell("done", figures, is_last=True)
    return figures


def batches(job: Job, say: Callable[[str], None]) -> Figures:
    """Workers that are killed in the middle of batches; on PostgreSQL its server is stopped at once with each."""
    figures, teller = Figures(), Teller(say, job)
    for n in range(max(1, job.own_runs // _RUNS_A_BATCH)):
        seed = job.own_seed + n
        if job.engine == "sqlite":
            with ground() as (_, store, folder):
                store.reset()
                _batch(figures, folder / "bank", seed, lambda: None)
        else:
            with restartable() as server, tempfile.TemporaryDirectory(prefix="paydesk-prove-") as name:
                _batch(figures, Path(name) / "bank", seed, partial(_restart, server))
        teller.tell(f"{n + 1} batches of {_TOGETHER}", figures)
    teller.tell("done", figures, is_last=True)
    return figures


def _restart(server: postgres.Server) -> None:
    server.restart()
    db.engine.dispose()


def _batch(figures: Figures, path: Path, seed: int, between: Callable[[], None]) -> None:
    bank = FileBank(path)
    organisation_id = workers.queue_up(_TOGETHER)
    figures.deaths += workers.batch(
        bank, organisation_id, _TOGETHER, kills=_KILLS, seed=seed, between=between
    )
    workers.finish(bank, organisation_id)
    figures.runs += 1
    figures.ledger_checks += 1
    figures.doubles += sum(n > 1 for n in bank.debits().values())
    figures.lost += _TOGETHER - len(bank.debits())
    figures.problems += [
        f"batch, seed {seed}: {text}" for text in workers.problems(bank, organisation_id, _TOGETHER)
    ]


def weekly_runs(job: Job, say: Callable[[str], None]) -> Figures:
    """Runs of drivers' weeks that are killed at random moments, come late, and are done by two at once."""
    figures, teller = Figures(), Teller(say, job)
    count = max(1, job.own_runs // _RUNS_A_WEEK)
    with ground(job.engine) as (_, store, _folder):
        for found in weeks.kills(store, _DRIVERS, count, job.own_seed):
            figures.add(found)
            teller.tell(f"of {count} weekly runs of {_DRIVERS} drivers", figures)
        teller.tell("done", figures, is_last=True)
    return figures


#: Name of each part, and what it does.
PARTS: dict[str, Callable[[Job, Callable[[str], None]], Figures]] = {
    "a death at every event": every_event,
    "processes that exit at an event": deaths,
    "messages in every order": orders,
    "faults of the provider F1–F24": mixes,
    "batches under fire": batches,
    "weekly runs that die": weekly_runs,
    "whole lives": lives,
}
