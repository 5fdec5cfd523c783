"""The long form of the proof, with figures: `./paydesk prove [--runs N] [--seed S]`.

Everything happens in databases of its own, which are thrown away. Exit code 1: something was found.
"""

from __future__ import annotations

import argparse
import base64
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import upgrade

from tests.conftest import SqliteFile, _wait_for_no_disk
from tests.proof import messages, nemesis
from tests.proof.bank import FAULTS, OUTCOMES
from tests.proof.trials import STAGES, Case, Figures, Stage
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.people.throttle import limiter


@contextmanager
def ground() -> Iterator[tuple[Flask, SqliteFile, Path]]:
    """An application on an empty database of its own in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="paydesk-prove-") as name:
        folder = Path(name)
        store = SqliteFile(folder)
        app = create_app(
            Settings(
                PAYDESK_ENV="test", PAYDESK_HOME=folder, DATABASE_URL=store.url, SECRET_KEY="proof-" * 8,
                PAYDESK_FIELD_KEYS="p1:" + base64.b64encode(bytes(32)).decode(),
                PAYDESK_INDEX_KEY="proof index " * 4, SANDBOX_SETTLE_SECONDS=0, LOG_LEVEL="CRITICAL",
            )
        )  # fmt: skip
        limiter.enabled = False
        with app.app_context():
            from sqlalchemy import event

            event.listen(db.engine, "connect", _wait_for_no_disk)
            upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
            store.freeze()
            yield app, store, folder
            db.session.remove()
            db.engine.dispose()


def all_cases() -> list[Case]:
    """Every step with every fault and every outcome."""
    return [
        Case(s, f, o) for s in STAGES for f in FAULTS for o in OUTCOMES if s != "retry" or o == "bank away"
    ]


def crashes(runs: int, seed: int, say: Callable[[str], None]) -> Figures:
    """Deaths at events chosen by the seed, spread over every step, fault and outcome."""
    figures, dice = Figures(), random.Random(seed)
    cases = all_cases()
    dice.shuffle(cases)
    each = max(1, -(-runs // len(cases)))
    with ground() as (app, store, folder):
        for n, case in enumerate(cases):
            if figures.runs >= runs:
                break
            stage = Stage(app, store, folder, case)
            events = stage.count()
            figures.events += events
            for k in sorted(dice.sample(range(1, events + 1), min(each, events, runs - figures.runs))):
                stage.trial(k, figures)
            if n % 10 == 9:
                say(f"  {figures.runs:,} of {runs:,} deaths, {len(figures.problems)} problems")
    return figures


def orders(seed: int, share: float) -> Figures:
    """Messages in every order (a share of them), from a slow bank and from one that knows the end."""
    figures, dice = Figures(), random.Random(seed)
    every = sorted(set(permutations((*messages.EVENTS, "TRANSFER_SUCCESS"))))
    with ground() as (_, store, _folder):
        store.reset()
        told = messages.Told(store)
        for order in every:
            if dice.random() > share:
                continue
            for is_slow in (True, False):
                figures.problems += told.tell(order, is_slow=is_slow)
                figures.runs += 1
                figures.ledger_checks += 1
    return figures


def mixes(count: int, seed: int, say: Callable[[str], None]) -> Figures:
    """Each fault of the provider alone, then mixes by seed."""
    figures = Figures()
    with ground() as (_, store, _folder), nemesis.simulator() as running:
        for fault in nemesis.ALL:
            figures.add(nemesis.trial(store, running, (fault,), seed=seed, rate=0.7, payouts=4))
        for n in range(count):
            figures.add(
                nemesis.trial(store, running, nemesis.ALL, seed=seed + n, rate=0.2 + n % 5 * 0.15, payouts=8)
            )
            if n % 20 == 19:
                say(f"  {n + 1} of {count} mixes, {len(figures.problems)} problems")
    return figures


def lives(examples: int, seed: int) -> Figures:
    """Whole lives of payouts in any order of events, by hypothesis."""
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis import seed as seeded
    from hypothesis.stateful import run_state_machine_as_test

    from tests.proof.life import Life, make_scene

    figures = Figures(runs=examples, ledger_checks=examples)
    with ground() as (_, store, _folder):
        store.reset()
        make_scene()
        db.session.remove()
        kept = store.keep()
        machine: Any = seeded(seed)(type("Life", (Life,), {"store": store, "scene": kept}))
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
    return figures


def _table(rows: Sequence[tuple[str, Figures, float]]) -> str:
    heads = ("trial", "runs", "deaths", "doubles", "lost", "ledger checks", "problems", "seconds")
    lines = [heads] + [
        (name, f"{f.runs:,}", f"{f.deaths:,}", str(f.doubles), str(f.lost), f"{f.ledger_checks:,}",
         str(len(f.problems)), f"{seconds:,.0f}")
        for name, f, seconds in rows
    ]  # fmt: skip
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run everything that was asked for and print the figures."""
    parser = argparse.ArgumentParser(prog="paydesk prove", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=2000, help="Deaths of processes (default 2000; 20000 is the bar)."
    )
    parser.add_argument("--seed", type=int, default=1, help="Another seed, other events, faults and orders.")
    options = parser.parse_args(words)
    if options.runs < 1:
        parser.error("--runs is at least 1")

    def say(text: str) -> None:
        print(text, flush=True)

    share = min(1.0, options.runs / 2000)
    parts: list[tuple[str, Callable[[], Figures]]] = [
        ("deaths of processes at any event", lambda: crashes(options.runs, options.seed, say)),
        ("messages in every order", lambda: orders(options.seed, share)),
        ("faults of the provider F1–F22", lambda: mixes(max(1, round(100 * share)), options.seed, say)),
        ("whole lives", lambda: lives(max(1, round(200 * share)), options.seed)),
    ]
    rows: list[tuple[str, Figures, float]] = []
    total = Figures()
    for name, part in parts:
        say(f"{name}, seed {options.seed}")
        began = time.monotonic()
        found = part()
        rows.append((name, found, time.monotonic() - began))
        total.add(found)
    say("")
    say(_table([*rows, ("in all", total, sum(seconds for *_, seconds in rows))]))
    say(f"\nFaults met: {', '.join(f'{name} {n}' for name, n in sorted(total.faults.items()))}.")
    for problem in total.problems[:50]:
        say(f"found: {problem}")
    say(
        f"Seed {options.seed}. Double transfers: {total.doubles}. Lost: {total.lost}. Problems: {len(total.problems)}."
    )
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
