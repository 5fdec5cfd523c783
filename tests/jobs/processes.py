"""Real worker and scheduler processes for tests; ended by their own process id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from webapp.config import Settings
from webapp.embedded.valkey import Store

ROOT = Path(__file__).resolve().parents[2]


def environment(settings: Settings, store: Store) -> dict[str, str]:
    """The environment in which a process sees the test's database and store."""
    return {
        **os.environ,
        "PAYDESK_ENV": "test",
        "PAYDESK_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": store.url,
        "SECRET_KEY": settings.secret_key,
        "PAYDESK_FIELD_KEYS": settings.field_keys,
        "PAYDESK_INDEX_KEY": settings.index_key,
        "SANDBOX_SETTLE_SECONDS": "0",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def process(env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python ARGUMENTS` for the length of the block."""
    started = subprocess.Popen([sys.executable, *arguments], env=env, cwd=ROOT)
    try:
        yield started
    finally:
        for child in children(started.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            started.kill()
        started.wait(timeout=60)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_for(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    """Look every 50 ms until a condition holds. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("what the test waits for did not happen")
        time.sleep(0.05)
