"""Events of the code that moves money: every line it executes, every statement, commit, question and answer.

A process can be made to exit at its k-th event, as suddenly as if somebody had pulled the plug.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

DEAD = 137
_Watcher = Callable[[str], None]
_watcher: _Watcher | None = None


def point(name: str) -> None:
    """A named point of the outside world: before and after every call of a bank or a store."""
    if _watcher is not None:
        _watcher(name)


@contextmanager
def watched(files: frozenset[str], watcher: _Watcher, engine: Engine) -> Iterator[None]:
    """Call `watcher` before every line of `files`, and at every statement, commit and rollback of the database."""
    global _watcher

    def local(frame: FrameType, kind: str, argument: Any) -> Any:
        if kind == "line":
            watcher("line")
        return local

    def begin(frame: FrameType, kind: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename in files else None

    hooks = [
        (name, lambda *_, _name=name: watcher(_name))
        for name in ("before_cursor_execute", "after_cursor_execute", "commit", "rollback", "begin")
    ]
    for name, hook in hooks:
        event.listen(engine, name, hook)
    _watcher, before = watcher, sys.gettrace()
    sys.settrace(begin)
    threading.settrace(begin)  # calls of a bank may be made side by side
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)  # type: ignore[arg-type]
        _watcher = None
        for name, hook in hooks:
            event.remove(engine, name, hook)


class Counter:
    """Counts events, and exits the process at one of them (0: never)."""

    def __init__(self, exit_at: int = 0) -> None:
        self.count, self.exit_at = 0, exit_at
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            self.count += 1
            if self.count == self.exit_at:
                os._exit(DEAD)


def in_a_child(action: Callable[[], int]) -> tuple[int, int]:
    """Run an action in a forked child: (exit code, the number that it answered; 0 when it died).

    Whatever is buffered or open in this process is none of the child's business.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        code = 1
        try:
            os.write(write, str(action()).encode())
            code = 0
        except BaseException as error:
            os.write(2, f"child: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as answers:
        text = answers.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), int(text or 0)
