"""Logs tell what happened, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient

from jobs import base, registry
from tests.factories import organisation, sign_in, user
from webapp import logs
from webapp.config import Settings
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.outbox import service as outbox
from webapp.web import request_log


@contextmanager
def written() -> Iterator[list[dict[str, Any]]]:
    """What the block logs, through every processor up to the finished line."""
    before, output = structlog.get_config(), io.StringIO()
    structlog.configure(
        processors=[*logs._SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    lines: list[dict[str, Any]] = []
    try:
        yield lines
    finally:
        structlog.configure(**before)
        structlog.contextvars.clear_contextvars()
        text = output.getvalue()
        assert text.count("\n") == len(text.splitlines())
        lines += [json.loads(line) for line in text.splitlines()]


HOSTILE = [
    "password=hunter2-hunter2",
    'body {"password": "hunter2-hunter2", "x": 1}',
    "Authorization: Bearer hunter2-hunter2",
    "authorization=Basic hunter2-hunter2",
    "curl -H 'Bearer hunter2-hunter2'",
    "Cookie: session=hunter2-hunter2; other=1",
    "Set-Cookie: __Host-paydesk=hunter2-hunter2",
    "redis://paydesk:hunter2-hunter2@store:6379/0",
    "postgresql+psycopg://u:hunter2-hunter2@db/paydesk",
    "smtps://mailer:hunter2-hunter2@mail.example.org:465",
    "client_secret: hunter2-hunter2",
    "X-Api-Key=hunter2-hunter2",
    "GET /account/reset/hunter2-hunter2.sig HTTP/1.1",
    "/account/invitation/hunter2-hunter2?next=/",
    "v1.k1.hunter2-hunter2.hunter2-hunter2",
    "-----BEGIN PRIVATE KEY-----\nhunter2-hunter2\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2-hunter2",
    "otp=hunter2-hunter2",
    "csrf_token=hunter2-hunter2&amount=1",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_secret_in_a_text_is_not_written(text: str) -> None:
    with written() as lines:
        structlog.get_logger().info(text, note=text, inside={"deep": [text]}, raw=text.encode())
        try:
            raise RuntimeError(text)
        except RuntimeError:
            structlog.get_logger().exception("failed")
    assert "hunter2" not in json.dumps(lines)
    assert logs.HIDDEN in json.dumps(lines)


@pytest.mark.parametrize(
    "text",
    ["50100234567890", "ABCD0123456789012", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
     "4111 1111 1111 1111", "4111-1111-1111-1111", "GB29NWBK60161331926819"],
)  # fmt: skip
def test_an_account_keeps_its_last_four_signs(text: str) -> None:
    with written() as lines:
        structlog.get_logger().info("paid", message=f"to {text}, at once")
    said = lines[0]["message"]
    assert text not in said
    assert f"••{text[-4:]}" in said
    assert said.endswith(", at once")


@pytest.mark.parametrize(
    "key",
    ["password", "new_password", "PASSWORD", "token", "api_token", "secret_key", "Authorization", "set_cookie",
     "account_number", "iban", "otp", "details", "csrf", "api_key", "recovery_code", "upi_id"],
)  # fmt: skip
def test_a_value_under_a_telling_name_is_not_written(key: str) -> None:
    with written() as lines:
        structlog.get_logger().info("x", **{key: "abc"}, nested={key: {"a": 1}}, many=[{key: 12}])
    assert lines[0][key] == lines[0]["nested"][key] == lines[0]["many"][0][key] == logs.HIDDEN


def test_what_is_harmless_stays_as_it_is() -> None:
    facts = {"reference": "PO-2026-000123", "endpoint": "admin.payouts.show", "status": 200, "ms": 1.5, "ok": True,
             "nothing": None, "day": "2026-11-21", "at": "2026-11-21T08:32:33+00:00", "token_id": 7,
             "request_id": "12345678901234567890", "job_id": "12345678-1234-1234-1234-123456789012"}  # fmt: skip
    with written() as lines:
        structlog.get_logger().info("request", **facts)
    assert {k: lines[0][k] for k in facts} == facts


def test_a_hostile_line_stays_one_line_and_one_object() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(50):
        inner["x"] = inner = {}
    text = 'a\nb\r{"level": "critical"}\u202e\x00\x1b[31m' + "long " * 10_000
    with written() as lines:
        structlog.get_logger().info("x", text=text, deep=deep, thing=object(), **{"a\nb": 1})
    assert len(lines) == 1
    assert lines[0]["level"] == "info"
    assert len(lines[0]["text"]) < logs.TEXT_LIMIT + 50


def test_a_frozen_request_id_must_be_well_formed_to_be_kept() -> None:
    with written() as lines:
        structlog.get_logger().info("x", request_id="Bearer abcdefghijkl")
    assert "abcdefghijkl" not in json.dumps(lines)


def test_libraries_write_the_same_form() -> None:
    code = (
        "import logging, structlog; from webapp import logs; from webapp.config import Settings;"
        "logs.configure(Settings(PAYDESK_ENV='production'));"
        "structlog.contextvars.bind_contextvars(request_id='req-12345678');"
        "logging.getLogger('rq.worker').warning('lost redis://u:hunter2@h/0 %s', 'password=hunter2');"
        "logging.getLogger('noise').info('not said')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    found = json.loads(line)
    assert found["logger"] == "rq.worker"
    assert found["request_id"] == "req-12345678"
    assert "hunter2" not in line


# ---- requests


def test_every_answer_names_its_request_and_one_line_tells_of_it(client: FlaskClient) -> None:
    home = organisation()
    me = user(organisation=home, role="admin")
    me_id, home_id = me.id, home.id
    sign_in(client, me, organisation=home)
    with written() as lines:
        response = client.get("/admin/payouts")
    (line,) = [x for x in lines if x["event"] == "request"]
    assert response.headers[request_log.HEADER] == line["request_id"]
    assert len(line["request_id"]) == 24
    expected = {"method": "GET", "endpoint": "admin.payouts.index", "status": 200, "user_id": me_id,
                "organisation_id": home_id}  # fmt: skip
    assert {k: line[k] for k in expected} == expected
    assert line["ms"] > 0


def test_a_stranger_has_no_number(client: FlaskClient) -> None:
    with written() as lines:
        client.get("/nowhere/at/all?token=hunter2")
    assert lines[0]["status"] == 404
    assert lines[0]["user_id"] is None
    assert "hunter2" not in json.dumps(lines)


GIVEN = "0123456789abcdef0123456789abcdef"


def test_only_a_trusted_proxy_gives_the_id(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={request_log.HEADER: GIVEN})
    assert answer.headers[request_log.HEADER] != GIVEN


@pytest.fixture
def behind_proxy(database: Flask, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    old: Settings = database.config["SETTINGS"]
    values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
    monkeypatch.setitem(database.config, "SETTINGS", Settings(**{**values, "TRUSTED_PROXIES": 1}))
    return database.test_client()


def test_the_id_of_a_trusted_proxy_is_kept(behind_proxy: FlaskClient) -> None:
    answer = behind_proxy.get("/healthz", headers={request_log.HEADER: GIVEN})
    assert answer.headers[request_log.HEADER] == GIVEN


@pytest.mark.parametrize("given", ["short", "x" * 65, "has space in it", "<b>bold</b>", "-dash-first", ""])
def test_an_ill_formed_id_is_replaced(behind_proxy: FlaskClient, given: str) -> None:
    answer = behind_proxy.get("/healthz", headers={request_log.HEADER: given})
    assert answer.headers[request_log.HEADER] != given
    assert len(answer.headers[request_log.HEADER]) == 24


def test_the_page_of_an_unexpected_error_shows_the_id(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> str:
        raise ZeroDivisionError("password=hunter2")

    broken.is_public = True  # type: ignore[attr-defined]
    monkeypatch.setitem(client.application.view_functions, "public.health.show", broken)
    monkeypatch.setitem(client.application.config, "PROPAGATE_EXCEPTIONS", False)
    with written() as lines:
        response = client.get("/healthz")
    assert response.status_code == 500
    number = response.headers[request_log.HEADER]
    assert f'Reference for support: <span class="code">{number}</span>' in response.text
    assert {x["request_id"] for x in lines} == {number}
    assert {x["event"] for x in lines} == {"unhandled", "request"}
    assert "hunter2" not in json.dumps(lines)


def test_a_refusal_needs_no_reference(client: FlaskClient) -> None:
    assert "Reference for support" not in client.get("/nowhere").text


# ---- workers


def test_a_worker_names_the_message_it_works_on(database: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(reference_id: int) -> None:
        structlog.get_logger().info("working")
        raise RuntimeError("token=hunter2")

    monkeypatch.setitem(registry.HANDLERS, "test.thing", "never.used")
    monkeypatch.setattr(registry, "handler", lambda kind: handler)
    with transaction():
        outbox.add(kind="test.thing", reference_id=5, dedupe_key="a", to_queue="mail", now=utc_now())
    with written() as lines:
        base.drain_here("mail")
    assert [x["event"] for x in lines] == ["working", "outbox.failed"]
    assert len({x["outbox_id"] for x in lines}) == 1
    assert {x["kind"] for x in lines} == {"test.thing"}
    assert "hunter2" not in json.dumps(lines)
    assert datetime.fromisoformat(lines[0]["timestamp"]) <= datetime.now(UTC)
