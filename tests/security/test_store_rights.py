"""The users of deploy/redis-users.acl on a real server: queues and limits work, and nothing else does."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from tests.jobs.processes import environment, process, wait_for
from webapp import queue
from webapp.config import Settings
from webapp.embedded import valkey

ACL = Path(__file__).resolve().parents[2] / "deploy" / "redis-users.acl"
PLACE = "PUT-THE-SHA-256-OF-THE-PASSWORD-HERE"
PASSWORD = "made-up-for-this-test"


@dataclass
class Guarded:
    """A store that knows the users of the file alone."""

    socket: Path

    @property
    def url(self) -> str:
        """As the settings have it."""
        return f"unix://paydesk:{PASSWORD}@{self.socket}"

    def client(self, **who: str) -> Redis:
        """A connection; without words, nobody's."""
        return Redis(unix_socket_path=str(self.socket), **who)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="paydesk-acl-", dir="/tmp") as folder:
        text = ACL.read_text()
        assert text.count(PLACE) == 1
        file = Path(folder) / "users.acl"
        file.write_text(text.replace(PLACE, hashlib.sha256(PASSWORD.encode()).hexdigest()))
        store = valkey.Store(Path(folder))
        guarded = Guarded(Path(folder) / "s")
        command = [*store.command()[:1], "--port", "0", "--unixsocket", str(guarded.socket), "--dir", folder,
                   "--save", "", "--aclfile", str(file)]  # fmt: skip
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(guarded.socket.exists, 15)
            yield guarded
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()
            store.socket.parent.rmdir()


@pytest.fixture
def paydesk(guarded: Guarded) -> Iterator[Redis]:
    with guarded.client(username="paydesk", password=PASSWORD) as client:
        yield client


@pytest.mark.slow
def test_a_worker_takes_its_jobs(
    database: Flask, settings: Settings, guarded: Guarded, paydesk: Redis
) -> None:
    with process({**environment(settings, valkey.Store(settings.home)), "REDIS_URL": guarded.url},
                 "-m", "jobs.worker", "mail"):  # fmt: skip
        job = queue.queue("mail", paydesk).enqueue(queue.DRAIN_JOB, "mail")
        wait_for(lambda: job.get_status(refresh=True) == "finished")
        assert queue.queue("mail", paydesk).count == 0


def test_tries_are_counted(guarded: Guarded) -> None:
    storage = storage_from_string(f"redis+{guarded.url}")
    counts = MovingWindowRateLimiter(storage)
    assert [counts.hit(parse("2/minute"), "sign-in", "somebody") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "FLUSHDB", "CONFIG GET dir", "CONFIG SET dir /tmp", "KEYS *", "SHUTDOWN NOSAVE", "SAVE",
     "BGREWRITEAOF", "REPLICAOF 127.0.0.1 1", "ACL LIST", "ACL SETUSER mine on", "MODULE LIST", "MONITOR",
     "CLIENT KILL TYPE normal", "SET mine 1", "GET mine", "PUBLISH mine x", "SWAPDB 0 1"],
)  # fmt: skip
def test_nothing_else_is_open(paydesk: Redis, command: str) -> None:
    with pytest.raises((NoPermissionError, ResponseError), match=r"(?i)no permissions|NOPERM"):
        paydesk.execute_command(*command.split())


def test_without_a_name_or_with_a_wrong_password_nothing_is(guarded: Guarded) -> None:
    with pytest.raises(AuthenticationError):
        guarded.client().ping()
    for name in ("paydesk", "default"):
        with pytest.raises(AuthenticationError):
            guarded.client(username=name, password="wrong").ping()
