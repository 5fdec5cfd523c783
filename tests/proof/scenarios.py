"""What the pages, the ledger and the owner's mails say when a provider behaves badly: `./paydesk prove --scenarios`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine

from tests.factories.people import actor_of
from tests.proof import door, nemesis
from tests.proof.desk import Desk, Moment
from tests.proof.rounds import START, lift_halts
from webapp.connections import simulated
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.payouts import policies
from webapp.payouts.brakes import lifting
from webapp.people.models import User
from webapp.simulator import webhooks
from webapp.simulator.server import Running

DAY = 24 * 60


def answer_lost(desk: Desk) -> list[str]:
    """The provider takes the transfer in; its answer never comes."""
    desk.running.sim.plan.add("F3", provider="cashfree", endpoint="transfers.create")
    desk.go_on()
    desk.look("the answer did not come")
    desk.go_on(minutes=10)
    desk.look("10 minutes later")
    return desk.problems()


def server_error(desk: Desk) -> list[str]:
    """The provider takes the transfer in and answers HTTP 502."""
    desk.running.sim.plan.add("F4", provider="cashfree", endpoint="transfers.create")
    desk.go_on()
    desk.look("HTTP 502")
    desk.go_on(minutes=10)
    desk.look("10 minutes later")
    return desk.problems()


def not_found_first(desk: Desk) -> list[str]:
    """No answer, then 404 for ten minutes, then SUCCESS: nothing was sent again meanwhile."""
    desk.running.sim.plan.add("F3", provider="cashfree", endpoint="transfers.create")
    desk.running.sim.plan.add(
        "F18", provider="cashfree", endpoint="transfers.create", parameters={"seconds": 600}
    )
    desk.go_on(minutes=4)
    desk.look("404, 4 minutes later")
    desk.go_on(minutes=60)
    desk.look("an hour later")
    return desk.problems()


def returned(desk: Desk) -> list[str]:
    """SUCCESS, and three days later the payee's bank sends the money back."""
    desk.running.sim.plan.add("F19", provider="cashfree", endpoint="transfers.create")
    desk.go_on(minutes=60)
    desk.look("SUCCESS")
    desk.go_on(minutes=4 * DAY, until="reversed")
    desk.look("REVERSED, 3 days later")
    return desk.problems(back=1)


def revived(desk: Desk) -> list[str]:
    """FAILED for good (the account is blocked), and a quarter of an hour later SUCCESS after all."""
    _revive(desk, "ACCOUNT_BLOCKED")
    desk.go_on(minutes=5, until="failed")
    desk.look("FAILED")
    desk.go_on(minutes=2 * DAY)
    desk.look("SUCCESS after all")
    desk.settle_review("moved")
    desk.go_on()
    desk.look("two people settled it")
    lift_halts(desk.organisation_id)
    desk.go_on(minutes=DAY)
    desk.look("a day later")
    return desk.problems()


def revived_too_late(desk: Desk) -> list[str]:
    """FAILED for now, so it was tried again and paid; days later the provider takes its word back.

    Its definite no was not true; nobody can prevent that. The second payment is noticed, and people settle it.
    """
    _revive(desk, "BENEFICIARY_BANK_OFFLINE", seconds=2 * DAY * 60)
    desk.go_on(minutes=2)
    desk.look("FAILED")
    desk.go_on(minutes=DAY)
    desk.look("the second try, paid")
    desk.go_on(minutes=2 * DAY)
    desk.look("the first one: SUCCESS after all")
    desk.settle_review("moved")
    desk.go_on()
    desk.look("two people settled it")
    return desk.problems(left=2)


def _revive(desk: Desk, code: str, seconds: int = 900) -> None:
    desk.running.sim.plan.add(
        "F20", provider="cashfree", endpoint="transfers.create", parameters={"seconds": seconds, "code": code}
    )


def messages_twice(desk: Desk) -> list[str]:
    """Every message comes twice, and all of them again in the wrong order."""
    sim = desk.running.sim
    with door.open_door(sim, simulated.CASHFREE["client_id"], desk.uid):
        sim.plan.add("F21", times=0, parameters={"how": "duplicate"})
        desk.go_on(minutes=10)
        desk.look("each message came twice")
        for row in reversed(door.messages(sim)):
            sim.store.write("UPDATE webhooks SET state = 'waiting', attempts = 0, due_at = ? WHERE id = ?",
                            (sim.clock.now(), row["id"]))  # fmt: skip
            webhooks.deliver_due(sim)
        desk.go_on(minutes=10)
        desk.look("all again, the last one first")
        sent = door.messages(sim)
        problems = [f"{r['event']} was answered {r['answer']}" for r in sent if r["answer"] != "HTTP 200"]
        problems += [] if len(sent) == 4 else [f"{len(sent)} messages were sent"]
        return [*problems, *door.problems(sim), *desk.problems()]


def restored(desk: Desk, store: Any) -> list[str]:
    """The copy was made when the transfer was about to leave; when it is put back the owner has the money."""
    desk.submit()
    return _put_back(desk, store, strangers=0)


def restored_before(desk: Desk, store: Any) -> list[str]:
    """The copy was made before anybody had said that the payout is to leave: its transfer is in no copy."""
    return _put_back(desk, store, strangers=1)


def _put_back(desk: Desk, store: Any, *, strangers: int) -> list[str]:
    kept = store.keep()
    desk.look("the copy is made")
    desk.go_on(minutes=10)
    desk.look("10 minutes later, paid")
    db.session.remove()
    store.put_back(kept)
    make_safe()
    # What the copy does not know of was said all the same.
    desk.forget_mails()
    desk.look("the copy is put back")
    desk.go_on(minutes=5)
    desk.look("the provider was asked")
    lift_with_two(desk)
    desk.go_on(minutes=2 * DAY)
    desk.look("two people lifted the halt")
    return desk.problems(strangers=strangers)


def make_safe() -> None:
    """What `paydesk restore` does with every database that it has filled."""
    from webapp.kernel.actor import Actor
    from webapp.operations import restore

    made_at = (utc_now() - timedelta(minutes=10)).isoformat(timespec="minutes")
    described: Any = type("Described", (), {"made_at": made_at, "paydesk": "this one"})
    restore._make_safe(described, Actor(None, "paydesk restore"), utc_now())


def lift_with_two(desk: Desk) -> None:
    """One asks for the halt to be lifted, another one confirms."""
    first, second = (actor_of(db.session.get_one(User, user_id)) for user_id in desk.admins)
    db.session.rollback()
    common: dict[str, Any] = {"organisation_id": desk.organisation_id}
    with transaction():
        wish = lifting.resume(
            **common, rail=policies.EVERY_RAIL, reason="The provider was asked.", actor=first, now=utc_now()
        )
        lift_id = wish.id if wish else 0
    with transaction():
        lifting.confirm(**common, lift_id=lift_id, actor=second, now=utc_now())


SCENARIOS: dict[str, Callable[..., list[str]]] = {
    "accepted, and the answer is lost": answer_lost,
    "5xx after it was accepted": server_error,
    "404 that later becomes SUCCESS": not_found_first,
    "SUCCESS, then REVERSED": returned,
    "FAILED, then SUCCESS": revived,
    "FAILED, tried again, then SUCCESS of both": revived_too_late,
    "messages twice and in the wrong order": messages_twice,
    "the database is put back to a copy of ten minutes ago": restored,
    "the same, from before the payout was sent": restored_before,
}


@contextmanager
def _desk(store: Any, running: Running) -> Iterator[Desk]:
    store.reset()
    with time_machine.travel(START, tick=False) as clock:
        running.sim.reset()
        yield Desk(running, clock)
    db.session.remove()


def play(name: str, store: Any, running: Running) -> tuple[list[Moment], list[str]]:
    """One scenario on an empty database: what was seen, and what is wrong."""
    story = SCENARIOS[name]
    with _desk(store, running) as desk:
        problems = story(desk, store) if story in (restored, restored_before) else story(desk)
        return desk.moments, problems


def print_all(store: Any, say: Callable[[str], None]) -> int:
    """Play and print every scenario; answers how many problems there were."""
    found = 0
    with nemesis.simulator() as running:
        for number, name in enumerate(SCENARIOS, 1):
            moments, problems = play(name, store, running)
            say(f"\n{number}. {name}. {(SCENARIOS[name].__doc__ or '').strip()}\n")
            say(_table(moments))
            for problem in problems:
                say(f"found: {problem}")
            say(
                f"\nMoney {moments[-1].at_the_bank}; the ledger check is {'green' if not problems else 'not green'}."
            )
            found += len(problems)
    return found


_HEADS = (
    ("", 15), ("The payout's page", 36), ("The owner's page", 34), ("Ledger", 30), ("Mail to the owner", 46),
    ("Bank", 12),
)  # fmt: skip


def _table(moments: Sequence[Moment]) -> str:
    widths = [width for _, width in _HEADS]
    line = "-+-".join("-" * width for width in widths)
    text = [_row([[head] for head, _ in _HEADS], widths), line]
    for m in moments:
        cells = [[m.when], [m.page], [m.owner_page], m.ledger, m.mails or ["–"], [m.at_the_bank]]
        text += [_row(cells, widths), line]
    return "\n".join(text)


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    wrapped = [
        [part for words in cell for part in textwrap.wrap(words, width)]
        for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(len(cell) for cell in wrapped)
    return "\n".join(
        " | ".join(
            (cell[n] if n < len(cell) else "").ljust(w) for cell, w in zip(wrapped, widths, strict=True)
        ).rstrip()
        for n in range(height)
    )
