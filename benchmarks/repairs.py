"""The weekly run of a taxi fleet: 50,000 instalments charged, 5,000 receipts made, and the list of what is to come."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import timedelta

from benchmarks import memory, watch
from benchmarks.frame import FLAT, LINEAR, Figure, at_most, growth, in_turns, median_of, timed
from benchmarks.ground import Ground, reading
from benchmarks.taxis import PLANS, Fleet
from webapp.ledger import check
from webapp.programs.repairs import lists
from webapp.web import listing

NAME = "repairs"
RUN_GOAL, PAGE_GOAL, MEMORY_GOAL = 60, 10, 64
#: Plans of each driver in the run that makes receipts.
FEW = 3
#: Weeks of every plan that the list is full of.
WEEKS = 20


def run(ground: Ground) -> Iterator[Figure]:
    """Charging, receipts, the list; the goals of time are PostgreSQL's."""
    drivers = ground.size(12, 5_000)
    yield from _posting(ground, drivers)
    yield from _receipts(ground, drivers)
    yield from _list(ground, ground.size(12, 500, 5_000))


def _posting(ground: Ground, drivers: int) -> Iterator[Figure]:
    """What is due of all drivers, as the run charges it, against bare statements that write the same rows."""
    ours, bare = Fleet(ground, "taxis", drivers), Fleet(ground, "taxis_bare", drivers, is_bare=True)
    small = Fleet(ground, "taxis_few", max(1, drivers // 10))
    for fleet in (ours, bare, small):
        _post(fleet, is_bare=fleet is bare)
    rounds = min(ground.rounds, 5)
    weeks = [(ours.add_week(), bare.add_week()) for _ in range(rounds)]
    pair = in_turns(lambda n: ours.post(weeks[n][0]), lambda n: bare.post_bare(weeks[n][1]), rounds)
    due = drivers * PLANS
    is_server = ground.engine == "postgresql"
    yield Figure(NAME, f"{due:,} instalments of {drivers:,} drivers", ground.engine, due / pair.ours, "per s",
                 due / pair.floor, pair.ratio, at_most(2) if is_server else None,
                 "floor: INSERT … SELECT of charges, entries, postings; UPDATE; no guards")  # fmt: skip
    points = [
        (each.drivers * PLANS, median_of(lambda each=each: _post(each), min(3, rounds)))  # type: ignore[misc]
        for each in (small, ours)
    ]
    yield growth(NAME, "charging", ground.engine, points, LINEAR)
    used = [(each.drivers * PLANS, _megabytes(each)) for each in (small, ours)]
    yield Figure(NAME, f"{due:,} instalments: memory", ground.engine, used[-1][1], "MB",
                 goal=at_most(MEMORY_GOAL, "ours"))  # fmt: skip
    _check(ours)


def _post(fleet: Fleet, *, is_bare: bool = False) -> None:
    day = fleet.add_week()
    if is_bare:
        fleet.post_bare(day)
    elif (posted := fleet.post(day)) != fleet.drivers * fleet.plans:
        raise RuntimeError(f"{posted} instalments were charged")


def _megabytes(fleet: Fleet) -> float:
    day = fleet.add_week()
    return memory.megabytes(fleet.app, lambda: fleet.post(day))


def _receipts(ground: Ground, drivers: int) -> Iterator[Figure]:
    """A whole run: instalments of the week that begins, receipts and payouts of the week before; no documents."""
    points = []
    for each in (max(1, drivers // 10), drivers):
        fleet = Fleet(ground, f"receipts_{each}", each, plans=FEW)
        _run(fleet)
        points.append((each, statistics.median(_run(fleet) for _ in range(min(3, ground.rounds)))))
        _check(fleet)
    seconds = points[-1][1]
    yield Figure(NAME, f"a run with {drivers:,} receipts and payouts", ground.engine, seconds, "s",
                 goal=at_most(RUN_GOAL, "ours"), note=f"{FEW} instalments, 4 other lines each")  # fmt: skip
    yield growth(NAME, "the run", ground.engine, points, LINEAR)


def _run(fleet: Fleet) -> float:
    """Seconds of the next week's run; the first one has no week before it."""
    day = fleet.add_week()
    fleet.earn(day)
    seconds = timed(lambda: fleet.run_week(day))
    if fleet.week > 1 and fleet.made(day - timedelta(days=7)) != (fleet.drivers, fleet.drivers):
        raise RuntimeError(f"the run made {fleet.made(day - timedelta(days=7))} receipts and payouts")
    return seconds


def _list(ground: Ground, drivers: int) -> Iterator[Figure]:
    """Pages of what is not charged yet, where very much is planned and a part of it is on hold."""
    small, many = Fleet(ground, "list_few", max(1, drivers // 10)), Fleet(ground, "list", drivers)
    for fleet in (small, many):
        fleet.plan(WEEKS)
    size = drivers * PLANS * WEEKS
    pages = {
        "unposted": (lists.UNPOSTED, False), "unposted, far page": (lists.UNPOSTED, True),
        "due": (lists.DUE, False), "due, far page": (lists.DUE, True),
    }  # fmt: skip
    for name, (state, is_far) in pages.items():
        cost = _page(ground, many, state, is_far=is_far)
        is_missed = not at_most(PAGE_GOAL).is_met(cost.milliseconds)
        yield Figure(NAME, f"list of instalments, {name}, {size:,}", ground.engine, cost.milliseconds, "ms",
                     goal=at_most(PAGE_GOAL, "ours"), detail=cost.plan if is_missed else "")  # fmt: skip
    points = [
        (each.drivers * PLANS * WEEKS, _page(ground, each, lists.UNPOSTED, is_far=True).milliseconds)
        for each in (small, many)
    ]
    yield growth(NAME, "list of instalments, unposted", ground.engine, points, FLAT)


def _page(ground: Ground, fleet: Fleet, state: str, *, is_far: bool) -> watch.Cost:
    """The first page, or one in the middle."""
    with fleet.app.app_context(), reading():
        chosen = lists.InstalmentFilter(state=state, today=fleet.first + timedelta(weeks=WEEKS - 1))
        found = lists.instalments(fleet.organisation, chosen)
        after = fleet.middle() if is_far else None
        asked = watch.asked_by(lambda: listing.page(found, found.default, size=50, after=after))
        return watch.cost_of(asked, ground.rounds)


def _check(fleet: Fleet) -> None:
    with fleet.app.app_context():
        if found := check.run(fleet.organisation).findings:
            raise RuntimeError(f"the ledger is not in order: {found[0]}")
