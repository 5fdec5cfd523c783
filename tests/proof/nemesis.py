"""A batch through the real adapter against the provider's simulator, while it does everything wrong that it can.

The simulator moves money for every POST that it takes in, also for an id that it knows: only Paydesk itself keeps a
payout from being paid twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from sqlalchemy import select

from tests import factories
from tests.factories import connections
from tests.factories.payouts import payout_ready
from tests.proof import door, statement
from tests.proof.figures import Figures
from tests.proof.rounds import START, lift_halts, next_instant, work
from webapp.connections import service as accounts_at_providers
from webapp.connections import simulated
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts import policies, service
from webapp.payouts.models import Payout, Transfer
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.providers.models import ProviderAccount
from webapp.simulator.faults import FAULTS
from webapp.simulator.server import Running
from webapp.simulator.settings import Options, Settings

#: Whatever can happen between the two programs: F1 to F24.
ALL = tuple(f.number for f in FAULTS)
_ROUNDS = 90


@contextmanager
def simulator() -> Iterator[Running]:
    """A provider that answers at once where it is well, and moves money twice when it is asked twice."""
    options = Options(
        settle_seconds=5, credit_seconds=5, hang_seconds=0.02, drip_seconds=0, others="succeed", deduplicates=False,
        sends_webhooks=False,  # until there is an address
    )  # fmt: skip
    running = Running(Settings(has_background=False, options=options))
    try:
        yield running
    finally:
        running.close()


def prepare(url: str, payouts: int) -> int:
    """An organisation whose account is at the simulator, with approved payouts to accounts in India."""
    organisation = factories.organisation(currency="INR", timezone="Asia/Kolkata")
    connections.connection(organisation, "cashfree", **simulated.cashfree(url))
    with transaction():
        policies.change_policy(
            organisation_id=organisation.id, actor=factories.FACTORY, now=START,
            rules={**default_rules("INR"), "rails": ["manual", "cashfree"]},
        )  # fmt: skip
    for n in range(payouts):
        payee = factories.payee(organisation)
        factories.method(payee, accounts.ifsc_account(account_number=f"50100{n:09d}", ifsc="HDFC0000001",
                                                      name_at_bank="Asha Rao"))  # fmt: skip
        payout_ready(organisation, payee, 905_600 + n, now=START)
    return organisation.id


def trial(
    store: Any,
    running: Running,
    faults: tuple[str, ...],
    *,
    seed: int,
    rate: float,
    payouts: int,
    how: str = "",
) -> Figures:
    """One batch under faults; answers the figures. Empties the database and the simulator first.

    `how`: every message goes wrong in this way (duplicate, reordered, forged, old, lost), beside the mix.
    """
    figures = Figures(runs=1)
    sim = running.sim
    store.reset()
    with time_machine.travel(START, tick=False) as clock:
        sim.reset()
        organisation_id = prepare(running.url, payouts)
        uid = db.session.scalar(select(ProviderAccount.uid)) or ""
        with door.open_door(sim, simulated.CASHFREE["client_id"], uid):
            _submit_all(organisation_id)
            sim.plan.mix(seed=seed, rate=rate, faults=faults)
            if how:
                sim.plan.add("F21", times=0, parameters={"how": how})
            for _ in range(_ROUNDS):
                _person(organisation_id, running)
                work()
                following = next_instant(utc_now())
                if following is None:
                    break
                clock.move_to(following)
                sim.advance()
            # What the provider still wants to say is said, and looked at.
            clock.shift(timedelta(hours=7))
            sim.advance()
            work()
        where = f"{'+'.join(faults) if len(faults) < len(ALL) else 'all faults'} {how}, seed {seed}"
        _compare(organisation_id, running, figures, where)
    figures.faults.update(dict.fromkeys(faults, 1))
    db.session.remove()
    return figures


def _submit_all(organisation_id: int) -> None:
    with transaction():
        for reference in db.session.scalars(select(Payout.reference)).all():
            service.submit(
                organisation_id=organisation_id, reference=reference, actor=factories.FACTORY, now=utc_now()
            )


def _person(organisation_id: int, running: Running) -> None:
    """Enters the keys that are right now, and lets payments flow again."""
    row = running.sim.client("cashfree", simulated.CASHFREE["client_id"])
    keys = simulated.cashfree(running.url)
    if row is not None and policies.halts(organisation_id):
        keys["client_secret"] = row.secret
        with transaction():
            accounts_at_providers.save(
                organisation_id=organisation_id, provider="cashfree", environment="sandbox", credentials=keys,
                is_trial=True, actor=factories.FACTORY, now=utc_now(),
            )  # fmt: skip
    lift_halts(organisation_id)


def _compare(organisation_id: int, running: Running, figures: Figures, where: str) -> None:
    """The provider's books beside ours."""
    rows = running.sim.store.read(
        "SELECT transfer_id, status, behaviour, amount_minor FROM cashfree_transfers"
    )
    moved: dict[str, list[Any]] = {}
    for row in rows:
        if row["status"] in ("SUCCESS", "REVERSED"):
            moved.setdefault(row["transfer_id"], []).append(row)
    for found in db.session.scalars(select(Payout)):
        mine = [r for t in found.transfers for r in moved.get(t.transfer_id, [])]
        # A failure that the provider takes back after its word is its own doing; people are told of it.
        own = [r for r in mine if not r["behaviour"].startswith("revive")]
        if len(own) > 1:
            figures.doubles += 1
            figures.problems.append(f"{where}: {found.reference} was paid {len(own)} times")
        if any(t.state == "review" for t in found.transfers):
            continue
        if found.state in ("processing", "retry_scheduled"):
            figures.lost += 1
            figures.problems.append(f"{where}: {found.reference} is still {found.state}")
        stays = [r for r in mine if r["status"] == "SUCCESS"]
        if len(stays) != (found.state == "paid") and not (mine and len(own) < len(mine)):
            figures.problems.append(
                f"{where}: {found.reference} is {found.state}, {len(stays)} payments stay"
            )
    unknown = set(moved) - set(db.session.scalars(select(Transfer.transfer_id)))
    figures.problems += [f"{where}: the provider made {i}, which nobody asked for" for i in sorted(unknown)]
    figures.problems += [f"{where}: {text}" for text in door.problems(running.sim)]
    figures.problems += [f"{where}: {text}" for text in statement.problems(running.sim, organisation_id)]
    figures.ledger_checks += 1
    figures.problems += [f"{where}: ledger: {f.message}" for f in check.run(organisation_id).findings]
    db.session.rollback()
