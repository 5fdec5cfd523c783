"""The long form of the proof, with figures: `./paydesk prove [--runs N] [--seed S] [--jobs N] [--database ENGINE]`.

Everything happens in databases of its own, which are thrown away. Exit code 1: something was found.
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.proof import scenarios
from tests.proof.figures import Figures
from tests.proof.ground import ENGINES, ground
from tests.proof.parts import PARTS, Job, every_event


def _say(text: str) -> None:
    print(text, flush=True)


def carry_out(part: Callable[[Job, Callable[[str], None]], Figures], jobs: Sequence[Job]) -> Figures:
    """Each job in a process of its own, side by side; what they found together."""
    pipes = [_begin(part, job) for job in jobs]
    found = Figures()
    try:
        return _hear(pipes, found)
    except BaseException:
        # Whoever is interrupted leaves nothing behind: the jobs tidy up and end.
        for pid, _ in pipes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        raise


def _hear(pipes: Sequence[tuple[int, int]], found: Figures) -> Figures:
    for pid, read in pipes:
        with os.fdopen(read, "rb") as answers:
            said = answers.read()
        os.waitpid(pid, 0)
        # A job's own words; one that ended without any has broken down.
        found.add(pickle.loads(said) if said else Figures(problems=["a job of the proof broke down"]))
    return found


def _begin(part: Callable[[Job, Callable[[str], None]], Figures], job: Job) -> tuple[int, int]:
    read, write = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    code = 1
    try:
        os.close(read)
        found = pickle.dumps(part(job, _say))
        with os.fdopen(write, "wb") as answers:
            answers.write(found)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, the first one to the left; the first row is the heads."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _figures(rows: Sequence[tuple[str, Figures, float]]) -> str:
    heads = ("trial", "runs", "deaths", "doubles", "lost", "ledger checks", "problems", "seconds")
    return table([heads] + [
        (name, f"{f.runs:,}", f"{f.deaths:,}", str(f.doubles), str(f.lost), f"{f.ledger_checks:,}",
         str(len(f.problems)), f"{seconds:,.0f}")
        for name, f, seconds in rows
    ])  # fmt: skip


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="paydesk prove", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=2000, help="Processes that exit (default 2000; 20000 is the bar)."
    )
    parser.add_argument("--seed", type=int, default=1, help="Another seed, other events, faults and orders.")
    parser.add_argument(
        "--jobs", type=int, default=1, help="So many processes side by side, each its own seed."
    )
    parser.add_argument(
        "--database", choices=ENGINES, default="sqlite", help="The engine; PostgreSQL comes with it."
    )
    parser.add_argument(
        "--scenarios",
        action="store_true",
        help="Only: what pages, ledger and mails say when a provider errs.",
    )
    options = parser.parse_args(words)
    if options.runs < 1 or options.jobs < 1:
        parser.error("--runs and --jobs are at least 1")
    return options


def main(words: Sequence[str] | None = None) -> int:
    """Run everything that was asked for and print the figures."""
    options = _options(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.scenarios:
        with ground(options.database) as (_, store, _folder):
            return 1 if scenarios.print_all(store, _say) else 0
    jobs = [Job(options.runs, options.seed, options.database, n, options.jobs) for n in range(options.jobs)]
    rows: list[tuple[str, Figures, float]] = []
    total = Figures()
    for name, part in PARTS.items():
        if part is every_event and options.database != "sqlite":
            continue  # what a dead process leaves behind in files can be copied where the database is a file
        _say(f"{name}, {options.database}, seeds {options.seed} to {jobs[-1].own_seed}")
        began = time.monotonic()
        found = carry_out(part, jobs)
        rows.append((name, found, time.monotonic() - began))
        total.add(found)
        for problem in found.problems[:50]:
            _say(f"found: {problem}")
    _say("")
    _say(_figures([*rows, ("in all", total, sum(seconds for *_, seconds in rows))]))
    _say(f"\nFaults met: {', '.join(f'{name} {n}' for name, n in sorted(total.faults.items()))}.")
    _say(
        f"Seed {options.seed}. Double transfers: {total.doubles}. Lost: {total.lost}. "
        f"Problems: {len(total.problems)}."
    )
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
