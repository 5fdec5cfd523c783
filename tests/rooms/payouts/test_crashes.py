"""Whatever line the worker dies before, the payout is paid once."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask

from tests import factories
from tests.factories.payouts import payout_sent
from tests.rooms.payouts import crashing
from tests.rooms.payouts.crashing import START, ForgetfulBank
from webapp.database import db
from webapp.ledger import check
from webapp.people.models import Organisation
from webapp.providers import registry
from webapp.providers.ports import Outcome

# Every how many lines a crash is tried; all of them (and more faults) are tried by the long programme.
STRIDE = 13


def _lines(organisation_id: int, rounds: int) -> int:
    """How many lines a worker executes in its n-th round."""
    with time_machine.travel(START, tick=False) as clock, registry.using("sandbox", ForgetfulBank()):
        payout_sent(db.session.get_one(Organisation, organisation_id), now=START)
        for _ in range(rounds - 1):
            crashing.drain()
            clock.shift(45)
        return crashing.count_lines(crashing.drain)


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("fault", ["", "time-out", "broken", "lost", "refused connection"])
def test_a_payout_is_paid_once_wherever_the_worker_dies(database: Flask, fault: str, rounds: int) -> None:
    organisation_id = factories.organisation().id
    offset = sum(map(ord, fault)) % STRIDE + 1  # each fault tries other lines
    lines = _lines(organisation_id, rounds)
    assert lines > 60
    for k in range(offset, lines + 1, STRIDE):
        bank = ForgetfulBank(fault)
        payout = crashing.pay_with_a_crash(organisation_id, bank, k, rounds)
        assert payout.state == "paid", (k, payout.state)
        assert list(bank.debits.values()) == [1], k
        db.session.rollback()
    assert check.run(organisation_id).findings == []


def test_a_failure_is_booked_once_wherever_the_worker_dies(database: Flask) -> None:
    organisation_id = factories.organisation().id
    for k in range(3, _lines(organisation_id, 2) + 1, 2 * STRIDE):
        bank = ForgetfulBank(outcome=Outcome.FAILED)
        payout = crashing.pay_with_a_crash(organisation_id, bank, k, rounds=2)
        assert payout.state == "failed"
        assert list(bank.debits.values()) == [1]
        db.session.rollback()
    assert check.run(organisation_id).findings == []


def test_the_trial_would_notice_a_worker_that_sends_again(
    database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of the test: with "unknown means send again" the same crashes pay twice."""
    from webapp.payouts import recovery, settlement
    from webapp.payouts.models import Transfer

    def naive(*, clock: object = None) -> int:
        from webapp.database import transaction
        from webapp.kernel.clock import utc_now

        with transaction() as session:
            for transfer in session.query(Transfer).filter_by(state="submitting"):
                settlement.requeue(transfer, utc_now())
        return 0

    monkeypatch.setattr(recovery, "reap_leases", naive)
    organisation_id = factories.organisation().id
    debits = []
    for k in range(1, _lines(organisation_id, 1) + 1, STRIDE):
        bank = ForgetfulBank("time-out")
        crashing.pay_with_a_crash(organisation_id, bank, k)
        debits += bank.debits.values()
        db.session.rollback()
    assert max(debits) > 1
