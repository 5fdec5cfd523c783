"""Runs the processes of one machine together: web, scheduler, workers, store.

One thread and one loop: it reads what the children say, starts again what died, and on SIGTERM or SIGINT stops
all of them in an order that loses no work (web first, so that nothing new comes in; the store last).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from webapp.embedded.processes import end_with_parent

Role = Literal["web", "scheduler", "worker", "store"]

STOP_ORDER: tuple[Role, ...] = ("web", "scheduler", "worker", "store")
QUICK_DEATHS = 5
"""So many deaths in a row, each soon after its start, and the supervisor gives up."""


@dataclass(frozen=True)
class Child:
    """A process to keep alive.

    `env` adds to the present environment. `is_ready` is asked until it says yes before the next child starts;
    it may raise to say that waiting is useless. `stop_seconds` is the time between SIGTERM and SIGKILL.
    """

    name: str
    argv: Sequence[str]
    role: Role
    env: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool] | None = None
    ready_seconds: float = 60.0
    stop_seconds: float = 15.0


@dataclass(frozen=True)
class Patience:
    """How the supervisor treats a child that dies; seconds."""

    first_delay: float = 0.5
    longest_delay: float = 10.0
    quick_death: float = 10.0

    def delay(self, deaths: int) -> float:
        """Pause before the next start after so many quick deaths in a row (1 or more)."""
        return float(min(self.longest_delay, self.first_delay * 2 ** (deaths - 1)))


class _CannotStartError(Exception):
    """The system would not run a child's command."""


class _Running:
    """One child's process of the moment and its history."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.quick_deaths = 0
        self.rest = b""  # the start of a line whose end has not come yet

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Starts children in the order given and keeps them running until told to stop.

    Lines go to `output` with the child's name in front, or, with `log_folder`, to one file per child
    (the supervisor's own remarks always go to `output`). `announce` is called once when all are up.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        output: IO[str] | None = None,
        log_folder: Path | None = None,
        announce: Callable[[], None] | None = None,
        patience: Patience | None = None,
    ) -> None:
        names = [child.name for child in children]
        if len(set(names)) != len(names):
            raise ValueError("two children have the same name")
        self._all = [_Running(child) for child in children]
        self._output = output or sys.stdout
        self._width = max((len(name) for name in names), default=0)
        self._log_folder = log_folder
        self._logs: dict[str, IO[bytes]] = {}
        self._announce = announce
        self._patience = patience or Patience()
        self._selector = selectors.DefaultSelector()
        self._stopping = False

    def run(self) -> int:
        """Run until a signal or a hopeless child. Returns 0 after a signal, 1 after giving up."""
        with ExitStack() as stack:
            stack.callback(self._selector.close)
            self._open_logs(stack)
            self._watch_signals(stack)
            try:
                return self._start_all() or self._keep_running()
            except _CannotStartError as problem:
                self._say(str(problem))
                return 1
            finally:
                self._stop_all()

    # ------------------------------------------------------------ signals and logs

    def _open_logs(self, stack: ExitStack) -> None:
        if self._log_folder is None:
            return
        self._log_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for running in self._all:
            name = running.child.name
            self._logs[name] = stack.enter_context((self._log_folder / f"{name}.log").open("ab"))

    def _watch_signals(self, stack: ExitStack) -> None:
        """Let signals wake the loop through a socket, and be handled there rather than anywhere."""
        receiver, sender = socket.socketpair()
        for end in (receiver, sender):
            end.setblocking(False)
            stack.callback(end.close)
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, before)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            if signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup asked for it
            handler = (lambda *_: None) if number == signal.SIGCHLD else self._on_stop_signal
            stack.callback(signal.signal, number, signal.signal(number, handler))
        self._selector.register(receiver, selectors.EVENT_READ, None)

    def _on_stop_signal(self, number: int, frame: object) -> None:
        self._stopping = True

    # ------------------------------------------------------------ the loop

    def _start_all(self) -> int:
        for running in self._all:
            self._start(running)
            if not self._becomes_ready(running):
                return 0 if self._stopping else 1
        if self._announce and not self._stopping:
            self._announce()
        return 0

    def _becomes_ready(self, running: _Running) -> bool:
        check = running.child.is_ready
        until = time.monotonic() + running.child.ready_seconds
        while check is not None and not self._stopping:
            try:
                if running.is_alive and check():
                    return True
            except Exception as problem:
                self._say(f"{running.child.name}: {problem}")
                return False
            if time.monotonic() > until:
                self._say(f"{running.child.name} was not ready in {running.child.ready_seconds:g} s")
                return False
            self._read(0.05)
            if not self._replace_dead():
                return False
        return not self._stopping

    def _keep_running(self) -> int:
        while not self._stopping:
            due = [running.restart_at for running in self._all if running.restart_at is not None]
            self._read(max(0.0, min(due) - time.monotonic()) if due else None)
            if not self._stopping and not self._replace_dead():
                return 1
        return 0

    def _replace_dead(self) -> bool:
        """Notice deaths, start what is due. False when a child dies again and again."""
        for running in self._all:
            if running.process is not None and running.process.poll() is not None and not running.restart_at:
                if not self._plan_restart(running, running.process.returncode):
                    return False
            elif running.restart_at is not None and time.monotonic() >= running.restart_at:
                self._start(running)
        return True

    def _plan_restart(self, running: _Running, code: int) -> bool:
        self._drain(running)
        lived = time.monotonic() - running.started_at
        running.quick_deaths = running.quick_deaths + 1 if lived < self._patience.quick_death else 1
        name, how = running.child.name, _describe_end(code)
        if running.quick_deaths >= QUICK_DEATHS:
            self._say(f"{name} {how} {QUICK_DEATHS} times in a row; giving up")
            return False
        delay = self._patience.delay(running.quick_deaths)
        self._say(f"{name} {how}; it starts again in {delay:g} s")
        running.restart_at = time.monotonic() + delay
        return True

    # ------------------------------------------------------------ children

    def _start(self, running: _Running) -> None:
        running.restart_at = None
        running.started_at = time.monotonic()
        running.process = None
        try:
            running.process = subprocess.Popen(
                list(running.child.argv),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **running.child.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops all in order
                preexec_fn=end_with_parent(),
            )
        except OSError as problem:
            raise _CannotStartError(f"{running.child.name} cannot be started: {problem}") from problem
        assert running.process.stdout is not None  # noqa: S101 - a pipe was asked for
        os.set_blocking(running.process.stdout.fileno(), False)
        self._selector.register(running.process.stdout, selectors.EVENT_READ, running)

    def _stop_all(self) -> None:
        for role in STOP_ORDER:
            group = [running for running in self._all if running.child.role == role and running.is_alive]
            for running in group:
                _signal(running, signal.SIGTERM)
            asked_at = time.monotonic()
            while alive := [running for running in group if running.is_alive]:
                for running in alive:
                    if time.monotonic() - asked_at > running.child.stop_seconds:
                        self._say(f"{running.child.name} did not stop in time and was ended")
                        _signal(running, signal.SIGKILL)
                self._read(0.1)
        for running in self._all:
            self._drain(running)

    # ------------------------------------------------------------ output

    def _read(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                key.fileobj.recv(4096)  # type: ignore[union-attr]  # the signal's number: the wake-up is what counts
            else:
                self._forward(key.data, os.read(key.fd, 65536), key.fileobj)

    def _forward(self, running: _Running, data: bytes, pipe: object) -> None:
        if not data:
            self._selector.unregister(pipe)  # type: ignore[arg-type]
            pipe.close()  # type: ignore[attr-defined]
            data, running.rest = running.rest, b""
            lines = [data] if data else []
        else:
            *lines, running.rest = (running.rest + data).split(b"\n")
        log = self._logs.get(running.child.name)
        for line in lines:
            if log is not None:
                log.write(line + b"\n")
            else:
                self._line(running.child.name, line.decode(errors="replace"))
        if log is not None and lines:
            log.flush()

    def _drain(self, running: _Running) -> None:
        """Take the last words of a dead child; a grandchild that holds the pipe open is not waited for."""
        pipe = running.process.stdout if running.process else None
        while pipe is not None and not pipe.closed:
            try:
                data = os.read(pipe.fileno(), 65536)
            except BlockingIOError:
                data = b""
            self._forward(running, data, pipe)

    def _say(self, text: str) -> None:
        self._line("paydesk", text)

    def _line(self, name: str, text: str) -> None:
        try:
            print(f"{name:<{max(self._width, 7)}} | {text}", file=self._output, flush=True)
        except (BrokenPipeError, OSError):
            self._stopping = True  # nobody listens any more (the terminal is gone): stop in order


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"stopped with code {code}"
    return f"was ended by {signal.Signals(-code).name}"


def _signal(running: _Running, number: signal.Signals) -> None:
    """SIGTERM to the process, which knows its own children; SIGKILL to its whole group."""
    if running.process is None:
        return
    try:
        if number == signal.SIGKILL:
            os.killpg(running.process.pid, number)
        else:
            running.process.send_signal(number)
    except ProcessLookupError:
        pass
