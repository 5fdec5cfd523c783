"""Two web hosts and three worker hosts on one PostgreSQL, one store and one S3 bucket; one host dies in mid-run.

Each host has a folder of its own and shares nothing else. PAYDESK_HOSTS_PAYOUTS=1000 makes it big; the figures are
printed (pytest -s).
"""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.request
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import func, select

from tests import factories
from tests.factories.payouts import payout_ready
from tests.jobs.processes import children, environment, process, wait_for
from tests.support import postgres
from tests.support.valkey import running_store
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.outbox.service import LEASE_OF_MANY
from webapp.payouts.models import Payout, Transfer
from webapp.providers import sandbox, storage, storage_s3
from webapp.runs import service as runs
from webapp.runs.models import Run
from webapp.runs.service import RowDraft
from webapp.statements.models import Document

COUNT = int(os.environ.get("PAYDESK_HOSTS_PAYOUTS", "20"))
# What the host that dies has taken comes free when its lease ends.
SECONDS = LEASE_OF_MANY.total_seconds() + 120 + COUNT * 2
HOSTS = {
    "one": (
        ["jobs.worker", "money"],
        ["jobs.worker", "bulk"],
        ["jobs.worker", "documents"],
        ["jobs.schedule"],
    ),
    "two": (
        ["jobs.worker", "money"],
        ["jobs.worker", "bulk"],
        ["jobs.worker", "documents"],
        ["jobs.schedule"],
    ),
    "three": (["jobs.worker", "money"], ["jobs.worker", "bulk"], ["jobs.worker", "documents"]),
}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _count(query: object) -> int:
    found = db.session.scalar(query) or 0  # type: ignore[call-overload]
    db.session.rollback()
    return int(found)


def _paid() -> int:
    return _count(select(func.count()).where(Payout.state == "paid"))


def _drawn() -> int:
    return _count(
        select(func.count(func.distinct(Document.payout_id))).where(
            Document.state == "ready", Document.variant.like("paid:%")
        )
    )


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _kill(pids: list[int]) -> None:
    for pid in [c for p in pids for c in children(p)] + pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_host_that_dies_in_mid_run_loses_nothing_and_pays_nothing_twice(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--database") != "sqlite":
        pytest.skip("it brings a PostgreSQL of its own; run once")
    with ExitStack() as stack:
        server = postgres.start()
        stack.callback(server.stop)
        server.create_database("hosts")
        store = stack.enter_context(running_store())
        s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        s3.start()
        stack.callback(s3.stop)
        stack.callback(storage_s3._clients.clear)
        values = {str(f.alias): getattr(settings, n) for n, f in Settings.model_fields.items()}
        values |= {
            "PAYDESK_HOME": tmp_path / "here", "DATABASE_URL": server.url_for("hosts"), "REDIS_URL": store.url,
            "STORAGE_URL": f"s3://hosts?endpoint=http://127.0.0.1:{s3.get_host_and_port()[1]}",
            "STORAGE_KEY": "key", "STORAGE_SECRET": "secret",
        }  # fmt: skip
        ours = Settings(**values)
        place = ours.storage_place
        assert place is not None
        storage_s3._client(place).create_bucket(Bucket="hosts")
        app = create_app(ours)
        shared = {**environment(ours, store), "STORAGE_URL": ours.storage_url, "STORAGE_KEY": "key",
                  "STORAGE_SECRET": "secret", "WEB_PROCESSES": "1"}  # fmt: skip
        with app.app_context():
            stack.callback(db.engine.dispose)
            _journey(stack, shared, tmp_path)
            db.session.remove()


def _journey(stack: ExitStack, shared: dict[str, str], folder: Path) -> None:
    from flask import current_app
    from flask_migrate import upgrade

    upgrade(directory=str(current_app.config["MIGRATIONS_FOLDER"]))
    organisation = factories.organisation()
    me = factories.actor_of(factories.user(organisation=organisation, role="admin"))
    made = [payout_ready(organisation, now=utc_now()) for _ in range(COUNT)]
    organisation_id = organisation.id
    drafts = [RowDraft("payout", p.id, p.reference, p.version) for p in made]
    with transaction():
        run = runs.create_draft(
            organisation_id=organisation_id,
            kind="payouts.pay",
            title="Pay",
            rows=drafts,
            actor=me,
            now=utc_now(),
        )
        run_id, reference = run.id, run.reference

    ports = [_free_port(), _free_port()]
    for n, port in enumerate(ports):
        env = {**shared, "PAYDESK_HOME": str(folder / f"web{n}"), "PORT": str(port)}
        stack.enter_context(process(env, "-m", "webapp.cli", "serve"))
    pids: dict[str, list[int]] = {}
    for host, commands in HOSTS.items():
        env = {**shared, "PAYDESK_HOME": str(folder / host)}
        pids[host] = [stack.enter_context(process(env, "-m", *command)).pid for command in commands]
    wait_for(lambda: all(_ready(port) for port in ports), 120)
    began = time.monotonic()
    with transaction():
        runs.confirm(organisation_id=organisation_id, reference=reference, actor=me, now=utc_now())
    wait_for(lambda: _paid() >= max(1, COUNT // 5), SECONDS)
    _kill(pids["two"])
    at_kill = (_paid(), _drawn(), time.monotonic() - began)
    wait_for(lambda: _paid() == COUNT, SECONDS)
    paid_after = time.monotonic() - began
    wait_for(lambda: _drawn() == COUNT, SECONDS)
    drawn_after = time.monotonic() - began
    _prove(organisation_id, run_id)
    assert all(_ready(port) for port in ports)
    assert not list(folder.glob("*/files/**/*.pdf"))
    print(
        f"\n{COUNT} payouts: a host killed after {at_kill[2]:.0f} s with {at_kill[0]} paid and {at_kill[1]} drawn; "
        f"all paid after {paid_after:.0f} s, all drawn after {drawn_after:.0f} s; none lost, none twice."
    )


def _prove(organisation_id: int, run_id: int) -> None:
    run = db.session.get_one(Run, run_id, populate_existing=True)
    assert (run.done, run.failed, run.skipped) == (COUNT, 0, 0)
    transfers = list(db.session.scalars(select(Transfer)))
    assert len(transfers) == COUNT
    assert {t.state for t in transfers} == {"succeeded"}
    assert {sandbox.posts(t.transfer_id) for t in transfers} == {1}
    documents = list(db.session.scalars(select(Document).where(Document.state == "ready")))
    facts = [(d.storage_key, d.sha256) for d in documents]
    assert check.run(organisation_id).findings == []
    db.session.rollback()
    for key, digest in facts:
        assert sha256(storage.read(key)).hexdigest() == digest
