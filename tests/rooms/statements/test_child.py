"""Drawing in a child: what goes wrong in it stays in it."""

from __future__ import annotations

import faulthandler
import os
import signal

import pytest

from webapp.kernel.errors import Conflict
from webapp.statements import child


def test_bytes_come_back_even_when_they_are_many() -> None:
    assert child.run(lambda: b"x" * 3_000_000) == b"x" * 3_000_000
    assert child.run(lambda: b"") == b""


def test_it_runs_in_another_process() -> None:
    assert int(child.run(lambda: str(os.getpid()).encode())) != os.getpid()


def _raise(error: BaseException) -> bytes:
    raise error


def test_errors_cross_over_by_their_message(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(child.ChildFailed, match="it does not add up"):
        child.run(lambda: _raise(Conflict("it does not add up")))
    with pytest.raises(child.ChildFailed, match=r"could not be drawn \(KeyError\)"):
        child.run(lambda: _raise(KeyError("secret")))
    assert "KeyError" in capfd.readouterr().err


def _spin() -> bytes:
    while True:
        pass


def test_endless_work_is_ended_by_its_processor_time() -> None:
    with pytest.raises(child.ChildFailed, match="more than its limits"):
        child.run(_spin, cpu_seconds=1, wall_seconds=300)


def test_sleeping_work_is_ended_by_the_clock() -> None:
    with pytest.raises(child.ChildFailed, match="not drawn within 0 seconds"):
        child.run(lambda: bytes(signal.pause() or 0), wall_seconds=0.2)


def test_memory_is_limited(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(child.ChildFailed, match="more memory"):
        child.run(lambda: bytes(400 * 1024**2), memory_bytes=64 * 1024**2)
    # A piece that fits is no trouble.
    assert len(child.run(lambda: bytes(16 * 1024**2), memory_bytes=64 * 1024**2)) == 16 * 1024**2


def _die() -> bytes:
    faulthandler.disable()  # this death is wanted: no traceback in the log of the tests
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def test_a_child_that_dies_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(child.ChildFailed, match="without an answer"):
        child.run(_die)
    assert capfd.readouterr().err == ""


def test_no_child_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    fork = os.fork
    monkeypatch.setattr(os, "fork", lambda: made.append(pid := fork()) or pid)
    child.run(lambda: b"ok")
    with pytest.raises(ChildProcessError):
        os.waitpid(made[0], os.WNOHANG)
