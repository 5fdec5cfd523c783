"""Runs one piece of drawing in a child process with limits, so that a bad page cannot take a worker down.

The child is forked from a warm parent: libraries, fonts and templates are loaded already. It may use 20 s of
processor time, 1 GB of memory beyond the parent's and no new large files; the parent waits 45 s at most. It ends
with `os._exit`, so it never closes or flushes connections that belong to the parent.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from webapp.kernel.errors import PaydeskError

CPU_SECONDS = 20
WALL_SECONDS = 45
MEMORY_BYTES = 1024**3
FILE_BYTES = 16 * 1024**2
_DONE, _FAILED = b"+", b"-"


class ChildFailed(PaydeskError):
    """The work did not come to an end inside its limits, or broke; the message says which."""


def run(
    work: Callable[[], bytes],
    *,
    cpu_seconds: int = CPU_SECONDS,
    wall_seconds: float = WALL_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> bytes:
    """The bytes that `work` returns, made in a limited child. Raises what `work` raises as far as it is a
    PaydeskError (by its message, as ChildFailed), else ChildFailed with the name of the error.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_the_child(work, reading, writing, cpu_seconds, memory_bytes)
    os.close(writing)
    try:
        answer, in_time = _read_all(reading, time.monotonic() + wall_seconds)
    finally:
        os.close(reading)
        status = _reap(pid)
    if not in_time:
        raise ChildFailed(f"The statement was not drawn within {wall_seconds:.0f} seconds.")
    if answer[:1] == _DONE:
        return answer[1:]
    if answer[:1] == _FAILED:
        raise ChildFailed(answer[1:].decode(errors="replace"))
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        raise ChildFailed("The statement needs more than its limits of processor time or memory.")
    raise ChildFailed("The process that draws the statement ended without an answer.")


def _read_all(reading: int, deadline: float) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b"", False
        part = os.read(reading, 1 << 16)
        if not part:
            return b"".join(parts), True
        parts.append(part)


def _reap(pid: int) -> int:
    """Collect the child; one that still runs is killed (its work is of no use any more)."""
    gone, status = os.waitpid(pid, os.WNOHANG)
    if gone == 0:
        # It may just be about to end after its last byte.
        for _ in range(20):
            time.sleep(0.005)
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                return status
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return status


def _be_the_child(
    work: Callable[[], bytes], reading: int, writing: int, cpu_seconds: int, memory_bytes: int
) -> None:
    code = 1
    try:
        os.close(reading)
        for name in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_DFL)
        _limit(cpu_seconds, memory_bytes)
        # The process ends before collecting garbage could pay.
        gc.disable()
        try:
            answer = _DONE + work()
        except PaydeskError as error:
            answer = _FAILED + error.message.encode()
        except MemoryError:
            answer = _FAILED + b"The statement needs more memory than it may use."
        except Exception as error:
            answer = _FAILED + f"The statement could not be drawn ({type(error).__name__}).".encode()
            sys.excepthook(*sys.exc_info())
        while answer:
            answer = answer[os.write(writing, answer) :]
        code = 0
    finally:
        os._exit(code)


def _limit(cpu_seconds: int, memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere the address space is no measure of memory in use
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, used + memory_bytes)


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (limit, hard))
