"""Runs benchmarks by name and prints a line per measurement, at the end one table. See docs/performance.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from textwrap import indent

from benchmarks.frame import Figure, line, table
from benchmarks.ground import ENGINES, Ground, ground

# Name -> engines that make a difference to it.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "ledger_posting": ENGINES,
    "hot_wallet": ENGINES,
    "lists": ENGINES,
    "page": ENGINES,
    "statements": ("sqlite",),
    "queue": ENGINES,
    "exports": ENGINES,
    "sending": ENGINES,
    "reconciliation": ENGINES,
    "webhooks": ENGINES,
    "clinic": ENGINES,
    "repairs": ENGINES,
    "repairs_files": ENGINES,
    "partners": ENGINES,
}


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="paydesk bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="Little data, once: shows that all of them work.")
    size.add_argument("--full", action="store_true", help="The largest sizes: 1,000,000 payouts.")
    parser.add_argument("--database", choices=ENGINES, help="One of them; both when left out.")
    parser.add_argument("--json", action="store_true", help="Print a list of objects instead of the table.")
    options = parser.parse_args(words)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(
            f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    return options


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> list[Figure]:
    """Every figure that was asked for, said as it comes."""
    names = options.names or list(BENCHMARKS)
    figures: list[Figure] = []
    for engine in [options.database] if options.database else ENGINES:
        wanted = [n for n in names if engine in BENCHMARKS[n] or options.database]
        if not wanted:
            continue
        with ground(engine, is_quick=options.quick, is_full=options.full) as place:
            for name in wanted:
                run: Callable[[Ground], Iterator[Figure]] = import_module(f"benchmarks.{name}").run
                for figure in run(place):
                    figures.append(figure)
                    say(line(figure))
                    if figure.detail:
                        say(indent(figure.detail, "    "))
    return figures


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 also where a goal is missed: a measurement informs, it does not judge. 1: it broke."""
    options = _arguments(words)
    stream = sys.stderr if options.json else sys.stdout
    figures = measure(options, lambda text: print(text, file=stream, flush=True))
    if options.json:
        print(json.dumps([figure.as_dict() for figure in figures], ensure_ascii=False))
        return 0
    missed = sum(figure.is_met is False for figure in figures)
    with_goal = sum(figure.goal is not None for figure in figures)
    print(f"\n{table(figures)}\n\n{with_goal - missed} of {with_goal} goals met.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
