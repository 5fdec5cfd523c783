"""Sending transfers: one worker process with everything it does for safety, against a bare loop over the raw client.

Both talk to the provider's simulator, a process of its own on this machine that answers at once. The bare loop keeps
nothing, checks nothing and forgets what it was answered.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from unittest.mock import patch
from urllib.error import URLError
from urllib.request import urlopen

from flask import Flask
from sqlalchemy import event, select

from benchmarks.frame import Figure, at_least, pair_of, timed
from benchmarks.ground import NOW, Ground
from tests import factories
from tests.factories.payouts import payout_ready
from webapp.connections import service as connections
from webapp.connections import simulated
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_transfer_id
from webapp.payouts import policies, service
from webapp.payouts.models import Payout
from webapp.payouts.policy import default_rules
from webapp.people import accounts
from webapp.people.models import Organisation
from webapp.providers.accounts import find_access
from webapp.providers.cashfree import client

NAME = "sending"
_batches = count(1)


def run(ground: Ground) -> Iterator[Figure]:
    """Transfers a second of one worker process, and of the bare loop."""
    number = ground.size(20, 300)
    with _simulator() as url:
        app = ground.application("sending")
        with app.app_context():
            organisation_id = _prepare(url)
            _queue_up(organisation_id, 20)
            _drain(app, 20)  # the beneficiary is made, connections are open
            ground.analyse()
            times = []
            for _ in range(ground.rounds):
                _queue_up(organisation_id, number)
                mine = timed(lambda: _drain(app, number))
                times.append((mine, timed(lambda: _bare(organisation_id, number))))
            pair = pair_of(times)
            statements = _statements(app)
    yield Figure(
        NAME, f"{number:,} transfers, one worker process", ground.engine, number / pair.ours, "per s",
        number / pair.floor, 1 / pair.ratio, at_least(0.5),
        f"floor: a bare loop over the raw client; {statements:.0f} statements for each transfer",
    )  # fmt: skip


@contextmanager
def _simulator() -> Iterator[str]:
    """The provider, on a free port of this machine, without delays and without messages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    arguments = ("--port", str(port), "--others", "succeed", "--settle-seconds", "86400")
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.simulator", *arguments], stdout=subprocess.DEVNULL
    )
    try:
        _wait(f"{url}/healthz", process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError("the simulator does not answer")


def _prepare(url: str) -> int:
    organisation = factories.organisation(currency="INR", timezone="Asia/Kolkata")
    with transaction():
        connections.save(
            organisation_id=organisation.id, provider="cashfree", environment="sandbox",
            credentials=simulated.cashfree(url), is_trial=True, actor=factories.FACTORY, now=NOW,
        )  # fmt: skip
        policies.change_policy(
            organisation_id=organisation.id, actor=factories.FACTORY, now=NOW,
            rules={**default_rules("INR"), "rails": ["manual", "cashfree"]},
        )  # fmt: skip
        payee = factories.payee(organisation, name="Asha Rao")
        factories.method(
            payee,
            accounts.ifsc_account(account_number="50100123456", ifsc="HDFC0000001", name_at_bank="Asha Rao"),
        )
    return organisation.id


def _queue_up(organisation_id: int, number: int) -> None:
    """Approved payouts, submitted: their transfers wait."""
    organisation = db.session.get_one(Organisation, organisation_id)
    payee = organisation_payee(organisation_id)
    with transaction():
        approver = factories.user(organisation=organisation, role="admin")
        for _ in range(number):
            made = payout_ready(organisation, payee, 905_600, approver=approver, now=utc_now())
            service.submit(
                organisation_id=organisation_id,
                reference=made.reference,
                actor=factories.FACTORY,
                now=utc_now(),
            )
    db.session.remove()


def organisation_payee(organisation_id: int) -> object:
    """The one payee."""
    from webapp.people.models import Payee

    return db.session.scalars(select(Payee).where(Payee.organisation_id == organisation_id)).one()


def _drain(app: Flask, number: int) -> None:
    """What a worker process of the queue for money does when it is rung for."""
    from jobs import base

    db.session.remove()
    with patch.object(base, "application", lambda: app):
        done = base.drain("money")
    if done < number:
        raise RuntimeError(f"{done} of {number} transfers were looked at")


def _bare(organisation_id: int, number: int) -> None:
    """The same calls, and nothing else."""
    access = find_access(organisation_id, client.PROVIDER)
    if access is None:
        raise RuntimeError("there is no account")
    beneficiary = _beneficiary(organisation_id)
    for n in range(number):
        body = client.transfer_body(
            transfer_id=new_transfer_id(), amount=Decimal("9056.00"), mode="imps", beneficiary_id=beneficiary,
            remarks=f"Batch {next(_batches)} {n}", fund_source="",
        )  # fmt: skip
        reply = client.post_transfer(access, body)
        if not reply.is_ok:
            raise RuntimeError(f"the simulator refused it: {reply.status} {reply.problem}")


def _beneficiary(organisation_id: int) -> str:
    from webapp.providers.models import ProviderBeneficiary

    found = db.session.scalar(select(ProviderBeneficiary.beneficiary_id)) or ""
    db.session.rollback()
    return found


def _statements(app: Flask) -> float:
    """How many statements one more transfer costs."""
    seen = 0

    def see(*_: object) -> None:
        nonlocal seen
        seen += 1

    organisation_id = db.session.scalar(select(Payout.organisation_id).limit(1)) or 0
    db.session.rollback()
    _queue_up(organisation_id, 5)
    event.listen(db.engine, "before_cursor_execute", see)
    try:
        _drain(app, 5)
    finally:
        event.remove(db.engine, "before_cursor_execute", see)
    return seen / 5
