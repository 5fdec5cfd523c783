"""Lists of very many payouts: the database's own time for every page, for the cards and for totals.

Each page is opened once as a browser does; then the statements that it asked are asked again by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from benchmarks import crowd, watch
from benchmarks.crowd import Crowd
from benchmarks.frame import FLAT, Figure, at_most, growth
from benchmarks.ground import Ground, reading
from webapp.payouts import figures, lists

NAME = "lists"
PAGE_GOAL, CARD_GOAL, QUERIES_GOAL = 10, 2, 12
#: Pages that show a list, with the portal's person.
PAGES = {
    "all payouts": "/admin/payouts",
    "far page": "/admin/payouts?after={middle}",
    "paid": "/admin/payouts?status=paid",
    "approved": "/admin/payouts?status=approved",
    "still open": "/admin/payouts?status=open",
    "on hold": "/admin/payouts?status=held",
    "waiting for details": "/admin/payouts?status=no_method",
    "of one payee": "/admin/payouts?payee=TE-10015",
    "by period": "/admin/payouts?period_from=2026-01-01&period_to=2026-01-31",
    "by period, newest": "/admin/payouts?period_from=2026-10-01",
    "by amount": "/admin/payouts?amount_from=570.00",
    "by a rare amount": "/admin/payouts?amount_from=579.70",
    "by reference": "/admin/payouts?q=PO-2026-10000777",
    "approvals, ready": "/admin/approvals?view=ready",
    "approvals, blocked": "/admin/approvals?view=blocked",
    "approvals, flagged": "/admin/approvals?view=flagged",
    "payees": "/admin/payees",
    "own payouts of a payee": "/technician/payouts",
}
#: Asked after the rows of a page, when it stands already: no goal, but to be known.
AFTER = {"approvals, counts after the rows": "/admin/approvals/counts?view=ready"}


def run(ground: Ground) -> Iterator[Figure]:
    """Pages, cards, totals, and how the first page grows."""
    size = ground.size(400, 100_000, 1_000_000)
    full = crowd.gather(ground, size)
    with full.app.app_context():
        yield from _pages(ground, full)
        yield from _cards(ground, full)
    sizes = [size // 10] if ground.is_quick else [10_000, 100_000] if ground.is_full else [10_000]
    points = [(float(n), _first_page(crowd.gather(ground, n), ground.rounds)) for n in sizes]
    points.append((float(size), _first_page(full, ground.rounds)))
    yield growth(NAME, "all payouts, far page, approvals", ground.engine, points, FLAT)


def _open(many: Crowd, address: str) -> watch.Asked:
    """What a page asks; raises RuntimeError when it does not open."""
    who = many.technician if address.startswith("/technician") else many.admin
    client = many.client(who)
    client.get(address)

    def get() -> None:
        response = client.get(address)
        if response.status_code != 200:
            raise RuntimeError(f"{address} answered {response.status_code}")

    return watch.asked_by(get)


def _pages(ground: Ground, many: Crowd) -> Iterator[Figure]:
    queries = 0
    for name, address in PAGES.items():
        asked = _open(many, address.format(middle=many.payouts // 2))
        queries = max(queries, len(asked.statements))
        cost = watch.cost_of(asked, ground.rounds)
        yield _figure(ground, f"{name}, {many.payouts:,}", cost, PAGE_GOAL)
    for name, address in AFTER.items():
        yield _figure(
            ground, f"{name}, {many.payouts:,}", watch.cost_of(_open(many, address), ground.rounds), None
        )
    yield Figure(NAME, "most queries of a page", ground.engine, queries, "queries",
                 goal=at_most(QUERIES_GOAL, "ours"))  # fmt: skip


def _cards(ground: Ground, many: Crowd) -> Iterator[Figure]:
    organisation, now = many.organisation, datetime(2026, 11, 20, 12, tzinfo=UTC)
    everything = lists.payouts(organisation_id=organisation.id, currency="USD", now=now)
    paid = lists.payouts(organisation_id=organisation.id, currency="USD", now=now,
                         filters=lists.PayoutFilter(status="paid"))  # fmt: skip
    cards: dict[str, Callable[[], object]] = {
        "card: open by state": lambda: figures.waiting_by_state(organisation.id),
        "card: what is stopped": lambda: figures.stopped_counts(organisation.id),
        "card: how long they wait": lambda: figures.approval_ages(organisation.id, now),
    }
    sums: dict[str, Callable[[], object]] = {
        "chart: paid by month": lambda: figures.paid_by_month(
            organisation_id=organisation.id, currency="USD", today=now.date()
        ),
        "totals of all": lambda: lists.totals(everything),
        "totals of the paid": lambda: lists.totals(paid),
    }
    for name, card in (cards | sums).items():
        with reading():
            cost = watch.cost_of(watch.asked_by(card), ground.rounds)
        yield _figure(ground, f"{name}, {many.payouts:,}", cost, CARD_GOAL if name in cards else None)


def _figure(ground: Ground, name: str, cost: watch.Cost, goal: float | None) -> Figure:
    bound = None if goal is None else at_most(goal, "ours")
    is_missed = bound is not None and not bound.is_met(cost.milliseconds)
    return Figure(NAME, name, ground.engine, cost.milliseconds, "ms", goal=bound,
                  detail=f"{cost.dearest:.1f} ms of it:\n{cost.plan}" if is_missed else "")  # fmt: skip


def _first_page(many: Crowd, rounds: int) -> float:
    with many.app.app_context():
        addresses = [PAGES[name] for name in ("all payouts", "far page", "approvals, ready")]
        asked = [_open(many, address.format(middle=many.payouts // 2)) for address in addresses]
        return sum(watch.cost_of(each, rounds).milliseconds for each in asked)
