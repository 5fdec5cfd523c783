"""/metrics: guarded, true, cheap, and one truth for several processes."""

from __future__ import annotations

import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from tests import factories
from tests.factories import repairs
from tests.factories.pages import counted_queries
from tests.factories.payouts import payout, payout_ready
from tests.jobs.processes import environment, process, wait_for
from tests.support.client import FreshClient
from webapp import config
from webapp.app import create_app
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.embedded.valkey import Store
from webapp.kernel.clock import utc_now
from webapp.operations import gunicorn
from webapp.outbox import service as outbox
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, service
from webapp.processes import gunicorn_arguments

TOKEN = "scrape-token-of-tests"
GIVEN = {"Authorization": f"Bearer {TOKEN}"}


def _values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def measured(database: Flask) -> Iterator[FlaskClient]:
    """The application with a token for its figures."""
    old: Settings = database.config["SETTINGS"]
    values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
    app = create_app(Settings(**{**values, "METRICS_TOKEN": TOKEN}))
    app.test_client_class = FreshClient
    app.extensions["paydesk_redis"] = database.extensions["paydesk_redis"]
    with app.app_context():
        yield app.test_client()
        db.session.remove()
        db.engine.dispose()


def test_without_a_token_configured_there_is_nothing(client: FlaskClient) -> None:
    assert client.get("/metrics", headers=GIVEN).status_code == 404


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN},
                {"Authorization": f"Basic {TOKEN}"}, {"Authorization": f"Bearer {TOKEN}x"}],
)  # fmt: skip
def test_the_wrong_token_is_refused(measured: FlaskClient, headers: dict[str, str]) -> None:
    answer = measured.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "paydesk_" not in answer.text


def test_a_short_token_stops_the_start() -> None:
    with pytest.raises(config.SettingsError, match="METRICS_TOKEN"):
        config.load(
            PAYDESK_ENV="test", SECRET_KEY="a-long-and-varied-secret-key-0123456789", METRICS_TOKEN="short",
            PAYDESK_INDEX_KEY="another-long-and-varied-key-0123456789",
            PAYDESK_FIELD_KEYS="k1:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=",
        )  # fmt: skip


def test_requests_are_counted_under_our_own_words(measured: FlaskClient) -> None:
    for _ in range(3):
        measured.get("/sign-in")
    measured.get("/made-up-by-a-visitor")
    measured.open("/sign-in", method="EVIL")
    found = _values(measured.get("/metrics", headers=GIVEN).text)
    assert found["paydesk_requests_total", ("public.people.sign_in", "GET", "200")] == 3
    assert found["paydesk_requests_total", ("none", "GET", "404")] == 1
    assert found["paydesk_requests_total", ("none", "other", "405")] == 1
    assert found["paydesk_request_seconds_count", ("public.people.sign_in",)] == 3
    assert "made-up" not in str(found)
    assert "EVIL" not in str(found)


def test_the_gauges_tell_what_is_open(measured: FlaskClient) -> None:
    organisation = factories.organisation()
    payee = factories.payee(organisation)
    for _ in range(2):
        payout(organisation, payee)
    ready = payout_ready(organisation, now=utc_now())
    organisation_id, reference = organisation.id, ready.reference
    long_ago = utc_now() - timedelta(minutes=10)
    with transaction():
        service.submit(
            organisation_id=organisation_id, reference=reference, actor=factories.FACTORY, now=utc_now()
        )
        policies.halt(
            organisation_id=organisation_id, rail="*", reason="Look.", actor=factories.FACTORY, now=utc_now()
        )
        outbox.add(kind="email.send", reference_id=1, dedupe_key="late", to_queue="mail", now=long_ago)
        outbox.add(kind="email.send", reference_id=2, dedupe_key="gone", to_queue="mail", now=long_ago)
        db.session.query(OutboxMessage).filter_by(dedupe_key="gone").update({"gave_up_at": utc_now()})
    found = _values(measured.get("/metrics", headers=GIVEN).text)
    assert found["paydesk_payouts", ("pending_approval",)] == 2
    assert found["paydesk_payouts", ("processing",)] == 1
    assert found["paydesk_payouts", ("failed",)] == 0
    assert ("paydesk_payouts", ("paid",)) not in found
    assert found["paydesk_transfers", ("queued",)] == 1
    assert found["paydesk_outbox_messages", ("email.send", "mail")] == 1
    assert found["paydesk_outbox_messages", ("transfer.send", "money")] == 1
    assert 600 <= found["paydesk_outbox_late_seconds", ("email.send", "mail")] < 700
    assert found["paydesk_outbox_given_up", ("email.send", "mail")] == 1
    assert found["paydesk_rails_halted", ("*",)] == 1
    assert found["paydesk_database_up", ()] == 1
    assert ("paydesk_store_up", ()) not in found


def test_lateness_of_periodic_work(measured: FlaskClient) -> None:
    from webapp.runs.models import DueTask

    now = utc_now()
    with transaction() as session:
        for organisation_id, late, error in ((0, 5, ""), (7, 300, "ValueError: x"), (8, 60, "")):
            session.add(
                DueTask(name="proof", organisation_id=organisation_id, due_at=now - timedelta(seconds=late),
                        last_run_at=now - timedelta(seconds=40), last_error=error)
            )  # fmt: skip
    found = _values(measured.get("/metrics", headers=GIVEN).text)
    assert 300 <= found["paydesk_task_late_seconds", ("proof",)] < 330
    assert found["paydesk_task_failing", ("proof",)] == 1
    assert 40 <= found["paydesk_scheduler_beat_seconds", ()] < 70


def test_live_workers_are_counted_and_dead_ones_are_not(
    database: Flask, store: Store, measured: FlaskClient
) -> None:
    from redis import Redis

    redis: Redis = database.extensions["paydesk_redis"]
    redis.sadd("rq:workers:money", "rq:worker:one", "rq:worker:killed")
    redis.hset("rq:worker:one", "state", "idle")
    redis.rpush("rq:queue:money", "job")
    measured.application.extensions["paydesk_redis"] = redis
    found = _values(measured.get("/metrics", headers=GIVEN).text)
    assert found["paydesk_workers", ("money",)] == 1
    assert found["paydesk_workers", ("mail",)] == 0
    assert found["paydesk_queue_jobs", ("money",)] == 1
    assert found["paydesk_store_up", ()] == 1
    store.stop()
    assert _values(measured.get("/metrics", headers=GIVEN).text)["paydesk_store_up", ()] == 0


def test_a_database_that_is_away_is_a_figure_too(
    measured: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from webapp.operations import facts

    def away() -> None:
        raise OperationalError("SELECT", {}, Exception("host=db"))

    monkeypatch.setattr(facts, "payout_states", away)
    found = _values(measured.get("/metrics", headers=GIVEN).text)
    assert found["paydesk_database_up", ()] == 0
    assert ("paydesk_transfers", ("queued",)) not in found


def test_a_look_is_cheap(measured: FlaskClient) -> None:
    """6,000 done messages and 600 open ones; the work of the quickest of five looks: a busy machine adds none."""
    now = utc_now()
    rows = [
        {"kind": "email.send", "reference_id": n, "dedupe_key": f"k{n}", "queue": "mail", "not_before": now,
         "attempts": 1, "leased_by": "", "last_error": "", "created_at": now,
         "done_at": now if n % 11 else None}
        for n in range(6_600)
    ]  # fmt: skip
    with transaction() as session:
        session.execute(insert(OutboxMessage), rows)
    measured.get("/metrics", headers=GIVEN)
    took = []
    with counted_queries() as queries:
        for _ in range(5):
            began = time.process_time()
            assert measured.get("/metrics", headers=GIVEN).status_code == 200
            took.append(time.process_time() - began)
    assert len(queries) == 5 * 10
    assert min(took) < 0.05


# ---- several processes


class _Server:
    def __init__(self) -> None:
        self.WORKERS: dict[int, object] = {}


class _Process:
    paydesk_slot: int


def test_a_slot_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = _Server()
    for pid in (100, 101, 102):
        worker = _Process()
        gunicorn.pre_fork(server, worker)
        server.WORKERS[pid] = worker
    assert [w.paydesk_slot for w in server.WORKERS.values()] == [0, 1, 2]  # type: ignore[attr-defined]
    del server.WORKERS[101]
    replacement = _Process()
    gunicorn.pre_fork(server, replacement)
    assert replacement.paydesk_slot == 1
    monkeypatch.setenv(gunicorn.SLOT, "")
    gunicorn.post_fork(server, replacement)
    assert os.environ[gunicorn.SLOT] == "1"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.slow
def test_several_processes_answer_with_one_sum(
    database: Flask, store: Store, settings: Settings, tmp_path: Path
) -> None:
    port = _free_port()
    env = {**environment(settings, store), "METRICS_TOKEN": TOKEN, "PAYDESK_HOME": str(tmp_path),
           "WEB_PROCESSES": "2", "WEB_THREADS": "1", "PORT": str(port)}  # fmt: skip
    values = {str(f.alias): getattr(settings, n) for n, f in Settings.model_fields.items()}
    arguments = gunicorn_arguments(Settings(**{**values, "PORT": port, "WEB_PROCESSES": 2, "WEB_THREADS": 1}))
    address = f"http://127.0.0.1:{port}"

    def get(path: str) -> str:
        request = urllib.request.Request(address + path, headers=GIVEN)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def answers() -> bool:
        try:
            return bool(get("/healthz"))
        except OSError:
            return False

    with process(env, *arguments):
        wait_for(answers)
        before = _values(get("/metrics")).get(
            ("paydesk_requests_total", ("public.people.sign_in", "GET", "200")), 0
        )
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(get, ["/sign-in"] * 30))
        sums = {_values(get("/metrics"))["paydesk_requests_total", ("public.people.sign_in", "GET", "200")]
                for _ in range(6)}  # fmt: skip
    assert sums == {before + 30}
    names = sorted(p.name for p in (tmp_path / "metrics" / f"web-{port}").iterdir())
    assert names
    assert set(names) <= {"counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db"}


def test_how_repairs_are_charged_is_told_by_fleet(measured: FlaskClient) -> None:
    fleet = repairs.metrocab(slug="metrocab")
    lease = repairs.lease(repairs.driver(fleet))
    plan, draft = repairs.repair(lease, 500_50), repairs.draft(lease, 90_00)
    values = _values(measured.get("/metrics", headers=GIVEN).text)
    # The plan's three weeks are long over, and nobody ran them.
    assert (plan.state, draft.state) == ("open", "draft")
    assert values["paydesk_repairs", ("metrocab", "open")] == 1
    assert values["paydesk_repairs", ("metrocab", "draft")] == 1
    assert values["paydesk_instalments_due", ("metrocab",)] == 3
    assert values["paydesk_posting_success_ratio", ("metrocab",)] == 0
    assert values["paydesk_instalments_posted_week", ("metrocab",)] == 0
    assert values["paydesk_posting_failures_day", ("metrocab",)] == 0
    # They were made, as the records say, in October.
    assert values["paydesk_repairs_created_day", ("metrocab",)] == 0


def test_every_figure_that_an_alert_names_is_told(measured: FlaskClient) -> None:
    repairs.metrocab(slug="metrocab")
    told = {name for name, _ in _values(measured.get("/metrics", headers=GIVEN).text)}
    rules = (Path(__file__).resolve().parents[2] / "deploy" / "prometheus-alerts.yaml").read_text()
    for name in ("paydesk_posting_success_ratio", "paydesk_instalments_due", "paydesk_posting_failures_day"):
        assert name in told
        assert f"({name})" in rules
