"""Eight writers take from one wallet that may not fall below zero."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count

from flask import Flask

from benchmarks import books
from benchmarks.frame import Figure, at_least, in_turns, median_of
from benchmarks.ground import Ground
from webapp.database import db

NAME = "hot wallet"
WRITERS = 8
_keys = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """Single transfers by eight writers, and a run of many by one; the goals are PostgreSQL's."""
    is_server = ground.engine == "postgresql"
    ours, bare = books.ledger(ground, "hot"), books.ledger(ground, "hot_bare", is_bare=True)
    transfers = ground.size(2, 75) * WRITERS
    pair = in_turns(
        lambda n: _by_writers(ours, transfers, _post),
        lambda n: _by_writers(bare, transfers, _last),
        ground.rounds,
    )
    last = transfers / pair.floor
    yield Figure(NAME, f"{WRITERS} writers, one each", ground.engine, transfers / pair.ours, "per s", last,
                 1 / pair.ratio, at_least(0.8) if is_server else None, "floor: conditional UPDATE last")  # fmt: skip
    many = ground.size(100, 10_000)

    def at_once() -> None:
        with ours.app_context():
            key = next(_keys)
            books.post_many([books.draft(f"m{key}-{i}", "wallet:0", "bank", 1) for i in range(many)])

    rate = many / median_of(at_once, ground.rounds)
    yield Figure(NAME, f"a run of {many:,}", ground.engine, rate, "per s", last, rate / last,
                 at_least(10) if is_server else None, "floor: conditional UPDATE last")  # fmt: skip


def _post(key: str) -> None:
    books.post(books.draft(key, "wallet:0", "bank", 1))


def _last(key: str) -> None:
    with db.engine.begin() as connection:
        books.conditional_update_last(connection, key, 2)


def _by_writers(app: Flask, transfers: int, move: Callable[[str], None]) -> None:
    """`transfers` moves, shared by eight threads. Raises what a writer raised."""
    errors: list[BaseException] = []
    prefix = next(_keys)

    def write(first: int) -> None:
        try:
            with app.app_context():
                for i in range(first, transfers, WRITERS):
                    move(f"h{prefix}-{i}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
